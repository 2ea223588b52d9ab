/*
 * kept_file.h - memory that the service manager holds beside us, so that it outlives a crash of this process: a memfd in
 * systemd's descriptor store (sd_notify(3), FDSTORE=1), which comes back to the process that is started next.
 *
 * Its size is sealed, so that nobody cuts it under our feet. One process at a time has it: it holds a lock of fcntl(2) on
 * all of it. That is a process's own, other than a lock of flock(2), which would be that of whoever has the descriptor;
 * and the kernel lets go of it when the last thread of the process has ended, so whoever gets it knows that no worker
 * writes here any more. Trap: closing any descriptor of the file lets go of it, too; there is one.
 *
 * It holds keys: wiped before it is let go of. Control thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct kept_file {
	int fd; /* -1: there is none */
	void *memory;
	size_t size;
	bool stored; /* the service manager has it, too */
};

/* The one that the service manager kept for this process; -1: there is none. Once: what else came with it is closed. */
int kept_file_inherited(void);
/* Takes it, of whatever size. 0; -EBUSY: another process has it; -EINVAL: it is no such file. Then it is closed. */
int kept_file_take(struct kept_file *file, int fd) __attribute__((warn_unused_result));
/* A new one, all zero. 0 or -errno. */
int kept_file_make(struct kept_file *file, size_t size) __attribute__((warn_unused_result));
/* All of it is zero again. */
void kept_file_wipe(const struct kept_file *file);
/* Gives it to the service manager instead of any before. False: there is none that listens. */
bool kept_file_store(struct kept_file *file);
/* The service manager has it no more. */
void kept_file_unstore(struct kept_file *file);
/* Wiped, let go of, and closed. Any state. */
void kept_file_end(struct kept_file *file);
