/*
 * import_row.h - the inside of an import: what readers of both formats share. For import*.c alone.
 *
 * A reader takes a row's text from the buffer, fills struct import_row with pointers into it, and
 * calls import_row_finish(), which checks, and hands the device on. Errors are told as they are
 * found, so that a bad row tells all of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/buffer.h"
#include "control/inventory/import.h"
#include "control/inventory/import_names.h"
#include "control/text.h"

/* Whether names of setting values are secret, of those met last: the same few come in every row. */
struct import_known_name {
	char name[40];
	uint8_t len; /* 0: free */
	bool secret;
};

enum { IMPORT_KNOWN_NAMES = 64, IMPORT_WARNINGS = 20 };

struct import {
	const struct import_calls *calls;
	struct diag_list *diags;
	struct import_result *result;
	const char *name;
	int failed; /* -errno that ends it */

	int fd;
	ssize_t (*read)(void *ctx, void *bytes, size_t len); /* NULL: of `fd` */
	void *read_ctx;
	struct buffer input;
	bool ended;    /* nothing follows */
	uint32_t line; /* of the first byte not taken, from 1 */
	uint64_t bytes, total;

	unsigned warned; /* warnings so far; beyond IMPORT_WARNINGS they are counted alone */
	struct import_names endpoints, identities;
	bool identities_differ; /* until then, `endpoints` stands for both */
	struct text groups;     /* of the present row */
	struct import_known_name known[IMPORT_KNOWN_NAMES];
};

/* NUL-terminated text in the buffer; NULL: the row has none. */
struct import_cell {
	char *text;
	size_t len;
};

struct import_row {
	uint32_t line;
	bool bad;
	struct import_cell endpoint, identity, identity_hex, key, key_hex, domain;
	uint8_t identity_bytes
		[DTLS_IDENTITY_MAX]; /* what identity_hex says; `identity` is that then */
	struct import_cell groups;   /* CSV: names with ';' or ',' between */
	struct import_cell nosec;    /* CSV: "yes" or "no" */
	bool nosec_ready;            /* or it is allowed */
	bool groups_ready;           /* or import->groups holds them */
	uint8_t *values;
};

/* What a file without its secrets calls what is missing. */
#define IMPORT_LEFT_OUT "left_out"

/*
 * import_source.c: the bytes, from a descriptor or from memory; 0 or -ENOMEM. import_close() wipes
 * and frees what import_open() and import_fill() made.
 */
int import_open(struct import *import, const struct import_source *source)
	__attribute__((warn_unused_result));
void import_close(struct import *import);
void import_skip_bom(struct import *import);
/* Tells the caller's progress(), which may end the import. */
void import_report_progress(struct import *import);
/* The bytes that are not taken yet: where, and how many; a NUL has room behind them. */
static inline char *
import_at(const struct import *import)
{
	return (char *)buffer_front(&import->input);
}

static inline size_t
import_left(const struct import *import)
{
	return buffer_left(&import->input);
}

/*
 * Makes more input follow the bytes not taken, which may move. False: it has ended, the row would
 * exceed IMPORT_ROW_MAX, or import->failed is set.
 */
bool import_fill(struct import *import);
/* Takes `len` bytes, wiping them; `lines` line breaks are among them. */
void import_take(struct import *import, size_t len, uint32_t lines);

/* Adds an error; marks the row bad unless it is NULL. `column` may be NULL. */
void import_error(struct import *import, struct import_row *row, const char *column,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A row that can't be read at all. */
void import_bad_row(struct import *import, uint32_t line, const char *column, const char *format,
		    ...) __attribute__((format(printf, 4, 5)));
/* Puts a setting value into the row, or tells what is wrong with it. `column` is for errors. */
void import_row_value(struct import *import, struct import_row *row, const char *column,
		      const char *name, struct import_cell text, bool secret);
/* Appends a group to import->groups. */
void import_row_group(struct import *import, struct import_row *row, const char *name, size_t len);
/* Checks and hands on. Frees the row's values. */
void import_row_finish(struct import *import, struct import_row *row);

/* The readers. */
void import_csv(struct import *import);
void import_jsonl(struct import *import);
