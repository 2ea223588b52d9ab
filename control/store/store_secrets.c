#include "control/store/store_secrets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
secrets_bind(struct sealer *sealer, sqlite3_stmt *stmt, int parameter,
	     const struct seal_place *place, const void *bytes, size_t len)
{
	size_t sealed_len = len + SEAL_OVERHEAD;
	uint8_t *sealed;

	if (!sealer || !sealer_id(sealer))
		return sqlite3_bind_blob64(stmt, parameter, bytes, len, SQLITE_TRANSIENT);
	sealed = malloc(sealed_len);
	if (!sealed)
		return SQLITE_NOMEM;
	if (sealer_seal(sealer, place, bytes, len, sealed) == 0)
		return sqlite3_bind_blob64(stmt, parameter, sealed, sealed_len, free);
	free(sealed);
	return SQLITE_ERROR;
}

void
secrets_bind_kek(const struct sealer *sealer, sqlite3_stmt *stmt, int parameter)
{
	const uint8_t *id = sealer ? sealer_id(sealer) : NULL;

	if (id)
		sqlite3_bind_blob(stmt, parameter, id, KEK_ID_LEN, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(stmt, parameter);
}

struct secrets_row
secrets_of_row(const struct sealer *sealer, sqlite3_stmt *stmt, int column)
{
	const void *id = sqlite3_column_blob(stmt, column);
	int number;

	if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
		return (struct secrets_row){ SECRETS_PLAIN, 0 };
	number = sealer && id ? sealer_find(sealer, id, (size_t)sqlite3_column_bytes(stmt, column))
			      : -1;
	if (number < 0)
		return (struct secrets_row){ SECRETS_LOST, 0 };
	return (struct secrets_row){ number ? SECRETS_FORMER : SECRETS_FIRST, (unsigned)number };
}

void *
secrets_read(struct sealer *sealer, const struct secrets_row *row, sqlite3_stmt *stmt, int column,
	     const struct seal_place *place, size_t *len, int *result)
{
	const void *stored = sqlite3_column_blob(stmt, column);
	size_t stored_len = (size_t)sqlite3_column_bytes(stmt, column);
	bool sealed = row->kind == SECRETS_FIRST || row->kind == SECRETS_FORMER;
	uint8_t *bytes;

	*len = 0;
	*result = 0;
	if (!stored)
		return NULL;
	*result = row->kind == SECRETS_LOST || (sealed && stored_len < SEAL_OVERHEAD) ? -EBADMSG
										      : 0;
	bytes = *result ? NULL : malloc(stored_len + 1);
	if (!bytes) {
		*result = *result ? *result : -ENOMEM;
		return NULL;
	}
	if (sealed)
		*result = sealer_open(sealer, row->number, place, stored, stored_len, bytes);
	else
		memcpy(bytes, stored, stored_len);
	*len = sealed ? stored_len - SEAL_OVERHEAD : stored_len;
	if (!*result)
		return bytes;
	secrets_free(bytes, *len);
	return NULL;
}

void
secrets_free(void *bytes, size_t len)
{
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
}

int
secrets_reseal(struct sealer *sealer, sqlite3_stmt *from, const struct secrets_row *row,
	      const struct seal_place *place, sqlite3_stmt *to, int column)
{
	size_t len;
	int result, code;
	void *bytes = secrets_read(sealer, row, from, column, place, &len, &result);

	if (result < 0)
		return SQLITE_CORRUPT;
	code = bytes ? secrets_bind(sealer, to, column + 1, place, bytes, len)
		     : sqlite3_bind_null(to, column + 1);
	secrets_free(bytes, len);
	return code;
}
