/* mailbox: bounded, in order, whole records; a full ring refuses and loses nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/io/event_ring.h"

static struct rte_ring *
ring_new(unsigned record, unsigned capacity)
{
	ssize_t size = mailbox_size(record, capacity);
	struct rte_ring *ring;

	cr_assert_gt(size, 0);
	ring = aligned_alloc(64, ((size_t)size + 63) / 64 * 64);
	cr_assert_eq(mailbox_init(ring, "test", capacity), 0);
	return ring;
}

Test(mailbox, refuses_when_full_and_keeps_what_it_has)
{
	struct rte_ring *ring = ring_new(sizeof(struct session_event), 100);
	struct session_event event = { 0 }, taken[128];

	for (unsigned i = 0; i < 100; i++) {
		event.device = i;
		cr_assert(mailbox_post(ring, &event, sizeof event));
	}
	event.device = 100;
	cr_expect_not(mailbox_post(ring, &event, sizeof event));
	cr_expect_eq(mailbox_take(ring, taken, sizeof event, 1), 1);
	cr_expect_eq(taken[0].device, 0);
	cr_expect(mailbox_post(ring, &event, sizeof event));
	cr_assert_eq(mailbox_take(ring, taken, sizeof event, 128), 100);
	for (unsigned i = 0; i < 100; i++)
		cr_expect_eq(taken[i].device, i + 1);
	cr_expect_eq(mailbox_take(ring, taken, sizeof event, 128), 0);
	free(ring);
}

Test(mailbox, says_whether_what_was_posted_is_taken)
{
	struct rte_ring *ring = ring_new(4, 3);
	uint32_t record = 0, mark = mailbox_posted(ring);

	cr_expect(mailbox_is_taken(ring, mark), "nothing was posted");
	for (unsigned i = 0; i < 100; i++) {
		cr_assert(mailbox_post(ring, &record, 4));
		cr_assert(mailbox_post(ring, &record, 4));
		mark = mailbox_posted(ring);
		cr_assert(mailbox_post(ring, &record, 4));
		cr_expect_not(mailbox_is_taken(ring, mark));
		cr_assert_eq(mailbox_take(ring, &record, 4, 1), 1);
		cr_expect_not(mailbox_is_taken(ring, mark));
		cr_assert_eq(mailbox_take(ring, &record, 4, 1), 1);
		cr_expect(mailbox_is_taken(ring, mark), "what was posted later is none of it");
		cr_assert_eq(mailbox_take(ring, &record, 4, 1), 1);
	}
	free(ring);
}

static struct event_ring
event_ring_new(unsigned heads, unsigned names)
{
	return (struct event_ring){ ring_new(EVENT_HEAD, heads), ring_new(EVENT_NAME, names) };
}

static void
event_ring_free(struct event_ring *ring)
{
	free(ring->heads);
	free(ring->names);
}

/* With a name of its own, or without one. */
static struct session_event
event_of(unsigned device, bool named)
{
	struct session_event event = { .device = device };

	if (named)
		event.name_len = (uint8_t)snprintf((char *)event.name, sizeof event.name,
						   "device-%u", device);
	return event;
}

/* Each name comes with its own event, whichever of them have one. */
Test(mailbox, events_keep_their_names)
{
	struct event_ring ring = event_ring_new(100, 40);
	struct session_event taken[100];

	for (unsigned first = 0; first < 5000; first += 100) {
		for (unsigned i = first; i < first + 100; i++) {
			struct session_event event = event_of(i, i % 3 == first % 3);

			cr_assert(event_ring_post(&ring, &event));
		}
		memset(taken, 0xee, sizeof taken);
		cr_assert_eq(event_ring_take(&ring, taken, 100), 100);
		for (unsigned i = 0; i < 100; i++) {
			struct session_event expected =
				event_of(first + i, (first + i) % 3 == first % 3);

			cr_assert_eq(taken[i].device, expected.device);
			cr_assert_eq(taken[i].name_len, expected.name_len);
			cr_assert_arr_eq(taken[i].name, expected.name, sizeof expected.name);
		}
	}
	cr_expect_eq(event_ring_take(&ring, taken, 100), 0);
	event_ring_free(&ring);
}

/* A refused event leaves no name behind, and a name without room no event. */
Test(mailbox, a_refused_event_leaves_nothing)
{
	struct event_ring ring = event_ring_new(5, 3);
	struct session_event named = event_of(7, true), plain = event_of(8, false), taken[8];

	for (unsigned i = 0; i < 3; i++)
		cr_assert(event_ring_post(&ring, &named));
	cr_expect_not(event_ring_post(&ring, &named), "no room for its name");
	cr_assert(event_ring_post(&ring, &plain));
	cr_assert_eq(event_ring_take(&ring, taken, 8), 4);
	cr_expect_eq(taken[3].device, 8);
	for (unsigned i = 0; i < 5; i++)
		cr_assert(event_ring_post(&ring, &plain));
	cr_expect_not(event_ring_post(&ring, &named), "no room for itself");
	cr_assert_eq(event_ring_take(&ring, taken, 8), 5);
	named = event_of(9, true);
	cr_assert(event_ring_post(&ring, &named));
	cr_assert_eq(event_ring_take(&ring, taken, 8), 1);
	cr_expect_str_eq((char *)taken[0].name, "device-9");
	event_ring_free(&ring);
}

Test(mailbox, carries_whole_commands_around_its_end)
{
	struct rte_ring *ring = ring_new(sizeof(struct stack_command), 7);

	for (unsigned i = 0; i < 1000; i++) {
		struct stack_command command = { .kind = STACK_CANCEL, .session = { i, ~i } },
				     taken;

		cr_assert(mailbox_post(ring, &command, sizeof command));
		cr_assert_eq(mailbox_take(ring, &taken, sizeof taken, 1), 1);
		cr_assert_eq(memcmp(&command, &taken, sizeof taken), 0);
	}
	free(ring);
}
