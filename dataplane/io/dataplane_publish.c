/*
 * dataplane_publish.c - the facade's publishing side: immutable images go to workers by one atomic
 * exchange each, and what they replace is released after a grace period (retire.h).
 */
#include "dataplane/dataplane.h"

#include <string.h>
#include <errno.h>

#include <rte_malloc.h>

#include "dataplane/io/dataplane_state.h"

struct directory *
dataplane_publish_directory(struct dataplane *dp, struct directory *directory)
{
	return atomic_exchange_explicit(&dp->directory, directory, memory_order_acq_rel);
}

static void
free_limits(void *ctx, void *limits)
{
	explicit_bzero(limits, sizeof(struct stack_limits)); /* a secret of cookies */
	rte_free(limits);
}

int
dataplane_publish_limits(struct dataplane *dp, const struct stack_limits *limits)
{
	struct stack_limits *copy = (struct stack_limits *)rte_malloc("limits", sizeof *copy, 0);
	const struct stack_limits *former;

	if (!copy)
		return -ENOMEM;
	*copy = *limits;
	copy->members.number = ++dp->n_limits;
	former = atomic_exchange_explicit(&dp->limits, copy, memory_order_acq_rel);
	if (former)
		retire_put(&dp->retire, free_limits, NULL, (void *)(uintptr_t)former);
	return 0;
}

int
dataplane_retire(struct dataplane *dp, void (*release)(void *ctx, void *what), void *ctx,
		 void *what)
{
	retire_put(&dp->retire, release, ctx, what);
	return 0;
}

unsigned
dataplane_reap(struct dataplane *dp)
{
	return retire_reap(&dp->retire);
}
