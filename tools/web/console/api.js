// The API: JSON in, JSON out. A problem (RFC 9457) becomes an error that carries its fields.

export const session = { name: null, role: null, csrf: null, version: "" };
const roles = ["viewer", "operator", "security"];

export function may(role) {
	return roles.indexOf(session.role) >= roles.indexOf(role);
}

export class Problem extends Error {
	constructor(body, status) {
		super(body.detail || body.title || body.error || `The answer was ${status}.`);
		Object.assign(this, { status, diagnostics: body.diagnostics, result: body.result });
	}
}

const listeners = { lost: () => {} };
export function onLostSession(f) { listeners.lost = f; }

// path: "/devices"; options: method, body (an object), etag (of what was seen), query, signal
export async function call(path, { method = "GET", body, etag, query, signal } = {}) {
	const url = new URL(`/api/v1${path}`, location.href);
	for (const [key, value] of Object.entries(query ?? {}))
		if (value !== undefined && value !== null && value !== "") url.searchParams.set(key, value);
	const headers = { Accept: "application/json" };
	if (body !== undefined) headers["Content-Type"] = "application/json";
	if (method !== "GET" && session.csrf) headers["X-CSRF-Token"] = session.csrf;
	if (etag) headers["If-Match"] = etag;
	let answer;
	try {
		answer = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Problem({ detail: "The console's server cannot be reached." }, 0);
	}
	const text = await answer.text();
	let json = {};
	try { json = text ? JSON.parse(text) : {}; } catch { json = { detail: text.slice(0, 200) }; }
	if (answer.status === 401 && session.name) listeners.lost();
	if (!answer.ok) throw new Problem(json, answer.status);
	if (answer.headers.get("ETag")) Object.defineProperty(json, "etag", { value: answer.headers.get("ETag") });
	return json;
}

// A name as a segment of a path.
export const seg = encodeURIComponent;

// A job, watched until it ends; `tell` gets each line of progress.
export async function job(path, options, tell) {
	let state = await call(path, options);
	while (state.state === "running") {
		tell(state.progress);
		await new Promise((done) => setTimeout(done, 300));
		state = await call(`/jobs/${seg(state.job)}`, { signal: options.signal });
	}
	if (state.state === "failed") throw new Problem(state.problem ?? {}, state.status);
	return state.result ?? {};
}
