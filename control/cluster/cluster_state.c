/* What all parts of a cluster use: waiting, random numbers, and the state that is shown. */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "control/clock.h"
#include "control/cluster/cluster_private.h"

uint64_t
cluster_random(void)
{
	uint64_t number = 0;

	/* Up to 256 bytes are never cut (getrandom(2)). The sign's bit stays free: BIGINT. */
	while (!number) {
		if (getrandom(&number, sizeof number, 0) != sizeof number)
			number = 0;
		number &= INT64_MAX;
	}
	return number;
}

void
cluster_wait(struct cluster *cluster, pthread_cond_t *condition, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(condition, &cluster->lock, &until);
}

void
cluster_say_away(char error[CLUSTER_ERROR_MAX])
{
	char why[CLUSTER_ERROR_MAX];

	snprintf(why, sizeof why, "%s", error);
	snprintf(error, CLUSTER_ERROR_MAX,
		 "the cluster's database cannot be reached, so nothing can be changed (devices "
		 "bootstrap on); try again when `cluster status` says \"following\"%s%.300s",
		 *why ? ": " : "", why);
}

void
cluster_say_end(int code, bool in_doubt, char error[CLUSTER_ERROR_MAX])
{
	char why[CLUSTER_ERROR_MAX];

	snprintf(why, sizeof why, "%s", error);
	if (in_doubt)
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the connection to the database was lost while it kept the change, which "
			 "may be there: look when `cluster status` says \"following\": %.300s",
			 why);
	else if (code == DATABASE_AWAY)
		cluster_say_away(error);
	else if (code == DATABASE_AGAIN)
		snprintf(error, CLUSTER_ERROR_MAX,
			 "it met other members' changes again and again: try again");
}

void
cluster_set_state(struct cluster *cluster, enum cluster_state state, const char *trouble)
{
	if (cluster->state != state)
		cluster->since_ms = clock_now_ms();
	cluster->state = state;
	snprintf(cluster->trouble, sizeof cluster->trouble, "%s", trouble);
}
