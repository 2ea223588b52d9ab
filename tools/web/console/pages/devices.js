// The inventory: searched and shown a page at a time, however large it is.
import { call, may } from "../api.js";
import { fill, h, problem, select, table, tag, waiting } from "../dom.js";
import { number, time } from "../format.js";

const states = { ready: ["ready", "ok"], "nothing to send": ["nothing to send", "warnt"], bootstrapping: ["bootstrapping", "runt"], returning: ["returns too often", "warnt"] };

export function stateTag(state) {
	const [text, kind] = states[state] ?? [state, "off"];
	return tag(text, kind);
}

export const deviceColumns = [
	{ title: "Endpoint name", cell: (d) => h("a", { href: `#/devices/${encodeURIComponent(d.endpoint)}` }, d.endpoint) },
	{ title: "State", cell: (d) => stateTag(d.state) },
	{ title: "Groups", hide: true, cell: (d) => d.groups.join(", ") },
	{ title: "DTLS identity", hide: true, cell: (d) => d.identity === d.endpoint ? h("span.faint", null, "the same") : h("span.mono", null, d.identity) },
	{ title: "Key", hide: true, cell: (d) => d.has_key ? "yes" : h("span.faint", null, "none") },
	{ title: "Last bootstrap", cell: (d) => h("span.nowrap", null, time(d.last_bootstrap_ms)) },
];

export default async function devices({ main, query, signal }) {
	const match = h("input", { type: "search", placeholder: "meter-*", "aria-label": "Endpoint name, * for any letters", value: query.get("match") ?? "" });
	const group = h("input", { placeholder: "any group", "aria-label": "Group, with those below", value: query.get("group") ?? "" });
	const state = select([["", "any state"], ["ready", "ready"], ["nothing", "nothing to send"], ["bootstrapping", "bootstrapping"], ["returning", "returns too often"]], query.get("state") ?? "", { "aria-label": "State" });
	const body = h("div.panel.flush", null, waiting()), said = h("span.dim", { role: "status" }), more = h("p");
	let rows = [], next = null, round = 0;

	const shown = () => {
		fill(body, table(deviceColumns, rows, { empty: "No device matches.", caption: "Devices" }));
		fill(said, `${number(rows.length)} shown`);
		fill(more, next ? h("button", { onclick: () => load(next) }, "Show more") : null);
	};
	const load = async (cursor) => {
		const mine = ++round;
		fill(said, "Searching …");
		try {
			const glob = match.value.trim();
			const answer = await call("/devices", { signal, query: { match: glob && !/[*?[]/.test(glob) ? `*${glob}*` : glob, group: group.value.trim(), state: state.value, cursor } });
			if (mine !== round) return;
			rows = cursor ? rows.concat(answer.devices) : answer.devices;
			next = answer.next;
			shown();
		} catch (error) {
			if (error.name !== "AbortError") fill(body, problem(error));
		}
	};
	const search = () => load("");
	fill(main, h("header.page", null, h("h1", null, "Devices"), said, h("span.grow"),
		may("security") && h("a.btn", { href: "#/import" }, "Import"), may("security") && h("a.btn.primary", { href: "#/add-device" }, "Add device")),
		h("form.filters", { onsubmit: (event) => { event.preventDefault(); search(); } }, match, group, state, h("button", null, "Search")), body, more);
	state.addEventListener("change", search);
	await load("");
}
