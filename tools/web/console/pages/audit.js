// Who changed what, when, for whom, and what it was before: the newest first.
import { call, may } from "../api.js";
import { fill, h, note, problem, select, table, waiting } from "../dom.js";
import { number } from "../format.js";
import { auditColumns } from "./shared.js";

export default async function audit({ main, query, signal }) {
	const match = h("input", { type: "search", placeholder: "a person, or a word", "aria-label": "A person, or a word of the command", value: query.get("match") ?? "" });
	const limit = select([["100", "the last 100"], ["1000", "the last 1,000"]], "100", { "aria-label": "How many" });
	const body = h("div.panel.flush", null, waiting()), said = h("span.crumb", { role: "status" });
	const load = async () => {
		try {
			const { lines } = await call("/audit", { signal, query: { limit: limit.value, match: match.value.trim() } });
			fill(said, `${number(lines.length)} changes`);
			fill(body, table(auditColumns(), [...lines].reverse(), { empty: "Nobody has changed anything of that.", caption: "Changes" }));
		} catch (error) {
			if (error.name !== "AbortError") fill(body, problem(error));
		}
	};
	const verify = async () => {
		try {
			const { lines, good } = await call("/audit/verdict", { signal });
			note(good ? `The chain is whole: ${number(lines)} lines follow each other.` : "The chain is broken.", !good);
		} catch (error) { if (error.name !== "AbortError") note(`The chain is broken: ${error.message}`, true); }
	};
	limit.addEventListener("change", load);
	fill(main, h("header.page", null, h("h1", null, "Audit"), said, h("span.grow"), may("security") && h("button", { onclick: verify }, "Check the chain")),
		h("form.filters", { onsubmit: (event) => { event.preventDefault(); load(); } }, match, limit, h("button", null, "Show")), body);
	await load();
}
