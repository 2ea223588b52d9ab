/*
 * unknowns.h - who asked and is not in the inventory: bounded, the longest silent one makes room.
 *
 * Owner: the daemon. Control thread. Allocates nothing after unknowns_init().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

enum { UNKNOWNS_MAX = 1024 };

struct unknown {
	uint8_t name[64]; /* endpoint name or identity, cut */
	uint8_t name_len;
	struct peer peer;           /* of the last visit */
	uint64_t first_ms, last_ms; /* wall clock */
	uint64_t count;
};

struct unknowns {
	struct unknown items[UNKNOWNS_MAX];
	uint32_t hashes[UNKNOWNS_MAX]; /* of the names: one cache line tells 16 strangers apart */
	unsigned count;
};

void unknowns_see(struct unknowns *unknowns, const struct session_event *event, uint64_t now_ms);
