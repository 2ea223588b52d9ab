/*
 * facts.h - what a message of the outbox tells: a few values with names, as bytes for the store and for templates.
 *
 * In the store: a number, a length of two bytes (the lower one first) and the value, one fact behind the other. A fact that
 * a later version knows is passed over. Nothing here allocates but facts_encode(); values are borrowed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/buffer.h"

/* Never changed once released: their numbers stand in stores, their names in templates. */
enum fact {
	FACT_EVENT,
	FACT_ID,       /* of the message: what receivers tell copies by */
	FACT_TIME,     /* of what is told, RFC 3339 */
	FACT_ENDPOINT, /* endpoint name */
	FACT_DOMAIN,
	FACT_URI,        /* of the server's account: Security resources 0, ... */
	FACT_MODE,       /* ... 2 as "psk", "rpk", "certificate", "nosec" */
	FACT_IDENTITY,   /* ... 3 */
	FACT_KEY,        /* ... 5; secret */
	FACT_SERVER_KEY, /* ... 4 */
	FACT_SSID,       /* ... 10 */
	FACT_INSTANCE,   /* of the Security object */
	FACT_SUMMARY,    /* what became of the run, or why somebody was refused */
	FACT_ADDRESS,    /* of the peer */
	FACTS,
};

/* What is told. */
enum fact_event {
	EVENT_CREDENTIALS,
	EVENT_BOOTSTRAPPED,
	EVENT_FAILED,
	EVENT_UNKNOWN,
	EVENT_REJECTED,
	EVENTS,
};

extern const char *const fact_names[FACTS], *const event_names[EVENTS];

struct facts {
	struct {
		const void *at; /* NULL: it is not told */
		size_t len;
	} of[FACTS];
};

void facts_set(struct facts *facts, enum fact fact, const char *text);
/* 0; -ENOMEM; -EMSGSIZE: a value is longer than 65,535 bytes. */
int facts_encode(const struct facts *facts, struct buffer *out);
/* False: the bytes are no facts. */
bool facts_decode(const void *bytes, size_t len, struct facts *facts);
bool fact_is_secret(enum fact fact);
/* Of each fact that an event may tell, something that it may be: for checks. */
void facts_sample(enum fact_event event, struct facts *facts);
