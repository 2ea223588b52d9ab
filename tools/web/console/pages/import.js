// Devices from a file: verified first, then imported as a whole.
import { job } from "../api.js";
import { fill, h, note, problem, table } from "../dom.js";
import { number } from "../format.js";

export default async function importDevices({ main, signal }) {
	const file = h("input", { type: "file", accept: ".csv,.jsonl,text/csv,application/json", required: true });
	const skip = h("input", { type: "checkbox" });
	const verify = h("button.primary", { type: "submit" }, "Verify only"), run = h("button", { type: "button", disabled: true }, "Import");
	const said = h("p", { role: "status" }), body = h("div.below");
	const start = async (verifyOnly) => {
		const [chosen] = file.files;
		if (!chosen) return;
		verify.disabled = run.disabled = true;
		fill(body);
		try {
			fill(said, "Reading the file …");
			const result = await job("/imports", { method: "POST", signal, body: { content: await chosen.text(), file: chosen.name, "verify-only": verifyOnly, "skip-bad": skip.checked } },
				(line) => fill(said, line || "Sending …"));
			show(result, verifyOnly);
			run.disabled = !verifyOnly;
		} catch (error) {
			if (error.name === "AbortError") return;
			fill(said, "Nothing was changed.");
			const diagnostics = error.diagnostics ?? error.result?.diagnostics ?? [];
			fill(body, diagnostics.length ? diagnosticTable(diagnostics) : problem(error));
		}
		verify.disabled = false;
	};
	const show = (result, verifyOnly) => {
		fill(said, `${number(result.rows)} rows: ${number(result.added)} new, ${number(result.changed)} changed, ${number(result.unchanged)} unchanged, ${number(result.bad)} bad. ${verifyOnly ? "Nothing was changed yet." : "Imported."}`);
		if (!verifyOnly) note("The devices are live.");
		fill(body, result.diagnostics?.length ? diagnosticTable(result.diagnostics) : null);
	};
	run.addEventListener("click", () => start(false));
	file.addEventListener("change", () => { run.disabled = true; fill(said); fill(body); });
	fill(main, h("header.page", null, h("h1", null, "Import devices"), h("span.crumb", null, h("a", { href: "#/devices" }, "Devices"))),
		h("form.panel.narrow", { onsubmit: (event) => { event.preventDefault(); start(true); } },
			h("label.f", null, h("span", null, "File, CSV or JSON lines"), file, h("small.dim", null, "columns: endpoint, identity, key or key_hex, groups, and setting values")),
			h("label.c", null, skip, "Import the good rows even if others are bad"), h("p.buttons", null, verify, " ", run), said), body);
}

function diagnosticTable(list) {
	return h("div.panel.flush", null, table([
		{ title: "Line", right: true, cell: (d) => d.line || "" },
		{ title: "Level", cell: (d) => d.level },
		{ title: "What is wrong", cell: (d) => h("span.wrap", null, d.text) },
	], list.slice(0, 500), { caption: "What is wrong with the file" }), list.length > 500 && h("p.dim", null, `and ${number(list.length - 500)} more`));
}
