/*
 * login_throttle.h - who guesses passwords waits: by name and by address, twice as long after each failure.
 *
 * After THROTTLE_FREE failures a name from an address, and an address whatever the name, waits 1 s, 2 s, 4 s ... up to
 * THROTTLE_MAX_S; an hour without a failure forgets them. A name alone is never locked, or anybody could keep its owner
 * out. A fixed table: when it is full the entry that may try again soonest makes way. Time is injected. No allocation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tools/web/address_list.h"

enum { THROTTLE_ENTRIES = 1024, THROTTLE_FREE = 5, THROTTLE_FREE_ADDRESS = 20, THROTTLE_MAX_S = 300 };

struct login_throttle {
	struct throttle_entry {
		uint64_t key; /* 0: free */
		uint32_t failures;
		uint64_t until_ms, last_ms;
	} entries[THROTTLE_ENTRIES];
	uint8_t secret[16]; /* of the keys' hash: nobody makes two names collide */
};

void login_throttle_init(struct login_throttle *throttle);
/* Seconds to wait, 0: it may be tried. */
unsigned login_throttle_wait_s(const struct login_throttle *throttle, const struct ip_address *from,
			       const char *name, uint64_t now_ms);
void login_throttle_failed(struct login_throttle *throttle, const struct ip_address *from,
			   const char *name, uint64_t now_ms);
/* The name's failures from this address are forgotten, the address' are not. */
void login_throttle_passed(struct login_throttle *throttle, const struct ip_address *from,
			   const char *name);
