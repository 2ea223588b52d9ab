/*
 * dataplane_lane.c - the facade's side of the slow lane: its thread takes and gives items here, and reads the directory
 * as one more reader beside the workers. And that of the threads that compute with elliptic curves.
 */
#include "dataplane/dataplane.h"

#include <string.h>

#include "dataplane/io/dataplane_state.h"
#include "dataplane/io/lane.h"

unsigned
dataplane_lane_take(struct dataplane *dp, struct slow_lane_item **items, unsigned n)
{
	return lane_take(dp->lane, (void **)items, n);
}

struct slow_lane_item *
dataplane_lane_item(struct dataplane *dp)
{
	return lane_item(dp->lane);
}

void
dataplane_lane_give(struct dataplane *dp, struct slow_lane_item *item)
{
	lane_give(dp->lane, item);
}

void
dataplane_lane_return(struct dataplane *dp, struct slow_lane_item **items, unsigned n)
{
	lane_return(dp->lane, (void **)items, n);
}

void
dataplane_lane_wait(struct dataplane *dp, int timeout_ms)
{
	lane_wait(dp->lane, timeout_ms);
}

void
dataplane_lane_wake(struct dataplane *dp)
{
	lane_wake(dp->lane);
}

static bool
copy_identity(const struct device_entry *entry, uint64_t hash, struct slow_lane_identity *found)
{
	if (!entry || !entry->key_len)
		return false;
	found->hash = hash;
	found->device = entry->id;
	found->key_len = entry->key_len;
	memcpy(found->key, device_entry_key(entry), entry->key_len);
	return true;
}

bool
dataplane_lane_identity(struct dataplane *dp, const uint8_t *identity, size_t len,
			struct slow_lane_identity *found)
{
	const struct directory *directory;
	bool known = false;

	/* Online for this look-up alone: between them the thread sleeps, and would hold up every retirement. */
	rte_rcu_qsbr_thread_online(dp->qsbr, dp->n_workers);
	directory = atomic_load_explicit(&dp->directory, memory_order_acquire);
	if (directory)
		known = copy_identity(directory_find_identity(directory, identity, len),
				      directory_hash(directory, identity, len), found);
	rte_rcu_qsbr_thread_offline(dp->qsbr, dp->n_workers);
	return known;
}

/* ---- elliptic curves ---- */

unsigned
dataplane_ec_take(struct dataplane *dp, struct ec_job **jobs, unsigned n)
{
	return dp->ec ? lane_take(dp->ec, (void **)jobs, n) : 0;
}

void
dataplane_ec_give(struct dataplane *dp, struct ec_job *job)
{
	lane_give(dp->ec, job);
}

void
dataplane_ec_wait(struct dataplane *dp, int timeout_ms)
{
	lane_wait(dp->ec, timeout_ms);
}

void
dataplane_ec_wake(struct dataplane *dp)
{
	lane_wake(dp->ec);
}
