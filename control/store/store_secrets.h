/*
 * store_secrets.h - secrets of a row, sealed or plain: to a statement and from it.
 *
 * One thread a sealer. Allocates.
 */
#pragma once

#include <sqlite3.h>

#include "control/store/seal.h"

/* Binds bytes as they are to be stored: sealed, where the sealer has a key. SQLite's result. */
int secrets_bind(struct sealer *sealer, sqlite3_stmt *stmt, int parameter,
		 const struct seal_place *place, const void *bytes, size_t len);
/* Binds the id of the key that seals; NULL where there is none. */
void secrets_bind_kek(const struct sealer *sealer, sqlite3_stmt *stmt, int parameter);

/* Under which key a row is. */
enum secrets_kind { SECRETS_PLAIN, SECRETS_FIRST, SECRETS_FORMER, SECRETS_LOST };
struct secrets_row {
	enum secrets_kind kind;
	unsigned number; /* of the key, for sealer_open() */
};
/* By the column with the key's id. */
struct secrets_row secrets_of_row(const struct sealer *sealer, sqlite3_stmt *stmt, int column);
/*
 * What a column holds, malloc'ed with room for a byte more, to be wiped and freed, *len bytes;
 * *result 0. NULL: the column is NULL, or *result says what is wrong: -EBADMSG (sealer_open()),
 * -ENOMEM.
 */
void *secrets_read(struct sealer *sealer, const struct secrets_row *row, sqlite3_stmt *stmt, int column,
		   const struct seal_place *place, size_t *len, int *result);
/* Wipes and frees. */
void secrets_free(void *bytes, size_t len);
/* From a column of a row, sealed anew, into a parameter of the statement that writes it: column + 1. SQLite's result;
 * SQLITE_CORRUPT: it cannot be opened. */
int secrets_reseal(struct sealer *sealer, sqlite3_stmt *from, const struct secrets_row *row,
		   const struct seal_place *place, sqlite3_stmt *to, int column);
