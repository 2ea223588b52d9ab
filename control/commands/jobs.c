#include "control/commands/jobs.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "tasks/utf8.h"

static void
forget(struct job *job)
{
	free(job->text);
	free(job->error);
	json_decref(job->result);
	*job = (struct job){ 0 };
}

struct jobs *
jobs_new(void)
{
	return calloc(1, sizeof(struct jobs));
}

void
jobs_free(struct jobs *jobs)
{
	if (!jobs)
		return;
	for (unsigned i = 0; i < JOBS_KEPT; i++)
		forget(&jobs->items[i]);
	free(jobs);
}

struct job *
jobs_begin(struct jobs *jobs, const char *words, const struct ucred *peer)
{
	struct job *job = &jobs->items[++jobs->last % JOBS_KEPT];

	assert(!jobs->running);
	forget(job);
	job->number = jobs->last;
	job->peer = *peer;
	job->begun_ms = clock_now_ms();
	snprintf(job->words, sizeof job->words, "%.*s",
		 (int)utf8_cut(words, strlen(words), sizeof job->words - 1), words);
	snprintf(job->must_end, sizeof job->must_end, "it ends by itself");
	jobs->running = job;
	return job;
}

static char *
cut_copy(const char *text)
{
	return text ? strndup(text, utf8_cut(text, strlen(text), JOB_TEXT_MAX)) : NULL;
}

void
jobs_end(struct jobs *jobs, const struct ctl_answer *answer)
{
	struct job *job = jobs->running;

	assert(job);
	jobs->running = NULL;
	job->state = answer->exit == CTL_DONE ? JOB_DONE
		     : job->cancelled         ? JOB_CANCELLED
					      : JOB_REFUSED;
	job->ended_ms = clock_now_ms();
	job->exit = answer->exit;
	job->text = cut_copy(answer->text);
	job->error = cut_copy(answer->error);
	job->result = json_incref(answer->result);
}

static bool
is_old(const struct job *job)
{
	return job->state != JOB_RUNNING && clock_now_ms() > job->ended_ms + JOBS_KEPT_MS;
}

struct job *
jobs_find(struct jobs *jobs, uint32_t number)
{
	struct job *job = &jobs->items[number % JOBS_KEPT];

	if (!number || job->number != number)
		return NULL;
	if (!is_old(job))
		return job;
	forget(job);
	return NULL;
}

struct job *
jobs_next(struct jobs *jobs, uint64_t number)
{
	uint64_t first = jobs->last > JOBS_KEPT ? jobs->last - JOBS_KEPT + 1 : 1;

	for (uint64_t at = number > first ? number : first; at <= jobs->last; at++) {
		struct job *job = jobs_find(jobs, (uint32_t)at);

		if (job)
			return job;
	}
	return NULL;
}

const char *
job_state_name(enum job_state state)
{
	static const char *const names[] = { "running", "done", "refused", "cancelled" };

	return names[state];
}
