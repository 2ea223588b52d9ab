/*
 * unknown_devices.h - who asked and is not in the inventory: bounded, the longest silent one makes room.
 *
 * Owner: the service. Control thread. Allocates nothing after it was zeroed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/address.h"
#include "dataplane/dataplane.h"

struct store;
struct store_unknown;

enum {
	UNKNOWN_DEVICES_MAX = 1024,
	UNKNOWNS_SAVE_MS = 1000, /* how often what was seen is handed to the store */
};

struct unknown {
	uint8_t name[96]; /* endpoint name or identity, cut */
	uint8_t name_len;
	uint8_t over;                   /* enum unknown_over, of the last visit */
	uint32_t device;                /* UNKNOWN_OVER_DEVICE: whose identity it came with */
	bool unsaved;                   /* the store does not know of the last visit yet */
	char address[ADDRESS_TEXT_MAX]; /* of the last visit */
	uint64_t first_ms, last_ms;     /* wall clock */
	uint64_t count;
	uint64_t serial; /* from 1, in the order they came into the list; never used again */
};

struct unknown_devices {
	struct unknown items[UNKNOWN_DEVICES_MAX];
	uint32_t hashes
		[UNKNOWN_DEVICES_MAX]; /* of the names: one cache line tells 16 of them apart */
	unsigned count;
	uint64_t saved_ms; /* when they were last handed to the store */
	uint64_t serial; /* the last one given */
};

void unknown_devices_see(struct unknown_devices *unknowns, const struct session_event *event,
			 uint64_t now_ms);
void unknown_devices_load(struct unknown_devices *unknowns, const struct store_unknown *kept);
/* NULL: not there. */
const struct unknown *unknown_devices_find(const struct unknown_devices *unknowns, const void *name,
					   size_t len);
void unknown_devices_remove(struct unknown_devices *unknowns, const void *name, size_t len);
/* Hands over what was seen, now and then; `store` may be NULL. */
void unknown_devices_save(struct unknown_devices *unknowns, struct store *store, uint64_t now_ms);
