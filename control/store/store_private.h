/*
 * store_private.h - what the store is made of; for its own files and its tests.
 */
#pragma once

#include "control/store/store.h"
#include "control/store/store_change.h"
#include "control/store/store_file.h"
#include "control/store/store_recent.h"
#include "control/store/store_writer.h"

enum { MESSAGE_READERS_MAX = 2 }; /* the sender's, and the control thread's */

struct store {
	char warning[STORE_ERROR_MAX]; /* of store_open() */
	char *path, *reports_path, *lock_path;
	int lock_fd; /* held as long as the store is open */
	struct store_file inventory, reports;
	sqlite3 *reader; /* of the reports' file, for store_read_log(); NULL: not needed yet */
	sqlite3 *policy_reader; /* of the inventory's file, for store_policy.c; NULL: the same */
	struct store_writer writer;
	struct store_change change;
	struct id_set present; /* while loading: devices that there are */
	bool present_known;
	uint32_t next_device;
	char cluster[STORE_CLUSTER_MAX]; /* as of the start; "": the store stands alone */
	uint64_t cluster_revision;
	struct message_reader *readers[MESSAGE_READERS_MAX]; /* NULL: free */
	bool suspended; /* another process has the files: what is queued waits (store_suspend.c) */
	struct sealer *sealer;      /* the control thread's: loading, reading logs */
	uint64_t plain, former;     /* devices with secrets that are not under the first key */
};

/* Each opens what it reads under these from now on. 0 or -ENOMEM. */
int message_readers_use(struct store *store, const struct keyring *keyring);

/* Takes the lock and opens the files of a store whose paths are set. 0, or -errno and a sentence; then nothing is open. */
int store_open_files(struct store *store, char error[STORE_ERROR_MAX]);
/*
 * The lock that keeps a second process from the store: a descriptor that holds it until it is closed, or -errno and
 * a sentence that names the process.
 */
int store_lock(const char *path, char error[STORE_ERROR_MAX]);
