/*
 * privileges.h - as whom the appliance runs, what it may still do, and that its memory stays in memory.
 *
 * Life: privileges_begin() while there is one thread, before anything is opened: becomes the user -> ports are opened ->
 * privileges_settle(): what is left is what opening a port again needs. Control thread. Errors are sentences with a
 * remedy.
 */
#pragma once

#include <stdbool.h>

#include "control/guard/thread_guard.h"

enum memory_lock { /* the setting `lock_memory` */
		   LOCK_MEMORY_NO,
		   LOCK_MEMORY_YES,  /* refuse to start without */
		   LOCK_MEMORY_AUTO, /* where the limits let us */
};

struct privileges {
	const char *user, *group; /* NULL: whoever started us */
	enum seccomp_mode seccomp;
	enum memory_lock lock;
	struct call_needs needs;
	bool interfaces; /* a port is on an interface of the kernel: af_packet or AF_XDP open it again */
};

/* 0, or -1 and a sentence. `warning` is one, too, or "". */
int privileges_begin(const struct privileges *wanted, char warning[GUARD_ERROR_MAX],
		     char error[GUARD_ERROR_MAX]);
int privileges_settle(char warning[GUARD_ERROR_MAX], char error[GUARD_ERROR_MAX]);

/* What holds now, for the log and `status`. */
struct privileges_info {
	char user[64];
	char capabilities[128]; /* of the control thread */
	enum seccomp_mode seccomp;
	bool locked;   /* memory */
	bool dumpable; /* a core or a debugger could have it */
};
void privileges_info(struct privileges_info *info);
/* "user cradle, capabilities none, seccomp enforce, memory locked" */
void privileges_text(const struct privileges_info *info, char *text, unsigned size);
const char *seccomp_mode_name(enum seccomp_mode mode);
