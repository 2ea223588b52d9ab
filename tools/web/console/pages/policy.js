// Versions of the policy: who changed it, when and why; what has changed since one of them, and that one again.
import { call, may, seg } from "../api.js";
import { ask, fill, h, note, panel, problem, table, waiting } from "../dom.js";
import { number, time } from "../format.js";
import { plan, send } from "./plan.js";
import { link } from "./shared.js";

const title = (text) => h("header.page", null, h("h1", null, "Policy"), h("span.crumb", null, text));

async function list(main, signal) {
	const { versions } = await call("/policy/versions", { query: { limit: 1000 }, signal });
	fill(main, title("versions, the newest first"), h("div.panel.flush", null, table([
		{ title: "Version", right: true, cell: (v) => may("security") ? link(["policy", String(v.version)]) : number(v.version) },
		{ title: "When", cell: (v) => h("span.nowrap", null, time(v.at_ms)) },
		{ title: "Who", cell: (v) => v.who },
		{ title: "Command", cell: (v) => h("span.mono.wrap", null, v.command) },
		{ title: "Why", cell: (v) => h("span.wrap", null, v.message) },
	], versions.reverse(), { empty: "No version is kept: there is no store.", caption: "Versions of the policy" })));
}

async function one(main, version, signal) {
	const { from, to, files } = await call(`/policy/diff/${seg(version)}`, { signal });
	const outcome = h("div", null);
	const change = { path: `/policy/versions/${seg(version)}/revert`, method: "POST", body: {}, runs: true };
	const revert = async () => {
		if (!await ask(`Make the policy as it was in version ${version} live again?`, { yes: "Revert", danger: true })) return;
		fill(outcome, waiting());
		try {
			await send({ ...change, signal }, (line) => fill(outcome, h("p.wait", { role: "status" }, line)));
		} catch (error) {
			if (error.name !== "AbortError") fill(outcome, problem(error));
			return;
		}
		note(`The policy is as it was in version ${version}.`);
		location.hash = "#/policy";
	};
	fill(main, title(`what has changed from version ${from} to ${to}`),
		files.length ? files.map((f) => panel(`${f.file}: ${f.change}`, h("pre", { tabindex: "0", "aria-label": f.file }, f.lines))) : h("p.empty", null, "Nothing."),
		files.length > 0 && panel(`Version ${version} again`, h("p", null, h("button", { onclick: () => plan(change, outcome, signal) }, "What would that do?"), " ",
			h("button.danger", { onclick: revert }, `Revert to version ${version}`)), outcome));
}

export default async function policy({ main, names, signal }) {
	await (names.version ? one(main, names.version, signal) : list(main, signal));
}
