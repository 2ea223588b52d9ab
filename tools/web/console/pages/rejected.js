// Who showed a wrong key or another's name, and has not got in since.
import { call } from "../api.js";
import { tellCounts } from "../app.js";
import { fill, h, problem, refill, table, waiting } from "../dom.js";
import { calmly, follow } from "../follow.js";
import { number, time } from "../format.js";
import { link } from "./shared.js";

export default async function rejected({ main, signal }) {
	const body = h("div.panel.flush", null, waiting());
	const load = async () => {
		try {
			const { rejected: list } = await call("/rejected", { query: { limit: 1000 }, signal });
			tellCounts({ rejected: list.length });
			refill(body, table([
				{ title: "Device", cell: (r) => r.device ?? r.endpoint ? link(["devices", r.device ?? r.endpoint]) : "" },
				{ title: "Reason", cell: (r) => r.reason },
				{ title: "Address", cell: (r) => h("span.mono", null, r.address) },
				{ title: "First", hide: true, cell: (r) => h("span.nowrap", null, time(r.first_ms)) },
				{ title: "Last", cell: (r) => h("span.nowrap", null, time(r.last_ms)) },
				{ title: "Times", right: true, cell: (r) => number(r.count) },
			], list.sort((a, b) => b.last_ms - a.last_ms), { empty: "Nobody was rejected.", caption: "Rejected devices" }));
		} catch (error) {
			if (error.name === "AbortError") throw error;
			fill(body, problem(error));
		}
	};
	const soon = calmly(1000, signal, () => load().catch(() => {}));
	fill(main, h("header.page", null, h("h1", null, "Rejected devices"), h("span.crumb", null, "a wrong key or another's name, and not got in since")), body);
	await follow("outsiders", { signal, refresh: load, every: 5000, on: { rejected: soon } });
}
