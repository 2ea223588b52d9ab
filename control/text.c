#include "control/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/buffer.h"

void
text_init(struct text *text)
{
	*text = (struct text){ 0 };
}

/* The text as the buffer that it grows as. */
static struct buffer
buffer_of(const struct text *text)
{
	return (struct buffer){ .bytes = (uint8_t *)text->at,
				.len = text->len,
				.capacity = text->capacity };
}

void
text_fini(struct text *text)
{
	struct buffer buffer = buffer_of(text);

	buffer_fini(&buffer);
	*text = (struct text){ 0 };
}

/* Room for `len` more bytes and the NUL behind them. */
static bool
text_reserve(struct text *text, size_t len)
{
	struct buffer buffer = buffer_of(text);

	if (text->failed)
		return false;
	if (len == SIZE_MAX || buffer_reserve(&buffer, len + 1)) {
		text->failed = true;
		return false;
	}
	text->at = (char *)buffer.bytes;
	text->capacity = buffer.capacity;
	return true;
}

void
text_put(struct text *text, const char *bytes, size_t len)
{
	if (!text_reserve(text, len))
		return;
	memcpy(text->at + text->len, bytes, len);
	text->len += len;
	text->at[text->len] = '\0';
}

void
text_vprintf(struct text *text, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0 || !text_reserve(text, (size_t)len))
		return;
	vsnprintf(text->at + text->len, (size_t)len + 1, format, args);
	text->len += (size_t)len;
}

void
text_printf(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vprintf(text, format, args);
	va_end(args);
}

void
text_put_untrusted(struct text *text, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++) {
		if (at[i] >= 0x20 && at[i] < 0x7f && at[i] != '\\')
			text_put(text, (const char *)at + i, 1);
		else
			text_printf(text, "\\x%02x", at[i]);
	}
}

const char *
text_str(const struct text *text)
{
	return text->at ? text->at : "";
}

static void
table_add(struct table *table, char *cell)
{
	if (table->n_cells == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 64;
		char **cells = realloc(table->cells, capacity * sizeof *cells);

		if (!cells) {
			table->failed = true;
			if (cell)
				explicit_bzero(cell, strlen(cell));
			free(cell);
			return;
		}
		table->cells = cells;
		table->capacity = capacity;
	}
	if (!cell)
		table->failed = true;
	table->cells[table->n_cells++] = cell;
}

void
table_init(struct table *table, const char *heading)
{
	*table = (struct table){ 0 };
	for (;;) {
		size_t len = strcspn(heading, "|");

		table->columns++;
		table_add(table, strndup(heading, len));
		if (!heading[len] || table->columns == TABLE_COLUMNS_MAX)
			return;
		heading += len + 1;
	}
}

void
table_cell(struct table *table, const char *format, ...)
{
	char *cell = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&cell, format, args) < 0)
		cell = NULL;
	va_end(args);
	table_add(table, cell);
}

static void
table_widths(const struct table *table, int width[TABLE_COLUMNS_MAX])
{
	for (size_t i = 0; i < table->n_cells; i++) {
		int len = (int)strlen(table->cells[i]);
		int *column = &width[i % table->columns];

		if (len > *column)
			*column = len;
	}
}

void
table_finish(struct table *table, struct text *text)
{
	int width[TABLE_COLUMNS_MAX] = { 0 };

	if (table->failed) {
		text->failed = true;
	} else {
		table_widths(table, width);
		for (size_t i = 0; i < table->n_cells; i++) {
			bool last = (i + 1) % table->columns == 0;

			if (last)
				text_printf(text, "%s\n", table->cells[i]);
			else
				text_printf(text, "%-*s  ", width[i % table->columns],
					    table->cells[i]);
		}
	}
	for (size_t i = 0; i < table->n_cells; i++) {
		if (table->cells[i])
			explicit_bzero(table->cells[i], strlen(table->cells[i]));
		free(table->cells[i]);
	}
	free(table->cells);
	*table = (struct table){ 0 };
}
