/*
 * member_unsent.h - a member that was ended by force sends up, when it is back, what its store has of its reports and the
 * database has not (cluster/cluster_unsent.h).
 *
 * Looked for once after a start, a few devices at a time. What a task's last run came to is there for each device; of runs
 * before it the store has nothing. Control thread. Allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct service;

struct member_unsent {
	bool ended;
	uint32_t next;  /* number of the device that is looked at next */
	uint64_t found; /* so many were sent up */
};

/* To be called every few milliseconds while the inventory is a cluster's. */
void member_unsent_turn(struct service *service);
