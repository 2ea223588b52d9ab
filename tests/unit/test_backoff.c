/* backoff: when a delivery is tried again, and what an answer means. */
#include <criterion/criterion.h>

#include "control/delivery/backoff.h"

static const struct backoff usual = {
	.min_ms = 1000, .max_ms = 300000, .attempts = 12, .max_age_ms = 3600000
};

Test(backoff, pauses_double_up_to_their_bound_and_never_overflow)
{
	uint64_t expected = 1000;

	for (unsigned n = 1; n < 100; n++) {
		cr_expect_eq(backoff_pause_ms(&usual, n, 0), expected - expected / 2);
		cr_expect_leq(backoff_pause_ms(&usual, n, UINT32_MAX), expected);
		cr_expect_geq(backoff_pause_ms(&usual, n, UINT32_MAX), expected - 1);
		expected = expected * 2 > 300000 ? 300000 : expected * 2;
	}
}

Test(backoff, the_random_half_spreads_those_that_failed_together)
{
	cr_expect_lt(backoff_pause_ms(&usual, 5, 1u << 30), backoff_pause_ms(&usual, 5, 3u << 30));
}

Test(backoff, an_hour_away_takes_few_tries_and_counts_against_no_message)
{
	uint64_t now_ms = 0;
	unsigned tries = 0;

	for (; now_ms < 3600000; tries++)
		now_ms += backoff_pause_ms(&usual, tries + 1, UINT32_MAX / 2);
	cr_expect_leq(tries, 30);
	cr_expect_not(backoff_gives_up(&usual, 0, 3599999));
}

Test(backoff, a_message_is_given_up_by_attempts_or_age)
{
	const struct backoff ageless = { 1000, 2000, 3, 0 };

	cr_expect_not(backoff_gives_up(&usual, 11, 0));
	cr_expect(backoff_gives_up(&usual, 12, 0));
	cr_expect(backoff_gives_up(&usual, 0, 3600000));
	cr_expect_not(backoff_gives_up(&ageless, 2, UINT64_MAX));
}

Test(backoff, a_target_that_asks_for_a_pause_gets_it_within_bounds)
{
	cr_expect_eq(backoff_retry_after_ms(-5), 0);
	cr_expect_eq(backoff_retry_after_ms(0), 0);
	cr_expect_eq(backoff_retry_after_ms(7), 7000);
	cr_expect_eq(backoff_retry_after_ms(INT64_MAX), 3600000);
}

Test(backoff, answers_mean_the_message_or_the_target)
{
	static const struct {
		long status;
		enum delivery_verdict verdict;
	} cases[] = {
		{ 200, DELIVERED },        { 201, DELIVERED },        { 204, DELIVERED },
		{ 301, DELIVERY_REFUSED }, { 400, DELIVERY_REFUSED }, { 404, DELIVERY_REFUSED },
		{ 409, DELIVERY_REFUSED }, { 422, DELIVERY_REFUSED }, { 500, DELIVERY_REFUSED },
		{ 0, TARGET_AWAY },        { 401, TARGET_AWAY },      { 403, TARGET_AWAY },
		{ 429, TARGET_AWAY },      { 502, TARGET_AWAY },      { 503, TARGET_AWAY },
		{ 504, TARGET_AWAY },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(delivery_judge(cases[i].status), cases[i].verdict, "%ld",
			     cases[i].status);
}
