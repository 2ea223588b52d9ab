// Who asked and is not in the inventory.
import { call, may } from "../api.js";
import { tellCounts } from "../app.js";
import { fill, h, problem, refill, table, waiting } from "../dom.js";
import { calmly, follow } from "../follow.js";
import { number, time } from "../format.js";

export default async function unknown({ main, signal }) {
	const body = h("div.panel.flush", null, waiting());
	const load = async () => {
		try {
			const { unknown: list } = await call("/unknown", { query: { limit: 1000 }, signal });
			tellCounts({ unknown: list.length });
			refill(body, table([
				{ title: "Endpoint name or identity", cell: (u) => h("span.mono.wrap", null, u.endpoint || u.identity) },
				{ title: "Security", hide: true, cell: (u) => u.security },
				{ title: "DTLS identity", hide: true, cell: (u) => h("span.mono.wrap", null, u.identity) },
				{ title: "Address", cell: (u) => h("span.mono", null, u.address) },
				{ title: "First", hide: true, cell: (u) => h("span.nowrap", null, time(u.first_ms)) },
				{ title: "Last", cell: (u) => h("span.nowrap", null, time(u.last_ms)) },
				{ title: "Times", right: true, cell: (u) => number(u.count) },
				{ title: h("span.unseen", null, "Actions"), cell: (u) => may("security") && h("a", { href: `#/adopt/${encodeURIComponent(u.endpoint || u.identity)}?identity=${encodeURIComponent(u.identity ?? "")}&security=${u.security}` }, "Adopt") },
			], list.sort((a, b) => b.last_ms - a.last_ms), { empty: "Nobody unknown has asked.", caption: "Unknown devices" }));
		} catch (error) {
			if (error.name === "AbortError") throw error;
			fill(body, problem(error));
		}
	};
	const soon = calmly(1000, signal, () => load().catch(() => {}));
	fill(main, h("header.page", null, h("h1", null, "Unknown devices"), h("span.crumb", null, "who asked and is not in the inventory")), body);
	await follow("outsiders", { signal, refresh: load, every: 5000, on: { unknown: soon } });
}
