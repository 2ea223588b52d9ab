// The LwM2M servers that tasks write.
import { call, may } from "../api.js";
import { fill, h, table } from "../dom.js";
import { number } from "../format.js";
import { link } from "./shared.js";

export default async function servers({ main, signal }) {
	const { servers: list } = await call("/servers", { query: { limit: 10000 }, signal });
	fill(main, h("header.page", null, h("h1", null, "LwM2M servers"), h("span.crumb", null, "written by lwm2mBootstrapConfiguration"), h("span.grow"),
		may("security") && h("a.btn.primary", { href: "#/add-server" }, "Add server")),
		h("div.panel.flush", null, table([
			{ title: "ID", cell: (s) => link(["servers", s.id]) },
			{ title: "Name", hide: true, cell: (s) => s.name },
			{ title: "Type", hide: true, cell: (s) => s.type },
			{ title: "URI", cell: (s) => h("span.mono.wrap", null, s.uri) },
			{ title: "Security", cell: (s) => s.security },
			{ title: "SSID", right: true, hide: true, cell: (s) => s.ssid },
			{ title: "Binding", hide: true, cell: (s) => s.binding ?? "" },
			{ title: "Lifetime", right: true, hide: true, cell: (s) => s.lifetime ? `${number(s.lifetime)} s` : "" },
		], list, { empty: "No server yet.", caption: "LwM2M servers" })));
}
