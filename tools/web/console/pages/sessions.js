// Devices that bootstrap now.
import { call } from "../api.js";
import { fill, h, problem, refill, table, waiting } from "../dom.js";
import { tellCounts } from "../app.js";
import { calmly, follow } from "../follow.js";
import { number } from "../format.js";
import { link } from "./shared.js";

export default async function sessions({ main, signal }) {
	const body = h("div.panel.flush", null, waiting()), said = h("span.crumb", { role: "status" });
	fill(main, h("header.page", null, h("h1", null, "Sessions"), said), body);
	const load = async () => {
		try {
			const answer = await call("/sessions", { signal });
			tellCounts({ sessions: answer.sessions.length });
			fill(said, answer.next ? `the first ${number(answer.sessions.length)}` : `${number(answer.sessions.length)} now`);
			refill(body, table([
				{ title: "Device", cell: (s) => link(["devices", s.endpoint, "dialogue"], s.endpoint) },
				{ title: "Address", cell: (s) => h("span.mono", null, s.peer) },
				{ title: "For", right: true, cell: (s) => `${s.seconds.toFixed(1)} s` },
				{ title: "Worker", right: true, hide: true, cell: (s) => s.worker },
				{ title: "Generation", right: true, hide: true, cell: (s) => s.generation },
				{ title: "Format", right: true, hide: true, cell: (s) => s.format },
			], answer.sessions, { empty: "No device bootstraps now.", caption: "Sessions" }));
		} catch (error) {
			if (error.name === "AbortError") throw error;
			fill(body, problem(error));
		}
	};
	const soon = calmly(500, signal, () => load().catch(() => {}));
	await follow("sessions", { signal, refresh: load, every: 2000, on: { session: soon } });
}
