#include "dataplane/io/lane.h"

#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "dataplane/core/lane_head.h"
#include "dataplane/io/pointer_ring.h"

struct lane {
	unsigned n_workers;
	struct pointer_ring *to_lane;
	struct pointer_ring **to_worker;
	int wake;                  /* one count a thread that is to be woken */
	_Atomic unsigned sleeping; /* threads that look a last time, or wait; one less by who wakes
				    * one */
};

static struct pointer_ring *
make_ring(unsigned capacity)
{
	struct pointer_ring *ring =
		rte_zmalloc("lane_ring", pointer_ring_size(capacity), RTE_CACHE_LINE_SIZE);

	if (ring)
		pointer_ring_init(ring, capacity);
	return ring;
}

static bool
make_rings(struct lane *lane, const struct lane_config *config)
{
	lane->to_lane = make_ring(config->waiting);
	if (!lane->to_lane)
		return false;
	for (unsigned i = 0; i < lane->n_workers; i++) {
		/* It holds every item of its worker: an answer always finds room. */
		lane->to_worker[i] = make_ring(config->items);
		if (!lane->to_worker[i])
			return false;
	}
	return true;
}

struct lane *
lane_new(const struct lane_config *config)
{
	struct lane *lane = rte_zmalloc("lane", sizeof *lane, RTE_CACHE_LINE_SIZE);

	if (!lane)
		return NULL;
	lane->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	lane->n_workers = config->workers;
	lane->to_worker = rte_zmalloc("lane_rings", config->workers * sizeof *lane->to_worker, 0);
	if (lane->wake < 0 || !lane->to_worker || !make_rings(lane, config)) {
		lane_free(lane);
		return NULL;
	}
	return lane;
}

void
lane_free(struct lane *lane)
{
	if (!lane)
		return;
	for (unsigned i = 0; lane->to_worker && i < lane->n_workers; i++)
		rte_free(lane->to_worker[i]);
	rte_free(lane->to_lane);
	rte_free(lane->to_worker);
	if (lane->wake >= 0)
		close(lane->wake);
	rte_free(lane);
}

static void
write_wake(struct lane *lane)
{
	const uint64_t one = 1;

	/* A full eventfd is a pending wake-up already. */
	if (write(lane->wake, &one, sizeof one) != sizeof one)
		return;
}

/* Takes one of the sleeping threads off their count; false: none sleeps. */
static bool
take_sleeper(struct lane *lane)
{
	unsigned n = atomic_load_explicit(&lane->sleeping, memory_order_relaxed);

	while (n != 0)
		if (atomic_compare_exchange_weak(&lane->sleeping, &n, n - 1))
			return true;
	return false;
}

bool
lane_offer(struct lane *lane, void *item)
{
	if (!pointer_ring_put(lane->to_lane, item))
		return false;
	/* Sequentially consistent with lane_wait(): either we see it asleep, or it sees the item. */
	atomic_thread_fence(memory_order_seq_cst);
	if (take_sleeper(lane))
		write_wake(lane);
	return true;
}

void
lane_wake(struct lane *lane)
{
	(void)take_sleeper(lane);
	write_wake(lane);
}

static unsigned
take_burst(struct pointer_ring *ring, void **items, unsigned n)
{
	unsigned taken = 0;

	while (taken < n && (items[taken] = pointer_ring_take(ring)))
		taken++;
	return taken;
}

unsigned
lane_collect(struct lane *lane, unsigned worker, void **items, unsigned n)
{
	return take_burst(lane->to_worker[worker], items, n);
}

unsigned
lane_take(struct lane *lane, void **items, unsigned n)
{
	return take_burst(lane->to_lane, items, n);
}

void
lane_give(struct lane *lane, void *item)
{
	const struct lane_head *head = item;

	bool fits = pointer_ring_put(lane->to_worker[head->worker], item);

	assert(fits);
	(void)fits;
}

void
lane_wait(struct lane *lane, int timeout_ms)
{
	struct pollfd fd = { .fd = lane->wake, .events = POLLIN };
	uint64_t count;

	if (read(lane->wake, &count, sizeof count) == sizeof count)
		return; /* woken while it was awake */
	atomic_fetch_add(&lane->sleeping, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (pointer_ring_is_empty(lane->to_lane))
		poll(&fd, 1, timeout_ms);
	/* Who was woken was taken off the count by who did it. */
	if (read(lane->wake, &count, sizeof count) != sizeof count)
		(void)take_sleeper(lane);
}
