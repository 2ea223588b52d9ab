/*
 * watch.h - commands whose answer goes on: what happens is told as it does (ctl_socket.h, struct ctl_source).
 *
 * What is watched are events (runs/feed.h) and samples, now and then: counters, the status, phases. A watch costs the same
 * however slow its client is: it has a place in the rings, and what it was too slow for is counted and told. Control
 * thread. Allocates.
 */
#pragma once

#include "control/commands/call.h"
#include "control/runs/feed.h"

enum watch_sample { WATCH_COUNTERS = 1, WATCH_STATUS = 2, WATCH_PHASES = 4 };

struct watch_wish {
	unsigned kinds;     /* of events: bits of 1 << enum feed_kind */
	unsigned samples;   /* bits of enum watch_sample */
	long interval_s;    /* between samples */
	long per_second;    /* events at most, the newest; 0: as many as the client takes */
	long count;         /* ends after so many; 0: never */
	const char *match;  /* of devices: a glob of the endpoint name; NULL: any */
	const char *device; /* ... or its name; NULL: any */
	const char *task;   /* of reports: id or name of the task; NULL: any */
	int status;         /* of reports: enum task_status; -1: any */
};

/* The call's answer goes on with this, from now on. Refuses when there is no memory. */
void watch_begin(struct call *call, const struct watch_wish *wish);
