// A device: added, or made of an unknown one.
import { call, seg } from "../api.js";
import { field, fill, h, note, problem, select } from "../dom.js";

export default async function addDevice({ main, names, query }) {
	const adopted = names.name;
	const endpoint = h("input", { required: true, value: adopted ?? "", disabled: Boolean(adopted) });
	const identity = h("input", { placeholder: "the endpoint name", value: query.get("identity") === adopted ? "" : query.get("identity") ?? "" });
	const kind = select([["key", "key as text"], ["key-hex", "key as hex digits"], ["no-key", "no key: NoSec listeners only"]], query.get("security") === "nosec" ? "no-key" : "key");
	const key = h("input", { type: "password", autocomplete: "new-password" });
	const groups = h("input", { placeholder: "root" });
	const wrong = h("div");
	const save = async (event) => {
		event.preventDefault();
		const body = { groups: groups.value.trim() || undefined };
		if (!adopted) Object.assign(body, { endpoint: endpoint.value.trim(), identity: identity.value.trim() || undefined });
		body[kind.value] = kind.value === "no-key" ? true : key.value;
		try {
			await call(adopted ? `/unknown/${seg(adopted)}/adopt` : "/devices", { method: "POST", body });
			note(`Device ${endpoint.value.trim()} is in the inventory.`);
			location.hash = `#/devices/${encodeURIComponent(endpoint.value.trim())}`;
		} catch (error) { fill(wrong, problem(error)); }
	};
	fill(main, h("header.page", null, h("h1", null, adopted ? `Adopt ${adopted}` : "Add device"), h("span.crumb", null, h("a", { href: adopted ? "#/unknown" : "#/devices" }, adopted ? "Unknown devices" : "Devices"))),
		h("form.panel.narrow", { onsubmit: save }, field("Endpoint name", endpoint), !adopted && field("DTLS identity", identity), field("Credentials", kind), field("Key", key, "it is never shown again"),
			field("Groups", groups, "with commas between; root without any"), wrong, h("p", null, h("button.primary", null, adopted ? "Adopt" : "Add device"))));
}
