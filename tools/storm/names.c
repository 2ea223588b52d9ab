#include "tools/storm/names.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 10, COLUMNS_MAX = 1100 };

/* Offsets into the text; what is not there has length 0. */
struct name_row {
	uint32_t endpoint, identity, key, certificate, private_key;
	uint8_t endpoint_len, identity_len, key_len, certificate_len, private_key_len;
	uint8_t key_is_hex;
};

static int __attribute__((format(printf, 2, 3)))
refuse(char error[NAMES_ERROR_MAX], const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(error, NAMES_ERROR_MAX, format, list);
	va_end(list);
	return -1;
}

/* ---- patterns ---- */

/* Behind the '%': "u" or "0Wu"; NULL when it is anything else. */
static const char *
parse_number(struct name_pattern *pattern, const char *at)
{
	pattern->digits = 1;
	if (at[0] == '0' && at[1] >= '1' && at[1] <= '9') {
		pattern->digits = (uint8_t)(at[1] - '0');
		at += 2;
	}
	return *at == 'u' ? at + 1 : NULL;
}

int
name_pattern_parse(struct name_pattern *pattern, const char *text, char error[NAMES_ERROR_MAX])
{
	size_t before = strcspn(text, "%");
	const char *after = text + before;

	memset(pattern, 0, sizeof *pattern);
	if (*after == '%') {
		after = parse_number(pattern, after + 1);
		if (!after || strchr(after, '%'))
			return refuse(error,
				      "pattern \"%s\": one %%u or %%07u stands for the number",
				      text);
		pattern->numbered = 1;
	}
	if (before >= sizeof pattern->before || strlen(after) >= sizeof pattern->after)
		return refuse(error, "pattern \"%s\" is longer than 63 characters", text);
	memcpy(pattern->before, text, before);
	pattern->before_len = (uint8_t)before;
	pattern->after_len = (uint8_t)strlen(after);
	memcpy(pattern->after, after, pattern->after_len);
	return 0;
}

/* At most 63 + 10 + 63 bytes are written, cut to `size`. */
static size_t
expand(const struct name_pattern *pattern, uint32_t number, char *out, size_t size)
{
	char text[sizeof pattern->before + DIGITS_MAX + sizeof pattern->after], digits[DIGITS_MAX];
	size_t len = pattern->before_len, n = 0;

	memcpy(text, pattern->before, len);
	for (; pattern->numbered && (number || n < pattern->digits); number /= 10)
		digits[n++] = (char)('0' + number % 10);
	while (n)
		text[len++] = digits[--n];
	memcpy(text + len, pattern->after, pattern->after_len);
	len += pattern->after_len;
	len = len < size ? len : size;
	memcpy(out, text, len);
	return len;
}

/* ---- files ---- */

enum column {
	COLUMN_OTHER,
	COLUMN_ENDPOINT,
	COLUMN_IDENTITY,
	COLUMN_KEY,
	COLUMN_KEY_HEX,
	COLUMN_CERTIFICATE,
	COLUMN_PRIVATE_KEY,
	COLUMNS,
};

/* A file on its way through: cells are unquoted in place. */
struct table {
	const char *file;
	char *text, *at;
	enum column columns[COLUMNS_MAX];
	unsigned n_columns, line;
	char *error;
};

struct cell {
	char *text;
	size_t len;
	bool last; /* of its row */
};

static enum column
column_by_name(const struct cell *cell)
{
	static const struct {
		const char *name;
		enum column column;
	} known[] = { { "endpoint", COLUMN_ENDPOINT },
		      { "identity", COLUMN_IDENTITY },
		      { "key", COLUMN_KEY },
		      { "key_hex", COLUMN_KEY_HEX },
		      { "certificate", COLUMN_CERTIFICATE },
		      { "private_key", COLUMN_PRIVATE_KEY } };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].name) == cell->len &&
		    memcmp(known[i].name, cell->text, cell->len) == 0)
			return known[i].column;
	return COLUMN_OTHER;
}

/* Behind a cell: a comma, or the end of the row. */
static int
end_cell(struct table *table, struct cell *cell)
{
	cell->last = *table->at != ',';
	if (*table->at == ',' || *table->at == '\n') {
		table->at++;
		return 0;
	}
	if (table->at[0] == '\r' && table->at[1] == '\n') {
		table->at += 2;
		return 0;
	}
	return *table->at ? refuse(table->error, "%s:%u: a cell with quotes must be quoted whole",
				   table->file, table->line)
			  : 0;
}

/* RFC 4180 2.5 to 2.7: a doubled quote is one; commas and line breaks are text. */
static int
take_quoted(struct table *table, struct cell *cell)
{
	char *to = table->at, *from = table->at + 1;
	unsigned began = table->line;

	cell->text = to;
	for (; *from && (*from != '"' || from[1] == '"'); *to++ = *from++) {
		from += *from == '"';
		table->line += *from == '\n';
	}
	if (!*from)
		return refuse(table->error, "%s:%u: a quote is not closed", table->file, began);
	cell->len = (size_t)(to - cell->text);
	table->at = from + 1;
	return end_cell(table, cell);
}

static int
take_cell(struct table *table, struct cell *cell)
{
	if (*table->at == '"')
		return take_quoted(table, cell);
	cell->text = table->at;
	cell->len = strcspn(table->at, ",\"\r\n");
	table->at += cell->len;
	return end_cell(table, cell);
}

static int
parse_header(struct table *table)
{
	bool endpoint = false;
	struct cell cell;

	do {
		if (table->n_columns == COLUMNS_MAX)
			return refuse(table->error, "%s:1: more than %d columns", table->file,
				      COLUMNS_MAX);
		if (take_cell(table, &cell) < 0)
			return -1;
		table->columns[table->n_columns] = column_by_name(&cell);
		endpoint |= table->columns[table->n_columns++] == COLUMN_ENDPOINT;
	} while (!cell.last);
	return endpoint ? 0
			: refuse(table->error, "%s:1: no column is named endpoint", table->file);
}

static bool
is_hex(const struct cell *cell)
{
	static const char digits[] = "0123456789abcdefABCDEF";

	for (size_t i = 0; i < cell->len; i++)
		if (!memchr(digits, cell->text[i], sizeof digits - 1))
			return false;
	return cell->len % 2 == 0;
}

static void
put_cell(struct name_row *row, enum column column, uint32_t offset, uint8_t len)
{
	switch (column) {
	case COLUMN_ENDPOINT:
		row->endpoint = offset;
		row->endpoint_len = len;
		return;
	case COLUMN_IDENTITY:
		row->identity = offset;
		row->identity_len = len;
		return;
	case COLUMN_CERTIFICATE:
		row->certificate = offset;
		row->certificate_len = len;
		return;
	case COLUMN_PRIVATE_KEY:
		row->private_key = offset;
		row->private_key_len = len;
		return;
	default:
		row->key = offset;
		row->key_len = len;
		row->key_is_hex = column == COLUMN_KEY_HEX;
		return;
	}
}

static int
use_cell(struct table *table, struct name_row *row, enum column column, const struct cell *cell)
{
	static const size_t most[COLUMNS] = {
		[COLUMN_ENDPOINT] = NAMES_IDENTITY_MAX - 1,
		[COLUMN_IDENTITY] = NAMES_IDENTITY_MAX - 1,
		[COLUMN_KEY] = NAMES_KEY_MAX,
		[COLUMN_KEY_HEX] = (size_t)NAMES_KEY_MAX * 2,
		[COLUMN_CERTIFICATE] = NAMES_FILE_MAX,
		[COLUMN_PRIVATE_KEY] = NAMES_FILE_MAX,
	};
	bool is_key = column == COLUMN_KEY || column == COLUMN_KEY_HEX;

	if (column == COLUMN_OTHER || cell->len == 0)
		return 0;
	if (cell->len > most[column] || (column == COLUMN_KEY_HEX && !is_hex(cell)))
		return refuse(table->error, "%s:%u: a cell is too long or no hex", table->file,
			      table->line);
	if (is_key && row->key_len)
		return refuse(table->error, "%s:%u: key and key_hex: one of them", table->file,
			      table->line);
	put_cell(row, column, (uint32_t)(cell->text - table->text), (uint8_t)cell->len);
	return 0;
}

static int
parse_row(struct table *table, struct name_row *row)
{
	struct cell cell = { .last = false };
	unsigned n = 0;

	memset(row, 0, sizeof *row);
	for (; n < table->n_columns && !cell.last; n++)
		if (take_cell(table, &cell) < 0 ||
		    use_cell(table, row, table->columns[n], &cell) < 0)
			return -1;
	if (n < table->n_columns || !cell.last)
		return refuse(table->error, "%s:%u: the row has not the %u cells of the header",
			      table->file, table->line, table->n_columns);
	return row->endpoint_len
		       ? 0
		       : refuse(table->error, "%s:%u: no endpoint", table->file, table->line);
}

static char *
read_text(const char *file, char error[NAMES_ERROR_MAX])
{
	FILE *stream = fopen(file, "re");
	char *text = NULL;
	size_t size = 0;

	if (!stream || getdelim(&text, &size, '\0', stream) < 0) {
		refuse(error, "%s: %s", file,
		       stream ? "is empty or cannot be read" : strerror(errno));
		free(text);
		text = NULL;
	}
	if (stream)
		fclose(stream);
	return text;
}

static int
add_row(struct names *names, struct table *table, uint32_t *room)
{
	if (names->count == *room) {
		struct name_row *rows;

		*room = *room ? *room * 2 : 1024;
		rows = reallocarray(names->rows, *room, sizeof *rows);
		if (!rows)
			return refuse(table->error, "%s: out of memory", table->file);
		names->rows = rows;
	}
	if (parse_row(table, &names->rows[names->count]) < 0)
		return -1;
	names->with_files += names->rows[names->count].certificate_len ||
			     names->rows[names->count].private_key_len;
	names->count++;
	return 0;
}

static int
parse_rows(struct names *names, struct table *table)
{
	uint32_t room = 0;

	table->at = table->text + (strncmp(table->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
	table->line = 1;
	if (parse_header(table) < 0)
		return -1;
	for (table->line++; *table->at; table->line++) {
		size_t blank = table->at[0] == '\r' && table->at[1] == '\n' ? 2
			       : table->at[0] == '\n'                       ? 1
									    : 0;

		table->at += blank;
		if (!blank && add_row(names, table, &room) < 0)
			return -1;
	}
	return names->count ? 0 : refuse(table->error, "%s: has no devices", table->file);
}

int
names_parse(struct names *names, char *text, const char *file, char error[NAMES_ERROR_MAX])
{
	struct table table = { .file = file, .text = text, .error = error };

	names->text = text;
	names->folder = file;
	names->folder_len = strrchr(file, '/') ? (size_t)(strrchr(file, '/') + 1 - file) : 0;
	return parse_rows(names, &table);
}

int
names_load(struct names *names, const char *file, char error[NAMES_ERROR_MAX])
{
	char *text = read_text(file, error);

	return text ? names_parse(names, text, file, error) : -1;
}

void
names_free(struct names *names)
{
	free(names->rows);
	free(names->text);
	names->rows = NULL;
	names->text = NULL;
	names->count = names->with_files = 0;
}

/* ---- looking up ---- */

size_t
names_endpoint(const struct names *names, uint32_t device, char *endpoint)
{
	const struct name_row *row;

	if (!names->count)
		return expand(&names->endpoint, names->first + device, endpoint,
			      NAMES_ENDPOINT_MAX);
	row = &names->rows[device % names->count];
	memcpy(endpoint, names->text + row->endpoint, row->endpoint_len);
	return row->endpoint_len;
}

struct name_files
names_files(const struct names *names, uint32_t device)
{
	const struct name_row *row = names->count ? &names->rows[device % names->count] : NULL;

	if (!row)
		return (struct name_files){ .folder = "" };
	return (struct name_files){
		.certificate = { names->text + row->certificate, row->certificate_len },
		.key = { names->text + row->private_key, row->private_key_len },
		.folder = names->folder,
		.folder_len = names->folder_len,
	};
}

static uint8_t
hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static void
get_row(const struct names *names, const struct name_row *row, struct credential *credential)
{
	const char *key = names->text + row->key;
	bool own_identity = row->identity_len != 0;

	credential->identity_len = own_identity ? row->identity_len : row->endpoint_len;
	memcpy(credential->identity, names->text + (own_identity ? row->identity : row->endpoint),
	       credential->identity_len);
	credential->key_len = row->key_is_hex ? row->key_len / 2 : row->key_len;
	for (unsigned i = 0; i < credential->key_len; i++)
		credential->key[i] =
			row->key_is_hex
				? (uint8_t)(hex_digit(key[2 * i]) << 4 | hex_digit(key[2 * i + 1]))
				: (uint8_t)key[i];
}

void
names_get(const struct names *names, uint32_t device, struct credential *credential)
{
	uint32_t number = names->first + device;

	credential->endpoint_len = (uint8_t)names_endpoint(names, device, credential->endpoint);
	if (names->count) {
		get_row(names, &names->rows[device % names->count], credential);
		return;
	}
	credential->identity_len = (uint8_t)expand(
		&names->identity, number, (char *)credential->identity, NAMES_IDENTITY_MAX);
	credential->key_len =
		(uint8_t)expand(&names->key, number, (char *)credential->key, NAMES_KEY_MAX);
}
