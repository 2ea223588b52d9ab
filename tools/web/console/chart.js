// Charts of one or two lines, and bars of shares: a few lines of SVG need no library.
import { h } from "./dom.js";

const NS = "http://www.w3.org/2000/svg";

function s(name, attributes, ...children) {
	const element = document.createElementNS(NS, name);
	for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
	element.append(...children);
	return element;
}

// A path through [x, y], broken where y is null.
function path(points) {
	let open = false;
	return points.map(([x, y]) => {
		if (y === null) { open = false; return ""; }
		const command = open ? "L" : "M";
		open = true;
		return `${command}${x.toFixed(1)},${y.toFixed(1)}`;
	}).join(" ");
}

// lines: [{ values: [number | null], kind: "accent" | "bad" }], all of one length; label: what it shows, for who cannot see it.
export function lines(list, { label, marks = [] }) {
	const width = 600, height = 110;
	const top = Math.max(1, ...list.flatMap((l) => l.values.filter((v) => v !== null)));
	const svg = s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
	for (const { values, kind } of list) {
		const step = width / Math.max(1, values.length - 1);
		svg.append(s("path", { class: `line ${kind}`, d: path(values.map((v, i) => [i * step, v === null ? null : height - 4 - (v / top) * (height - 12)])), "vector-effect": "non-scaling-stroke" }));
	}
	return h("div", null, h("div.scale.faint", null, `${top.toLocaleString("en", { maximumFractionDigits: 1 })}`), svg,
		h("div.marks.faint", null, marks.map((mark) => h("span", null, mark))));
}

// parts: [[kind, n, name]]
export function bar(parts, label) {
	const whole = parts.reduce((sum, [, n]) => sum + n, 0);
	return h("div.bar", { role: "img", "aria-label": label ?? parts.map(([, n, name]) => `${n} ${name}`).join(", "), title: label },
		parts.map(([kind, n]) => n > 0 && h(`i.b-${kind}`, { width: `${Math.max(kind === "none" ? 0 : 1.5, (100 * n) / Math.max(1, whole))}%` })));
}
