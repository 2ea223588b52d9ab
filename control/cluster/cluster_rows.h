/*
 * cluster_rows.h - devices as rows of the shared database: tuples to be copied into it, and rows that come out.
 *
 * A device is known by its endpoint name there, for each member numbers its own. Secrets are sealed as in the store, under
 * the same key-encryption keys, for the place that the endpoint name's hash is: so a key that is moved to another row does
 * not open. A device that was removed leaves a row that is dead, which holds its name alone.
 *
 * Owner: the caller. One thread a sealer. Allocates; what held secrets is wiped.
 */
#pragma once

#include <libpq-fe.h>

#include "control/buffer.h"
#include "control/inventory/device_spec.h"
#include "control/store/seal.h"
#include "control/store/store_records.h"

enum { CLUSTER_ERROR_MAX = 512 };

/* In the order in which rows are copied in and read. */
#define CLUSTER_DEVICE_COLUMNS                                                                     \
	"endpoint, ident, identity, device_key, key_is_hex, device_domain, device_groups, "        \
	"settings,"                                                                                \
	" created_ms, nosec, kek, dead"
enum { CLUSTER_COLUMNS = 12 };

/*
 * Appends a tuple of these columns and `txn` (COPY's binary format); `spec` NULL: a dead one. 0, -ENOMEM, or -EIO: it could
 * not be sealed.
 */
int cluster_rows_put(struct buffer *out, struct sealer *sealer, uint64_t txn, const char *endpoint,
		     const struct device_spec *spec) __attribute__((warn_unused_result));

/* A row that came out. Its texts stand behind it, each with a NUL. */
enum cluster_text {
	ROW_ENDPOINT,
	ROW_IDENTITY,
	ROW_KEY,
	ROW_DOMAIN,
	ROW_GROUPS,
	ROW_SETTINGS,
	ROW_TEXTS,
};
struct cluster_row {
	struct record record;
	bool dead, key_is_hex, nosec;
	uint64_t txn; /* that wrote it; 0: not told */
	uint64_t created_ms;
	uint32_t len[ROW_TEXTS]; /* UINT32_MAX: NULL */
	uint8_t bytes[];
};

/*
 * Row 0 of `result`, whose first columns are those above, becomes a record, written by `txn`. 0;
 * -ENOMEM; -EBADMSG and a sentence: it is damaged, or sealed under a key that is not there.
 */
int cluster_rows_take(struct records *to, struct sealer *sealer, const PGresult *result,
		      uint64_t txn, char error[CLUSTER_ERROR_MAX]);
const char *cluster_row_endpoint(const struct cluster_row *row);
/* What the row says; borrowed but for the key, which is to be wiped. Groups are "" where it has none. */
void cluster_row_spec(const struct cluster_row *row, struct device_spec *spec);
