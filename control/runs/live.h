/*
 * live.h - the devices that bootstrap now: one record a session, found from its device. A session keeps its place among
 * all as long as it lives, so that a list of them can be served a part at a time.
 *
 * Owner: the service. Control thread. Allocates when a session begins.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/runs/feed.h"
#include "control/runs/plan.h"
#include "control/runs/run_memory.h"
#include "dataplane/dataplane.h"

struct device;
struct service;

/* What the device said of a step that it refused. */
struct diagnostic {
	uint8_t code; /* CoAP; 0: it said nothing */
	uint8_t len;
	uint16_t step;
	char text[96]; /* as it came, cut */
};

enum { LIVE_DIAGNOSTICS_MAX = 2 }; /* the first and the last of a run */

struct live_session {
	uint32_t device;
	uint32_t place; /* in live_sessions.places */
	uint16_t worker;
	uint16_t format;
	struct session_ref session;
	struct plan *plan;  /* held; NULL: its batch is being made, or none came */
	struct plan *began; /* held; whose tasks were reported in progress; NULL: none */
	struct peer peer;
	uint64_t started_us; /* the workers' clock */
	uint64_t started_ms; /* wall clock */
	bool superseded;     /* the device asked another member later: it is about to end */
	bool must_claim;     /* before its batch is made (member_claims.h) ... */
	bool waits_claim;    /* ... and that is asked for */
	bool claimed;        /* told to be when it is over */
	bool soon;           /* it began soon after the device's last one ... */
	bool again;          /* ... which had gone well ... */
	uint32_t after_s;    /* ... so long ago */
	struct diagnostic diagnostics[LIVE_DIAGNOSTICS_MAX];
	struct run_memory memory;
};

struct live_sessions {
	struct live_session **places; /* NULL: free */
	uint32_t *vacant;             /* places below `used` that are free, the last freed on top */
	uint32_t used, capacity;      /* of `places`; `vacant` has room for as many */
	unsigned count;
};

/* All sessions have ended. */
void live_fini(struct live_sessions *sessions);
/* NULL: out of memory. */
struct live_session *live_add(struct live_sessions *sessions);
/* Its run began on the plan it has. */
void live_set_began(struct plans *plans, struct live_session *session);
/* Holds this plan, NULL: none, and lets go of the one before. */
void live_set_plan(struct plans *plans, struct live_session *session, struct plan *plan);

/* For who watches: the device's session began, or is about to be over. */
void live_feed(struct service *service, const struct device *device, enum feed_session what,
	       uint64_t at_ms);
/* The session is over: lets go of its plan and forgets it. The device has one. */
void live_end(struct service *service, struct device *device);
/* The same, and its worker ends it: a newer request won, or the device goes. */
void live_cancel(struct service *service, struct device *device);
/* Of a session that has no record. */
void live_cancel_session(struct service *service, unsigned worker, struct session_ref session);
