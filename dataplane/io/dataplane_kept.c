/*
 * dataplane_kept.c - the facade's side of associations that outlive the process: where in the memory which worker's
 * are.
 *
 *	+-----------+------+------+- - -+-------+-------+- - -
 *	| kept_head | tags | tags |     | slots | slots |		each on pages of its own
 *	+-----------+------+------+- - -+-------+-------+- - -
 *	  of all      of worker 0, 1 ...   of worker 0, 1 ...
 *
 * Pages that no session used yet are not there. Threads: control, while the workers rest.
 */
#include "dataplane/dataplane.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "dataplane/core/crypto/rng.h"
#include "dataplane/io/dataplane_state.h"

enum { PAGE = 4096 };

static_assert(sizeof(struct kept_head) <= PAGE, "the head is a page");
static_assert(sizeof(((struct kept_origin *)NULL)->flow) == sizeof(struct siphash_key),
	      "the key of flows");

static size_t
pages(size_t bytes)
{
	return (bytes + PAGE - 1) / PAGE * PAGE;
}

static size_t
tags_size(const struct dataplane *dp)
{
	return pages(dp->sessions_per_worker * stack_kept_tag_bytes());
}

static size_t
slots_size(const struct dataplane *dp)
{
	return pages(dp->sessions_per_worker * stack_kept_slot_bytes());
}

static bool
has_dtls(const struct dataplane *dp)
{
	for (unsigned i = 0; i < dp->n_listeners; i++)
		if (dp->listener_security[i] == LISTENER_PSK)
			return true;
	return false;
}

size_t
dataplane_kept_size(const struct dataplane *dp)
{
	return has_dtls(dp) ? PAGE + dp->n_workers * (tags_size(dp) + slots_size(dp)) : 0;
}

static void
describe(const struct dataplane *dp, struct kept_origin *origin)
{
	kept_origin_init(origin);
	origin->workers = dp->n_workers;
	origin->sessions = dp->sessions_per_worker;
	origin->n_listeners = dp->n_listeners;
	for (unsigned i = 0; i < dp->n_listeners; i++) {
		struct kept_listener *listener = &origin->listeners[i];

		(void)dataplane_listener(dp, i, listener->address, &listener->port);
		listener->security = dp->listener_security[i];
	}
}

void
dataplane_kept_live(struct dataplane *dp, bool live)
{
	if (dp->kept)
		kept_head_live(dp->kept, live);
}

static void
keep_in(struct dataplane *dp, struct kept_head *head)
{
	uint8_t *tags = (uint8_t *)head + PAGE;
	uint8_t *slots = tags + dp->n_workers * tags_size(dp);

	dp->kept = head;
	for (unsigned i = 0; i < dp->n_workers; i++) {
		struct kept_place place = { .tags = tags + i * tags_size(dp),
					    .slots = slots + i * slots_size(dp) };

		memcpy(place.key, head->origin.key, sizeof place.key);
		stack_keep(dp->workers[i]->stack, &place);
		explicit_bzero(&place, sizeof place);
	}
}

void
dataplane_keep(struct dataplane *dp, void *memory)
{
	const struct rng rng = rng_drbg_source(&dp->workers[0]->rng);
	struct kept_origin origin;

	describe(dp, &origin);
	rng_fill(&rng, origin.key, sizeof origin.key);
	memcpy(origin.flow, &dp->workers[0]->flow.key, sizeof origin.flow);
	kept_head_begin(memory, &origin);
	explicit_bzero(&origin, sizeof origin);
	keep_in(dp, memory);
	dataplane_kept_live(dp, true);
}

static uint64_t
system_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

enum kept_found
dataplane_restore(struct dataplane *dp, void *memory, struct stack_restored *restored)
{
	struct kept_head *head = memory;
	struct kept_origin ours;
	enum kept_found found;

	describe(dp, &ours);
	found = kept_head_judge(head, &ours, system_us());
	*restored = (struct stack_restored){ 0 };
	if (found != KEPT_FOUND_GOOD)
		return found;
	kept_head_take(head, system_us());
	keep_in(dp, head);
	for (unsigned i = 0; i < dp->n_workers; i++) {
		memcpy(&dp->workers[i]->flow.key, head->origin.flow, sizeof head->origin.flow);
		stack_restore(dp->workers[i]->stack, dataplane_now_us(), restored);
	}
	return found;
}
