// The XML editor: CodeMirror where it is installed, else a plain text area with the same marks below it.
import { call } from "./api.js";
import { h } from "./dom.js";

const CHECK_MS = 350; // after the last key

function script(path) {
	return new Promise((done, failed) => {
		const element = h("script", { src: path, onload: done, onerror: () => failed(new Error(path)) });
		document.head.append(element);
	});
}

function style(path) {
	document.head.append(h("link", { rel: "stylesheet", href: path }));
}

let loading;
function load() {
	loading ??= (async () => {
		for (const path of ["lib/codemirror.css", "addon/hint/show-hint.css"]) style(`/lib/codemirror/${path}`);
		await script("/lib/codemirror/lib/codemirror.js");
		await Promise.all(["mode/xml/xml.js", "addon/edit/closetag.js", "addon/fold/xml-fold.js", "addon/hint/show-hint.js"].map((p) => script(`/lib/codemirror/${p}`)));
		await script("/lib/codemirror/addon/edit/matchtags.js");
	})();
	return loading;
}

// Diagnostics of a text: [{ line, column, level, text }]
export async function check(xml, signal) {
	try {
		const answer = await call("/tasks/check", { method: "POST", body: { content: xml, file: "task.xml" }, signal });
		return answer.diagnostics ?? [];
	} catch (error) {
		if (error.status === 422 && error.diagnostics) return error.diagnostics;
		throw error;
	}
}

// What fits at the cursor: names of tags, of attributes, keys of resources, names of setting values.
function hints(editor, words) {
	const cursor = editor.getCursor();
	const before = editor.getRange({ line: Math.max(0, cursor.line - 5), ch: 0 }, cursor);
	const open = before.lastIndexOf("<");
	const inTag = open > before.lastIndexOf(">") ? before.slice(open + 1) : null;
	const result = (list, prefix, make = (w) => w) => {
		const low = prefix.toLowerCase();
		const found = list.filter((w) => w.toLowerCase().startsWith(low));
		const others = low.length > 1 ? list.filter((w) => !found.includes(w) && w.toLowerCase().includes(low)) : [];
		return { list: found.concat(others).slice(0, 40).map(make), from: { line: cursor.line, ch: cursor.ch - prefix.length }, to: cursor };
	};
	if (inTag === null) return null;
	const [, name] = /^\/?([\w]*)/.exec(inTag);
	if (/^\/?\w*$/.test(inTag)) return result(words.tags.map((t) => t.name), name);
	const value = /([\w]+)\s*=\s*"([^"]*)$/.exec(inTag);
	if (value) {
		const setting = /\bsv\.(\w*)$/.exec(value[2]);
		if (setting) return result(words.values, setting[1]);
		if (value[1] === "key") return result(words.keys, value[2]);
		if (value[1] === "type") return result(words.types, value[2]);
		return null;
	}
	const attribute = /\s([\w]*)$/.exec(inTag);
	if (!attribute) return null;
	const tag = words.tags.find((t) => t.name === name);
	return tag ? result(tag.attributes, attribute[1], (a) => ({ text: `${a}=""`, displayText: a })) : null;
}

// { element, value(), on change }: `tell` gets the diagnostics of what stands there, now and after each pause in typing.
export async function editor({ value, words, tell, signal, readOnly = false }) {
	const area = h("textarea", { "aria-label": "Task specific configuration, XML", spellcheck: "false", rows: "18", class: "xml", readonly: readOnly, value });
	const element = h("div.editor", null, area);
	let get = () => area.value, mark = () => {}, timer, checking;
	const changed = () => {
		clearTimeout(timer);
		tell(null);
		timer = setTimeout(async () => {
			checking?.abort();
			checking = new AbortController();
			signal.addEventListener("abort", () => checking.abort());
			try {
				const found = await check(get(), checking.signal);
				mark(found);
				tell(found);
			} catch (error) { if (error.name !== "AbortError") tell([{ level: "error", text: error.message }]); }
		}, CHECK_MS);
	};
	await load().catch(() => {});
	if (window.CodeMirror) {
		const { CodeMirror } = window;
		element.replaceChildren();
		const own = CodeMirror(element, {
			value, mode: "xml", lineNumbers: true, indentUnit: 2, readOnly, autoCloseTags: true, matchTags: { bothTags: true }, gutters: ["marks", "CodeMirror-linenumbers"],
			extraKeys: { "Ctrl-Space": "autocomplete", Tab: false, "Shift-Tab": false }, hintOptions: { hint: (cm) => hints(cm, words), completeSingle: false },
			screenReaderLabel: "Task specific configuration, XML",
		});
		get = () => own.getValue();
		let marks = [];
		mark = (list) => {
			own.clearGutter("marks");
			for (const one of marks) one.clear();
			marks = [];
			for (const d of list) {
				if (!d.line || d.line > own.lineCount()) continue;
				const line = d.line - 1, text = own.getLine(line), from = Math.max(0, (d.column || 1) - 1);
				const end = /^[\w.:-]+(\s*=\s*"[^"]*")?|^<?[^\s>]*/.exec(text.slice(from))?.[0].length || 1;
				const kind = d.level === "warning" ? "warning" : "error";
				marks.push(own.markText({ line, ch: from }, { line, ch: Math.min(text.length, from + end) }, { className: `mark-${kind}`, title: d.text }));
				own.setGutterMarker(line, "marks", h(`span.gutter-${kind}`, { title: d.text, role: "img", "aria-label": `${kind}: ${d.text}` }, "●"));
			}
		};
		own.on("change", changed);
		own.on("inputRead", (cm, change) => { if (/[\w<".]/.test(change.text.at(-1).slice(-1))) cm.showHint({ hint: (c) => hints(c, words), completeSingle: false }); });
		own.getScrollerElement().setAttribute("tabindex", "0"); // it scrolls by the keyboard, too
		own.getScrollerElement().setAttribute("role", "group");
		own.getScrollerElement().setAttribute("aria-label", "The text, to be scrolled");
		setTimeout(() => own.refresh(), 0);
		element.codeMirror = own;
	} else {
		area.addEventListener("input", changed);
	}
	changed();
	return { element, value: () => get(), goTo: (line, column) => {
		element.codeMirror?.setCursor({ line: line - 1, ch: Math.max(0, column - 1) });
		element.codeMirror?.focus();
	} };
}
