// What a device would be sent, and which servers it would connect to: read out of the preview's steps.
import { h, table } from "../dom.js";

// "PUT /0/2 11542 74 bytes\n    /0/2/0 LWM2M Server URI = coaps://...\n"
export function readSteps(steps) {
	return steps.map((text) => {
		const [head, ...lines] = text.split("\n").filter(Boolean);
		const [, operation, size] = /^(\S+ \S*)\s*(?:\d+ )?(\d+ bytes)?/.exec(head) ?? [null, head, ""];
		return { operation, size: size ?? "", rows: lines.map((line) => {
			const [, path, name, value] = /^\s*(\/[\d/]+)\s+(.*?)\s=\s?(.*)$/.exec(line) ?? [null, "", line.trim(), ""];
			return { path, name, value };
		}) };
	});
}

export function stepsTable(steps) {
	const rows = readSteps(steps).flatMap((step) => step.rows.length
		? step.rows.map((row, i) => ({ operation: i ? "" : step.operation, ...row })) : [{ operation: step.operation, path: "", name: "", value: "" }]);
	return table([
		{ title: "Operation", cell: (r) => h("span.mono.nowrap", null, r.operation) },
		{ title: "Resource", cell: (r) => h("span", { title: r.path }, r.name) },
		{ title: "Value", cell: (r) => h("span.mono.wrap", { class: /^\(\d+ bytes\)$/.test(r.value) ? "faint" : "" }, /^\(\d+ bytes\)$/.test(r.value) ? `not shown, ${r.value.slice(1, -1)}` : r.value) },
	], rows, { empty: "Nothing would be sent: a request is refused.", caption: "What would be sent" });
}

const modes = { 0: "pre-shared key", 1: "raw public key", 2: "certificate", 3: "none", 4: "certificate with EST" };

// The accounts that the steps leave: [{ ssid, uri, security, identity, binding, lifetime }]
export function servers(steps) {
	const at = new Map();
	for (const step of readSteps(steps)) for (const { path, value } of step.rows) {
		const [, object, instance, resource] = /^\/(\d+)\/(\d+)\/(\d+)/.exec(path) ?? [];
		if (object !== "0" && object !== "1") continue;
		const key = `${object}/${instance}`;
		at.set(key, { ...at.get(key), object, [resource]: value });
	}
	const all = [...at.values()];
	return all.filter((a) => a.object === "0").map((a) => {
		const own = all.find((b) => b.object === "1" && b[0] === a[10]) ?? {};
		return { ssid: a[10], uri: a[0], security: modes[a[2]] ?? a[2], bootstrap: a[1] === "true", identity: /"(.*)"/.exec(a[3] ?? "")?.[1] ?? a[3], binding: own[7], lifetime: own[1] };
	});
}
