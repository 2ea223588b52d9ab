// What several pages show alike.
import { h, tag } from "../dom.js";
import { bar } from "../chart.js";
import { duration, number, time } from "../format.js";

export const link = (parts, text, kind = "a") => h(kind, { href: `#/${parts.map(encodeURIComponent).join("/")}` }, text ?? parts.at(-1));

const statuses = { Success: "ok", Warning: "warnt", Error: "badt", InProgress: "runt", NotStarted: "off", Registered: "ok", none: "off" };
const names = { InProgress: "In progress", NotStarted: "Not started", none: "Never run" };

export const statusTag = (status) => tag(names[status] ?? status, statuses[status] ?? "off");

const signs = { repeat: ["↻", "in every session"], once: ["→", "once"], repeat_without_report: ["∞", "in every session, no report kept"] };

export function repetition(task) {
	const [sign, text] = signs[task.repetition] ?? ["?", task.repetition];
	return h("span", { title: text, role: "img", "aria-label": text }, sign);
}

export const repetitionKey = Object.values(signs).map(([sign, text]) => `${sign} ${text}`).join("   ");

// Counts by status, as a bar and in figures.
export function counts(reports) {
	const parts = [["ok", reports.success, "success"], ["warn", reports.warning, "warning"], ["bad", reports.error, "error"], ["run", reports.in_progress, "in progress"]];
	if (!parts.some(([, n]) => n)) return h("span.faint", null, "no reports");
	return h("div", null, bar(parts), h("span.faint.small", null, parts.map(([, n]) => number(n)).join(" · ")));
}

export const reportColumns = (withTask = true) => [
	{ title: "Started", cell: (r) => h("span.dim", null, time(r.started_ms).split(" ").map((part) => [h("span.nowrap", null, part), " "])) },
	{ title: "Device", cell: (r) => h("span.wrap", null, link(["devices", r.device])) },
	withTask && { title: "Task", cell: (r) => h("span.wrap", null, link(["tasks", r.task], r.name)) },
	{ title: "Status", cell: (r) => [link(["reports", r.task, r.device], statusTag(r.status)), h("div.only-s.small.dim.wrap", null, r.summary)] },
	{ title: "Took", hide: true, cell: (r) => h("span.nowrap", null, r.duration_ms ? duration(r.duration_ms * 1000) : "–") },
	{ title: "Summary", hide: true, cell: (r) => h("span.wrap", null, r.summary) },
].filter(Boolean);

export function tabs(list, current) {
	return h("div.tabs", { role: "navigation", "aria-label": "Parts of this page" }, list.map(([parts, text]) =>
		h("a", { href: `#/${parts.map(encodeURIComponent).join("/")}`, "aria-current": text === current ? "page" : null }, text)));
}

// Lines of the audit: who changed what.
function changes(line) {
	const text = (what, json) => json && h("div", null, h("span.dim", null, what), h("pre.small.wrap", null, JSON.stringify(json, null, 2)));
	return (line.before || line.after) && h("details", null, h("summary", null, "what changed"), text("before", line.before), text("after", line.after));
}

export const auditColumns = () => [
	{ title: "Time", cell: (l) => h("span.dim", null, h("span.nowrap", null, l.time.slice(0, 10)), " ", h("span.nowrap", null, l.time.slice(11, 19))) },
	{ title: "Who", cell: (l) => l.by.actor ?? (l.by.uid === undefined ? "a signal" : `uid ${l.by.uid}`) },
	{ title: "Command", cell: (l) => h("span.mono.wrap", null, l.command.join(" ")) },
	{ title: "Outcome", hide: true, cell: (l) => l.outcome === "done" ? "done" : tag("refused", "warnt") },
	{ title: h("span.unseen", null, "Changes"), cell: changes },
];
