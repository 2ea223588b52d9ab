#include "control/turns.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "control/clock.h"

void
turns_begin(struct turns *turns, const char *cause)
{
	assert(cause);
	turns->cause = cause;
	turns->begun_us = clock_now_us();
	turns->begun_cpu_us = clock_thread_us();
	turns->begun_switches = clock_thread_switches();
	lookout_enter(turns->lookout, cause);
}

const char *
turns_cause(struct turns *turns, const char *cause)
{
	const char *before = turns->cause;

	if (before) {
		turns->cause = cause;
		lookout_enter(turns->lookout, cause);
	}
	return before;
}

static struct turn_cause *
find(struct turns *turns, const char *name)
{
	unsigned i = 0;

	while (i < TURN_CAUSES - 1 && turns->causes[i].name && turns->causes[i].name != name)
		i++;
	turns->causes[i].name = i < TURN_CAUSES - 1 ? name : "others";
	return &turns->causes[i];
}

void
turns_end(struct turns *turns)
{
	struct turn_cause *cause;
	uint64_t us, cpu_us;
	struct clock_switches switches;
	bool taken, waited;

	if (!turns->cause)
		return;
	switches = clock_thread_switches();
	taken = switches.taken != turns->begun_switches.taken;
	waited = switches.waited != turns->begun_switches.waited;
	us = clock_now_us() - turns->begun_us;
	cpu_us = clock_thread_us() - turns->begun_cpu_us;
	cause = find(turns, turns->cause);
	turns->cause = NULL;
	lookout_enter(turns->lookout, NULL);
	cause->turns++;
	cause->sum_us += us;
	if (us > cause->longest_us)
		cause->longest_us = us;
	if (cpu_us > cause->longest_cpu_us)
		cause->longest_cpu_us = cpu_us;
	cause->interrupted += taken;
	cause->waited += waited;
	if (waited && us > cause->longest_waited_us)
		cause->longest_waited_us = us;
	if (!taken && !waited && us > cause->longest_unbroken_us)
		cause->longest_unbroken_us = us;
	delays_add(&turns->delays, us);
}

void
turns_reset(struct turns *turns)
{
	const char *cause = turns->cause;
	uint64_t begun_us = turns->begun_us, begun_cpu_us = turns->begun_cpu_us;
	struct clock_switches begun_switches = turns->begun_switches;

	*turns = (struct turns){ .cause = cause,
				 .begun_us = begun_us,
				 .begun_cpu_us = begun_cpu_us,
				 .begun_switches = begun_switches,
				 .lookout = turns->lookout };
}

const struct turn_cause *
turns_longest(const struct turns *turns)
{
	const struct turn_cause *longest = NULL;

	for (unsigned i = 0; i < TURN_CAUSES && turns->causes[i].name; i++)
		if (!longest || turns->causes[i].longest_us > longest->longest_us)
			longest = &turns->causes[i];
	return longest;
}
