#include "tools/storm/plan.h"

#include <math.h>

#include "tools/storm/random.h"

double
plan_arrivals(const struct plan *plan)
{
	double ramp = fmin(plan->ramp_s, plan->duration_s);
	double reached = plan->ramp_s > 0 ? plan->rate * ramp / plan->ramp_s : plan->rate;

	return reached * ramp / 2 + plan->rate * (plan->duration_s - ramp);
}

double
plan_time_s(const struct plan *plan, double arrivals)
{
	double in_ramp = plan->rate * plan->ramp_s / 2;

	/* Within the ramp the area is rate * t^2 / (2 * ramp). */
	if (arrivals < in_ramp)
		return sqrt(2 * arrivals * plan->ramp_s / plan->rate);
	return plan->ramp_s + (arrivals - in_ramp) / plan->rate;
}

/*
 * When an open loop offers no more: the last of its arrivals, being at random, may come after the
 * duration by five standard deviations, and a second is granted.
 */
static double
end_s(const struct plan *plan)
{
	return plan->duration_s + 1 + 5 * sqrt((double)plan->total) / plan->rate;
}

uint32_t
share_of(uint64_t number, unsigned index, unsigned cores)
{
	return (uint32_t)((number + cores - 1 - index) / cores);
}

struct plan
plan_share(const struct plan *plan, unsigned index, unsigned cores)
{
	struct plan share = *plan;

	share.total = (plan->total + cores - 1 - index) / cores;
	share.concurrency = share_of(plan->concurrency, index, cores);
	share.rate = plan->rate / cores;
	return share;
}

/* Gaps of a Poisson process of rate 1 in the area are exponential. */
static void
advance(struct arrivals *arrivals)
{
	double uniform = ((double)(random_next(&arrivals->random) >> 11) + 1) / 9007199254740993.0;

	arrivals->position -= log(uniform);
	arrivals->next_us = (uint64_t)(plan_time_s(arrivals->plan, arrivals->position) * 1e6);
}

void
arrivals_init(struct arrivals *arrivals, const struct plan *plan, uint64_t seed)
{
	*arrivals = (struct arrivals){ .plan = plan, .random = random_seed(seed) };
	if (plan->kind == PLAN_OPEN)
		advance(arrivals);
}

bool
arrivals_over(const struct arrivals *arrivals, uint64_t elapsed_us)
{
	const struct plan *plan = arrivals->plan;

	if (plan->kind == PLAN_CLOSED && plan->duration_s > 0)
		return (double)elapsed_us >= plan->duration_s * 1e6;
	/* What could not start by then is not offered at all, and the verdict says so. */
	if (plan->kind == PLAN_OPEN && (double)elapsed_us > end_s(plan) * 1e6)
		return true;
	return arrivals->started >= plan->total;
}

bool
arrivals_take(struct arrivals *arrivals, uint64_t elapsed_us, uint32_t running,
	      uint64_t *intended_us)
{
	const struct plan *plan = arrivals->plan;

	if (arrivals_over(arrivals, elapsed_us))
		return false;
	if (plan->kind == PLAN_CLOSED && running >= plan->concurrency)
		return false;
	if (plan->kind == PLAN_OPEN && arrivals->next_us > elapsed_us)
		return false;
	*intended_us = plan->kind == PLAN_OPEN    ? arrivals->next_us
		       : plan->kind == PLAN_BURST ? 0
						  : elapsed_us;
	arrivals->started++;
	if (plan->kind == PLAN_OPEN)
		advance(arrivals);
	return true;
}

uint64_t
arrivals_due(const struct arrivals *arrivals, uint64_t elapsed_us)
{
	struct plan until = *arrivals->plan;

	if (until.kind != PLAN_OPEN)
		return arrivals->started;
	until.duration_s = fmin(until.duration_s, (double)elapsed_us / 1e6);
	return (uint64_t)plan_arrivals(&until);
}
