// Numbers and times as people read them.

export const number = (n) => (n ?? 0).toLocaleString("en", { maximumFractionDigits: n < 10 ? 1 : 0 });

// Three figures at most; what would round to 1000 ms is a second.
export function duration(us) {
	if (us === null || us === undefined) return "–";
	if (us < 1000) return `${Math.round(us)} µs`;
	if (us < 999500) return `${(us / 1e3).toPrecision(us < 1e4 ? 2 : 3)} ms`;
	if (us < 60e6) return `${(us / 1e6).toPrecision(us < 10e6 ? 2 : 3)} s`;
	return span(us / 1e6);
}

// Seconds in the two largest units.
export function span(s) {
	const units = [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]];
	const first = units.findIndex(([, size]) => s >= size);
	if (first < 0) return "0 s";
	const [name, size] = units[first];
	const n = Math.floor(s / size);
	const text = name === "day" ? `${n} day${n === 1 ? "" : "s"}` : `${n} ${name}`;
	const rest = units[first + 1] && Math.floor((s % size) / units[first + 1][1]);
	return rest && n < 10 ? `${text} ${rest} ${units[first + 1][0]}` : text;
}

export function time(ms) {
	if (!ms) return "never";
	const then = new Date(ms);
	const today = new Date().toDateString() === then.toDateString();
	return today ? then.toLocaleTimeString("en-GB") : `${then.toLocaleDateString("sv")} ${then.toLocaleTimeString("en-GB")}`;
}

export const clock = (s) => new Date(s * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

export function percent(part, whole) {
	if (!whole) return "–";
	const share = (100 * part) / whole;
	return `${share === 0 || share === 100 ? share : share.toFixed(share > 99.9 || share < 0.1 ? 3 : share > 99 || share < 1 ? 2 : 1)} %`;
}

// The value below which `share` of a histogram's samples lie: buckets are [upper bound in us, how many].
export function quantile(histogram, share) {
	if (!histogram?.count) return null;
	let seen = 0;
	for (const [bound, n] of histogram.buckets) {
		seen += n;
		if (seen >= share * histogram.count) return bound;
	}
	return histogram.buckets.at(-1)?.[0] ?? null;
}
