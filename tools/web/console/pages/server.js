// One LwM2M server: added, or changed.
import { call, may, seg } from "../api.js";
import { field, fill, h, note, problem, select } from "../dom.js";
import { nothing, planButton, send, sendAsked } from "./plan.js";

const fields = [
	["name", "Name", "for serverName in tasks"], ["uri", "URI", "coaps://lwm2m.example.org; scheme and port come from the security mode where left out"],
	["ssid", "Short Server ID", "1 to 65534"], ["binding", "Binding", "of U, T, S, N, Q"], ["lifetime", "Lifetime, seconds", ""],
	["identity", "PSK identity", "a template; ${sv.managementId} without it"], ["psk", "PSK", "a template; ${string.secureRandom(24)} without it. What is there is not shown in the clear; left as it is, it stays"],
];

export default async function server({ main, names, signal }) {
	const old = names.server ? await call(`/servers/${seg(names.server)}`, { signal }) : null;
	const own = old?.server ?? old ?? {};
	const id = h("input", { required: true, value: own.id ?? "", disabled: Boolean(old) });
	const type = select([["management", "management"], ["bootstrap", "bootstrap"]], own.type ?? "management");
	const security = select([["psk", "pre-shared key"], ["nosec", "none"], ["certificate", "certificate"], ["rpk", "raw public key"]], own.security ?? "psk");
	const inputs = Object.fromEntries(fields.map(([key]) => [key, h("input", { value: own[key] ?? "", autocomplete: "off" })]));
	const wrong = h("div");
	const change = () => {
		const body = { type: type.value, security: security.value };
		for (const [key] of fields) if (inputs[key].value !== String(own[key] ?? "")) body[key] = inputs[key].value;
		if (old) for (const key of ["type", "security"]) if (body[key] === own[key]) delete body[key];
		if (!old) return { path: "/servers", method: "POST", body: { id: id.value.trim(), ...body } };
		return Object.keys(body).length ? { path: `/servers/${seg(own.id)}`, method: "PATCH", etag: old.etag, body } : null;
	};
	const save = async (event) => {
		event.preventDefault();
		try {
			const asked = change();
			if (!asked) { fill(wrong, nothing()); return; }
			await send(asked);
			note(`Server ${id.value.trim()} saved.`);
			location.hash = "#/servers";
		} catch (error) { fill(wrong, problem(error)); }
	};
	const remove = async () => {
		const gone = { path: `/servers/${seg(own.id)}`, method: "DELETE", etag: old.etag };
		if (await sendAsked(`Delete server ${own.id}?`, gone, { yes: "Delete", danger: true })) location.hash = "#/servers";
	};
	const writable = may("security");
	fill(main, h("header.page", null, h("h1", null, old ? own.id : "Add server"), h("span.crumb", null, h("a", { href: "#/servers" }, "LwM2M servers"))),
		h("form.panel.narrow", { onsubmit: save }, h("fieldset", { disabled: !writable }, h("legend.unseen", null, "Server"),
			field("ID", id), field("Type", type), field("Security mode", security), fields.map(([key, label, help]) => field(label, inputs[key], help))),
			wrong, writable ? h("p", null, planButton(change, wrong, signal), " ", h("button.primary", null, old ? "Save" : "Add server"), " ", old && h("button", { type: "button", onclick: remove }, "Delete"))
				: h("p.dim", null, "The role security changes servers: they hold keys.")));
}
