/* What happens, for whoever watches: bounded, each reader at its own pace, and what it loses is counted. */
#include "control/runs/feed.h"

#include <criterion/criterion.h>

static struct feed feed;
static struct feed_reader reader;
static uint64_t missed;

static void
set_up(void)
{
	feed = (struct feed){ 0 };
	missed = 0;
}

TestSuite(feed, .init = set_up);

static void
put(enum feed_kind kind, uint32_t number, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		feed_put(&feed, &(struct feed_event){ .kind = kind, .number = number + i });
}

static const struct feed_event *
next(void)
{
	return feed_read(&feed, &reader, &missed);
}

Test(feed, nothing_is_recorded_while_nobody_watches)
{
	put(FEED_SESSION, 0, 10);
	cr_expect_null(feed.rings[FEED_SESSION]);
	cr_assert(feed_open(&feed, &reader, 1u << FEED_SESSION));
	cr_expect_null(next());
	put(FEED_SESSION, 10, 1);
	cr_assert_not_null(next());
	feed_close(&feed, &reader);
	put(FEED_SESSION, 11, 5);
	/* Who comes later gets what happens later. */
	cr_assert(feed_open(&feed, &reader, 1u << FEED_SESSION));
	cr_expect_null(next());
	cr_expect_eq(missed, 0);
	feed_close(&feed, &reader);
	feed_fini(&feed);
}

Test(feed, kinds_come_in_the_order_they_happened)
{
	static const enum feed_kind kinds[] = { FEED_REJECTED, FEED_REPORT, FEED_UNKNOWN,
						FEED_REPORT, FEED_SESSION };

	cr_assert(feed_open(&feed, &reader, (1u << FEED_KINDS) - 1));
	for (unsigned i = 0; i < 5; i++)
		put(kinds[i], i, 1);
	for (unsigned i = 0; i < 5; i++)
		cr_expect_eq(next()->number, i);
	cr_expect_null(next());
	feed_close(&feed, &reader);
	feed_fini(&feed);
}

Test(feed, a_kind_that_is_not_asked_for_does_not_come)
{
	cr_assert(feed_open(&feed, &reader, 1u << FEED_REJECTED));
	put(FEED_SESSION, 0, 3);
	put(FEED_REJECTED, 7, 1);
	cr_expect_eq(next()->number, 7);
	cr_expect_null(next());
	feed_close(&feed, &reader);
	feed_fini(&feed);
}

Test(feed, a_slow_reader_loses_the_oldest_and_knows_how_many)
{
	unsigned got = 0;

	cr_assert(feed_open(&feed, &reader, 1u << FEED_SESSION));
	put(FEED_SESSION, 0, 3 * FEED_KEPT + 17);
	cr_expect_eq(next()->number, 2 * FEED_KEPT + 17);
	for (got = 1; next(); got++)
		continue;
	cr_expect_eq(got, FEED_KEPT);
	cr_expect_eq(missed, 2 * FEED_KEPT + 17);
	feed_close(&feed, &reader);
	feed_fini(&feed);
}

/* A storm of sessions pushes no rejected device out. */
Test(feed, one_kind_displaces_no_other)
{
	cr_assert(feed_open(&feed, &reader, 1u << FEED_SESSION | 1u << FEED_REJECTED));
	put(FEED_REJECTED, 7, 1);
	put(FEED_SESSION, 0, 10 * FEED_KEPT);
	cr_expect_eq(next()->kind, FEED_REJECTED);
	feed_close(&feed, &reader);
	feed_fini(&feed);
}

Test(feed, readers_do_not_disturb_each_other)
{
	struct feed_reader other;
	uint64_t other_missed = 0;

	cr_assert(feed_open(&feed, &reader, 1u << FEED_SESSION));
	cr_assert(feed_open(&feed, &other, 1u << FEED_SESSION));
	put(FEED_SESSION, 0, 2);
	cr_expect_eq(next()->number, 0);
	feed_close(&feed, &reader);
	put(FEED_SESSION, 2, FEED_KEPT);
	cr_expect_eq(feed_read(&feed, &other, &other_missed)->number, 2);
	cr_expect_eq(other_missed, 2);
	feed_close(&feed, &other);
	feed_fini(&feed);
}

Test(feed, a_reader_may_go_on_with_the_newest_of_each_kind)
{
	cr_assert(feed_open(&feed, &reader, 1u << FEED_SESSION | 1u << FEED_REJECTED));
	cr_expect_not(feed_has_news(&feed, &reader));
	put(FEED_UNKNOWN, 0, 1); /* it does not want those */
	cr_expect_not(feed_has_news(&feed, &reader));
	put(FEED_REJECTED, 7, 1);
	put(FEED_SESSION, 0, 10);
	cr_expect(feed_has_news(&feed, &reader));
	feed_skip(&feed, &reader, 2, &missed);
	cr_expect_eq(missed, 8);
	cr_expect_eq(next()->number, 7);
	cr_expect_eq(next()->number, 8);
	cr_expect_eq(next()->number, 9);
	cr_expect_null(next());
	feed_close(&feed, &reader);
	feed_fini(&feed);
}
