/*
 * store_recent.h - where the entry of each device and task lies that the big tables do not have yet.
 *
 * The journal is the table `news`, which costs few pages however the devices are spread;
 * written straight to its place, each report would dirty a page of its own, and 100,000 a second
 * some 800 MB/s. This remembers, by device and task, its last entry, and gives it in order
 * of devices, so that a page of the big tables takes all its entries at once. 32 bytes an entry.
 *
 * Owner: the store's writer. One thread. Allocates in recent_reserve() alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/hash_index.h"

struct recent_entry {
	uint32_t device, task;
	int64_t seq; /* of the row in `news` */
};

struct recent {
	struct recent_entry *entries;
	size_t count, capacity;
	struct hash_index index; /* of entries; nothing in it once they are sorted */
	int64_t last_seq;
};

/* Room for so many more. 0 or -ENOMEM. */
int recent_reserve(struct recent *recent, size_t more);
/* There must be room. */
void recent_set(struct recent *recent, const struct recent_entry *entry);
/* 0: nothing. */
int64_t recent_find(const struct recent *recent, uint32_t device, uint32_t task);
/* By device, then task. Nothing is set or found any more. */
void recent_sort(struct recent *recent);
void recent_fini(struct recent *recent);

/* Numbers of devices, a bit each. */
struct id_set {
	uint8_t *bits;
	size_t bytes;
};

/* 0 or -ENOMEM. */
int id_set_add(struct id_set *set, uint32_t id);
bool id_set_has(const struct id_set *set, uint32_t id);
void id_set_fini(struct id_set *set);
