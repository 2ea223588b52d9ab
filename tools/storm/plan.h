/*
 * plan.h - when devices are meant to start.
 *
 *	open loop	rate * duration arrivals at random (Poisson), whatever the server does; the
 *			rate grows from 0 over `ramp` at the beginning
 *	closed loop	`concurrency` devices at a time: one ends, the next starts
 *	burst		all at once
 *
 * Latency counts from the intended start, so a generator that is late does not hide it (coordinated
 * omission). Pure: time in, number of starts out; the same seed gives the same arrivals.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum plan_kind { PLAN_CLOSED, PLAN_BURST, PLAN_OPEN };

struct plan {
	enum plan_kind kind;
	uint64_t total;       /* bootstraps; closed loop with a duration: no limit */
	uint32_t concurrency; /* closed loop */
	double rate;          /* open loop: a second */
	double duration_s;    /* open loop; closed loop: 0 means until `total` */
	double ramp_s;
};

/* Arrivals of an open loop within its duration, on average: the area below its rate. */
double plan_arrivals(const struct plan *plan);
/* When (seconds) the area below the rate reaches `arrivals`: the inverse of the plan. */
double plan_time_s(const struct plan *plan, double arrivals);

/*
 * The share of core `index` of `cores`: parts of totals, of concurrency and of rate. Poisson
 * processes of parts of a rate are together one of the whole.
 */
struct plan plan_share(const struct plan *plan, unsigned index, unsigned cores);
/* The same of a number: device n belongs to core n mod cores. */
uint32_t share_of(uint64_t number, unsigned index, unsigned cores);

/* The starts, one after the other. */
struct arrivals {
	const struct plan *plan;
	double position; /* in the area below the rate */
	uint64_t random;
	uint64_t started; /* taken by arrivals_take() */
	uint64_t next_us; /* since the beginning */
};

void arrivals_init(struct arrivals *arrivals, const struct plan *plan, uint64_t seed);
/*
 * Whether another device must have started `elapsed_us` after the beginning while `running` are at
 * it; *intended_us is then when it was meant to.
 */
bool arrivals_take(struct arrivals *arrivals, uint64_t elapsed_us, uint32_t running,
		   uint64_t *intended_us);
/* Whether nothing more will ever start. */
bool arrivals_over(const struct arrivals *arrivals, uint64_t elapsed_us);
/* How many should have started by now. */
uint64_t arrivals_due(const struct arrivals *arrivals, uint64_t elapsed_us);
