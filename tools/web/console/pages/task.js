// Add task, or change one: Task settings, and Task specific configuration beside what a device would get.
import { call, may, seg } from "../api.js";
import { editor } from "../editor.js";
import { field, fill, h, note, panel, problem, select, tag } from "../dom.js";
import { nothing, planButton, send } from "./plan.js";
import { stepsTable } from "./preview.js";
import { link } from "./shared.js";

const START = `<config>
  <lwm2mBootstrap performBootstrapFinish="true">
    <write key="LwM2M Security.1.LwM2M Server URI" value="coaps://lwm2m.example.org:5684" />
  </lwm2mBootstrap>
</config>
`;

function settingsForm(task) {
	const check = (checked) => h("input", { type: "checkbox", checked });
	const inputs = {
		name: h("input", { required: true, value: task.name ?? "" }),
		repetition: select([["repeat", "Once and repeat"], ["once", "Once"], ["repeat_without_report", "Once and repeat, no report kept"]], task.repetition ?? "repeat"),
		"automatic-restart": check(task.automatic_restart ?? true), active: check(task.active ?? true), subgroups: check(task.subgroups ?? true),
		priority: h("input", { inputmode: "numeric", pattern: "-?[0-9]+", value: task.priority ?? 10 }),
		condition: h("input", { value: task.condition ?? "" }), "min-interval": h("input", { value: task.min_interval ? `${task.min_interval}s` : "" }),
		schedule: h("input", { value: task.schedule ?? "", placeholder: "Mon-Fri 02:00-05:00" }), bloodline: h("input", { value: task.bloodline ?? "" }),
		"log-level": select(["trace", "debug", "info", "warning", "error"].map((w) => [w, w]), task.log_level ?? "info"),
		"discard-details": check(task.discard_details ?? false), comment: h("input", { value: task.comment ?? "" }),
	};
	const value = (key) => inputs[key].type === "checkbox" ? inputs[key].checked : inputs[key].value;
	const before = Object.fromEntries(Object.keys(inputs).map((key) => [key, value(key)]));
	const element = panel("Task settings", field("Name", inputs.name), field("Execute", inputs.repetition),
		h("label.c", null, inputs["automatic-restart"], "Automatic restart"), h("label.c", null, inputs.active, "Active"), h("label.c", null, inputs.subgroups, "Applies to subgroups"),
		field("Priority (lower runs first)", inputs.priority), field("Comment", inputs.comment),
		h("details", null, h("summary.dim", null, "Condition, interval, schedule, bloodline, log level"),
			field("Execution condition", inputs.condition, "a template; it runs only where this is true"), field("Minimum interval", inputs["min-interval"], "such as 30s, 5m, 1d"),
			field("Schedule", inputs.schedule), field("Bloodline", inputs.bloodline, "of one bloodline a device runs one task"), field("Log level", inputs["log-level"]),
			h("label.c", null, inputs["discard-details"], "Discard execution details")));
	return { element, name: inputs.name,
		changes: () => Object.fromEntries(Object.keys(inputs).filter((key) => value(key) !== before[key]).map((key) => [key, value(key)])) };
}

// What a chosen device would get of the text as it stands.
function previewPanel(first, text, signal) {
	const device = h("input", { value: first ?? "", "aria-label": "Device", size: "18", list: "some-devices" });
	const body = h("div"), said = h("span.faint.small", { role: "status" });
	let running;
	const look = async () => {
		running?.abort();
		const mine = running = new AbortController();
		signal.addEventListener("abort", () => mine.abort());
		if (!device.value) { fill(body, h("p.empty", null, "Name a device of the group.")); return; }
		fill(said, "Compiling …");
		try {
			const answer = await call(`/devices/${seg(device.value)}/preview`, { method: "POST", body: { xml: text() }, signal: mine.signal });
			const lines = (answer.tasks ?? []).filter((t) => t.state !== "would be sent");
			fill(body, lines.map((t) => h("p.small", null, tag(t.state, "warnt"), ` ${t.summary}`)), stepsTable(answer.steps ?? []));
			fill(said, `${answer.steps.length} operations`);
		} catch (error) {
			if (error.name === "AbortError") return;
			fill(said);
			fill(body, error.status === 422 ? h("p.empty", null, "Errors above: nothing would be sent.") : problem(error));
		}
	};
	device.addEventListener("change", look);
	return { look, element: h("section.panel", null, h("header.page.tight", null, h("h2", null, "What"), device, h("h2", null, "would get"), h("span.grow"), said), body) };
}

function diagnosticsList(list, goTo) {
	if (!list) return h("p.dim.small", null, "Checking …");
	return list.map((d) => h("div.diag", { class: d.level === "warning" ? "warning" : "" },
		d.line ? h("button.quiet.mono.nowrap", { type: "button", onclick: () => goTo(d.line, d.column || 1) }, `${d.line}:${d.column || 1}`) : null, h("span.wrap", null, d.text)));
}

export default async function task({ main, names, signal }) {
	const old = names.task ? await call(`/tasks/${seg(names.task)}`, { signal }) : null;
	const group = old?.group ?? names.group;
	let source = null, hidden = null;
	if (old) await call(`/tasks/${seg(old.id)}/source`, { signal }).then((s) => { source = s.xml; }, (error) => { hidden = error; });
	const [words, some] = await Promise.all([call("/task-words", { signal }), call("/devices", { query: { group, limit: 5 }, signal })]);
	const writable = may("operator");
	const form = settingsForm(old ?? {});
	const marks = h("div", { role: "status", "aria-live": "polite" }), said = h("span.dim"), wrong = h("div");
	const save = h("button.primary", { disabled: true }, old ? "Save task" : "Add new task");
	const ask = planButton(() => change(), wrong, signal);
	ask.disabled = true;
	let xml = null, errors = 1, preview = null;
	const tell = (list) => {
		const bad = list?.filter((d) => d.level !== "warning").length;
		fill(marks, diagnosticsList(list, (line, column) => xml?.goTo(line, column)));
		if (!list) return;
		errors = bad;
		save.disabled = ask.disabled = !writable || errors > 0;
		fill(said, errors ? `${errors} error${errors === 1 ? "" : "s"} to mend` : list.length ? `no error, ${list.length} warning${list.length === 1 ? "" : "s"}` : "no error");
		if (preview) preview.look();
	};
	if (!hidden) {
		preview = writable && previewPanel(some.devices[0]?.endpoint, () => xml?.value() ?? source ?? START, signal);
		xml = await editor({ value: source ?? START, words, tell, signal, readOnly: !writable });
	} else {
		save.disabled = ask.disabled = !writable;
	}
	const change = () => {
		const changes = form.changes();
		if (old) {
			if (xml && xml.value() !== source) changes.xml = xml.value();
			return Object.keys(changes).length ? { path: `/tasks/${seg(old.id)}`, method: "PATCH", etag: old.etag, body: changes } : null;
		}
		const file = `${form.name.value.trim().toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "task"}.xml`;
		return { path: "/tasks", method: "POST", body: { name: form.name.value.trim(), ...changes, group, content: xml.value(), as: file } };
	};
	const submit = async (event) => {
		event.preventDefault();
		try {
			const asked = change();
			if (!asked) { fill(wrong, nothing()); return; }
			await send(asked);
			note(old ? "The task is saved and live." : "The task is added: devices run it at their next request.");
			location.hash = `#/groups/${encodeURIComponent(group)}/tasks`;
		} catch (error) {
			fill(wrong, problem(error), error.status === 412 && h("p", null, "Somebody saved it since you opened it. Your text is still here: copy what you need, then ",
				h("a", { href: location.hash, onclick: () => location.reload() }, "open it as it is now"), "."));
		}
	};
	fill(main, h("header.page", null, h("h1", null, old ? old.name : "Add task"), h("span.crumb", null, link(["groups"], "Device groups"), " / ", link(["groups", group, "tasks"], group), old ? ` / ${old.id}` : "")),
		h("form", { onsubmit: submit, novalidate: true }, h("div.grid.side", null, form.element, h("div.main-part", null,
			panel("Task specific configuration", hidden ? problem(hidden) : [xml.element, marks, writable && h("p.small.dim", null, "Ctrl-Space completes tags, attributes, keys and setting names.")]),
			preview && preview.element, wrong, writable ? h("p", null, ask, " ", save, " ", said) : h("p.dim", null, "The role operator changes tasks.")))));
}
