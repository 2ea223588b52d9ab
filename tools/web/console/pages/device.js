// One device: why it is sent what it is, its values, reports, and its dialogue while it runs.
import { call, may, seg } from "../api.js";
import { ask, field, fill, h, note, panel, problem, table, tag, waiting } from "../dom.js";
import { calmly, follow } from "../follow.js";
import { number, time } from "../format.js";
import { servers, stepsTable } from "./preview.js";
import { link, reportColumns, statusTag, tabs } from "./shared.js";

// --- Bootstrap ---

function whySteps(why) {
	const rows = [];
	if (why.security) rows.push(["key", why.security.key_bytes ? `a key of ${why.security.key_bytes} bytes` : "no key", why.security.key_bytes || why.security.nosec_listener ? "ok" : "warnt"]);
	if (why.groups) rows.push(["groups", why.groups.map((g) => g.name ?? g).join(", ") || "root", "ok"]);
	for (const task of why.tasks ?? []) rows.push(["task", [link(["tasks", task.id], task.name), ` ${task.sentence}`], task.reason === "now" || /now|ready|sent/.test(task.reason) ? "ok" : "off", task.reason]);
	if (why.rejected) rows.push(["rejected", `${why.rejected.reason} from ${why.rejected.address}, ${number(why.rejected.count)} times, last ${time(why.rejected.last_ms)}`, "badt"]);
	if (why.last_refusal) rows.push(["last run", `${why.last_refusal.task}: ${why.last_refusal.summary}`, why.last_refusal.status === "Error" ? "badt" : "warnt"]);
	return h("ul.steps", null, rows.map(([when, text, kind, word]) => h("li", null, h("span.when", null, when), h("span.wrap", null, text), tag(word ?? { ok: "fine", off: "not now", warnt: "look", badt: "here" }[kind], kind))));
}

async function bootstrapTab(name, body, signal, device) {
	const get = (path) => call(`/devices/${seg(name)}${path}`, { signal }).catch((error) => { if (error.name === "AbortError") throw error; return { error }; });
	const [why, preview] = await Promise.all([get("/why"), get("/preview")]);
	const accounts = preview.steps ? servers(preview.steps).filter((a) => !a.bootstrap) : [];
	fill(body, h("div.grid.g2", null,
		panel("Why it is sent what it is", why.error ? problem(why.error) : [h("p", null, why.answer ?? why.verdict), whySteps(why)]),
		panel("This device will connect to", accounts.length ? accounts.map((a) => h("table", null, h("tbody", null,
			[["Server", [a.uri ? h("span.mono.wrap", null, a.uri) : "?", " ", tag(`SSID ${a.ssid}`)]], ["Security", [a.security, a.identity ? `, identity ${a.identity}` : ""]], ["Binding", a.binding ? `${a.binding}, lifetime ${number(Number(a.lifetime))} s` : "not written"]]
				.map(([k, v]) => h("tr", null, h("th", { scope: "row" }, k), h("td", null, v)))))) : h("p.empty", null, "No task writes it a server."))),
		panel("Tasks", table([
			{ title: "Task", cell: (t) => link(["tasks", t.id], t.name) },
			{ title: "Next", cell: (t) => t.next }, { title: "Last", cell: (t) => t.status === "none" ? statusTag("none") : link(["reports", t.id, name], statusTag(t.status)) },
			{ title: "Steps", right: true, hide: true, cell: (t) => t.steps }, { title: "Summary", hide: true, cell: (t) => h("span.wrap", null, t.summary) },
		], device.tasks ?? [], { empty: "No task applies to it.", caption: "Tasks of this device" })),
		panel("What it would be sent now", preview.error ? problem(preview.error) : [
			(preview.tasks ?? []).filter((t) => t.state !== "would be sent").map((t) => h("p.small", null, tag(t.state, "warnt"), ` ${t.name}: ${t.summary}`)),
			stepsTable(preview.steps ?? [])]));
}

// --- Setting values ---

async function valuesTab(name, body, signal) {
	const load = async () => {
		const { values } = await call(`/devices/${seg(name)}/profile`, { signal });
		const key = h("input", { required: true }), value = h("input", { autocomplete: "off" }), secret = h("input", { type: "checkbox" }), wrong = h("div");
		const remove = async (v) => {
			if (!await ask(`Take ${v.name} from ${name}? Its groups' counts again.`, { yes: "Remove", danger: true })) return;
			try { await call(`/devices/${seg(name)}/values/${seg(v.name)}`, { method: "DELETE" }); load(); } catch (error) { note(error.message, true); }
		};
		fill(body, h("div.panel.flush", null, table([
			{ title: "Name", cell: (v) => [h("span.mono", null, v.name), h("span.only-s", null, v.locked && [" ", tag("locked", "warnt")], v.secret && [" ", tag("secret", "runt")])] },
			{ title: "Value", cell: (v) => h("span.mono.wrap", null, v.secret ? h("span.faint", null, "not shown") : v.value) },
			{ title: "Origin", cell: (v) => h("span.wrap", null, v.origin === "device" ? "this device" : link(["groups", v.origin, "values"], v.origin)) },
			{ title: "Locked", hide: true, cell: (v) => v.locked && tag("locked", "warnt") }, { title: "Secret", hide: true, cell: (v) => v.secret && tag("secret", "runt") },
			{ title: h("span.unseen", null, "Actions"), cell: (v) => may("operator") && v.origin === "device" && h("button.quiet", { onclick: () => remove(v) }, "Remove") },
		], values, { empty: "Nobody sets a value for this device.", caption: "Setting values" })),
			may("operator") && h("form.panel", { onsubmit: async (event) => {
				event.preventDefault();
				try { await call(`/devices/${seg(name)}/values/${seg(key.value.trim())}`, { method: "PUT", body: { text: value.value, secret: secret.checked } }); load(); } catch (error) { fill(wrong, problem(error)); }
			} }, h("h2", null, "Set a value"), h("div.grid.g2", null, field("Name", key), field("Value", value)), h("label.c", null, secret, "Secret: masked wherever it is shown"), wrong, h("button.primary", null, "Set value")));
	};
	await load();
}

// --- Reports ---

async function reportsTab(name, body, signal) {
	const { reports } = await call("/reports", { query: { device: name, limit: 200 }, signal });
	fill(body, h("div.panel.flush", null, table(reportColumns(), [...reports].sort((a, b) => b.started_ms - a.started_ms), { empty: "It has not run a task yet.", caption: "Reports" })));
}

// --- Dialogue ---

const KEPT = 5000; // lines; older ones go

async function dialogueTab(name, body, signal) {
	const said = h("p.dim", { role: "status" }, "The dialogue is not followed."), list = h("ul.steps");
	const filter = h("input", { type: "search", placeholder: "Filter, a regular expression", "aria-label": "Filter, a regular expression" });
	const lines = [];
	let following = null, first = null; // what is followed can be aborted
	const shown = () => {
		let pattern = null;
		try { pattern = filter.value ? new RegExp(filter.value, "i") : null; } catch { /* not whole yet */ }
		fill(list, lines.filter((l) => !pattern || pattern.test(l.text)).slice(-500).map((l) => h("li", null, h("span.when", null, l.when), h("span.mono.wrap", null, l.text), null)));
	};
	const soon = calmly(200, signal, shown);
	const take = (m) => {
		first ??= m.t_us;
		lines.push({ when: `+${((m.t_us - first) / 1e6).toFixed(3)} s`, text: m.line });
		if (m.missed) lines.push({ when: "", text: `… ${number(m.missed)} messages were missed here` });
		lines.splice(0, lines.length - KEPT);
		fill(said, `${number(lines.length)} messages`);
		soon();
	};
	const stop = (why) => {
		following?.abort();
		following = null;
		button.textContent = "Follow live";
		fill(said, why);
	};
	const begin = () => {
		const mine = following = new AbortController();
		signal.addEventListener("abort", () => mine.abort(), { signal: mine.signal });
		button.textContent = "Stop";
		fill(said, "Beginning …");
		follow("dialogue", { query: { device: name }, signal: mine.signal, refresh: async () => {}, on: {
			up: () => fill(said, lines.length ? `Followed; ${number(lines.length)} messages so far.` : "Followed; it has not sent anything yet."),
			message: take,
			down: ({ why }) => fill(said, `Not followed at the moment: ${why}.`),
			refused: ({ why }) => stop(why),
		}, lost: () => fill(said, "Not followed at the moment: the console's server does not tell, and is asked again.") });
	};
	const button = h("button.primary", { onclick: () => following ? stop("No longer followed.") : begin() }, "Follow live");
	filter.addEventListener("input", shown);
	fill(body, !may("security") ? h("p.empty", null, "The role security follows dialogues.") : [h("div.filters", null, button, filter,
		h("button", { onclick: (event) => { const a = h("a", { href: URL.createObjectURL(new Blob([lines.map((l) => `${l.when} ${l.text}`).join("\n")], { type: "text/plain" })), download: `${name}.txt` }); a.click(); event.preventDefault(); } }, "Download"), said), h("section.panel", { "aria-label": "Messages", tabindex: "0" }, list)]);
}

// --- the page ---

const parts = { bootstrap: "Bootstrap", values: "Setting values", reports: "Reports", dialogue: "Dialogue" };

export default async function device({ main, names, signal }) {
	const name = names.endpoint, tab = names.tab ?? "bootstrap";
	const one = await call(`/devices/${seg(name)}`, { signal });
	const body = h("div", null, waiting());
	const failed = (one.tasks ?? []).some((t) => t.status === "Error");
	const rerun = async () => {
		try {
			for (const task of one.tasks) if (task.status !== "none") await call(`/tasks/${seg(task.id)}/rerun`, { method: "POST", body: { device: name } });
			note("Its tasks run again at its next request.");
		} catch (error) { note(error.message, true); }
	};
	const remove = async () => {
		if (!await ask(`Remove ${name} from the inventory, with its key and reports?`, { yes: "Remove", danger: true })) return;
		try { await call(`/devices/${seg(name)}`, { method: "DELETE" }); location.hash = "#/devices"; } catch (error) { note(error.message, true); }
	};
	fill(main, h("header.page", null, h("h1", null, name), failed && tag("last bootstrap failed", "badt"), one.bootstrapping && tag("bootstrapping", "runt"),
		h("span.crumb", null, link(["devices"], "Devices"), " · ", one.groups.map((g, i) => [i ? ", " : "", link(["groups", g], g)]), ` · ${one.identity === name ? "identity as endpoint name" : `identity ${one.identity}`} · last seen ${time(one.last_bootstrap_ms)}`),
		h("span.grow"), may("operator") && h("button", { onclick: rerun }, "Rerun"), may("security") && h("button", { onclick: remove }, "Remove")),
		tabs(Object.entries(parts).map(([key, text]) => [["devices", name, key], text]), parts[tab]), body);
	if (!parts[tab]) throw new Error("There is no such page.");
	if (tab === "bootstrap") await bootstrapTab(name, body, signal, one);
	else await { values: valuesTab, reports: reportsTab, dialogue: dialogueTab }[tab](name, body, signal);
}
