// What a change would do to every device, before anybody gets it.
import { h } from "../dom.js";
import { number } from "../format.js";

// A plan's answer: how many, why not, what is dangerous, and samples before and after.
export function planned(plan) {
	const lines = [`${number(plan.changed)} devices would be sent something else, ${number(plan.failing)} would fail.`,
		...(plan.causes ?? []).map((c) => `${number(c.devices)}: task ${c.name}: ${c.cause}`),
		...(plan.dangers ?? []).map((d) => `${number(d.devices)} devices ${d.sentence}.`)];
	return h("div", { role: "status" }, lines.map((line) => h("p", null, line)),
		(plan.samples ?? []).map((s) => h("div", null, h("p.mono", null, s.endpoint), h("pre", { tabindex: "0", "aria-label": `Writes of ${s.endpoint}` }, s.lines.join("\n")))));
}
