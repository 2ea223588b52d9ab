/*
 * live.h - what happens, as it does, for browsers: server-sent events (HTML, 9.2) from the appliance's watches.
 *
 * However many people look at the same, the appliance is watched once, and only while somebody does. Each event is encoded
 * once and put into each stream; who reads too slowly is cut (http_stream.h), and comes again. A dialogue of a device is
 * followed for one person each, whose name the appliance notes. Bounded: LIVE_STREAMS, LIVE_STREAMS_OF_USER, LIVE_DIALOGUES.
 *
 * Whether somebody still may look is asked again every LIVE_JUDGE_MS: a stream ends with the login. That counts as a sign
 * of life of the session, as a page that asks again and again would.
 *
 * Events, besides those of the channel: "up" and "down" {"why":...} of the appliance, "refused" {"why":...}, after which
 * the stream ends. One thread, the loop's. Allocates; never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/loop.h"
#include "tools/web/http_server.h"
#include "tools/web/users.h"

enum {
	LIVE_STREAMS = 256,
	LIVE_STREAMS_OF_USER = 16,
	LIVE_DIALOGUES = 16,
	LIVE_JUDGE_MS = 5000,
	LIVE_BEAT_MS = 15000, /* proxies, and clients, see that a silent stream lives */
	LIVE_LINGER_MS =
		3000, /* a channel that nobody looks at is watched on: people change pages */
};

struct live;

/* What may be looked at. */
struct live_kind {
	const char *name;
	enum web_role role;
	bool of_device;      /* one device's, for one person */
	const char *argv[4]; /* of the shared ones */
};

/* NULL: there is none of that name. */
const struct live_kind *live_kind(const char *name);

struct live_settings {
	const char *socket; /* borrowed */
	/* Whether whoever sent the request may look now. */
	bool (*may)(void *ctx, struct http_request *request, enum web_role role);
	void *ctx;
};

/* NULL: out of memory. The settings are copied. */
struct live *live_new(struct loop *loop, const struct live_settings *settings);
/* Ends all streams. */
void live_free(struct live *live);
void live_tick(struct live *live, uint64_t now_ms);

struct live_wish {
	const struct live_kind *kind;
	const char *device; /* of_device: its endpoint name */
	const char *user;   /* who looks */
};
/* Replies to the request: with a stream, or with a problem. */
void live_begin(struct live *live, struct http_request *request, const struct live_wish *wish);
/* Whether those who look still may: where a login ends. */
void live_judge(struct live *live);
/* For whoever looks at it: an event that does not come from the appliance; takes the reference. */
void live_tell(struct live *live, const char *kind, const char *name, json_t *event);

struct web_stats;
void live_stats(const struct live *live, struct web_stats *stats);
