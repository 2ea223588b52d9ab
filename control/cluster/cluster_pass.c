#include "control/cluster/cluster_pass.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/clock.h"
#include "control/cluster/cluster_private.h"

enum {
	SEND_MS = 1000, /* for what waits, while devices are served */
	END_MS = 15000, /* for what is cut off: connecting to each of a few hosts takes 3 s */
	LOOK_MS = 1,
};

/* ---- coming to rest ---- */

void
cluster_rest_following(struct cluster *cluster)
{
	if (!cluster)
		return;
	pthread_mutex_lock(&cluster->lock);
	cluster->following_rests = true;
	/* What is being fetched is not taken any more. */
	cluster->epoch++;
	pthread_cond_broadcast(&cluster->told);
	pthread_cond_broadcast(&cluster->follow);
	pthread_mutex_unlock(&cluster->lock);
}

/* Waits until it is so, or the time is over. */
static bool
wait_until(struct cluster *cluster, bool (*is_so)(struct cluster *cluster), unsigned ms,
	   const struct pump *pump)
{
	uint64_t end_us = clock_now_us() + ms * 1000ull;
	bool so;

	while (!(so = is_so(cluster)) && clock_now_us() < end_us) {
		pthread_mutex_lock(&cluster->lock);
		cluster_wait(cluster, &cluster->told, LOOK_MS);
		pthread_mutex_unlock(&cluster->lock);
		pump_run(pump);
	}
	return so;
}

static bool
job_is_over(struct cluster *cluster)
{
	bool over;

	pthread_mutex_lock(&cluster->lock);
	over = !cluster->job;
	pthread_mutex_unlock(&cluster->lock);
	return over;
}

/* All is sent, or there is no use in waiting for it. */
static bool
is_drained(struct cluster *cluster)
{
	struct reporting *reporting = &cluster->reporting;
	bool drained;

	pthread_mutex_lock(&reporting->lock);
	drained = !(reporting->queue.count + reporting->waiting_slice) || *reporting->error;
	pthread_mutex_unlock(&reporting->lock);
	return drained && job_is_over(cluster);
}

static bool
is_at_rest(struct cluster *cluster)
{
	bool rests;

	pthread_mutex_lock(&cluster->lock);
	rests = !cluster->report_started || cluster->reporter_rests;
	pthread_mutex_unlock(&cluster->lock);
	return rests && job_is_over(cluster);
}

int
cluster_rest_sending(struct cluster *cluster, const struct pump *pump,
		     char error[CLUSTER_ERROR_MAX])
{
	uint64_t began_us = clock_now_us(), left_us;

	if (!cluster || !cluster->name)
		return 0;
	(void)wait_until(cluster, is_drained, SEND_MS, pump);
	pthread_mutex_lock(&cluster->lock);
	cluster->sending_rests = true;
	pthread_cond_broadcast(&cluster->report);
	pthread_mutex_unlock(&cluster->lock);
	left_us = clock_now_us() - began_us;
	left_us = left_us < SEND_MS * 1000ull ? SEND_MS * 1000ull - left_us : 0;
	if (wait_until(cluster, is_at_rest, (unsigned)(left_us / 1000) + LOOK_MS, pump))
		return 0;
	database_interrupt(cluster->job_database);
	database_interrupt(cluster->report_database);
	if (wait_until(cluster, is_at_rest, END_MS, pump))
		return 0;
	snprintf(error, CLUSTER_ERROR_MAX,
		 "the cluster's database does not answer, and a connection to it does not end: try "
		 "again");
	return -ETIMEDOUT;
}

void
cluster_go_on(struct cluster *cluster)
{
	if (!cluster)
		return;
	if (cluster->name) {
		database_go_on(cluster->job_database);
		database_go_on(cluster->report_database);
	}
	pthread_mutex_lock(&cluster->lock);
	if (cluster->following_rests) {
		cluster->epoch++;
		cluster->fetch_from = cluster->revision;
		cluster->resync |= cluster->state == CLUSTER_SYNCING || !cluster->revision;
	}
	cluster->following_rests = cluster->sending_rests = false;
	pthread_cond_broadcast(&cluster->told);
	pthread_cond_broadcast(&cluster->follow);
	pthread_cond_broadcast(&cluster->report);
	pthread_mutex_unlock(&cluster->lock);
}

bool
cluster_rests(const struct cluster *cluster)
{
	return cluster && (cluster->following_rests || cluster->sending_rests);
}

/* ---- what passes ---- */

bool
cluster_pass_seq(const struct cluster *cluster, uint64_t *seq)
{
	*seq = cluster->reporting.seq;
	return cluster->reporting.known;
}

void
cluster_take_seq(struct cluster *cluster, uint64_t seq)
{
	cluster->reporting.seq = seq;
	cluster->reporting.known = true;
}

const struct records *
cluster_pass_reports(const struct cluster *cluster, bool tried)
{
	return tried ? &cluster->reporting.slice : &cluster->reporting.queue;
}

bool
cluster_take_report(struct cluster *cluster, const struct cluster_report *report, bool tried)
{
	struct reporting *reporting = &cluster->reporting;

	if (!cluster_report_add(tried ? &reporting->slice : &reporting->queue, report))
		return false;
	reporting->claims += !*report->task && !*report->group;
	reporting->waiting_slice = reporting->slice.count;
	return true;
}

bool
cluster_pass_own(const struct cluster *cluster, size_t i, uint64_t *txn, uint64_t *revision)
{
	if (i >= cluster->n_own)
		return false;
	*txn = cluster->own[i].txn;
	*revision = cluster->own[i].revision;
	return true;
}

bool
cluster_take_own(struct cluster *cluster, uint64_t txn, uint64_t revision)
{
	return cluster_remember_own(cluster, txn, revision);
}

bool
cluster_pass_heard(struct cluster *cluster, unsigned i, uint32_t *member, uint64_t *seq)
{
	const struct heard *heard = &cluster->heard;
	bool there;

	pthread_mutex_lock(&cluster->lock);
	there = heard->known && i < heard->n;
	if (there) {
		*member = heard->of[i].number;
		*seq = heard->of[i].have;
	}
	pthread_mutex_unlock(&cluster->lock);
	return there;
}

bool
cluster_take_heard(struct cluster *cluster, uint32_t member, uint64_t seq)
{
	struct heard *heard = &cluster->heard;

	if (heard->n == CLUSTER_MEMBERS_MAX)
		return false;
	heard->of[heard->n++] = (struct known_member){ .number = member, .have = seq };
	heard->known = true;
	return true;
}
