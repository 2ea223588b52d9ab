#include "control/runs/device_ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { START = 256 };

uint32_t
device_ring_at(const struct device_ring *ring, size_t i)
{
	assert(i < ring->count);
	return ring->numbers[(ring->first + i) & (ring->capacity - 1)];
}

static int
grow(struct device_ring *ring)
{
	size_t capacity = ring->capacity ? 2 * ring->capacity : START;
	uint32_t *numbers = malloc(capacity * sizeof *numbers);

	if (!numbers)
		return -ENOMEM;
	for (size_t i = 0; i < ring->count; i++)
		numbers[i] = device_ring_at(ring, i);
	free(ring->numbers);
	ring->numbers = numbers;
	ring->first = 0;
	ring->capacity = capacity;
	return 0;
}

int
device_ring_put(struct device_ring *ring, uint32_t number)
{
	if (ring->count == ring->capacity && grow(ring) < 0)
		return -ENOMEM;
	ring->numbers[(ring->first + ring->count++) & (ring->capacity - 1)] = number;
	return 0;
}

uint32_t
device_ring_take(struct device_ring *ring)
{
	uint32_t number;

	assert(ring->count);
	number = ring->numbers[ring->first];
	ring->first = (ring->first + 1) & (ring->capacity - 1);
	ring->count--;
	return number;
}

void
device_ring_fini(struct device_ring *ring)
{
	free(ring->numbers);
	*ring = (struct device_ring){ 0 };
}
