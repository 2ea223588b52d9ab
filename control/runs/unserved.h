/*
 * unserved.h - who asked for what is not served, so that nobody knows which device it is: with other cipher suites, an
 * identity that is too long, a request that is refused as it stands. Bounded, the longest silent one makes room. A
 * list of its own, so that whoever sends such things cannot push devices out of the others.
 *
 * Owner: the service. Control thread. Allocates nothing after it was zeroed; nothing fails. Not kept over a restart.
 */
#pragma once

#include "control/address.h"
#include "control/text.h"
#include "dataplane/dataplane.h"

enum { UNSERVED_MAX = 256 };

/* One address, of whatever port, and what for. */
struct unserved_peer {
	struct session_event event; /* the last one */
	uint64_t first_ms, last_ms; /* wall clock */
	uint64_t count;
	uint64_t serial; /* never used again: the order of those that are listed */
};

struct unserved_peers {
	struct unserved_peer items[UNSERVED_MAX];
	unsigned count;
	uint64_t serials;
};

/* Of a SESSION_UNSERVED. */
void unserved_peers_see(struct unserved_peers *list, const struct session_event *event,
			uint64_t now_ms);
/* "no cipher suite in common: it offers TLS_PSK_WITH_AES_256_CCM_8", and the like. */
void unserved_why(const struct unserved_peer *item, struct text *text);
