// The frame: who is logged in, the sections, and which page the address names.
import { call, may, onLostSession, session } from "./api.js";
import { fill, h, note, problem } from "./dom.js";
import { login } from "./login.js";
import { sections, routes } from "./routes.js";

const app = document.getElementById("app");
let page; // the controller of what the page has running

// A part that nobody encoded so is a name that there is not.
function decoded(part) {
	try { return decodeURIComponent(part); } catch { return part; }
}

function address() {
	const [path, query] = location.hash.slice(1).split("?");
	return { parts: (path || "/").split("/").slice(1).map(decoded), query: new URLSearchParams(query ?? "") };
}

function themeButton() {
	const dark = () => document.documentElement.dataset.theme
		? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
	return h("button.quiet", { onclick: (event) => {
		const theme = dark() ? "light" : "dark";
		document.documentElement.dataset.theme = theme;
		try { localStorage.setItem("theme", theme); } catch { /* it is forgotten */ }
		event.currentTarget.textContent = dark() ? "Light" : "Dark";
	} }, dark() ? "Light" : "Dark");
}

async function logout() {
	await call("/session", { method: "DELETE" }).catch(() => {});
	session.name = null;
	start();
}

function navigation(current) {
	return h("nav", { "aria-label": "Sections" },
		h("div.brand", null, "Cradle", h("small", null, `${session.name} · ${session.role}`)),
		sections.map((group) => [h("hr"), group.filter((s) => !s.role || may(s.role)).map((s) =>
			h("a", { href: `#/${s.path}`, "aria-current": s.path === current ? "page" : null }, s.title,
				h("span.n", { id: s.count ? `n-${s.count}` : null })))]).flat().slice(1),
		h("hr"), h("div.who", null, themeButton(), h("button.quiet", { onclick: logout }, "Log out")));
}

// What stands behind the sections' names: how many there are.
export function tellCounts(counts) {
	for (const [name, n] of Object.entries(counts)) {
		const place = document.getElementById(`n-${name}`);
		if (place) place.textContent = n ? n.toLocaleString("en") : "";
	}
}

async function show() {
	page?.abort();
	page = new AbortController();
	const { signal } = page;
	const { parts, query } = address();
	const route = routes.find((r) => r.path.length === parts.length && r.path.every((p, i) => p.startsWith(":") ? parts[i] : p === parts[i]));
	const names = {};
	route?.path.forEach((p, i) => { if (p.startsWith(":")) names[p.slice(1)] = parts[i]; });
	const main = h("main", { id: "main", tabindex: "-1" }, h("p.wait", { role: "status" }, "Loading …"));
	fill(app, h("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, "To the content"),
		h("div.shell", null, navigation(route?.section ?? parts[0]), main));
	const nav = app.querySelector("nav"), open = nav.querySelector("[aria-current]"); // on a phone the sections are a strip
	if (open) nav.scrollLeft = open.offsetLeft - (nav.clientWidth - open.offsetWidth) / 2;
	call("/status", { signal }).then((s) => tellCounts({ devices: s.devices, groups: s.groups, unknown: s.unknown, rejected: s.rejected,
		sessions: s.workers.reduce((n, w) => n + w.running, 0) })).catch(() => { /* the page itself says what is wrong */ });
	try {
		if (!route) throw new Error("There is no such page.");
		const module = await import(route.module);
		if (signal.aborted) return;
		await module.default({ main, names, query, signal });
		if (!signal.aborted) document.title = `${main.querySelector("h1")?.textContent ?? "Cradle"} · Cradle`;
	} catch (error) {
		if (signal.aborted || error.name === "AbortError") return;
		fill(main, h("h1", null, route?.title ?? "Nothing here"), problem(error));
	}
}

async function start() {
	page?.abort();
	try {
		Object.assign(session, await call("/session"));
	} catch (error) {
		if (error.status !== 401 && error.status !== 0) note(error.message, true);
		document.title = "Log in · Cradle";
		fill(app, login(start));
		app.querySelector("input")?.focus();
		return;
	}
	show();
}

onLostSession(() => {
	if (!session.name) return;
	session.name = null;
	note("Your login has ended: log in again.");
	start();
});
addEventListener("hashchange", () => { if (session.name) show(); });
start();
