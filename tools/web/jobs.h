/*
 * jobs.h - commands that take long: how far they are, and what became of them, for whoever started them.
 *
 * A fixed table; the oldest that has ended makes way. Nothing outlives the program. One thread. Allocates results.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "tools/web/users.h"

enum { JOBS_MAX = 32, JOB_ID = 32, JOB_PROGRESS_MAX = 256 };

struct job {
	char id[JOB_ID + 1]; /* "": the place is free */
	char owner[USER_NAME_MAX + 1];
	char progress[JOB_PROGRESS_MAX];
	bool ended;
	unsigned status; /* of HTTP, once it has ended */
	json_t *body;    /* the result, or the problem */
	uint64_t begun_ms;
};

struct jobs {
	struct job items[JOBS_MAX];
};

/* NULL: all run. */
struct job *jobs_begin(struct jobs *jobs, const char *owner, uint64_t now_ms);
/* NULL: there is none, or it is somebody else's. */
struct job *jobs_find(struct jobs *jobs, const char *id, const char *owner);
void job_tell(struct job *job, const char *line);
/* Takes the reference. */
void job_end(struct job *job, unsigned status, json_t *body);
/* A new reference. */
json_t *job_json(const struct job *job);
void jobs_fini(struct jobs *jobs);
