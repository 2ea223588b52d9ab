/* Commands that take long, and how they ended: job list, show, wait, cancel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/commands/jobs.h"
#include "control/commands/page.h"
#include "control/commands/show.h"

/* NULL after refusing. */
static struct job *
call_job(struct call *call)
{
	const char *word = call->arguments[0];
	char *end;
	unsigned long number = strtoul(word, &end, 10);
	struct job *job = NULL;

	if (*word < '0' || *word > '9' || *end) {
		call_refuse(call, CTL_USAGE, "a job is a number, not \"%.40s\"", word);
		return NULL;
	}
	if (number <= UINT32_MAX)
		job = jobs_find(call->daemon->jobs, (uint32_t)number);
	if (!job)
		call_refuse(call, CTL_REFUSED,
			    "there is no job %lu, or it is forgotten; `job list` lists them",
			    number);
	return job;
}

static double
seconds_of(const struct job *job)
{
	uint64_t end_ms = job->state == JOB_RUNNING ? clock_now_ms() : job->ended_ms;

	return end_ms > job->begun_ms ? (double)(end_ms - job->begun_ms) / 1000 : 0;
}

/* What it is at, or what became of it, in a line. */
static const char *
outcome(const struct job *job)
{
	if (job->state == JOB_RUNNING)
		return job->progress;
	return job->exit == CTL_DONE ? "" : job->error ? job->error : "";
}

static json_t *
job_json(const struct job *job)
{
	const char *error = job->error ? job->error : "";

	return json_pack("{s:I, s:o, s:s, s:I, s:i, s:I, s:f, s:o, s:b, s:b}", "job",
			 (json_int_t)job->number, "command",
			 show_json(job->words, strlen(job->words)), "state",
			 job_state_name(job->state), "uid", (json_int_t)job->peer.uid, "pid",
			 (int)job->peer.pid, "begun_ms", (json_int_t)job->begun_ms, "seconds",
			 seconds_of(job), job->state == JOB_RUNNING ? "progress" : "error",
			 job->state == JOB_RUNNING ? json_string(job->progress)
						   : show_json(error, strlen(error)),
			 "cancelled", job->cancelled, "can_be_cancelled",
			 job->state == JOB_RUNNING && !*job->must_end);
}

static void
put_job(const struct job *job, struct table *table, json_t *list)
{
	char begun[SHOW_TIME_MAX];

	table_cell(table, "%u", job->number);
	table_cell(table, "%s", job_state_name(job->state));
	table_cell(table, "%s", show_time(job->begun_ms, begun));
	table_cell(table, "%.1f", seconds_of(job));
	table_cell(table, "%u", (unsigned)job->peer.uid);
	table_cell(table, "%s", job->words);
	table_cell(table, "%.*s", (int)strcspn(outcome(job), "\n"), outcome(job));
	json_array_append_new(list, job_json(job));
}

void
command_job_list(struct call *call)
{
	struct jobs *jobs = call->daemon->jobs;
	struct table table;
	struct page page;
	struct job *job;
	json_t *list;
	uint64_t next = 0;

	if (!page_begin(&page, call, PAGE_ALL))
		return;
	list = json_array();
	page_table(&page, &table,
		   "job|state|begun:2|seconds:1|uid:4|~command|~progress or reason:3");
	for (job = jobs_next(jobs, page.from); job && !page_full(&page);
	     job = jobs_next(jobs, next)) {
		next = (uint64_t)job->number + 1;
		if (page_shows(&page, job->number))
			put_job(job, &table, list);
	}
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "jobs", list);
	page_finish(&page, job != NULL, job ? job->number : 0);
}

void
command_job_show(struct call *call)
{
	const struct job *job = call_job(call);
	char begun[SHOW_TIME_MAX];

	if (!job)
		return;
	text_show(&call->text,
		  "job %u, %s: %s\n  begun     %s by uid %u, pid %d\n  took      %.1f s\n",
		  job->number, job_state_name(job->state), job->words,
		  show_time(job->begun_ms, begun), (unsigned)job->peer.uid, (int)job->peer.pid,
		  seconds_of(job));
	if (job->state == JOB_RUNNING)
		text_show(&call->text, "  progress  %s\n  cancel    %s%s\n", job->progress,
			  job->cancelled   ? "asked for"
			  : *job->must_end ? "not any more: "
					   : "possible",
			  job->cancelled ? "" : job->must_end);
	for (const char *said = job->text; said && *said; said = NULL)
		text_put(&call->text, said, strlen(said));
	for (const char *said = job->error; said && *said; said = NULL)
		text_printf(&call->text, "%s\n", said);
	call->result = job_json(job);
	if (job->result)
		json_object_set(call->result, "result", job->result);
}

void
command_job_cancel(struct call *call)
{
	struct job *job = call_job(call);

	if (!job)
		return;
	if (job->state != JOB_RUNNING) {
		call_refuse(call, CTL_REFUSED, "job %u is over: %s", job->number,
			    job_state_name(job->state));
		return;
	}
	if (*job->must_end) {
		call_refuse(call, CTL_REFUSED, "job %u cannot be cancelled: %s", job->number,
			    job->must_end);
		return;
	}
	job->cancelled = true;
	text_show(&call->text, "job %u is to end: `job wait %u` says how it does\n", job->number,
		  job->number);
	call->result = json_pack("{s:I}", "job", (json_int_t)job->number);
}

/* --- wait --- */

struct waiting {
	struct jobs *jobs;
	uint32_t number;
	char told[CTL_PROGRESS_MAX];
};

static bool
fill(void *ctx, struct ctl_client *client, struct ctl_answer *end)
{
	struct waiting *waiting = ctx;
	const struct job *job = jobs_find(waiting->jobs, waiting->number);

	if (job && job->state == JOB_RUNNING) {
		if (strcmp(waiting->told, job->progress) != 0)
			ctl_watch_progress(client, job->progress);
		memcpy(waiting->told, job->progress, sizeof waiting->told);
		return true;
	}
	if (!job) {
		end->exit = CTL_REFUSED;
		end->error = strdup("the job is forgotten");
		return false;
	}
	end->exit = job->exit;
	end->text = job->text ? strdup(job->text) : NULL;
	end->error = job->error ? strdup(job->error) : NULL;
	end->result = json_incref(job->result);
	return false;
}

/* The answer is the job's. */
void
command_job_wait(struct call *call)
{
	const struct job *job = call_job(call);
	struct waiting *waiting = job ? calloc(1, sizeof *waiting) : NULL;

	if (!job)
		return;
	if (!waiting) {
		call_refuse(call, CTL_REFUSED, "out of memory");
		return;
	}
	waiting->jobs = call->daemon->jobs;
	waiting->number = job->number;
	call->source = (struct ctl_source){
		.fill = fill, .free = free, .ctx = waiting, .answers_later = true
	};
}
