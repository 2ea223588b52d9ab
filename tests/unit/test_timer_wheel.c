/* The wheel against a model that knows every timer's time, under a clock that jumps. */
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/core/tables/timer_wheel.h"

enum {
	ELEMENTS = 500,
	TICK_US = 1 << TIMER_WHEEL_TICK_BITS,
};

struct element {
	uint64_t before;
	struct timer_node timer;
	uint64_t after;
};

static struct element elements[ELEMENTS];

static void
start(struct timer_wheel *wheel, uint64_t now_us)
{
	memset(elements, 0, sizeof elements);
	timer_wheel_init(wheel, &elements[0].timer, sizeof elements[0], now_us);
}

static uint64_t
next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 29;
}

Test(timer_wheel, is_as_small_as_it_says)
{
	cr_assert_eq(sizeof(struct timer_node), 12);
	cr_assert_eq(sizeof(struct timer_wheel), 1088);
}

Test(timer_wheel, nothing_is_due_when_nothing_is_armed)
{
	struct timer_wheel wheel;
	uint32_t index;

	start(&wheel, 12345);
	cr_assert_not(timer_wheel_pop(&wheel, UINT64_MAX / 2, &index));
	timer_wheel_cancel(&wheel, 7);
	cr_assert_not(timer_wheel_armed(&wheel, 7));
	cr_assert_eq(wheel.next_us, UINT64_MAX);
}

Test(timer_wheel, a_cancelled_timer_never_goes_off)
{
	struct timer_wheel wheel;
	uint32_t index;

	start(&wheel, 0);
	for (uint32_t i = 0; i < 3; i++) /* first, middle and last of one slot */
		timer_wheel_arm(&wheel, i, 5000);
	timer_wheel_cancel(&wheel, 1);
	timer_wheel_cancel(&wheel, 2);
	timer_wheel_cancel(&wheel, 2);
	cr_assert(timer_wheel_pop(&wheel, 10000, &index));
	cr_assert_eq(index, 0);
	cr_assert_not(timer_wheel_pop(&wheel, 10000000, &index));
}

Test(timer_wheel, is_never_early_and_hardly_late_at_the_edges_of_every_level)
{
	/* Ticks around the edges of levels, from a start that is aligned to none, to some and to
	 * all of them. */
	static const uint64_t starts[] = { 0,      1,      63,       64,       4095,     4096,
					   262143, 262144, 16777215, 16777216, 999999999 };
	static const uint64_t ahead[] = { 1,        2,         62,        63,       64,
					  65,       127,       128,       4095,     4096,
					  4097,     262143,    262144,    262145,   16515071,
					  16515072, 16515073,  16777215,  16777216, 16777217,
					  33554432, 100000000, 1000000000 };

	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
		for (size_t j = 0; j < sizeof ahead / sizeof ahead[0]; j++) {
			struct timer_wheel wheel;
			uint64_t due = (starts[i] + ahead[j]) * TICK_US;
			uint32_t index = 99;

			start(&wheel, starts[i] * TICK_US);
			timer_wheel_arm(&wheel, 3, due);
			cr_assert_not(timer_wheel_pop(&wheel, due - 1, &index), "%zu %zu", i, j);
			cr_assert(timer_wheel_pop(&wheel, due, &index), "%zu %zu", i, j);
			cr_assert_eq(index, 3);
			cr_assert_not(timer_wheel_armed(&wheel, 3));
			cr_assert_eq(elements[3].before, 0);
			cr_assert_eq(elements[3].after, 0);
		}
}

Test(timer_wheel, a_time_between_ticks_is_rounded_up)
{
	struct timer_wheel wheel;
	uint32_t index;

	start(&wheel, 0);
	timer_wheel_arm(&wheel, 0, 10 * TICK_US + 1);
	cr_assert_not(timer_wheel_pop(&wheel, 11 * TICK_US - 1, &index));
	cr_assert(timer_wheel_pop(&wheel, 11 * TICK_US, &index));
}

Test(timer_wheel, arming_in_the_past_waits_for_the_next_tick)
{
	struct timer_wheel wheel;
	uint32_t index;
	unsigned popped = 0;

	start(&wheel, 100 * TICK_US);
	timer_wheel_arm(&wheel, 0, 0);
	/* The trap of an expiry loop: whoever arms in the past again and again must not hang the
	 * worker. */
	while (timer_wheel_pop(&wheel, 110 * TICK_US, &index)) {
		timer_wheel_arm(&wheel, index, 0);
		cr_assert_leq(++popped, 10);
	}
	cr_assert_eq(popped, 10);
	cr_assert(timer_wheel_pop(&wheel, 111 * TICK_US, &index));
}

Test(timer_wheel, moves_are_bounded_per_call_and_nobody_is_forgotten)
{
	struct timer_wheel wheel;
	uint32_t index;
	unsigned popped = 0, calls = 0;

	start(&wheel, 0);
	for (uint32_t i = 0; i < ELEMENTS; i++)
		timer_wheel_arm(&wheel, i, 5000 * TICK_US);
	cr_assert_not(timer_wheel_pop(&wheel, 4096 * TICK_US, &index));
	cr_assert_leq(wheel.next_us, 4096 * TICK_US, "there is more to move");
	while (popped < ELEMENTS) {
		popped += timer_wheel_pop(&wheel, 5000 * TICK_US, &index);
		cr_assert_leq(++calls, ELEMENTS + 3 * ELEMENTS / TIMER_WHEEL_MOVES);
	}
}

struct model {
	bool armed[ELEMENTS];
	uint64_t due_us[ELEMENTS], armed_us[ELEMENTS];
};

static void
check_all_popped(struct timer_wheel *wheel, struct model *model, uint64_t now_us)
{
	uint32_t index;

	/* Until no call makes progress: several calls in a row may only have moved nodes. */
	for (unsigned idle = 0; idle < 3 * ELEMENTS / TIMER_WHEEL_MOVES + 3;) {
		if (!timer_wheel_pop(wheel, now_us, &index)) {
			idle++;
			continue;
		}
		cr_assert(model->armed[index]);
		cr_assert_leq(model->due_us[index], now_us, "early");
		model->armed[index] = false;
	}
	for (uint32_t i = 0; i < ELEMENTS; i++) {
		uint64_t limit = model->due_us[i] > model->armed_us[i] ? model->due_us[i]
								       : model->armed_us[i];

		cr_assert_eq(timer_wheel_armed(wheel, i), model->armed[i]);
		cr_assert(!model->armed[i] || limit + 2 * TICK_US > now_us, "late");
	}
}

/* Spans from one tick to ten hours, chosen by magnitude. */
static uint64_t
random_span(uint64_t *state)
{
	return next_random(state) % (UINT64_C(1) << (1 + next_random(state) % 35));
}

Test(timer_wheel, agrees_with_a_model_under_random_operations)
{
	struct timer_wheel wheel;
	struct model model = { 0 };
	uint64_t state = 42, now_us = 1234567890123;

	start(&wheel, now_us);
	for (unsigned round = 0; round < 30000; round++) {
		uint32_t index = (uint32_t)(next_random(&state) % ELEMENTS);
		unsigned what = (unsigned)(next_random(&state) % 8);

		if (what < 5) {
			uint64_t back = what == 0 ? random_span(&state) >> 8 : 0;

			model.armed[index] = true;
			model.armed_us[index] = now_us;
			model.due_us[index] = now_us + (back ? 0 : random_span(&state)) - back;
			timer_wheel_arm(&wheel, index, model.due_us[index]);
		} else if (what == 5) {
			model.armed[index] = false;
			timer_wheel_cancel(&wheel, index);
		} else {
			now_us += random_span(&state) >> (next_random(&state) % 16);
			check_all_popped(&wheel, &model, now_us);
		}
	}
}
