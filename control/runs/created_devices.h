/*
 * created_devices.h - devices that ask with a certificate of an authority that may create them:
 * they wait here until the loop makes them, and are remembered for those who look after them.
 *
 * An event must not create a device itself: the store runs the pump while it writes, which takes
 * events. So events queue, and created_devices_make() works outside of them, with one transaction
 * for all that wait. Nothing here is more than a wish: who is not queued, or lost by a restart,
 * asks again. Each anchor creates at a bounded rate, so who holds one of its certificates, or all,
 * cannot fill the store.
 *
 * Owner: the service. Control thread. Allocates when a device is made. Not kept over a restart.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/address.h"
#include "control/policy/policy_trust.h"
#include "dataplane/dataplane.h"

struct service;

enum {
	CREATED_QUEUED_MAX = 256,
	CREATED_AT_ONCE = 64, /* in one transaction */
	CREATED_KEPT_MAX = 256,
	CREATED_PAUSE_MS = 10000, /* after the store has failed */
};

/* One that was made. */
struct created_device {
	char endpoint[sizeof((struct session_event *)0)->name + 1];
	char anchor[64]; /* file of certs/, cut */
	char address[ADDRESS_TEXT_MAX];
	uint64_t made_ms; /* wall clock */
};

/* Devices made, and those that were not, and stand among the unknown ones instead. */
struct created_counts {
	uint64_t made;
	uint64_t over_rate; /* beyond what their anchor may create */
	uint64_t full;      /* too many were waiting */
	uint64_t failed;    /* the store, or a name that cannot be: the log says which */
};

struct created_bucket {
	uint64_t credit_us; /* time saved up: a device costs a minute / rate */
	uint64_t last_us;
};

struct created_devices {
	struct session_event queue[CREATED_QUEUED_MAX]; /* a ring */
	unsigned first, n_queued;
	struct created_bucket buckets[POLICY_ANCHORS_MAX];
	uint64_t paused_until_us; /* clock of events, as all times here but `made_ms` */
	struct created_counts counts;
	struct created_device kept[CREATED_KEPT_MAX]; /* a ring */
	uint64_t n_kept;                              /* ever: the newest is before it */
};

/*
 * Of a SESSION_UNKNOWN whose anchor says `create`. True: it is queued, is being made, or is a
 * device by now. False: it goes among the unknown devices.
 */
bool created_devices_ask(struct service *service, const struct policy_anchor *anchor,
			 const struct session_event *event);
/* Makes some of those that wait; to be called by the loop alone, never by the pump. */
void created_devices_make(struct service *service);
/* The newest first: number `i` of them, or NULL. */
const struct created_device *created_devices_at(const struct created_devices *created, unsigned i);
