/*
 * file_set.h - several files of a folder changed together: all of them, or none, whenever the process is killed.
 *
 * The new contents are written beside the files and synced; then a journal in the folder (".cradle-journal") says which
 * they are, by their SHA-256 before and after: from then on the change is made. Each is renamed into place, and the journal
 * goes. A process that was killed before the journal leaves nothing but files that file_sweep() takes away; one that was
 * killed after it leaves a journal which file_set_recover() carries out. Whoever reads in between may see a part.
 *
 * A symbolic link stays one: the file behind it is changed. One that goes, goes itself, and not the file behind it; taken
 * back, it is a link again.
 *
 * Owner: the caller; nothing is kept. One thread at a time for a folder, and one process: the holder of the store's lock.
 * Blocks on the disk. Allocates, and wipes what may be secret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/file_replace.h"
#include "control/text.h"

struct file_set_item {
	const char *name; /* in the folder: "groups.conf", "tasks/a.xml" */
	const char *text; /* what it is to say; NULL: it goes */
	size_t len;
	const char *old; /* what it says; NULL: there is none */
	size_t old_len;
	enum file_readers readers; /* from then on */
	/* Of one that goes or comes: what it points to, as a symbolic link, with `old` or `text` behind it. NULL: it is none. */
	const char *link;
};

/*
 * Changes all of them, in this order. 0; or -errno, the files being what they were, and *failed the name of the one that
 * could not be changed (NULL: the journal).
 */
int file_set_change(const char *folder, const struct file_set_item *items, size_t n,
		    const char **failed) __attribute__((warn_unused_result));

/* Whether a change was interrupted, and nobody has gone on with it. */
bool file_set_is_open(const char *folder);

/*
 * Ends a change that was interrupted: forward, or back where a new content is lost before any file was changed. A file that
 * somebody changed since stays as it is. 0: there was none; 1: there was, and `said` (a sentence, without end of line) tells
 * what became of it; -errno of a disk that does not let it: the journal stays, and the next call tries again.
 */
int file_set_recover(const char *folder, struct text *said) __attribute__((warn_unused_result));
