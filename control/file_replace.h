/*
 * file_replace.h - a file's new content, as a whole or not at all.
 *
 * Written beside the file under a name that begins with a dot, synced, renamed over it, and the
 * folder synced: whoever reads, and whatever fails, there is the old content or the new one. Mode
 * and owner stay as they were; a new file is 0640. A symbolic link stays one: the file behind it is
 * replaced; where there is none behind it, nothing is (-ENOENT). Blocks on the disk. Any thread.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

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

/* Who may read a file from then on, at most; a new one gets mode 0640 of that. */
enum file_readers {
	FILE_READ_AS_BEFORE,
	FILE_READ_BY_GROUP, /* as file_replace_private() */
	FILE_READ_BY_OWNER, /* a private key */
};

/*
 * The two halves of file_replace(), for several files at once (file_set.h): written beside the file and synced, under a name
 * of its own, which file_sweep() knows; and moved into the file's place. 0 or -errno.
 */
enum { FILE_STAGED_MAX = 32 };
struct file_content {
	const void *bytes;
	size_t len;
	enum file_readers readers;
	const struct stat *like; /* has its mode and owner; NULL: as the file that is there */
};
int file_stage(const char *path, const struct file_content *content, char staged[FILE_STAGED_MAX])
	__attribute__((warn_unused_result));
/* What a symbolic link points to, as it says it; NULL: it is none, or there is no memory. The caller frees it. */
char *file_link(const char *path);
/* Stages a symbolic link that points there, where now there is no file. */
int file_stage_link(const char *path, const char *link, char staged[FILE_STAGED_MAX])
	__attribute__((warn_unused_result));
int file_unstage(const char *path, const char *staged) __attribute__((warn_unused_result));
/* Whether a name is one that file_stage() gives. */
bool file_is_staged(const char *name);
/* Where that is, by the name which file_stage() gave. */
int file_staged_path(const char *path, const char *staged, char at[PATH_MAX])
	__attribute__((warn_unused_result));
