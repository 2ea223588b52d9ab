/*
 * file_replace.h - a file's new content, as a whole or not at all.
 *
 * Written beside the file under a name that begins with a dot, synced, renamed over it, and the
 * folder synced: whoever reads, and whatever fails, there is the old content or the new one. Mode
 * and owner stay as they were; a new file is 0640. A symbolic link stays one: the file behind it is
 * replaced. Blocks on the disk. Any thread.
 */
#pragma once

#include <stddef.h>

/* 0 or -errno; then nothing has changed. */
int file_replace(const char *path, const void *bytes, size_t len)
	__attribute__((warn_unused_result));
/* The same, and nobody but owner and group may read or write it from then on: it holds secrets. */
int file_replace_private(const char *path, const void *bytes, size_t len)
	__attribute__((warn_unused_result));
/* What an operator can do when a file cannot be read or written: "; free some space ...", or "". */
const char *file_remedy(int error);
/*
 * Takes away what a process that was killed left half written in a folder: its content may be
 * secret. Only while nobody else replaces files there. How many those were.
 */
unsigned file_sweep(const char *folder);
/* Takes a file away for good. 0, also when there is none; or -errno. */
int file_remove(const char *path) __attribute__((warn_unused_result));
