// What a change would do to every device, before anybody gets it.
import { call, job } from "../api.js";
import { ask, fill, h, note, problem, waiting } from "../dom.js";
import { number } from "../format.js";

// A change is { path, body, ... }: the options of call(), and `runs: true` where the API answers with a job. null: nothing
// would be changed. `tell` gets lines of progress.
export async function send({ path, runs, ...options }, tell = () => {}) {
	return runs ? job(path, options, tell) : call(path, options);
}

const devices = (n) => `${number(n)} device${n === 1 ? "" : "s"}`;

// The same request as a question. What has no body says so in its query.
function asked(change) {
	return change.method === "DELETE" ? { ...change, query: { ...change.query, plan: true } } : { ...change, body: { ...change.body, plan: true } };
}

// A plan's answer: how many, why not, what is dangerous, and samples before and after.
function planned(plan) {
	if (plan.devices === undefined) return nothing();
	const lines = [`${devices(plan.changed)} would be sent something else, ${number(plan.failing)} would fail.`,
		...(plan.causes ?? []).map((c) => `${devices(c.devices)}: task ${c.name}: ${c.cause}`),
		...(plan.dangers ?? []).map((d) => `${devices(d.devices)} ${d.sentence}.`)];
	return h("div", { role: "status" }, lines.map((line) => h("p", null, line)),
		(plan.samples ?? []).map((s) => h("div", null, h("p.mono", null, s.endpoint), h("pre", { tabindex: "0", "aria-label": `Writes of ${s.endpoint}` }, s.lines.join("\n")))));
}

export const nothing = () => h("p.dim", { role: "status" }, "Nothing would be changed.");

// What the change would do, into `place`.
export async function plan(change, place, signal) {
	if (!change) { fill(place, nothing()); return; }
	fill(place, waiting());
	try {
		fill(place, planned(await send({ ...asked(change), signal }, (line) => fill(place, h("p.wait", { role: "status" }, line)))));
	} catch (error) {
		if (error.name === "AbortError") return;
		fill(place, error.result?.devices === undefined ? problem(error) : planned(error.result)); // some devices would fail
	}
}

// The button beside a form's Save: `change()` is what saving would send. An answer goes when the form says something else.
export function planButton(change, place, signal) {
	return h("button", { type: "button", onclick: (event) => {
		const { form } = event.currentTarget;
		if (!form.reportValidity()) return;
		form.addEventListener("input", () => fill(place), { once: true });
		plan(change(), place, signal);
	} }, "What would change?");
}

// A question with what "yes" would do to every device below it.
export async function askPlanned(question, change, options) {
	const place = h("div"), looking = new AbortController();
	plan(change, place, looking.signal);
	const answer = await ask(question, { ...options, about: place });
	looking.abort();
	return answer;
}

// After "yes": what is sent, and whether it was done. Why not is a note.
export async function sendAsked(question, change, options) {
	if (!await askPlanned(question, change, options)) return false;
	return send(change).then(() => true, (error) => { note(error.message, true); return false; });
}
