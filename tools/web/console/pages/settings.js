// The appliance's settings as they run, and what a reload or a restart would change of them.
import { call, may } from "../api.js";
import { diagnosticLine, fill, h, note, problem, table, tag, waiting } from "../dom.js";
import { askPlanned, send } from "./plan.js";

const takes = { reload: ["by reload", "warnt"], restart: ["by restart", "badt"] };

const columns = [
	// A name breaks behind its dots and underscores before it breaks anywhere.
	{ title: "Setting", cell: (s) => h("span.mono.wrap", { title: s.help }, s.name.split(/(?<=[._\]])/).map((part) => [part, h("wbr")])) },
	{ title: "Runs", cell: (s) => h("span.mono.wrap", null, s.value) },
	{ title: "On disk", cell: (s) => s.on_disk === undefined ? null : [h("span.mono.wrap", null, s.on_disk), " ", tag(...takes[s.takes])] },
	{ title: "Changes", hide: true, cell: (s) => h("span.dim", null, s.live ? "by reload" : "by restart") },
	{ title: "What it is", hide: true, cell: (s) => h("span.dim.wrap", null, s.help ?? "") },
];

// What stands on the disk beside what runs, as a sentence.
function verdict(answer) {
	if (!answer.good) return h("div.verdict.bad", null, h("span.sign", { "aria-hidden": "true" }, "■"), h("strong", null, "The file on disk cannot be made live"), h("span", null, "what runs goes on; mend it before the next restart"));
	if (!answer.by_reload && !answer.by_restart) return h("div.verdict", null, h("span.sign", { "aria-hidden": "true" }, "●"), h("strong", null, "What runs is what stands on the disk"));
	const parts = [answer.by_reload && `a reload would change ${answer.by_reload}`, answer.by_restart && `a restart ${answer.by_reload + answer.by_restart}`].filter(Boolean);
	return h("div.verdict.warn", null, h("span.sign", { "aria-hidden": "true" }, "▲"), h("strong", null, "The file on disk says otherwise"), h("span", null, parts.join(", ")));
}

export default async function settings({ main, signal }) {
	const filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter" });
	const changed = h("input", { type: "checkbox" });
	const top = h("div"), body = h("div.panel.flush", null, waiting()), said = h("span.dim", { role: "status" });
	const crumb = h("span.crumb.mono.small.wrap");
	let answer = null;
	const shown = () => {
		const word = filter.value.toLowerCase();
		fill(body, table(columns, answer.settings.filter((s) => (!changed.checked || s.on_disk !== undefined) && `${s.name} ${s.help ?? ""}`.toLowerCase().includes(word)),
			{ empty: changed.checked ? "None differs." : "No setting matches.", caption: "Settings" }));
	};
	const load = async () => {
		try {
			answer = await call("/settings", { signal });
			fill(crumb, answer.file);
			fill(top, verdict(answer), answer.diagnostics.map((d) => h("div.diag", { class: d.level === "warning" ? "warning" : "" }, h("span.mono.small.wrap", null, diagnosticLine(d)))));
			shown();
		} catch (error) {
			if (error.name !== "AbortError") fill(body, problem(error));
		}
	};
	const reload = async () => {
		const change = { path: "/reload", method: "POST", body: {}, runs: true };
		if (!await askPlanned("Make the files on disk live: settings, groups, tasks and servers?", change, { yes: "Reload" })) return;
		try {
			fill(said, "Reloading …");
			await send(change, (line) => fill(said, line));
			fill(said);
			note("The files on disk are live.");
		} catch (error) { fill(said); fill(top, problem(error)); return; }
		await load();
	};
	fill(main, h("header.page", null, h("h1", null, "Settings"), crumb, h("span.grow"), said, may("operator") && h("button", { onclick: reload }, "Reload")),
		top, h("div.filters", null, filter, h("label.dim.c", null, changed, " only what differs")), body);
	filter.addEventListener("input", shown);
	changed.addEventListener("change", shown);
	await load();
}
