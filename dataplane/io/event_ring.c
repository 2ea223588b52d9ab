#include "dataplane/io/event_ring.h"

#include <assert.h>
#include <string.h>

#include <rte_common.h>

enum { AT_ONCE = 32 };

bool
event_ring_post(const struct event_ring *ring, const struct session_event *event)
{
	if (unlikely(event->name_len)) {
		/* Of a ring with room that stays so: the reader makes more. */
		if (rte_ring_full(ring->heads) ||
		    !mailbox_post(ring->names, event->name, EVENT_NAME))
			return false;
	}
	return mailbox_post(ring->heads, event, EVENT_HEAD);
}

unsigned
event_ring_take(const struct event_ring *ring, struct session_event *events, unsigned n)
{
	uint8_t heads[AT_ONCE][EVENT_HEAD];
	unsigned taken = 0, got;

	do {
		got = mailbox_take(ring->heads, heads, EVENT_HEAD, RTE_MIN(n - taken, (unsigned)AT_ONCE));
		for (unsigned i = 0; i < got; i++) {
			struct session_event *event = &events[taken++];
			unsigned names;

			memset(event, 0, sizeof *event);
			memcpy(event, heads[i], EVENT_HEAD);
			if (!event->name_len)
				continue;
			names = mailbox_take(ring->names, event->name, EVENT_NAME, 1);
			assert(names == 1); /* it went before its event */
			(void)names;
		}
	} while (got == AT_ONCE && taken < n);
	return taken;
}
