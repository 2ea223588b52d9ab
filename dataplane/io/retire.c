#include "dataplane/io/retire.h"

#include <sched.h>

unsigned
retire_reap(struct retire *retire)
{
	while (retire->n) {
		/* A copy: release() may retire further things. */
		const struct retired oldest = retire->entries[retire->first];

		if (rte_rcu_qsbr_check(retire->qsbr, oldest.token, false) == 0)
			break;
		retire->first = (retire->first + 1) % RETIRE_MAX;
		retire->n--;
		oldest.release(oldest.ctx, oldest.what);
	}
	return retire->n;
}

void
retire_put(struct retire *retire, void (*release)(void *ctx, void *what), void *ctx, void *what)
{
	/* A worker may need the CPU we are on to get to its quiescent point. */
	while (retire_reap(retire) == RETIRE_MAX)
		sched_yield();
	retire->entries[(retire->first + retire->n) % RETIRE_MAX] = (struct retired){
		.release = release,
		.ctx = ctx,
		.what = what,
		.token = rte_rcu_qsbr_start(retire->qsbr),
	};
	retire->n++;
}
