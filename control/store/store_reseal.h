/*
 * store_reseal.h - secrets that are plain or under a former key, sealed under the first. Private to the store.
 */
#pragma once

#include "control/store/store_secrets.h"

/* From a column of a row into a parameter of the statement that writes it: column + 1. SQLite's result; SQLITE_CORRUPT:
 * it cannot be opened. */
int store_reseal_column(struct sealer *sealer, sqlite3_stmt *from, const struct secrets_row *row,
			const struct seal_place *place, sqlite3_stmt *to, int column);
