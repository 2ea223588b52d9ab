/*
 * store_backup.h - a copy of both files while they are written, and the way back.
 *
 * A thread of its own copies what both files were at one moment: it reads them under transactions that
 * were begun so close together that the reports know of no change that the inventory's copy lacks
 * (their serials, store_change.h, say so; else it begins again). Writers go on meanwhile; their
 * write-ahead logs grow until the copy is made. Rows that are sealed stay sealed: the copy needs the
 * same key-encryption key.
 *
 * The folder holds `inventory.db`, `reports.db` and, written last, `manifest.json` with their sizes and SHA-256: a
 * copy that was cut short has none and is refused. All of mode 0600.
 *
 * Owner: who begins it. The control thread, but for the thread's own; store_restore() where no appliance runs. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/store/store.h"

#define STORE_BACKUP_INVENTORY "inventory.db"
#define STORE_BACKUP_REPORTS "reports.db"
#define STORE_BACKUP_MANIFEST "manifest.json"

struct store_backup;

struct store_backup_progress {
	bool over;
	uint64_t bytes, of; /* copied; 0 of 0: not begun yet */
};

/* Into the folder behind the descriptor, which is empty and stays the caller's. NULL and a sentence. */
struct store_backup *store_backup_begin(struct store *store, int folder,
					char error[STORE_ERROR_MAX]);
/* Waits a millisecond or two. */
void store_backup_wait(struct store_backup *backup, struct store_backup_progress *progress);
/*
 * Ends it, in the middle, too, and frees it. 0 when the copy is whole and on the disk; else -errno and a sentence,
 * -ECANCELED for one that was not over, and what was written is removed.
 */
int store_backup_end(struct store_backup *backup, char error[STORE_ERROR_MAX]);

struct store_restore {
	const char *path;   /* of the store */
	const char *folder; /* of the copy */
	bool replace;       /* a store that is there is moved aside, not refused */
	/* What came of it. */
	char made[32];    /* when the copy was: "2026-01-31T12:00:00Z" */
	char aside[32];   /* what was appended to the names of the files that were there; "": none were */
	uint64_t bytes;
};

/*
 * Takes a copy in place of the store, of which no process may run: checked whole before anything changes, and on
 * the disk when this returns. 0, or -errno and a sentence; then the store is as it was. A process that dies in the
 * middle leaves a store that is refused with the remedy: restore again.
 */
int store_restore(struct store_restore *restore, char error[STORE_ERROR_MAX]);
