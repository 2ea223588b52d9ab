/*
 * exchange.h - one command to the appliance over a connection of its own, with its file, its progress and its answer.
 *
 * What people do may take long, carry a file or make the appliance wait for its disk; so it does not stand in the line of
 * appliance.h, which asks the same short questions all the time. The control protocol asks back for a command's file: it
 * is handed over as a memory file, both ways (ctl_proto.h). Bounded: EXCHANGES_MAX at once. One thread, the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "control/loop.h"

enum { EXCHANGES_MAX = 32 };

struct exchanges;

struct exchange_request {
	const char *const *argv;
	int argc;
	const char *actor;    /* the person; NULL: nobody in particular */
	const char *page;     /* of a list; NULL: no pages */
	const char *expect;   /* the policy's generation that an edit is meant for; NULL: any */
	const void *file;     /* what a command reads */
	size_t file_len;
};

struct exchange_outcome {
	const json_t *answer; /* borrowed; NULL: there is none, and `why` is a sentence */
	const char *why;
	bool timed_out;
	const char *written; /* the file that a command wrote; NULL: none */
	size_t written_len;
};

typedef void exchange_done(void *ctx, const struct exchange_outcome *outcome);
/* A line, now and then, before `done`. */
typedef void exchange_progress(void *ctx, const char *line);

/* `socket` is borrowed. An exchange without a sign of life for `timeout_ms` fails. NULL: out of memory. */
struct exchanges *exchanges_new(struct loop *loop, const char *socket, uint64_t timeout_ms);
/* Fails what runs. */
void exchanges_free(struct exchanges *exchanges);
/* 0, and `done` is called later; or it never is: -errno of the connection, -EBUSY: too many at once, -EINVAL: no UTF-8. */
int exchange_start(struct exchanges *exchanges, const struct exchange_request *request,
		   exchange_progress *progress, exchange_done *done, void *ctx)
	__attribute__((warn_unused_result));
/* From the program's tick. */
void exchanges_tick(struct exchanges *exchanges, uint64_t now_ms);
