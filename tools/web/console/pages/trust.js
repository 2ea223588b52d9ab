// Certificates: ours, the authorities that vouch for devices, what they revoked, whom we deny; and what a device's would get.
import { call } from "../api.js";
import { field, fill, h, panel, problem, table, tag } from "../dom.js";
import { number, span, time } from "../format.js";

const SOON_S = 30 * 86400; // as status warns

function end(row) {
	if (!row.ends_s) return row.subject ? h("span.dim", null, "never") : h("span.faint", null, "not read yet: reload");
	const left = row.ends_s - Date.now() / 1000;
	const day = h("span.nowrap", null, time(row.ends_s * 1000).split(" ")[0]);
	if (left < 0) return [day, " ", tag("ended", "badt")];
	return left < SOON_S ? [day, " ", tag(`in ${span(left)}`, "warnt")] : day;
}

const subject = (row) => h("span.wrap", null, row.subject ?? h("span.faint", null, "–"));

function part(title, rows, columns, empty) {
	return panel(title, table(columns, rows, { empty, caption: title }));
}

const outcomes = (answer) => [
	["Outcome", [tag(answer.served ? "served" : "refused", answer.served ? "ok" : "badt"), ` ${answer.outcome}`]],
	["Endpoint name", answer.endpoint || "–"], ["Subject", answer.subject], ["Issuer", answer.issuer], ["Authority", answer.anchor || "none of ours"],
	["Ends", time(answer.ends_s * 1000)], ["Identity", h("span.mono", null, answer.identity)],
];

function checkForm() {
	const file = h("input", { type: "file", accept: ".pem,.crt,.cer,application/x-pem-file", required: true });
	const body = h("div", { role: "status" });
	return h("form.panel", { onsubmit: async (event) => {
		event.preventDefault();
		try {
			const answer = await call("/trust/check", { method: "POST", body: { content: await file.files[0].text(), file: file.files[0].name } });
			fill(body, h("table", null, h("tbody", null, outcomes(answer).map(([key, value]) => h("tr", null, h("th", { scope: "row" }, key), h("td.wrap", null, value))))));
		} catch (error) { fill(body, problem(error)); }
	} }, h("h2", null, "What would a device with this certificate get?"), field("Its certificate, PEM", file, "the certificate alone: a key is not wanted"), h("p", null, h("button.primary", null, "Check")), body);
}

export default async function trust({ main, signal }) {
	const head = h("header.page", null, h("h1", null, "Trust"), h("span.crumb", null, "certificates of trust.conf; changed on the appliance, by cradlectl trust"));
	let list;
	try {
		({ trust: list } = await call("/trust", { signal }));
	} catch (error) {
		if (error.name === "AbortError") throw error;
		fill(main, head, h("div.panel", null, h("p", null, "No certificate is in use: ", error.message), h("p.dim", null, "Devices with pre-shared keys need none.")));
		return;
	}
	const of = (kind) => list.filter((row) => row.kind === kind);
	const says = (name) => ({ title: name, hide: true, cell: (row) => h("span.wrap.dim", null, row.says) });
	const file = { title: "File", cell: (row) => h("span.mono.wrap", null, row.file) };
	const ends = { title: "Ends", cell: end };
	fill(main, head,
		part("Ours", of("own"), [file, { title: "Subject", cell: subject }, ends, says("Key, and names it is shown for")], "None: devices see no certificate of ours."),
		part("Authorities that vouch for devices", of("anchor"), [file, { title: "Subject", cell: subject }, ends, says("Endpoint name, and what becomes of who is unknown")], "None: only devices whose certificate or key the inventory has are served."),
		part("Revocation lists", of("crl"), [file, { title: "Issuer", cell: subject }, { ...ends, title: "Next one due" }], "None: no authority has revoked anything here."),
		part(`Denied${of("deny").length ? ` (${number(of("deny").length)})` : ""}`, of("deny").slice(0, 500), [{ title: "SHA-256 of a certificate or key", cell: (row) => h("span.mono.wrap", null, row.file) }], "Nobody is denied."),
		checkForm());
}
