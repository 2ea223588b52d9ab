/*
 * thread_guard.h - what the threads of the process may do: capabilities and system calls.
 *
 * Life: thread_guard_start() while there is one thread -> threads start, and each that we start says what it is by
 * thread_guard_enter() -> thread_guard_settle() once ports are open. A program that never calls thread_guard_start()
 * (tests, cradlestorm) is not touched: thread_guard_enter() does nothing there.
 *
 * Capabilities belong to threads (capabilities(7)): the control thread keeps those that opening a port again needs, threads
 * of the store those that files of others need where we are root, all others none.
 *
 * A call that a thread's list lacks ends the process by SIGSYS, after a line on standard error that names thread and call.
 */
#pragma once

#include <stdint.h>

#include "control/guard/call_lists.h"

enum { GUARD_ERROR_MAX = 256 };

/* Sets of capabilities, bit 1 << CAP_NUMBER. */
struct guard_capabilities {
	uint64_t control, store, others;
};

/*
 * Sets no_new_privs and loads the list of the process, unless it has inherited the same one from who started it. 0, or
 * -errno and a sentence.
 */
int thread_guard_start(enum seccomp_mode mode, const struct call_needs *needs,
		       const struct guard_capabilities *keep, char error[GUARD_ERROR_MAX]);

/* The calling thread is of this kind from now on. */
void thread_guard_enter(enum thread_kind kind);

/*
 * Takes capabilities from the calling thread and from every thread that did not enter: those of libraries, which are asked by
 * a signal, and have their list from then on. 0, or -errno and a sentence. One that blocks signals
 * cannot be asked: it is named in `warning`, else "".
 */
int thread_guard_settle(char warning[GUARD_ERROR_MAX], char error[GUARD_ERROR_MAX]);

/* "none", or names such as "net_raw, net_admin", of the calling thread. */
void thread_guard_capabilities(char *text, unsigned size);
enum seccomp_mode thread_guard_mode(void);
