#include "control/text.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/buffer.h"
#include "tasks/show.h"
#include "tasks/utf8.h"

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
	assert(len < text->capacity - text->len);
	memcpy(text->at + text->len, bytes, len);
	text->len += len;
	text->at[text->len] = '\0';
}

static void
put_formatted(struct text *text, const char *format, va_list args)
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
	put_formatted(text, format, args);
	va_end(args);
}

static void
put_shown(void *ctx, const char *bytes, size_t len)
{
	text_put(ctx, bytes, len);
}

void
text_put_untrusted(struct text *text, const void *bytes, size_t len)
{
	const struct show_sink sink = { put_shown, text };

	show_bytes(&sink, bytes, len, true);
}

void
text_vshow(struct text *text, const char *format, va_list args)
{
	const struct show_sink sink = { put_shown, text };

	show_format(&sink, format, args);
}

void
text_show(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vshow(text, format, args);
	va_end(args);
}

/* A line or cell of a text that has been put together, its tabs kept. */
static void
put_line(struct text *text, const char *line, size_t len)
{
	const struct show_sink sink = { put_shown, text };

	for (;;) {
		const char *tab = memchr(line, '\t', len);
		size_t n = tab ? (size_t)(tab - line) : len;

		show_bytes(&sink, line, n, false);
		if (!tab)
			return;
		text_put(text, tab, 1);
		line += n + 1;
		len -= n + 1;
	}
}

void
text_clean(struct text *text)
{
	struct text clean = { 0 };

	if (!text->at || show_is_plain(text->at, text->len))
		return;
	for (const char *line = text->at, *end = text->at + text->len; line < end;) {
		const char *next = memchr(line, '\n', (size_t)(end - line));

		put_line(&clean, line, (size_t)((next ? next : end) - line));
		if (next)
			text_put(&clean, "\n", 1);
		line = next ? next + 1 : end;
	}
	clean.failed |= text->failed;
	text_fini(text);
	*text = clean;
}

/* As much of a word as fits `columns`, at least a character. */
static size_t
fitting(const char *word, size_t len, size_t columns)
{
	size_t fits = len;

	while (fits > 1 && utf8_width(word, fits) > columns) {
		size_t shorter = utf8_cut(word, len, fits - 1);

		if (!shorter)
			break;
		fits = shorter;
	}
	return fits;
}

void
text_wrap(struct text *text, const char *sentence, size_t len, unsigned column, unsigned width)
{
	size_t at = column;

	while (len) {
		const char *space = memchr(sentence, ' ', len);
		size_t word = space ? (size_t)(space - sentence) : len, part = word;

		if (width > column)
			part = fitting(sentence, word, width - column);
		if (at > column && width && at + 1 + utf8_width(sentence, part) > width) {
			text_printf(text, "\n%*s", (int)column, "");
			at = column;
		}
		if (at > column)
			text_put(text, " ", 1);
		text_put(text, sentence, part);
		at += (at > column) + utf8_width(sentence, part);
		if (part < word)
			at = width; /* the rest of the word begins a line */
		part += part == word && space;
		sentence += part;
		len -= part;
	}
	text_put(text, "\n", 1);
}

const char *
text_str(const struct text *text)
{
	return text->at ? text->at : "";
}
