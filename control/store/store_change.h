/*
 * store_change.h - the thread that writes operators' changes while they are put.
 *
 * A change is one transaction on the inventory's file. What is put travels in records; the thread
 * takes them a chunk at a time, so that an import of any length needs CHANGE_CHUNKS_MAX chunks of
 * memory, if who puts them asks for room between them (store_change_make_room()); a disk that takes
 * nothing for CHANGE_STALL_MS fails the change, so that nobody waits for long.
 *
 * Owner: the store. The control thread, but for the thread's own. Allocates.
 */
#pragma once

#include <pthread.h>

#include "control/store/store_file.h"
#include "control/store/seal.h"
#include "control/store/store_records.h"

enum {
	CHANGE_CHUNKS_MAX = 64, /* 4 MB */
	CHANGE_STALL_MS = 2000,
	CHANGE_SLOW_MS = 5000, /* the log tells of a change that the disk takes so long for */
	CHANGE_BUSY_MS = 2000, /* another process's lock on the file */
};

enum change_wish { CHANGE_OPEN, CHANGE_COMMIT, CHANGE_ROLLBACK };

enum change_sql {
	SQL_PUT_DEVICE,
	SQL_REMOVE_DEVICE,
	SQL_PUT_NEXT,
	SQL_PUT_SERIAL,
	SQL_PUT_CLUSTER,
	SQL_PUT_CLUSTER_REVISION,
	SQL_LEAVE_CLUSTER,
	SQL_FIND_TO_RESEAL,
	SQL_RESEAL,
	SQL_PUT_VERSION,
	SQL_NEXT_POLICY_FILE,
	SQL_PUT_POLICY_FILE,
	SQL_DROP_POLICY_FILES,
	SQL_DROP_VERSIONS,
	SQL_FIND_FILES_TO_RESEAL,
	SQL_RESEAL_FILE,
	SQL_CHANGE_COUNT,
};

struct store_change {
	struct store *store;
	struct store_file *file;
	pthread_t thread;
	bool started;

	/* Guarded by `lock`. */
	pthread_mutex_t lock;
	pthread_cond_t wake, told;
	struct records queue;
	bool open, done, ending;
	bool cancel;     /* the outcome is to be nothing */
	bool finishing;  /* SQLite commits or undoes it: only it can tell how that ends, and an interrupt
			  * would leave it half done */
	enum change_wish wish;
	int result; /* 0 or -errno: the first failure */
	char error[STORE_ERROR_MAX];
	bool unscrubbed;        /* old keys may be in the write-ahead log ... */
	uint64_t unscrubbed_ms; /* ... since then, by store_now_ms() */
	unsigned scrubs;        /* so often was it tried */
	bool failing;    /* the last commit failed */
	uint64_t serial; /* of the last change; the reports have it, too, so that a loss shows */
	uint64_t failing_since_ms;

	/* The control thread's own. */
	unsigned slow_ms; /* a change that takes longer is told */
	struct records after; /* for the journal once it is committed: devices removed, unknown ones forgotten */

	/* The control thread's while no change is open, else the thread's. */
	struct sealer *sealer; /* NULL: plain */
	uint32_t reseal_next;  /* the device to go on with */
	unsigned n_resealed;

	/* The thread's own. */
	sqlite3_stmt *sql[SQL_CHANGE_COUNT];
	bool begun;
	uint32_t above; /* all devices that this change put */
};

/* None can begin, while another process has the file. To be ended as what follows is. */
void store_change_rest(struct store_change *change, struct store *store, struct store_file *file);
/* The file is open. 0, or -errno and a sentence. */
int store_change_init(struct store_change *change, struct store *store, struct store_file *file,
		      char error[STORE_ERROR_MAX]);
/* 0 or -errno. */
int store_change_start(struct store_change *change);
/* Rolls back what is open. */
void store_change_fini(struct store_change *change);
