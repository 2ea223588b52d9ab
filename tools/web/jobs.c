#include "tools/web/jobs.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

static void
forget(struct job *job)
{
	json_decref(job->body);
	*job = (struct job){ 0 };
}

struct job *
jobs_begin(struct jobs *jobs, const char *owner, uint64_t now_ms)
{
	struct job *place = NULL;
	unsigned char bytes[JOB_ID / 2];

	for (unsigned i = 0; i < JOBS_MAX; i++) {
		struct job *job = &jobs->items[i];

		if (!*job->id) {
			place = job;
			break;
		}
		if (job->ended && (!place || job->begun_ms < place->begun_ms))
			place = job;
	}
	if (!place)
		return NULL;
	forget(place);
	randombytes_buf(bytes, sizeof bytes);
	sodium_bin2hex(place->id, sizeof place->id, bytes, sizeof bytes);
	snprintf(place->owner, sizeof place->owner, "%s", owner);
	place->begun_ms = now_ms;
	return place;
}

struct job *
jobs_find(struct jobs *jobs, const char *id, const char *owner)
{
	for (unsigned i = 0; i < JOBS_MAX; i++)
		if (*jobs->items[i].id && strcmp(jobs->items[i].id, id) == 0 &&
		    strcmp(jobs->items[i].owner, owner) == 0)
			return &jobs->items[i];
	return NULL;
}

void
job_tell(struct job *job, const char *line)
{
	snprintf(job->progress, sizeof job->progress, "%s", line);
}

void
job_end(struct job *job, unsigned status, json_t *body)
{
	job->ended = true;
	job->status = status;
	job->body = body;
}

json_t *
job_json(const struct job *job)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:O*}", "job", job->id, "state",
			 !job->ended         ? "running"
			 : job->status < 300 ? "done"
					     : "failed",
			 "progress", job->progress, "status", (int)job->status,
			 job->ended && job->status < 300 ? "result" : "problem", job->body);
}

void
jobs_fini(struct jobs *jobs)
{
	for (unsigned i = 0; i < JOBS_MAX; i++)
		forget(&jobs->items[i]);
}
