/*
 * password_thread.h - passwords are checked beside the loop: a check takes about 0.1 s and 64 MiB, and is made to.
 *
 * One helper thread, a bounded queue: however many try to log in, the loop goes on and memory stays bounded. Owner: whoever
 * calls password_thread_new(). The loop's thread calls; it gets its answers there, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/loop.h"

enum { PASSWORD_QUEUE = 8 };

struct password_thread;

typedef void password_done(void *ctx, bool right);

/* NULL: out of memory, threads or descriptors. */
struct password_thread *password_thread_new(struct loop *loop);
/* Ends what runs; who still waits is told "wrong". */
void password_thread_free(struct password_thread *thread);
/* `hash` may be NULL: there is no such user. Copies both. 0, or -EAGAIN: the queue is full. */
int password_thread_check(struct password_thread *thread, const char *hash, const char *password,
			  size_t len, password_done *done, void *ctx) __attribute__((warn_unused_result));
