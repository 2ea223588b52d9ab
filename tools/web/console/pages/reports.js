// What became of tasks on devices, the newest first.
import { call } from "../api.js";
import { fill, h, problem, select, table, waiting } from "../dom.js";
import { reportColumns } from "./shared.js";

export default async function reports({ main, query, signal }) {
	const status = select([["", "any status"], ["Error", "failed"], ["Warning", "with a warning"], ["Success", "succeeded"], ["InProgress", "in progress"]], query.get("status") ?? "", { "aria-label": "Status" });
	const since = select([["1h", "last hour"], ["1d", "last day"], ["7d", "last week"], ["", "all"]], query.get("since") ?? "1d", { "aria-label": "Since" });
	const device = h("input", { type: "search", placeholder: "any device", "aria-label": "Endpoint name", value: query.get("device") ?? "" });
	const body = h("div.panel.flush", null, waiting());
	const load = async () => {
		try {
			const answer = await call("/reports", { signal, query: { status: status.value, since: since.value, device: device.value.trim(), limit: 200, cursor: undefined } });
			fill(body, table(reportColumns(), [...answer.reports].sort((a, b) => b.started_ms - a.started_ms), { empty: "There is no such report.", caption: "Reports" }));
		} catch (error) { if (error.name !== "AbortError") fill(body, problem(error)); }
	};
	for (const one of [status, since]) one.addEventListener("change", load);
	fill(main, h("header.page", null, h("h1", null, "Reports")),
		h("form.filters", { onsubmit: (event) => { event.preventDefault(); load(); } }, status, since, device, h("button", null, "Show")), body);
	await load();
}
