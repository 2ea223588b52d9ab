/*
 * live.h - the devices that bootstrap now: one record a session, found from its device.
 *
 * Also what a run needs between its pieces: answers that came back and the seed of its randomness,
 * so that a run compiled again from the start comes out the same (see device_run.h). Owner: the
 * daemon. Control thread. Allocates when a session begins.
 */
#pragma once

#include <stdint.h>

#include "control/runs/device_run.h"
#include "dataplane/dataplane.h"

struct live_session {
	struct live_session *previous, *next; /* all of them, newest first */
	uint32_t device;
	uint16_t worker;
	uint16_t format;
	struct session_ref session;
	struct plan *plan; /* held; NULL: its batch is being made, or none came */
	struct peer peer;
	uint64_t started_us; /* the workers' clock */
	uint64_t started_ms; /* wall clock */
	struct run_memory memory;
};

struct live_sessions {
	struct live_session *first;
	unsigned count;
};

/* NULL: out of memory. */
struct live_session *live_add(struct live_sessions *sessions);
/* Holds this plan, NULL: none, and lets go of the one before. */
void live_set_plan(struct plans *plans, struct live_session *session, struct plan *plan);
/* Wipes it. Its plan must be let go of before. */
void live_remove(struct live_sessions *sessions, struct live_session *session);
