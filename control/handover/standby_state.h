/*
 * standby.h - what a process knows of the one that it is to follow (channel.h). Owner: the daemon.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct standby {
	int fd;           /* the channel; -1: it starts alone */
	long former;      /* the other process */
	char prefix[128]; /* DPDK's file prefix, which must differ from the other's */
	int listener;     /* of the control socket; -1: it is not passed, or taken */
	bool draining;
	bool knows_polled; /* CPUs that the other process's workers poll: it has told ... */
	cpu_set_t polled;  /* ... these */
	int64_t uid, pid; /* who asked for it */
	json_t *command;  /* in which words; and for whom, NULL: it was not said */
	char *actor;
	uint64_t paused_us; /* CLOCK_MONOTONIC: when the other one's workers began to rest */
	json_t *totals;     /* what passed ... */
	char *text;         /* ... as text, malloc'ed */
};
