// Who showed a wrong key or another's name, and has not got in since.
import { call } from "../api.js";
import { fill, h, table } from "../dom.js";
import { number, time } from "../format.js";
import { link } from "./shared.js";

export default async function rejected({ main, signal }) {
	const { rejected: list } = await call("/rejected", { query: { limit: 1000 }, signal });
	fill(main, h("header.page", null, h("h1", null, "Rejected devices"), h("span.crumb", null, "a wrong key or another's name, and not got in since")),
		h("div.panel.flush", null, table([
			{ title: "Device", cell: (r) => r.device ?? r.endpoint ? link(["devices", r.device ?? r.endpoint]) : "" },
			{ title: "Reason", cell: (r) => r.reason },
			{ title: "Address", cell: (r) => h("span.mono", null, r.address) },
			{ title: "First", hide: true, cell: (r) => h("span.nowrap", null, time(r.first_ms)) },
			{ title: "Last", cell: (r) => h("span.nowrap", null, time(r.last_ms)) },
			{ title: "Times", right: true, cell: (r) => number(r.count) },
		], list.sort((a, b) => b.last_ms - a.last_ms), { empty: "Nobody was rejected.", caption: "Rejected devices" })));
}
