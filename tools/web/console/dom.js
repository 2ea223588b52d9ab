// Elements by function calls. Text is only ever set as text, so nothing that a device sends is read as markup.

// h("a.tag.ok", { href: "#", onclick: f }, "text", child, [more], null)
export function h(what, attributes, ...children) {
	const [name, ...classes] = what.split(".");
	const element = document.createElement(name || "div");
	if (classes.length) element.className = classes.join(" ");
	for (const [key, value] of Object.entries(attributes ?? {})) set(element, key, value);
	append(element, children);
	return element;
}

function set(element, key, value) {
	if (value === null || value === undefined || value === false) return;
	if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
	else if (key === "class") element.classList.add(...value.split(" ").filter(Boolean));
	else if (key === "width") element.style.width = value; // by the object model: the page's policy allows no style attributes
	else if (key === "value" || key === "checked" || key === "disabled") element[key] = value;
	else element.setAttribute(key, value === true ? "" : String(value));
}

function append(element, children) {
	for (const child of children.flat(Infinity)) {
		if (child === null || child === undefined || child === false) continue;
		element.append(child instanceof Node ? child : String(child));
	}
}

export function fill(element, ...children) {
	element.replaceChildren();
	append(element, children);
	return element;
}

// The same again with what is true now: where somebody was stays, what was focused, opened and scrolled.
export function refill(element, ...children) {
	const key = (one) => one.getAttribute("href") ?? one.getAttribute("aria-label") ?? one.textContent;
	const active = element.contains(document.activeElement) && document.activeElement !== element ? document.activeElement : null;
	const open = new Set([...element.querySelectorAll("details[open] > summary")].map(key));
	const scrolled = [...element.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
	fill(element, ...children);
	for (const summary of element.querySelectorAll("details > summary")) if (open.has(key(summary))) summary.parentNode.open = true;
	element.querySelectorAll(".scroll").forEach((one, i) => { one.scrollLeft = scrolled[i] ?? 0; });
	if (active) [...element.querySelectorAll(active.localName)].find((one) => key(one) === key(active))?.focus({ preventScroll: true });
}

// A line below the page for some seconds.
export function note(text, bad = false) {
	const line = h("div.note", { class: bad ? "bad" : "" }, text,
		h("button.quiet", { "aria-label": "Close this message", onclick: () => line.remove() }, "×"));
	document.getElementById("notes").append(line);
	if (!bad) setTimeout(() => line.remove(), 6000);
}

// What stands where something is to come.
export const waiting = () => h("p.wait", { role: "status" }, "Loading …");

export function tag(text, kind = "off") {
	return h(`span.tag.${kind}`, null, text);
}

// What a problem of the API says, with its diagnostics.
// A refusal in its own words, and the places that these do not name.
export function problem(error) {
	const more = (error.diagnostics ?? []).filter((d) => !error.message.includes(d.text ?? d.message ?? ""));
	return h("div.diag", { role: "alert" }, h("div", null, h("div.lines", null, error.message),
		more.slice(0, 50).map((d) => h("div.mono.small", null, diagnosticLine(d)))));
}

export function diagnosticLine(d) {
	const place = [d.file, d.line, d.column].filter((part) => part).join(":");
	return `${place}${place ? ": " : ""}${d.level ?? "error"}: ${d.text ?? d.message ?? ""}`;
}

// columns: [{ title, cell(row), right, hide, label }]; rows that are long are given in pages by their caller.
export function table(columns, rows, { empty = "There is nothing here.", caption } = {}) {
	if (!rows.length) return h("p.empty", null, empty);
	return h("div.scroll", { tabindex: "0", role: "region", "aria-label": caption ?? "Table" },
		h("table", null, caption && h("caption.unseen", null, caption),
			h("thead", null, h("tr", null, columns.map((c) => h("th", { class: cellClass(c), scope: "col", title: c.help }, c.title)))),
			h("tbody", null, rows.map((row) => h("tr", null, columns.map((c) => h("td", { class: cellClass(c) }, c.cell(row))))))));
}

function cellClass(column) {
	return [column.right && "r", column.hide && "hide-s", column.class].filter(Boolean).join(" ");
}

export function panel(title, ...children) {
	return h("section.panel", null, title && h("h2", null, title), children);
}

// A labelled field; `input` is the element.
export function field(label, input, help) {
	return h("label.f", null, h("span", null, label), input, help && h("small.dim", null, help));
}

export function select(options, value, attributes = {}) {
	return h("select", attributes, options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
}

// A question in a dialog, with an element below it: resolves to true, or false.
export function ask(question, { yes = "Yes", danger = false, about = null } = {}) {
	return new Promise((done) => {
		const dialog = h("dialog", { "aria-label": question },
			h("p", null, question), about,
			h("p.buttons", null,
				h("button", { class: danger ? "danger" : "primary", onclick: () => close(true) }, yes), " ",
				h("button", { onclick: () => close(false) }, "Cancel")));
		const close = (answer) => { dialog.close(); dialog.remove(); done(answer); };
		dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(false); });
		document.body.append(dialog);
		dialog.showModal();
	});
}
