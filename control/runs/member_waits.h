/*
 * member_waits.h - runs that wait for their claim before anything is sent, as they are to do something once and another
 * member saw their device lately (member_claims.h).
 *
 * The batch is made when the database has granted the claim (cluster_claim.h), so that no other member does the same at that
 * time, and what one has done is known. A run waits for MEMBER_WAIT_MS at most, not at all where the database is away, and
 * goes on without: at least once.
 *
 * Control thread. Allocates what waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

struct device;
struct service;

enum { MEMBER_WAIT_MS = 1000 /* and no more than two thirds of limits.batch_wait_ms */ };

struct member_wait;
struct member_waits {
	struct member_wait *slots; /* CLUSTER_CLAIMS_MAX; NULL: nobody ever waited */
	unsigned used, count;      /* slots from `used` on were never taken; those that are now */
	uint64_t serial;
	uint64_t granted, given_up; /* so far */
};

/* Of a SESSION_NEEDS_BATCH of a live run. True: it waits, and goes on by on_demand_go_on(). */
bool member_waits_begin(struct service *service, struct device *device,
			const struct session_event *event, unsigned worker);
/* Answers, and time-outs: every tick. True while runs wait. */
bool member_waits_poll(struct service *service);
/* All that wait go on without. */
void member_waits_end_all(struct service *service);
