/*
 * rejected_devices.h - devices of the inventory that asked and did not get in: somebody with their
 * identity and another key, or under another's name. Bounded, the longest silent one makes room;
 * one that gets in is forgotten.
 *
 * Owner: the service. Control thread. Allocates nothing after it was zeroed; nothing fails. Not kept
 * over a restart.
 */
#pragma once

#include "control/address.h"
#include "dataplane/dataplane.h"

enum { TURNED_AWAY_MAX = 1024 };

struct turned_away {
	uint8_t cause;                  /* CAUSE_KEY or CAUSE_IDENTITY, of the last time */
	uint8_t name_len;               /* of what it asked as, CAUSE_IDENTITY */
	uint8_t name[64];               /* cut */
	char address[ADDRESS_TEXT_MAX]; /* of the last time */
	uint64_t first_ms, last_ms;     /* wall clock */
	uint64_t count;
};

struct turned_away_list {
	struct turned_away items[TURNED_AWAY_MAX];
	uint32_t devices[TURNED_AWAY_MAX]; /* whose they are: sixteen in a cache line */
	unsigned count;
};

/* Of a SESSION_TURNED_AWAY. */
void turned_away_see(struct turned_away_list *list, const struct session_event *event,
		     uint64_t now_ms);
/* NULL: not there. */
const struct turned_away *turned_away_find(const struct turned_away_list *list, uint32_t device);
void turned_away_forget(struct turned_away_list *list, uint32_t device);
/* "wrong key", "asked as another". */
const char *turned_away_why(const struct turned_away *item);
