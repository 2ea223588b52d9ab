// What became of tasks on devices, the newest first.
import { call } from "../api.js";
import { fill, h, problem, refill, select, table, waiting } from "../dom.js";
import { calmly, follow } from "../follow.js";
import { reportColumns } from "./shared.js";

const SHOWN = 200;

export default async function reports({ main, query, signal }) {
	const status = select([["", "any status"], ["Error", "failed"], ["Warning", "with a warning"], ["Success", "succeeded"], ["InProgress", "in progress"]], query.get("status") ?? "", { "aria-label": "Status" });
	const since = select([["1h", "last hour"], ["1d", "last day"], ["7d", "last week"], ["", "all"]], query.get("since") ?? "1d", { "aria-label": "Since" });
	const device = h("input", { type: "search", placeholder: "any device", "aria-label": "Endpoint name", value: query.get("device") ?? "" });
	const body = h("div.panel.flush", null, waiting());
	const said = h("span.crumb", { role: "status" });
	let rows = [];
	const shown = () => refill(body, table(reportColumns(), rows, { empty: "There is no such report.", caption: "Reports" }));
	const load = async () => {
		try {
			const answer = await call("/reports", { signal, query: { status: status.value, since: since.value, device: device.value.trim(), limit: SHOWN, cursor: undefined } });
			rows = [...answer.reports].sort((a, b) => b.started_ms - a.started_ms);
			fill(said, answer.next ? `some of them: the first ${SHOWN} that the appliance has` : null);
			shown();
		} catch (error) { if (error.name !== "AbortError") fill(body, problem(error)); }
	};
	// A report takes the place of the one before of that task on that device.
	const take = (report) => {
		if ((status.value && report.status !== status.value) || (device.value.trim() && report.device !== device.value.trim())) return;
		rows = [report, ...rows.filter((r) => r.device !== report.device || r.task !== report.task)].slice(0, SHOWN);
		if (report.missed) fill(said, "more come than can be shown: these are some of the newest");
		soon();
	};
	const soon = calmly(500, signal, shown);
	for (const one of [status, since]) one.addEventListener("change", load);
	fill(main, h("header.page", null, h("h1", null, "Reports"), said),
		h("form.filters", { onsubmit: (event) => { event.preventDefault(); load(); } }, status, since, device, h("button", null, "Show")), body);
	await follow("reports", { signal, refresh: load, every: 5000, on: { report: take } });
}
