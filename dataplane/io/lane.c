#include "dataplane/io/lane.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_ring.h>

struct lane {
	struct slow_lane_item *items;
	unsigned n_items, n_workers;
	struct rte_ring *free, *to_lane; /* several workers at the workers' end */
	struct rte_ring **to_worker;
	int wake;
	_Atomic bool
		asleep; /* set by the thread before it looks a last time; taken by who wakes it */
};

static struct rte_ring *
make_ring(const char *name, unsigned number, unsigned size, unsigned flags)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof full, "lane_%s_%u", name, number);
	return rte_ring_create(full, size, (int)rte_socket_id(), flags | RING_F_EXACT_SZ);
}

static bool
make_rings(struct lane *lane)
{
	/* Every ring holds every item: an enqueue never fails. */
	lane->free = make_ring("free", 0, lane->n_items, 0);
	lane->to_lane = make_ring("in", 0, lane->n_items, RING_F_SC_DEQ);
	if (!lane->free || !lane->to_lane)
		return false;
	for (unsigned i = 0; i < lane->n_workers; i++) {
		lane->to_worker[i] =
			make_ring("out", i, lane->n_items, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (!lane->to_worker[i])
			return false;
	}
	return true;
}

struct lane *
lane_new(unsigned workers, unsigned items)
{
	struct lane *lane = rte_zmalloc("lane", sizeof *lane, RTE_CACHE_LINE_SIZE);

	if (!lane)
		return NULL;
	lane->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	lane->n_workers = workers;
	lane->n_items = rte_align32pow2(items);
	lane->items =
		rte_zmalloc("lane_items", lane->n_items * sizeof *lane->items, RTE_CACHE_LINE_SIZE);
	lane->to_worker = rte_zmalloc("lane_rings", workers * sizeof *lane->to_worker, 0);
	if (lane->wake < 0 || !lane->items || !lane->to_worker || !make_rings(lane)) {
		lane_free(lane);
		return NULL;
	}
	for (unsigned i = 0; i < lane->n_items; i++)
		rte_ring_enqueue(lane->free, &lane->items[i]);
	return lane;
}

void
lane_free(struct lane *lane)
{
	if (!lane)
		return;
	for (unsigned i = 0; lane->to_worker && i < lane->n_workers; i++)
		rte_ring_free(lane->to_worker[i]);
	rte_ring_free(lane->to_lane);
	rte_ring_free(lane->free);
	if (lane->items)
		explicit_bzero(lane->items, lane->n_items * sizeof *lane->items);
	rte_free(lane->items);
	rte_free(lane->to_worker);
	if (lane->wake >= 0)
		close(lane->wake);
	rte_free(lane);
}

struct slow_lane_item *
lane_item(struct lane *lane)
{
	void *item;

	return rte_ring_dequeue(lane->free, &item) ? NULL : item;
}

void
lane_wake(struct lane *lane)
{
	const uint64_t one = 1;

	/* A full eventfd is a pending wake-up already. */
	if (write(lane->wake, &one, sizeof one) != sizeof one)
		return;
}

void
lane_offer(struct lane *lane, struct slow_lane_item *item)
{
	rte_ring_enqueue(lane->to_lane, item);
	/* Sequentially consistent with lane_wait(): either we see it asleep, or it sees the item. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&lane->asleep, memory_order_relaxed) &&
	    atomic_exchange(&lane->asleep, false))
		lane_wake(lane);
}

unsigned
lane_collect(struct lane *lane, unsigned worker, struct slow_lane_item **items, unsigned n)
{
	return rte_ring_dequeue_burst(lane->to_worker[worker], (void **)items, n, NULL);
}

void
lane_return(struct lane *lane, struct slow_lane_item **items, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (items[i]->kind == SLOW_LANE_ESTABLISHED)
			explicit_bzero(&items[i]->keys, sizeof items[i]->keys);
	rte_ring_enqueue_bulk(lane->free, (void *const *)items, n, NULL);
}

unsigned
lane_take(struct lane *lane, struct slow_lane_item **items, unsigned n)
{
	return rte_ring_dequeue_burst(lane->to_lane, (void **)items, n, NULL);
}

void
lane_give(struct lane *lane, struct slow_lane_item *item)
{
	rte_ring_enqueue(lane->to_worker[item->worker], item);
}

void
lane_wait(struct lane *lane, int timeout_ms)
{
	struct pollfd fd = { .fd = lane->wake, .events = POLLIN };
	uint64_t count;

	atomic_store(&lane->asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	if (rte_ring_empty(lane->to_lane))
		poll(&fd, 1, timeout_ms);
	atomic_store(&lane->asleep, false);
	if (read(lane->wake, &count, sizeof count) != sizeof count)
		return;
}
