/* What commands wait for: one job at a time, on a thread and a connection of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/clock.h"
#include "control/cluster/cluster_private.h"
#include "control/guard/thread_guard.h"

enum { PUMP_MS = 1 };

int
cluster_job_post(struct cluster *cluster, struct cluster_job *job)
{
	int code = 0;

	pthread_mutex_lock(&cluster->lock);
	if (cluster->job) {
		code = -EBUSY;
	} else {
		job->done = job->abandoned = false;
		cluster->job = job;
		pthread_cond_signal(&cluster->work);
	}
	pthread_mutex_unlock(&cluster->lock);
	return code;
}

bool
cluster_job_is_done(struct cluster *cluster, struct cluster_job *job)
{
	bool done;

	pthread_mutex_lock(&cluster->lock);
	done = job->done;
	pthread_mutex_unlock(&cluster->lock);
	return done;
}

/* One turn of waiting, with the pump. Without the lock. */
static void
wait_told(struct cluster *cluster, const struct pump *pump)
{
	pthread_mutex_lock(&cluster->lock);
	cluster_wait(cluster, &cluster->told, PUMP_MS);
	pthread_mutex_unlock(&cluster->lock);
	pump_run(pump);
}

/* Whether it ended meanwhile; else it is left to its thread. */
static bool
abandon(struct cluster *cluster, struct cluster_job *job)
{
	bool done;

	pthread_mutex_lock(&cluster->lock);
	done = job->done;
	job->abandoned = !done;
	pthread_mutex_unlock(&cluster->lock);
	return !done;
}

int
cluster_job_run(struct cluster *cluster, struct cluster_job *job, unsigned wait_ms,
		const struct pump *pump, char error[CLUSTER_ERROR_MAX])
{
	uint64_t end_us = clock_now_us() + wait_ms * 1000ull;
	int code;

	while ((code = cluster_job_post(cluster, job)) < 0 && clock_now_us() < end_us)
		wait_told(cluster, pump);
	if (code < 0) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the database is busy with the change before: try again");
		return code;
	}
	while (!cluster_job_is_done(cluster, job) && clock_now_us() < end_us)
		wait_told(cluster, pump);
	if (abandon(cluster, job)) {
		snprintf(error, CLUSTER_ERROR_MAX,
			 "the database did not answer in time: look again when it does, the change "
			 "may be there");
		return -ETIMEDOUT;
	}
	code = job->result;
	if (code < 0)
		snprintf(error, CLUSTER_ERROR_MAX, "%s", job->error);
	return code;
}

/* Without the lock. */
static void
run_job(struct cluster *cluster, struct cluster_job *job)
{
	struct database *database = cluster->job_database;
	int code = database_connect(database, job->error);

	job->result = code;
	if (code == 0)
		job->result = job->run(cluster, job, database, job->error);
	else
		cluster_say_away(job->error);
	if (code == 0)
		database_rollback(database);
}

void *
cluster_job_thread(void *arg)
{
	struct cluster *cluster = arg;

	thread_guard_enter(THREAD_NETWORK);
	pthread_mutex_lock(&cluster->lock);
	while (!cluster->ending) {
		struct cluster_job *job = cluster->job;
		bool abandoned;

		if (!job) {
			pthread_cond_wait(&cluster->work, &cluster->lock);
			continue;
		}
		pthread_mutex_unlock(&cluster->lock);
		run_job(cluster, job);
		pthread_mutex_lock(&cluster->lock);
		job->done = true;
		abandoned = job->abandoned;
		cluster->job = NULL;
		pthread_cond_broadcast(&cluster->told);
		if (abandoned)
			job->free(job);
	}
	pthread_mutex_unlock(&cluster->lock);
	return NULL;
}
