// What happens, as it does: server-sent events of a channel, for as long as the page is looked at. Where there are none (a
// proxy in between, too many who look, the console's server away) the page asks again now and then, and the events are
// tried again, ever less often.
const FIRST_MS = 1000, LAST_MS = 30000;

// channel: "sessions", or "dialogue"; query: { device: ... }
// on: { kind: (event) => ... }, kinds of events, and "up", "down", "refused" of the appliance
// refresh: asks for everything anew; called at first, whenever the events begin (something may have happened before), and
// every `every` ms where there are none. Its promise is awaited: it never runs twice at a time. lost: the events have ended,
// or cannot begin; they are tried again.
export function follow(channel, { query = {}, signal, on = {}, refresh, lost = () => {}, every = 2000 }) {
	const url = new URL(`/api/v1/events/${channel}`, location.href);
	for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
	let source = null, timer = null, pause = FIRST_MS, running = null, again = false;

	const look = async () => {
		if (signal.aborted || document.hidden) return;
		if (running) { again = true; return; }
		running = refresh();
		try { await running; } catch (error) { if (error.name !== "AbortError") throw error; } finally { running = null; }
		if (again) { again = false; look(); }
	};
	const close = () => {
		clearTimeout(timer);
		source?.close();
		source = null;
	};
	// Until the events are there again.
	const wait = (left) => {
		timer = setTimeout(async () => {
			if (left > every) { await look().catch(() => {}); wait(left - every); } else open();
		}, Math.min(left, every));
	};
	const open = () => {
		if (signal.aborted || document.hidden) return;
		source = new EventSource(url);
		source.addEventListener("up", () => { pause = FIRST_MS; look().catch(() => {}); });
		for (const [kind, tell] of Object.entries(on)) source.addEventListener(kind, (event) => { if (event.data) tell(JSON.parse(event.data)); });
		source.addEventListener("down", () => look().catch(() => {}));
		source.addEventListener("error", () => { // the stream's end, or no stream
			close();
			if (signal.aborted) return;
			lost();
			look().catch(() => {});
			wait(pause);
			pause = Math.min(pause * 2, LAST_MS);
		});
	};
	document.addEventListener("visibilitychange", () => {
		close();
		if (!document.hidden) { look().catch(() => {}); open(); }
	}, { signal });
	signal.addEventListener("abort", close);
	const first = look();
	open();
	return first;
}

// f, at most every `ms`, however often it is asked for: at once, and behind the last time.
export function calmly(ms, signal, f) {
	let timer = null, waiting = false;
	const run = () => {
		waiting = false;
		timer = setTimeout(() => { timer = null; if (waiting && !signal.aborted) run(); }, ms);
		f();
	};
	signal.addEventListener("abort", () => clearTimeout(timer));
	return () => { if (timer) waiting = true; else run(); };
}
