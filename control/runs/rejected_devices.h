/*
 * rejected_devices.h - devices of the inventory that asked and did not get in: somebody with their
 * identity and another key, under another's name, or without DTLS. Bounded, the longest silent one makes room;
 * one that gets in is forgotten.
 *
 * Owner: the service. Control thread. Allocates nothing after it was zeroed; nothing fails. Not kept
 * over a restart.
 */
#pragma once

#include "control/address.h"
#include "dataplane/dataplane.h"

enum { REJECTED_DEVICES_MAX = 1024 };

struct rejected_device {
	uint8_t cause;                  /* CAUSE_KEY, CAUSE_IDENTITY, CAUSE_CERTIFICATE or
					 * CAUSE_NOSEC, of the last time */
	uint8_t verdict;                /* enum ec_verdict, CAUSE_CERTIFICATE */
	uint8_t name_len;               /* of what it asked as, CAUSE_IDENTITY */
	uint8_t name[96];               /* cut */
	char address[ADDRESS_TEXT_MAX]; /* of the last time */
	uint64_t first_ms, last_ms;     /* wall clock */
	uint64_t count;
	uint64_t serial; /* from 1, in the order they came into the list; never used again */
};

struct rejected_devices {
	struct rejected_device items[REJECTED_DEVICES_MAX];
	uint32_t devices[REJECTED_DEVICES_MAX]; /* whose they are: sixteen in a cache line */
	unsigned count;
	uint64_t serial; /* the last one given */
};

/* Of a SESSION_REJECTED. */
void rejected_devices_see(struct rejected_devices *list, const struct session_event *event,
			  uint64_t now_ms);
/* NULL: not there. */
const struct rejected_device *rejected_devices_find(const struct rejected_devices *list,
						    uint32_t device);
void rejected_devices_forget(struct rejected_devices *list, uint32_t device);
/* Why a certificate was refused (enum ec_verdict): "its certificate expired". */
const char *rejected_verdict(unsigned verdict);
/* What to do about it, as a sentence without a full stop. */
const char *rejected_verdict_remedy(unsigned verdict);
/* "wrong key", "asked as another", "its certificate expired". */
const char *rejected_why(const struct rejected_device *item);
/* What to do about it, as a sentence. */
const char *rejected_remedy(const struct rejected_device *item);
