/* Whether what a process left may be taken up by this one: mostly not. */
#include <stddef.h>
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/core/stack_kept_head.h"

enum { NOW_US = 500 * 1000 * 1000, SECOND = 1000000 };

static struct kept_head head;
static struct kept_origin ours;

static void
setup(void)
{
	memset(&head, 0, sizeof head);
	kept_origin_init(&ours);
	ours.workers = 2;
	ours.sessions = 512;
	ours.n_listeners = 2;
	ours.listeners[1] = (struct kept_listener){ .port = 5684, .security = LISTENER_PSK };
	memset(ours.key, 7, sizeof ours.key);
	kept_head_begin(&head, &ours);
	kept_head_live(&head, true);
}

TestSuite(kept_head, .init = setup);

static enum kept_found
judge(void)
{
	return kept_head_judge(&head, &ours, NOW_US);
}

Test(kept_head, nothing_is_nothing)
{
	memset(&head, 0, sizeof head);
	cr_expect_eq(judge(), KEPT_FOUND_NOTHING);
	((uint8_t *)&head)[sizeof head - 1] = 1;
	cr_expect_eq(judge(), KEPT_FOUND_DAMAGED, "but for one byte");
}

Test(kept_head, any_byte_otherwise_is_seen)
{
	for (size_t i = 0; i < sizeof head.origin + sizeof head.check + sizeof head.live; i++) {
		((uint8_t *)&head)[i] ^= 0x20;
		cr_expect_neq(judge(), KEPT_FOUND_GOOD, "byte %zu", i);
		((uint8_t *)&head)[i] ^= 0x20;
	}
	cr_expect_eq(judge(), KEPT_FOUND_GOOD);
}

Test(kept_head, half_of_it_is_damaged)
{
	struct kept_head whole = head;

	memset(&head, 0, sizeof head);
	memcpy(&head, &whole, offsetof(struct kept_origin, key));
	cr_expect_eq(judge(), KEPT_FOUND_DAMAGED);
}

Test(kept_head, another_version_is_told_before_the_check_is_looked_at)
{
	head.origin.layout++;
	cr_expect_eq(judge(), KEPT_FOUND_LAYOUT);
	head.origin.layout--;
	head.origin.slot_bytes += 64;
	cr_expect_eq(judge(), KEPT_FOUND_LAYOUT);
}

Test(kept_head, other_settings_are_told)
{
	struct kept_origin same = ours;

	ours.workers++;
	cr_expect_eq(judge(), KEPT_FOUND_SETTINGS);
	ours = same;
	ours.sessions /= 2;
	cr_expect_eq(judge(), KEPT_FOUND_SETTINGS);
	ours = same;
	ours.listeners[1].security = LISTENER_NOSEC;
	cr_expect_eq(judge(), KEPT_FOUND_SETTINGS);
	ours = same;
	ours.listeners[0].address[15] = 1;
	cr_expect_eq(judge(), KEPT_FOUND_SETTINGS);
}

Test(kept_head, secrets_are_the_former_process_s)
{
	memset(ours.key, 9, sizeof ours.key);
	memset(ours.flow, 9, sizeof ours.flow);
	cr_expect_eq(judge(), KEPT_FOUND_GOOD);
}

Test(kept_head, what_passes_is_not_taken_up_unless_it_comes_back)
{
	kept_head_live(&head, false);
	cr_expect_eq(judge(), KEPT_FOUND_PASSED);
	kept_head_live(&head, true);
	cr_expect_eq(judge(), KEPT_FOUND_GOOD);
}

Test(kept_head, what_ends_one_process_after_the_other_is_given_up)
{
	uint64_t now_us = NOW_US;

	for (int i = 0; i < KEPT_AGAIN_MAX; i++) {
		cr_assert_eq(kept_head_judge(&head, &ours, now_us), KEPT_FOUND_GOOD);
		kept_head_take(&head, now_us);
		now_us += SECOND;
	}
	cr_expect_eq(kept_head_judge(&head, &ours, now_us), KEPT_FOUND_AGAIN);
	now_us += KEPT_AGAIN_US;
	cr_expect_eq(kept_head_judge(&head, &ours, now_us), KEPT_FOUND_GOOD, "the last one lived long");
	kept_head_take(&head, now_us);
	cr_expect_eq(kept_head_judge(&head, &ours, now_us + SECOND), KEPT_FOUND_GOOD, "and they count anew");
}

Test(kept_head, each_finding_has_its_words)
{
	for (enum kept_found found = KEPT_FOUND_NOTHING; found <= KEPT_FOUND_AGAIN; found++)
		cr_expect_neq(kept_found_text(found)[0], '\0');
}
