/*
 * import.h - reads devices from CSV and JSON lines, as operators export them from elsewhere or from
 * another Cradle (export.h).
 *
 * CSV (RFC 4180, UTF-8, with or without BOM, LF or CRLF). The first line names the columns, in any
 * order; a cell in quotes may hold commas, quotes (doubled) and line breaks:
 *
 *	endpoint        the endpoint name; the only column that must be there
 *	identity        the DTLS identity; empty: the endpoint name
 *	identity_hex    the same in hex, where it is no text; one of both
 *	key, key_hex    the pre-shared key as text or in hex, one of them; empty: none
 *	domain          empty: none
 *	groups          names with ';' between (',' in a cell with quotes); empty: "root"
 *	value.NAME      the setting value NAME; an empty cell sets none, "" in quotes sets empty text
 *	secret.NAME     the same, masked wherever shown; of both columns of a NAME a row fills one
 *
 * Spreadsheets differ: what separates may be ';' or a tab (the first line tells), rows may end in CR
 * alone, a "sep=;" may stand first, columns without a name are taken where nothing stands in them.
 * Files that are no text are named: UTF-16, spreadsheets, compressed ones.
 *
 * JSON lines: one object a line, members of the same names:
 *
 *	{"endpoint":"urn:dev:1","identity":"id-1" or "identity_hex":"fffe",
 *	 "key":"text" or "key_hex":"00ff","domain":"d",
 *	 "groups":["root.a","root.b"],"values":{"name":"text","pw":{"value":"x","secret":true}}}
 *
 * A value whose name looks like a secret (policy_name_is_secret()) is one in both. Whether groups
 * exist is the caller's to check. A file that was exported without its secrets is refused: it says
 * of itself that they were left out.
 *
 * One pass; memory is bounded by the longest row (IMPORT_ROW_MAX) and by the names seen, for which
 * 12 to 24 bytes each are kept to find duplicates. Two names are taken for the same when a keyed
 * hash of 64 bits says so: in one of 300,000 imports of ten million devices this is an error.
 *
 * Owner: the caller. One thread. Allocates; blocks as its descriptor does. Keys are wiped behind
 * the reader.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/inventory/device_spec.h"
#include "tasks/diag.h"

enum import_format { IMPORT_UNKNOWN, IMPORT_CSV, IMPORT_JSONL };

enum {
	IMPORT_ROW_MAX =
		4 << 20, /* a block of setting values (SETTING_BLOCK_MAX), every byte escaped */
	IMPORT_COLUMNS_MAX = 1100,
};

/* "csv", "jsonl" or "ndjson"; or a file's name that ends in .csv, .jsonl or .ndjson, case aside. */
enum import_format import_format_by_name(const char *name);
enum import_format import_format_by_file(const char *path);

struct import_source {
	int fd; /* read to its end; -1: `text` instead */
	ssize_t (*read)(void *ctx, void *bytes, size_t len); /* as read(2), instead of the descriptor's; or NULL */
	void *read_ctx;
	const char *text;
	size_t len;
	const char *name; /* in diagnostics; NULL: none */
};

struct import_progress {
	uint64_t bytes, total; /* total 0: not known */
	uint64_t rows;
};

enum import_verdict {
	IMPORT_TAKEN,
	IMPORT_REJECTED, /* it is counted as bad; the callee has added the reason to the list */
	IMPORT_STOP,     /* the import ends with -ECANCELED */
};

struct import_calls {
	void *ctx;
	/* A good row. What the struct points to is valid during the call. */
	enum import_verdict (*each)(void *ctx, const struct device_spec *device, uint32_t line);
	/* NULL: none. About once a MiB; false: the import ends with -ECANCELED. */
	bool (*progress)(void *ctx, const struct import_progress *progress);
};

struct import_result {
	uint64_t rows, bad; /* rows of devices, and those among them that were not taken */
};

/*
 * Reads it all; every bad row adds an error with its line (that where the row begins) and the
 * column or member as tag to `diags`, which keeps the first DIAG_MAX and counts the others. 0, even
 * with bad rows; -EINVAL when the file is no good from its header on, -EIO (both with an error in
 * the list); -ECANCELED; -ENOMEM.
 */
int import_read(enum import_format format, const struct import_source *source,
		const struct import_calls *calls, struct diag_list *diags,
		struct import_result *result) __attribute__((warn_unused_result));
