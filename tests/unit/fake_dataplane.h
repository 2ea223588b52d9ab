/*
 * fake_dataplane.h - the facade of dataplane.h without DPDK, for tests of the control side.
 *
 * Events are fed in, commands and published images are looked at. A grace period ends when
 * fake_pass_grace() says so.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/dataplane.h"

enum { FAKE_QUEUE = 64 };

struct dataplane {
	struct directory *directory;
	struct stack_limits limits;
	struct session_event events[FAKE_QUEUE];
	uint16_t event_workers[FAKE_QUEUE];
	unsigned n_events;
	struct stack_command commands[FAKE_QUEUE];
	unsigned command_workers[FAKE_QUEUE];
	const char *trouble; /* of its port */
	unsigned n_commands, mailbox_room;
	struct trace_record traces[FAKE_QUEUE];
	unsigned n_traces;
	uint32_t traced[TRACED_MAX];
	unsigned n_traced;
	enum trace_wish wish; /* of the last dataplane_trace() */
	int trace_error; /* what dataplane_trace() returns instead; 0: it does its work */
	struct {
		void (*release)(void *ctx, void *what);
		void *ctx, *what;
	} retired[FAKE_QUEUE];
	unsigned n_retired;
	bool grace_passed, stopped;
	bool takes_nothing; /* workers do not look into their mailboxes */
	uint64_t heartbeat;
	const struct session_progress *progress; /* of every session; NULL: none is there */
};

/* An empty one with room in its mailboxes. */
void fake_init(struct dataplane *dp);
void fake_event(struct dataplane *dp, unsigned worker, const struct session_event *event);
/* Everything retired so far is released by the next dataplane_reap(). */
void fake_pass_grace(struct dataplane *dp);
