/*
 * store_rows.h - rows of the inventory, read by a thread of their own and opened by others, while the caller makes devices of
 * those before: sealed secrets then cost a start nothing but other cores.
 *
 * Life: device_rows_begin() -> device_rows_next() until NULL -> device_rows_end(), early where the
 * caller stops. Until the end the statement, its connection and the store's sealer are the
 * threads'. Rows come in order of the statement. Allocates; what was in a row is wiped when the
 * next batch comes.
 */
#pragma once

#include "control/store/store_private.h"

struct device_rows;

/* NULL: out of memory, or no thread. */
struct device_rows *device_rows_begin(struct store *store, sqlite3_stmt *stmt);
/* Good until the next call. NULL: that was the last, or reading failed. */
struct store_device *device_rows_next(struct device_rows *rows);
/*
 * 0: every row was told, or the caller stopped; else -errno and a sentence. Counts of rows that are plain or under a former
 * key go into the store.
 */
int device_rows_end(struct device_rows *rows, char error[STORE_ERROR_MAX]);
