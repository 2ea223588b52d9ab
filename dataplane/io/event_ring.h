/*
 * event_ring.h - the way of events from a worker to the control thread: two mailboxes, one of what all
 * events have, and one of names, which few have.
 *
 * Two events of each bootstrap go through it, and what is written there leaves the worker's cache, so
 * they are short: 104 bytes instead of 200 cost a worker 15 ns less each.
 *
 * One writer thread, one reader thread; a name goes before its event, so who sees the event finds the
 * name (mailbox.h).
 */
#pragma once

#include <stddef.h>

#include "dataplane/io/mailbox.h"

enum {
	EVENT_HEAD = (offsetof(struct session_event, name) + 3) / 4 * 4,
	EVENT_NAME = sizeof(((struct session_event *)0)->name),
	/* Names are of events with a rate, and of devices that say why they failed. */
	EVENT_NAMES = 4095,
};

_Static_assert(EVENT_HEAD <= sizeof(struct session_event) && EVENT_NAME % 4 == 0,
	       "rte_ring copies records by words");

/* Mailboxes of EVENT_HEAD and EVENT_NAME bytes a record. */
struct event_ring {
	struct rte_ring *heads, *names;
};

/* (writer) false: full, nothing was written. */
bool event_ring_post(const struct event_ring *ring, const struct session_event *event)
	__attribute__((warn_unused_result));
/* (reader) Takes up to n events, oldest first. */
unsigned event_ring_take(const struct event_ring *ring, struct session_event *events, unsigned n);
