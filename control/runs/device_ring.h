/*
 * device_ring.h - numbers of devices that wait for something, first in, first out; it grows as they come.
 *
 * That each stands in it once is the caller's business, by a mark of the device. Owner: whoever has the struct. Control thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* All zero: empty. */
struct device_ring {
	uint32_t *numbers;
	size_t first, count, capacity; /* a power of two */
};

/* 0 or -ENOMEM: then it is as it was. */
int device_ring_put(struct device_ring *ring, uint32_t number) __attribute__((warn_unused_result));
/* There must be one. */
uint32_t device_ring_take(struct device_ring *ring);
/* The one that is taken after `i` others. */
uint32_t device_ring_at(const struct device_ring *ring, size_t i);
void device_ring_fini(struct device_ring *ring);
