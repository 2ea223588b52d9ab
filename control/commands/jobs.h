/*
 * jobs.h - commands that may take long, by number: which one runs, how far it is, and how the last ones ended.
 *
 * A client that leaves does not end what it began; by the number anybody may look at it, wait for it, or cancel it. One
 * runs at a time. How it ended is kept of the last JOBS_KEPT, for a day. Owner: the daemon. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/socket/ctl_socket.h"

enum {
	JOBS_KEPT = 64,
	JOB_WORDS_MAX = 256,
	JOB_TEXT_MAX = 65536, /* of what is kept of an answer's text, and of its error */
	JOBS_KEPT_MS = 24 * 3600 * 1000,
};

enum job_state { JOB_RUNNING, JOB_DONE, JOB_REFUSED, JOB_CANCELLED };

struct job {
	uint32_t number; /* from 1; 0: the place is free */
	enum job_state state;
	bool cancelled;            /* it is to end */
	char words[JOB_WORDS_MAX]; /* the command; secrets are masked */
	char progress[CTL_PROGRESS_MAX];
	char must_end[CTL_PROGRESS_MAX]; /* why it cannot be cancelled; "": it can */
	struct ucred peer;               /* who began it */
	uint64_t begun_ms, ended_ms;     /* wall clock */
	int exit;                        /* these when it has ended */
	char *text, *error;
	json_t *result;
};

struct jobs {
	struct job items[JOBS_KEPT]; /* number N at N % JOBS_KEPT */
	uint32_t last;               /* the number given last; 0: none was */
	struct job *running;         /* NULL: none */
};

/* NULL: out of memory. */
struct jobs *jobs_new(void);
void jobs_free(struct jobs *jobs); /* may be NULL */

struct job *jobs_begin(struct jobs *jobs, const char *words, const struct ucred *peer);
/* The running one has ended so. The answer stays the caller's. */
void jobs_end(struct jobs *jobs, const struct ctl_answer *answer);
/* NULL: there is none, or it is forgotten. */
struct job *jobs_find(struct jobs *jobs, uint32_t number);
/* The first one with that number or above; NULL: none. */
struct job *jobs_next(struct jobs *jobs, uint64_t number);
const char *job_state_name(enum job_state state);
