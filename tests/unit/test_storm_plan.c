/* When devices are meant to start. */
#include <criterion/criterion.h>
#include <math.h>

#include "tools/storm/plan.h"

static unsigned
take_all(struct arrivals *arrivals, uint64_t until_us, uint64_t *last_us)
{
	unsigned n = 0;

	while (arrivals_take(arrivals, until_us, 0, last_us))
		n++;
	return n;
}

Test(storm_plan, arithmetic_of_rate_and_ramp)
{
	static const struct {
		double rate, duration, ramp, arrivals;
	} cases[] = {
		{ 100, 10, 0, 1000 },
		{ 100, 10, 10, 500 }, /* a triangle */
		{ 100, 10, 4, 800 },  /* half of the ramp is missing */
		{ 100, 2, 4, 50 },    /* cut within the ramp: half the rate is reached */
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct plan plan = { .kind = PLAN_OPEN,
				     .rate = cases[i].rate,
				     .duration_s = cases[i].duration,
				     .ramp_s = cases[i].ramp };

		cr_assert_float_eq(plan_arrivals(&plan), cases[i].arrivals, 1e-9, "case %zu", i);
		cr_assert_float_eq(plan_time_s(&plan, cases[i].arrivals), cases[i].duration, 1e-9,
				   "time is the inverse of arrivals, case %zu", i);
	}
}

Test(storm_plan, open_loop_takes_all_in_time_whatever_runs)
{
	const struct plan plan = {
		.kind = PLAN_OPEN, .rate = 1000, .duration_s = 10, .ramp_s = 2, .total = 9000
	};
	struct arrivals arrivals;
	uint64_t intended = 0, previous = 0;
	unsigned early = 0;

	arrivals_init(&arrivals, &plan, 1);
	while (arrivals_take(&arrivals, 10900000, UINT32_MAX, &intended)) {
		cr_assert(intended >= previous, "in order");
		early += intended < 1000000;
		previous = intended;
	}
	cr_assert_eq(arrivals.started, 9000);
	/*
	 * 250 on average in the first second of the ramp, standard deviation 16; all of them by
	 * about 10 s.
	 */
	cr_assert(early > 150 && early < 350, "%u", early);
	cr_assert(fabs((double)intended - 10e6) < 0.6e6, "%g", (double)intended);
	cr_assert(arrivals_over(&arrivals, 0));
}

Test(storm_plan, same_seed_same_arrivals)
{
	const struct plan plan = {
		.kind = PLAN_OPEN, .rate = 1000, .duration_s = 1, .total = 1000
	};
	struct arrivals a, b, c;
	uint64_t last_a, last_b, last_c;

	arrivals_init(&a, &plan, 5);
	arrivals_init(&b, &plan, 5);
	arrivals_init(&c, &plan, 6);
	cr_assert_eq(take_all(&a, 500000, &last_a), take_all(&b, 500000, &last_b));
	take_all(&c, 500000, &last_c);
	cr_assert_eq(last_a, last_b);
	cr_assert_neq(last_a, last_c);
}

Test(storm_plan, nothing_starts_before_its_time)
{
	const struct plan plan = { .kind = PLAN_OPEN, .rate = 10, .duration_s = 10, .total = 100 };
	struct arrivals arrivals;
	uint64_t intended;

	arrivals_init(&arrivals, &plan, 1);
	cr_assert(!arrivals_take(&arrivals, 0, 0, &intended));
	cr_assert_eq(arrivals_due(&arrivals, 2000000), 20);
	cr_assert_eq(arrivals_due(&arrivals, 60000000), 100);
}

Test(storm_plan, an_open_loop_offers_nothing_after_its_end)
{
	const struct plan plan = {
		.kind = PLAN_OPEN, .rate = 10, .duration_s = 10, .total = 100
	};
	struct arrivals arrivals;
	uint64_t intended;

	arrivals_init(&arrivals, &plan, 1);
	cr_assert(arrivals_take(&arrivals, 16000000, 0, &intended));
	cr_assert(!arrivals_over(&arrivals, 16000000));
	cr_assert(!arrivals_take(&arrivals, 16000001, 0, &intended));
	cr_assert(arrivals_over(&arrivals, 16000001));
}

Test(storm_plan, closed_loop_holds_its_number)
{
	const struct plan plan = { .kind = PLAN_CLOSED, .concurrency = 3, .total = 5 };
	struct arrivals arrivals;
	uint64_t intended;

	arrivals_init(&arrivals, &plan, 1);
	cr_assert(!arrivals_take(&arrivals, 7, 3, &intended), "three are running");
	for (int i = 0; i < 5; i++) {
		cr_assert(arrivals_take(&arrivals, 7, 2, &intended));
		cr_assert_eq(intended, 7, "a closed loop means now");
	}
	cr_assert(!arrivals_take(&arrivals, 7, 0, &intended), "that was all");
}

Test(storm_plan, closed_loop_with_a_duration_has_no_total)
{
	const struct plan plan = {
		.kind = PLAN_CLOSED, .concurrency = 3, .total = 1, .duration_s = 2
	};
	struct arrivals arrivals;
	uint64_t intended;

	arrivals_init(&arrivals, &plan, 1);
	for (int i = 0; i < 10; i++)
		cr_assert(arrivals_take(&arrivals, 1999999, 0, &intended));
	cr_assert(!arrivals_take(&arrivals, 2000000, 0, &intended));
}

Test(storm_plan, a_burst_is_meant_for_time_zero)
{
	const struct plan plan = { .kind = PLAN_BURST, .total = 4 };
	struct arrivals arrivals;
	uint64_t intended = 9;

	arrivals_init(&arrivals, &plan, 1);
	cr_assert_eq(take_all(&arrivals, 123456, &intended), 4);
	cr_assert_eq(intended, 0);
}

/* Nothing is lost or doubled by parting it among cores. */
Test(storm_plan, shares_make_up_the_whole)
{
	const struct plan plan = {
		.kind = PLAN_OPEN, .total = 1001, .concurrency = 17, .rate = 90, .duration_s = 5
	};

	for (unsigned cores = 1; cores <= 5; cores++) {
		uint64_t total = 0, concurrency = 0, devices = 0;
		double rate = 0;

		for (unsigned i = 0; i < cores; i++) {
			struct plan share = plan_share(&plan, i, cores);

			total += share.total;
			concurrency += share.concurrency;
			rate += share.rate;
			devices += share_of(10, i, cores);
			cr_expect_eq(share.duration_s, plan.duration_s);
		}
		cr_expect_eq(total, plan.total);
		cr_expect_eq(concurrency, plan.concurrency);
		cr_expect_eq(devices, 10);
		cr_expect_float_eq(rate, plan.rate, 1e-9);
	}
}
