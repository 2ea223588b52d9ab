/*
 * announce.h - when a port's addresses are told to who is on its link, unasked.
 *
 * Neighbours keep the MAC that they once learned. Where ours is another one now (an appliance that
 * took over, an interface made anew), they would send to the former one until they ask again, which
 * may be minutes; and a switch that learned where our MAC was sends there. So addresses are announced
 * a few times, as what is sent once may be lost: as often as RFC 4861 7.2.6 allows
 * (MAX_NEIGHBOR_ADVERTISEMENT, RetransTimer apart), which is once more than RFC 5227 2.3 wants of ARP.
 *
 * Owner: the control thread, one a port. Pure: the time is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	ANNOUNCE_TIMES = 3,
	ANNOUNCE_INTERVAL_US = 1000000,
};

/* All zero: nothing is to be announced. */
struct announce {
	unsigned left;
	uint64_t due_us; /* the next one, where any is left */
};

/* All times anew, from now on. */
void announce_begin(struct announce *announce, uint64_t now_us);
/* Whether one is to be sent now. It stays so until announce_sent(): a port may have no link. */
bool announce_due(const struct announce *announce, uint64_t now_us);
void announce_sent(struct announce *announce, uint64_t now_us);
