/*
 * roster.h - every endpoint name that was ever known to this process, by a number that stays.
 *
 * Workers name devices by number in their events, over reloads and after a device was removed.
 * Numbers are never reused. What outlives a generation hangs here: the format a device used last,
 * its runs, its present session. Owner: the daemon. Control thread. Allocates when a new name
 * comes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

struct device;
struct run;

struct roster_slot {
	char *endpoint;
	uint32_t id;
	uint16_t format;     /* Content-Format its batches are made in */
	uint16_t worker;     /* of its session */
	bool live;           /* a session runs */
	uint32_t generation; /* ... on this generation */
	struct session_ref session;
	uint64_t started_us;        /* of the newest session known: tells late news of older ones */
	struct session_ref
		refused; /* the last one that was told there is nothing, and is reported */
	uint64_t last_bootstrap_ms; /* wall clock; 0: never */
	struct device *device;      /* in the present generation, or NULL */
	struct run *runs; /* newest first; retired ones until their last session is over */
};

struct roster {
	struct roster_slot **slots; /* by id */
	uint32_t count, capacity;
	uint32_t *buckets; /* open addressing; id + 1, 0 is free */
	uint32_t n_buckets;
};

void roster_init(struct roster *roster);
void roster_fini(struct roster *roster);

/* The slot of a name, made when there is none; NULL: out of memory. */
struct roster_slot *roster_add(struct roster *roster, const char *endpoint);
struct roster_slot *roster_find(const struct roster *roster, const char *endpoint);
/* NULL for a number that was never given. */
struct roster_slot *roster_slot(const struct roster *roster, uint32_t id);
