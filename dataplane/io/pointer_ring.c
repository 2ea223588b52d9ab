#include "dataplane/io/pointer_ring.h"

static uint32_t
slots_of(uint32_t capacity)
{
	uint32_t slots = 1;

	while (slots < capacity)
		slots *= 2;
	return slots;
}

size_t
pointer_ring_size(uint32_t capacity)
{
	size_t size =
		sizeof(struct pointer_ring) + slots_of(capacity) * sizeof(struct pointer_slot);

	return (size + 63) / 64 * 64;
}

void
pointer_ring_init(struct pointer_ring *ring, uint32_t capacity)
{
	ring->mask = slots_of(capacity) - 1;
	atomic_init(&ring->put, 0);
	atomic_init(&ring->taken, 0);
	for (uint32_t i = 0; i <= ring->mask; i++)
		atomic_init(&ring->slots[i].turn, i);
}

/*
 * Takes the next position of `counter` once its slot is at `ahead` behind the position. NULL: it is not, as the
 * ring is full or empty there.
 */
static struct pointer_slot *
claim(struct pointer_ring *ring, _Atomic uint32_t *counter, uint32_t ahead, uint32_t *position)
{
	*position = atomic_load_explicit(counter, memory_order_relaxed);
	for (;;) {
		struct pointer_slot *slot = &ring->slots[*position & ring->mask];
		uint32_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
		int32_t off = (int32_t)(turn - (*position + ahead));

		if (off < 0)
			return NULL;
		/* One that fails brings the position as it is now. */
		if (off == 0 && atomic_compare_exchange_weak_explicit(
					counter, position, *position + 1, memory_order_relaxed,
					memory_order_relaxed))
			return slot;
		if (off > 0) /* another one was faster */
			*position = atomic_load_explicit(counter, memory_order_relaxed);
	}
}

bool
pointer_ring_put(struct pointer_ring *ring, void *item)
{
	uint32_t position;
	struct pointer_slot *slot = claim(ring, &ring->put, 0, &position);

	if (!slot)
		return false;
	slot->item = item;
	atomic_store_explicit(&slot->turn, position + 1, memory_order_release);
	return true;
}

void *
pointer_ring_take(struct pointer_ring *ring)
{
	uint32_t position;
	struct pointer_slot *slot = claim(ring, &ring->taken, 1, &position);
	void *item;

	if (!slot)
		return NULL;
	item = slot->item;
	atomic_store_explicit(&slot->turn, position + ring->mask + 1, memory_order_release);
	return item;
}

bool
pointer_ring_is_empty(const struct pointer_ring *ring)
{
	uint32_t position = atomic_load_explicit(&ring->taken, memory_order_relaxed);
	uint32_t turn = atomic_load_explicit(&ring->slots[position & ring->mask].turn,
					     memory_order_acquire);

	return turn != position + 1;
}
