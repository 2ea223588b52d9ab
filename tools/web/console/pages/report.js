// One report, with what the task logged.
import { call, seg } from "../api.js";
import { fill, h, panel } from "../dom.js";
import { duration, time } from "../format.js";
import { link, statusTag } from "./shared.js";

export default async function report({ main, names, signal }) {
	const { report: r, log } = await call(`/reports/${seg(names.task)}/${seg(names.endpoint)}`, { signal });
	const text = Array.isArray(log) ? log.map((l) => l.text ?? l.line ?? (typeof l === "string" ? l : JSON.stringify(l))).join("\n") : log ?? "";
	const rows = [["Status", statusTag(r.status)], ["Summary", r.summary], ["Device", link(["devices", r.device])], ["Task", link(["tasks", r.task], `${r.name} (${r.task})`)],
		["Started", time(r.started_ms)], ["Finished", time(r.finished_ms)], ["Took", duration(r.duration_ms * 1000)]];
	fill(main, h("header.page", null, h("h1", null, `${r.name} on ${r.device}`)),
		h("div.panel", null, h("table", null, h("tbody", null, rows.map(([k, v]) => h("tr", null, h("th", { scope: "row" }, k), h("td.wrap", null, v)))))),
		panel("Log", text ? h("pre", { tabindex: "0" }, text) : h("p.empty", null, "This task keeps no log, or logged nothing."),
			text && h("p", null, h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })), download: `${r.device}.log` }, "Download"))));
}
