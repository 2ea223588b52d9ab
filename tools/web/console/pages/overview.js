// Is all well? The verdicts first, then what happens, then where it fails.
import { call } from "../api.js";
import { tellCounts } from "../app.js";
import { bar, lines } from "../chart.js";
import { fill, h, panel, problem, refill, table, tag, waiting } from "../dom.js";
import { follow } from "../follow.js";
import { clock, duration, number, percent, quantile, span, time } from "../format.js";

const FULL = 0.8; // of sessions: from here on it is worth a word

function sum(counters, prefix) {
	return Object.entries(counters).reduce((n, [name, value]) => n + (name.startsWith(prefix) ? value : 0), 0);
}

// The last hour in totals.
function hour(points) {
	const known = points.filter((p) => p.finished !== null);
	return {
		finished: known.reduce((n, p) => n + p.finished, 0),
		failed: known.reduce((n, p) => n + p.failed, 0),
		seconds: known.length * 10,
		peak: Math.max(0, ...known.map((p) => p.finished / 10)),
	};
}

// Of the last hour the console knows as much as it was there.
function period(seen) {
	if (!seen.seconds) return "since the console began";
	return seen.seconds >= 3590 ? "in the last hour" : `in the last ${span(seen.seconds)}`;
}

function certificates(status) {
	const now = Date.now() / 1000;
	return Object.values(status.certificates ?? {}).filter((one) => one.ends_s && one.ends_s - now < 30 * 86400).map((one) => ({ name: one.subject, left: one.ends_s - now }));
}

function verdicts({ up, why, status, counters, history }) {
	if (!up) return [["bad", "The appliance does not answer", why]];
	const list = [];
	const seen = hour(history.points);
	const capacity = status.workers.reduce((n, w) => n + w.capacity, 0);
	const running = status.workers.reduce((n, w) => n + w.running, 0);
	if (status.state !== "running") list.push(["warn", `The appliance is ${status.state}`, "new devices are told to come back later"]);
	if (!status.policy.healthy) list.push(["bad", "The files on disk cannot be made live", `since ${time(status.policy.failing_since_ms)}: ${status.policy.error}`]);
	if (!status.store.healthy) list.push(["bad", "The store is in trouble", `what happens now is lost at a restart: ${status.store.error}`]);
	const cluster = status.cluster;
	if (cluster?.state === "database away") list.push(["bad", "The cluster's database is away", `since ${time(cluster.since_ms)}: devices bootstrap on, edits are refused: ${cluster.error}`]);
	if (cluster?.policy_trouble) list.push(["bad", "The cluster's policy is not live here", cluster.policy_trouble]);
	if (status.store.lost) list.push(["warn", `${number(status.store.lost)} reports were lost`, "since the start, because the store was in trouble"]);
	if (seen.failed > 0.05 * (seen.finished + seen.failed) && seen.failed >= 3) list.push(["warn", `${percent(seen.failed, seen.finished + seen.failed)} of bootstraps fail`, `${number(seen.failed)} ${period(seen)}: see the causes below`]);
	if (running > FULL * capacity) list.push(["warn", "Sessions are nearly used up", `${number(running)} of ${number(capacity)}`]);
	for (const port of status.ports) if (!port.link_up) list.push(["bad", `Port ${port.device} has no link`, ""]);
	for (const own of certificates(status)) list.push([own.left < 0 ? "bad" : "warn", `Certificate “${own.name}” ${own.left < 0 ? "has expired" : `expires in ${span(own.left)}`}`, "devices check it"]);
	if (!list.some(([kind]) => kind === "bad")) {
		const words = seen.finished + seen.failed
			? `${percent(seen.finished, seen.finished + seen.failed)} of ${number(seen.finished + seen.failed)} bootstraps ${period(seen)} succeeded`
			: `no device has bootstrapped ${period(seen)}`;
		if (!list.length) list.push(["", "All is well", `${words}; nothing was lost.`]);
	}
	return list;
}

function verdict([kind, title, detail]) {
	const signs = { "": "●", warn: "▲", bad: "■" };
	return h("div.verdict", { class: kind }, h("span.sign", { "aria-hidden": "true" }, signs[kind]), h("strong", null, title), h("span", null, detail));
}

function stat(key, value, small) {
	return h("div.panel.stat", null, h("div.k", null, key), h("div.v", null, value), h("div.s", null, small));
}

function stats({ status, counters, phases, history }) {
	const seen = hour(history.points);
	const all = counters.counters ?? counters;
	const last = history.points.findLast((p) => p.finished !== null);
	const capacity = status.workers.reduce((n, w) => n + w.capacity, 0);
	const running = status.workers.reduce((n, w) => n + w.running, 0);
	return h("div.grid.g4", null,
		stat("Bootstraps", `${number(last ? last.finished / 10 : 0)} /s`, `peak ${number(seen.peak)} /s ${period(seen)} · ${number(sum(all, "bs_finished"))} since the start`),
		stat("Failed", percent(seen.failed, seen.finished + seen.failed), `${number(seen.failed)} of ${number(seen.finished + seen.failed)} ${period(seen)}`),
		stat("Duration, median", duration(quantile(phases.total, 0.5)), `99 %: ${duration(quantile(phases.total, 0.99))} · from request to finish`),
		stat("Sessions", number(running), `${percent(running, capacity)} of ${number(capacity)}`));
}

function causes(counters) {
	const names = {
		bs_failed_reply: "error reply of the device", bs_failed_timeout: "no answer", bs_failed_silent: "acknowledged, never answered",
		bs_failed_unconfirmed: "no answer to Finish", bs_failed_reset: "Reset of the device", bs_failed_closed: "its association was closed",
		bs_failed_no_batch: "the control side compiled nothing in time", bs_refused_unknown: "unknown endpoint name",
		bs_refused_identity: "another's endpoint name", bs_refused_no_batch: "nothing due, or nothing compiled", bs_refused_busy: "the appliance was full",
		bs_refused_query: "malformed request", bs_refused_format: "content format not supported", dtls_unknown_identity: "unknown DTLS identity",
		dtls_rx_bad_tag: "records that are not authentic",
	};
	const rows = Object.entries(counters).filter(([name, n]) => n && (/^bs_(failed|refused)_/.test(name) || names[name])).sort((a, b) => b[1] - a[1]).slice(0, 8);
	return table([
		{ title: "Cause", cell: ([name]) => names[name] ?? name },
		{ title: "Since the start", right: true, cell: ([, n]) => number(n) },
		{ title: "Counter", hide: true, cell: ([name]) => h("span.mono.dim", null, name) },
	], rows, { empty: "Nothing has failed since the start.", caption: "Failures by cause" });
}

function workers(status) {
	return table([
		{ title: "Worker", cell: (w) => w.worker },
		{ title: "CPU", cell: (w) => w.cpu },
		{ title: "Busy", cell: (w) => h("div.busy", null, bar([["r", w.busy_percent, "busy"], ["none", 100 - w.busy_percent, "idle"]], `${number(w.busy_percent)} % busy`), h("span.dim", null, `${number(w.busy_percent)} %`)) },
		{ title: "Sessions", right: true, cell: (w) => number(w.running) },
		{ title: "Longest turn", right: true, hide: true, cell: (w) => duration(w.longest_turn_us) },
	], status.workers, { caption: "Workers" });
}

function facts(status) {
	const rows = [
		["Policy", [status.policy.healthy ? tag("healthy", "ok") : tag("failing", "badt"), ` generation ${status.generation}, live since ${time(status.live_since_ms)}`]],
		["Store", [status.store.healthy ? tag("healthy", "ok") : tag("in trouble", "badt"), ` ${number(status.store.queued)} reports wait, ${number(status.store.lag_ms)} ms behind`]],
		["Ports", status.ports.map((p) => [tag(p.link_up ? "up" : "down", p.link_up ? "ok" : "badt"), ` ${p.device} `])],
		["Listeners", status.listeners.map((l) => `${l.port} ${l.security}`).join(", ")],
		["Devices", `${number(status.devices)}, ${number(status.devices_refused)} of them with nothing to get`],
	];
	return h("table", null, h("tbody", null, rows.map(([key, value]) => h("tr", null, h("th", { scope: "row" }, key), h("td", null, value)))));
}

function chart(history) {
	const rate = (key) => history.points.map((p) => p[key] === null || p[key] === undefined ? null : p[key] / 10);
	const first = history.points[0]?.t ?? history.now;
	return panel("Bootstraps and failures a second",
		lines([{ values: rate("finished"), kind: "accent" }, { values: rate("failed"), kind: "bad" }],
			{ label: "Bootstraps and failures a second over the last hour", marks: [clock(first), clock((first + history.now) / 2), clock(history.now)] }),
		h("p.small.dim.keys", null, h("i.key.accent"), " bootstraps ", h("i.key.bad"), " failures"));
}

export default async function overview({ main, signal }) {
	const body = h("div", null, waiting());
	const crumb = h("span.crumb");
	fill(main, h("header.page", null, h("h1", null, "Overview"), crumb), body);
	let all = null;
	const shown = () => {
		if (!all.up) {
			fill(body, verdicts(all).map(verdict));
			return;
		}
		const { status } = all;
		tellCounts({ devices: status.devices, unknown: status.unknown, rejected: status.rejected, groups: status.groups });
		fill(crumb, `version ${status.version}, running ${span(status.uptime_s)}`);
		refill(body, verdicts(all).map(verdict), stats(all),
			h("div.grid.g2", null, chart(all.history), panel("Failures by cause", causes(all.counters.counters ?? all.counters))),
			h("div.grid.g2", null, panel("Workers", workers(status)), panel("The appliance", facts(status))));
	};
	const load = async () => {
		try {
			all = await call("/overview", { signal });
			shown();
		} catch (error) {
			if (error.name === "AbortError") throw error;
			fill(body, problem(error));
		}
	};
	// Samples of one moment come one after the other; the counters are the last.
	const keep = (name, last) => (event) => {
		if (!all?.up) return;
		all[name] = event;
		if (last) shown();
	};
	await follow("overview", { signal, refresh: load, every: 2000, on: {
		status: keep("status"), phases: keep("phases"), counters: keep("counters", true),
		history: (point) => {
			if (!all?.up) return;
			all.history.points = all.history.points.slice(-360).concat(point);
			all.history.now = point.t;
		} } });
}
