// One group: its tasks, setting values, subgroups and devices.
import { call, may, seg } from "../api.js";
import { ask, field, fill, h, note, problem, refill, select, table, tag, waiting } from "../dom.js";
import { calmly, follow } from "../follow.js";
import { number } from "../format.js";
import { deviceColumns } from "./devices.js";
import { askPlanned, planButton, send, sendAsked } from "./plan.js";
import { auditColumns, counts, link, repetition, repetitionKey, reportColumns, tabs } from "./shared.js";

const above = (name) => name.split(".").map((_, i, parts) => parts.slice(0, i + 1).join(".")); // with the group itself

// --- Group tasks ---

async function act(task, what, done) {
	const path = `/tasks/${seg(task.id)}`;
	const actions = {
		pause: () => call(`${path}/pause`, { method: "POST" }),
		resume: () => call(`${path}/resume`, { method: "POST" }),
		rerun: async () => await ask(`Let every device that has run “${task.name}” run it again?`, { yes: "Rerun" }) && call(`${path}/rerun`, { method: "POST" }),
		failed: async () => await ask(`Let the ${number(task.reports.error + task.reports.warning)} devices that “${task.name}” did not succeed on run it again?`, { yes: "Rerun failed" }) && call(`${path}/rerun-failed`, { method: "POST" }),
		copy: async () => {
			const group = prompt("Which group's task shall the copy be?", task.group);
			return group && call(`${path}/copy`, { method: "POST", body: { group } });
		},
		remove: async () => {
			const gone = { path, method: "DELETE", etag: (await call(path)).etag };
			return await askPlanned(`Delete task “${task.name}” (${task.id})? Its file stays.`, gone, { yes: "Delete", danger: true }) && send(gone);
		},
	};
	try {
		const answer = await actions[what]();
		if (!answer) return;
		note(answer.done ?? answer.message ?? `${answer.devices === undefined ? "Done." : `${number(answer.devices)} devices run it again at their next request.`}`);
		done();
	} catch (error) { note(error.message, true); }
}

function rowActions(task, own, done) {
	if (!may("operator") || !own) return own ? null : h("span.faint", null, "inherited");
	const button = (what, text) => h("button.quiet", { onclick: () => act(task, what, done) }, text);
	return h("span.nowrap", null, h("span.hide-s", null, link(["tasks", task.id], "Edit"), " "),
		h("details.menu", null, h("summary", { "aria-label": `More for ${task.name}` }, "⋯"),
			h("div.sheet", null, button(task.active ? "pause" : "resume", task.active ? "Pause" : "Activate"), button("copy", "Copy"), button("rerun", "Rerun"),
				task.reports.error + task.reports.warning > 0 && button("failed", "Rerun failed"), button("remove", "Delete"))));
}

function tasksTable(list, group, done) {
	return table([
		{ title: h("span.unseen", null, "Active"), cell: (t) => h("span", { class: t.active ? "on" : "faint", role: "img", "aria-label": t.active ? "active" : "paused", title: t.active ? "active" : "paused" }, t.active ? "●" : "‖") },
		{ title: "ID", hide: true, cell: (t) => h("span.mono.nowrap", null, t.id) },
		{ title: "Name", class: "name", cell: (t) => [link(["tasks", t.id], t.name), t.active ? null : [" ", tag("paused")]] },
		{ title: "↻", help: "repetition", hide: true, cell: repetition },
		{ title: "Priority", right: true, hide: true, cell: (t) => t.priority },
		{ title: "Devices", right: true, hide: true, cell: (t) => number(t.devices) },
		{ title: [h("span.hide-s", null, "Success · warning · error · in progress"), h("span.only-s", null, "By status")], cell: (t) => h("a.plain", { href: `#/groups/${encodeURIComponent(group)}/tasks?reports=${encodeURIComponent(t.id)}` }, counts(t.reports)) },
		{ title: "Bloodline", hide: true, cell: (t) => t.bloodline ?? "" },
		{ title: "Created", hide: true, cell: (t) => h("span.dim.nowrap", null, t.created.slice(0, 10)) },
		{ title: "Comment", hide: true, cell: (t) => h("span.dim", null, t.comment) },
		{ title: h("span.unseen", null, "Actions"), cell: (t) => rowActions(t, t.group === group, done) },
	], list, { empty: "No task. “Add task” makes the first.", caption: "Group tasks" });
}

function reportsPanel(task, signal) {
	const body = h("div"), more = h("p");
	const status = select([["Error", "failed"], ["Warning", "with a warning"], ["Success", "succeeded"], ["InProgress", "in progress"], ["", "all"]], task.reports.error ? "Error" : "", { "aria-label": "Status" });
	let rows = [];
	const load = async (cursor) => {
		const answer = await call(`/tasks/${seg(task.id)}/reports`, { query: { status: status.value, limit: 50, cursor }, signal });
		rows = cursor ? rows.concat(answer.reports) : answer.reports;
		fill(body, table(reportColumns(false), rows, { empty: "No device has such a report.", caption: `Reports of ${task.name}` }));
		fill(more, answer.next && h("button", { onclick: () => load(answer.next) }, "Show more"));
	};
	status.addEventListener("change", () => load().catch((error) => fill(body, problem(error))));
	load().catch((error) => error.name !== "AbortError" && fill(body, problem(error)));
	return h("section.panel", { id: "reports" }, h("header.page", null, h("h2", null, `${task.name}: reports per device`), status,
		h("span.grow"), may("operator") && task.reports.error + task.reports.warning > 0 && h("button", { onclick: () => act(task, "failed", () => {}) }, `Rerun failed (${number(task.reports.error + task.reports.warning)})`)), body, more);
}

async function tasksTab(group, query, body, signal) {
	const filter = h("input", { type: "search", placeholder: "Filter tasks", "aria-label": "Filter tasks" });
	const inherited = h("input", { type: "checkbox", checked: true });
	const list = h("div.panel.flush"), reports = h("div");
	let all = [];
	const shown = () => {
		const word = filter.value.toLowerCase();
		const ancestors = above(group);
		refill(list, tasksTable(all.filter((t) => (t.group === group || (inherited.checked && t.subgroups && ancestors.includes(t.group)))
			&& `${t.name} ${t.id} ${t.comment}`.toLowerCase().includes(word)), group, load));
	};
	const look = async () => {
		({ tasks: all } = await call("/tasks", { signal }));
		shown();
	};
	const load = async () => {
		await look();
		const chosen = all.find((t) => t.id === query.get("reports"));
		fill(reports, chosen && reportsPanel(chosen, signal));
	};
	filter.addEventListener("input", shown);
	inherited.addEventListener("change", shown);
	fill(body, h("div.filters", null, may("operator") && h("a.btn.primary", { href: `#/add-task/${encodeURIComponent(group)}` }, "Add task"),
		h("button", { onclick: load }, "Recalculate device count"), h("span.grow"), filter, h("label.dim.c", null, inherited, " inherited")),
		list, h("p.faint.small.hide-s", null, repetitionKey), reports);
	await load();
	// What becomes of the tasks on devices shows by itself.
	const soon = calmly(2000, signal, () => look().catch(() => {}));
	follow("reports", { signal, refresh: async () => {}, every: 30000, on: { report: soon, up: soon } });
}

// --- Setting values ---

function valueForm(group, etag, signal, done) {
	const name = h("input", { required: true }), value = h("input", { autocomplete: "off" });
	const secret = h("input", { type: "checkbox" }), locked = h("input", { type: "checkbox" });
	const wrong = h("div");
	const change = () => ({ path: `/groups/${seg(group)}/values/${seg(name.value.trim())}`, method: "PUT", etag,
		body: { value: value.value, secret: secret.checked, locked: locked.checked } });
	return h("form.panel", { onsubmit: async (event) => {
		event.preventDefault();
		try {
			await send(change());
			note(`${name.value.trim()} is set.`);
			done();
		} catch (error) { fill(wrong, problem(error)); }
	} }, h("h2", null, "Set a value"), h("div.grid.g2", null, field("Name", name), field("Value", value)),
		h("label.c", null, secret, "Secret: masked wherever it is shown"), h("label.c", null, locked, "Locked: wins over the groups below"), wrong,
		h("p", null, planButton(change, wrong, signal), " ", h("button.primary", null, "Set value")));
}

async function valuesTab(group, query, body, signal) {
	const load = async () => {
		const chain = await Promise.all(above(group).map((name) => call(`/groups/${seg(name)}`, { signal })));
		const found = new Map();
		for (const one of chain) for (const value of one.values) {
			const before = found.get(value.name);
			if (!before?.locked) found.set(value.name, { ...value, origin: one.name });
		}
		const own = chain.at(-1);
		const remove = async (value) => {
			const gone = { path: `/groups/${seg(group)}/values/${seg(value.name)}`, method: "DELETE", etag: own.etag };
			if (await sendAsked(`Take ${value.name} out of ${group}?`, gone, { yes: "Remove", danger: true })) await load();
		};
		fill(body, h("div.panel.flush", null, table([
			{ title: "Name", cell: (v) => [h("span.mono", null, v.name), h("span.only-s", null, v.locked && [" ", tag("locked", "warnt")], v.secret && [" ", tag("secret", "runt")])] },
			{ title: "Value", cell: (v) => h("span.mono.wrap", null, v.secret ? h("span.faint", null, "not shown") : v.value) },
			{ title: "Origin", cell: (v) => h("span.wrap", null, v.origin === group ? "this group" : link(["groups", v.origin, "values"], v.origin)) },
			{ title: "Locked", hide: true, cell: (v) => v.locked ? tag("locked", "warnt") : "" },
			{ title: "Secret", hide: true, cell: (v) => v.secret ? tag("secret", "runt") : "" },
			{ title: h("span.unseen", null, "Actions"), cell: (v) => may("operator") && v.origin === group && h("button.quiet", { onclick: () => remove(v) }, "Remove") },
		], [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1), { empty: "Neither this group nor those above set a value.", caption: "Setting values" })),
			may("operator") && valueForm(group, own.etag, signal, load));
	};
	await load();
}

// --- Subgroups, devices ---

async function subgroupsTab(group, query, body, signal) {
	const { groups } = await call("/groups", { query: { limit: 10000 }, signal });
	fill(body, h("div.panel.flush", null, table([
		{ title: "Group", cell: (g) => link(["groups", g.name]) }, { title: "Description", hide: true, cell: (g) => g.description },
		{ title: "Setting values", right: true, cell: (g) => g.values }, { title: "Tasks", right: true, cell: (g) => g.tasks },
	], groups.filter((g) => g.name.startsWith(`${group}.`)), { empty: "No group is below this one.", caption: "Subgroups" })));
}

async function devicesTab(group, query, body, signal) {
	const { devices, next } = await call("/devices", { query: { group, limit: 100 }, signal });
	fill(body, h("div.panel.flush", null, table(deviceColumns, devices, { empty: "No device is in this group or below.", caption: "Devices" })),
		next && h("p", null, h("a", { href: `#/devices?group=${encodeURIComponent(group)}` }, "All of them, with search")));
}

// --- Edition log: what was changed by whom, from the audit file ---

const concerns = (group, line) => line.command.some((word) => {
	const value = word.replace(/^--[a-z-]+=/, "");
	return value === group || value.startsWith(`g:${group}:`);
});

async function logTab(group, query, body, signal) {
	if (!may("operator")) throw new Error("Who changed what is shown to operators.");
	const { lines } = await call("/audit", { query: { limit: 1000 }, signal });
	fill(body, h("div.panel.flush", null, table(auditColumns(), lines.filter((line) => concerns(group, line)).reverse(), { empty: "Nobody has changed this group since the audit file began.", caption: "Edition log" })));
}

const parts = { tasks: ["Group tasks", tasksTab], values: ["Setting values", valuesTab], subgroups: ["Subgroups", subgroupsTab], devices: ["Devices", devicesTab], log: ["Edition log", logTab] };

export default async function group({ main, names, query, signal }) {
	const name = names.group, tab = names.tab ?? "tasks";
	const own = await call(`/groups/${seg(name)}`, { signal });
	const body = h("div", null, waiting());
	const remove = async () => {
		if (!await ask(`Delete group ${name}?`, { yes: "Delete", danger: true })) return;
		try { await call(`/groups/${seg(name)}`, { method: "DELETE", etag: own.etag }); location.hash = "#/groups"; } catch (error) { note(error.message, true); }
	};
	fill(main, h("header.page", null, h("h1", null, name), h("span.crumb", null, link(["groups"], "Device groups"), ` · ${number(own.devices)} devices${own.description ? ` · ${own.description}` : ""}`),
		h("span.grow"), may("operator") && name !== "root" && h("button", { onclick: remove }, "Delete group")),
		tabs(Object.entries(parts).map(([key, [text]]) => [["groups", name, key], text]), parts[tab]?.[0]), body);
	if (!parts[tab]) throw new Error("There is no such page.");
	await parts[tab][1](name, query, body, signal);
}
