/*
 * deliveries.h - what others are told of: events of devices and credentials that runs made, by the outbox.
 *
 * Without an outbox.conf nothing of it happens, at the cost of one look at a pointer. What is told goes into the store as
 * facts, a message for each target that wants it; the sender (sender.h) does the rest. Owner: the service. Control
 * thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/delivery/facts.h"
#include "control/delivery/sender.h"
#include "dataplane/dataplane.h"

struct device;
struct run_credentials;
struct service;

enum delivery_counter {
	DELIVERIES_PUT,            /* messages */
	DELIVERIES_FULL,           /* runs refused, as the outbox was full */
	DELIVERIES_EVENTS_DROPPED, /* events not told, as it was half full */
	DELIVERIES_OUTSIDERS,      /* of unknown and rejected devices, beyond the rate */
	DELIVERIES_WITHDRAWN,      /* credentials whose run failed */
	DELIVERIES_UNREACHED,      /* credentials that a device refused, or was not sent */
	DELIVERIES_CONFIRMED,      /* runs that waited before their Finish, and went on */
	DELIVERIES_UNCONFIRMED,    /* ... whose time was over */
	DELIVERIES_COUNTERS,
};

/* Names, in that order, and what they count. */
struct delivery_counter_text {
	const char *name, *help;
};
extern const struct delivery_counter_text delivery_counters[DELIVERIES_COUNTERS];

struct deliveries {
	struct delivery_conf *conf; /* NULL: nobody is told anything */
	struct sender *sender;
	struct message_reader *reader;   /* for commands; NULL: not needed yet */
	struct run_credentials *waiting; /* runs before their Finish (credentials.h) */
	uint64_t counters[DELIVERIES_COUNTERS];
	uint64_t outsiders_ms; /* the second that `outsiders` counts */
	unsigned outsiders;
	bool told_full;
};

/* The generation that runs now says who is told; called at the start and after each reload. */
void deliveries_use(struct service *service);
/* Before the store is closed. */
void deliveries_stop(struct service *service);
/*
 * Nothing is delivered, while the store is another process's: what is told meanwhile waits, and what was on its way is sent
 * again. Then it goes on here.
 */
void deliveries_rest(struct service *service);
void deliveries_go_on(struct service *service);

/* Whether there is no room for what a run makes: then it must not begin. */
bool deliveries_full(struct service *service);
/* A message for one target, from its facts; its number, or 0: out of memory. */
int64_t deliveries_put(struct service *service, const struct delivery_target *target,
		       const struct store_message *like, const struct buffer *facts);

/* A run ended: EVENT_BOOTSTRAPPED or EVENT_FAILED. */
void deliveries_tell_run(struct service *service, const struct device *device,
			 const struct session_event *event, enum fact_event what,
			 const char *summary);
/* Somebody was not let in: EVENT_UNKNOWN or EVENT_REJECTED. */
void deliveries_tell_outsider(struct service *service, const struct session_event *event,
			      enum fact_event what);
