/*
 * watcher.h - a command of the appliance whose answer goes on, over a connection of its own, begun again when it ends.
 *
 * An appliance that is absent, stops or talks garbage is tried again, at first soon and then ever less often, up to
 * WATCHER_PAUSE_MAX_MS. One that refuses the command is not.
 * One thread, the loop's. Allocates; never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/loop.h"

enum { WATCHER_PAUSE_MS = 500, WATCHER_PAUSE_MAX_MS = 8000, WATCHER_ANSWER_MS = 5000 };

struct watcher;

/* A watcher must not be freed from these. */
struct watcher_calls {
	void (*up)(void *ctx); /* it is watched from now on */
	/* Borrowed; `missed` more of them are not told. */
	void (*event)(void *ctx, json_t *event, uint64_t missed);
	/* It is not, and `why` is a sentence. Refused: nor will it be. */
	void (*down)(void *ctx, const char *why, bool refused);
};

struct watcher_wish {
	const char *socket; /* borrowed for good; the rest is copied */
	const char *const *argv;
	int argc;
	const char *actor; /* for whom; NULL: nobody in particular */
};

/* Begins with the next tick. NULL: out of memory, or no UTF-8. */
struct watcher *watcher_new(struct loop *loop, const struct watcher_wish *wish,
			    const struct watcher_calls *calls, void *ctx);
void watcher_free(struct watcher *watcher);
void watcher_tick(struct watcher *watcher, uint64_t now_ms);
