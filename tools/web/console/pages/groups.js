// The tree of device groups.
import { call, may } from "../api.js";
import { field, fill, h, note, problem, table } from "../dom.js";
import { link } from "./shared.js";

function addForm(signal) {
	const name = h("input", { required: true, placeholder: "root.meters.water" });
	const description = h("input");
	const wrong = h("div");
	return h("details.panel", null, h("summary", null, "Add group"), h("form", { onsubmit: async (event) => {
		event.preventDefault();
		try {
			await call("/groups", { method: "POST", body: { name: name.value.trim(), description: description.value || undefined }, signal });
			note(`Group ${name.value.trim()} added.`);
			location.hash = `#/groups/${encodeURIComponent(name.value.trim())}`;
		} catch (error) { fill(wrong, problem(error)); }
	} }, field("Name, with the groups above it", name), field("Description", description), wrong, h("button.primary", null, "Add group")));
}

export default async function groups({ main, signal }) {
	const { groups: list } = await call("/groups", { query: { limit: 10000 }, signal });
	list.sort((a, b) => a.name < b.name ? -1 : 1);
	fill(main, h("header.page", null, h("h1", null, "Device groups"), h("span.crumb", null, `${list.length} groups`)),
		h("div.panel.flush", null, table([
			{ title: "Group", cell: (g) => h("span", { class: `depth d${Math.min(8, g.name.split(".").length - 1)}` }, link(["groups", g.name], g.name.split(".").at(-1))) },
			{ title: "Description", hide: true, cell: (g) => g.description },
			{ title: "Setting values", right: true, cell: (g) => g.values },
			{ title: "Tasks", right: true, cell: (g) => g.tasks },
			{ title: "Priority", right: true, hide: true, cell: (g) => g.priority },
		], list, { caption: "Device groups" })), may("operator") && addForm(signal));
}
