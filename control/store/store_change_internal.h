/*
 * store_change_internal.h - an operator's change on its way to the file, for store_change*.c alone.
 *
 *	store_change.c      the thread that writes changes: its loop, its life
 *	store_change_sql.c  operations to SQL, in one transaction
 *	store_reseal.c      rows that are sealed anew, of both files
 *	store_change_put.c  the control thread's side: what store.h tells of changes
 *
 * Operations travel as records of change->queue: the control thread adds them under the lock, the
 * thread takes them in the order they were put and clears them, which wipes the keys.
 */
#pragma once

#include "control/store/store_private.h"

enum { NO_TEXT = UINT32_MAX };

enum device_text {
	TEXT_ENDPOINT,
	TEXT_IDENTITY,
	TEXT_KEY,
	TEXT_DOMAIN,
	TEXT_GROUPS,
	TEXT_SETTINGS,
	TEXT_COUNT,
};

enum op_kind {
	OP_PUT,
	OP_REMOVE,
	OP_RESEAL,
	OP_FOLLOW,
	OP_VERSION,
	OP_POLICY_FILE,
	OP_DROP_VERSIONS,
};

/* One operation. Texts that are not NULL stand behind it, in the order of enum device_text. */
struct change_op {
	struct record record;
	uint8_t kind;
	bool key_is_hex, nosec;
	uint16_t format;
	uint32_t id;
	uint64_t created_ms, last_bootstrap_ms;
	uint64_t revision; /* of OP_FOLLOW, whose TEXT_ENDPOINT is the cluster's name */
	uint32_t len[TEXT_COUNT]; /* NO_TEXT: NULL */
	uint8_t bytes[];
};

/*
 * The control thread's: place for an operation, to be filled, and then to be told; NULL: the change has failed. Takes
 * the lock, and keeps it until change_op_added().
 */
struct change_op *change_op_add(struct store_change *change, size_t size);
void change_op_added(struct store_change *change);

/*
 * The transaction: the thread's own, never under the lock, for it waits for the disk. Allocates in
 * SQLite alone. Returns SQLite's results.
 */

/* Before the thread begins. 0, or -errno and a sentence; store_change_fini() finalizes. */
int change_sql_prepare(struct store_change *change, char error[STORE_ERROR_MAX]);
/* Begins it where it is not, and does what the records say, up to the first failure. */
int change_sql_execute(struct store_change *change, const struct records *records);
/* One of OP_VERSION, OP_POLICY_FILE and OP_DROP_VERSIONS. */
int change_sql_policy(struct store_change *change, const struct change_op *op);
/* Devices from this one on; behind the last one, files of the policy's versions, too. */
int change_sql_reseal(struct store_change *change, uint32_t from);
/* Begins it, too, where nothing was put. */
int change_sql_commit(struct store_change *change);
/* Undoes what is not committed, if anything. */
void change_sql_roll_back(struct store_change *change);
