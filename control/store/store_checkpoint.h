/*
 * store_checkpoint.h - a thread that moves the reports' write-ahead log into their file.
 *
 * That waits for the disk, which may take a second when others use it, too; the writer would keep
 * no promise of 100 ms if it did so itself. SQLite lets it go on meanwhile. The log begins anew
 * only when all of it has been moved, which never happens while more is written without a pause:
 * beyond LOG_MAX_PAGES the writer waits for the last bit.
 *
 * Owner: the store's writer, whose thread calls; store_checkpoint_init() and _fini() before and
 * after it. Allocates.
 */
#pragma once

#include <pthread.h>

#include "control/store/store_file.h"

enum {
	CHECKPOINT_PAGES = 4000, /* 16 MB */
	LOG_MAX_PAGES = 65536,   /* 256 MB: 5 s of 100,000 reports a second */
};

struct store_checkpoint {
	sqlite3 *db; /* a connection of its own */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool wanted, ending; /* under the lock, as what follows */
	int every;           /* CHECKPOINT_PAGES, less in tests */
	int moved;           /* pages of the log that are in the file */
};

/* 0 or -errno. */
int store_checkpoint_start(struct store_checkpoint *checkpoint, const struct store_file *file);
void store_checkpoint_fini(struct store_checkpoint *checkpoint);
/* The log has so many pages now; true: move the rest at once, yourself. */
bool store_checkpoint_tell(struct store_checkpoint *checkpoint, int pages);
