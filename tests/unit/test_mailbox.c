/* mailbox: bounded, in order, whole records; a full ring refuses and loses nothing. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane/io/mailbox.h"

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
