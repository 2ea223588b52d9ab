#include "tasks/show.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tasks/utf8.h"

/*
 * A character that is seen: no control (C0, DEL, C1), no mark that turns the direction of what follows or hides
 * (Unicode UAX 9, bidirectional controls), no line or paragraph separator, no byte order mark.
 */
static bool
is_seen(const char *at, size_t len)
{
	static const char *const hidden[] = { "\u200e", "\u200f", "\u2028", "\u2029", "\u202a",
					      "\u202b", "\u202c", "\u202d", "\u202e", "\u2066",
					      "\u2067", "\u2068", "\u2069", "\u061c", "\ufeff" };

	if (len == 1)
		return *at >= ' ' && *at != 0x7f;
	if (len == 2 && (unsigned char)at[0] == 0xc2)
		return (unsigned char)at[1] >= 0xa0;
	for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
		if (strlen(hidden[i]) == len && memcmp(hidden[i], at, len) == 0)
			return false;
	return true;
}

/* Bytes from `at` that are shown as they are. */
static size_t
seen_len(const char *at, size_t len, bool backslash)
{
	size_t seen = 0, n;

	while (seen < len && (n = utf8_sequence(at + seen, len - seen)) && is_seen(at + seen, n) &&
	       !(backslash && at[seen] == '\\'))
		seen += n;
	return seen;
}

void
show_bytes(const struct show_sink *sink, const char *bytes, size_t len, bool backslash)
{
	static const char digits[] = "0123456789abcdef";

	while (len) {
		size_t seen = seen_len(bytes, len, backslash);
		size_t odd = seen < len ? utf8_sequence(bytes + seen, len - seen) : 0;

		if (seen)
			sink->put(sink->ctx, bytes, seen);
		if (seen < len && !odd)
			odd = 1;
		for (size_t i = seen; i < seen + odd; i++) {
			unsigned char byte = (unsigned char)bytes[i];
			char escape[4] = { '\\', 'x', digits[byte >> 4], digits[byte & 15] };

			sink->put(sink->ctx, escape, sizeof escape);
		}
		bytes += seen + odd;
		len -= seen + odd;
	}
}

/* --- formats --- */

/* One conversion: "%-*.*llu". */
struct conversion {
	char flags[8];
	int width, precision; /* -1: none */
	char length[3];       /* "", "hh", "h", "l", "ll", "z", "j", "t" */
	bool exact;           /* the precision is given as '*' */
	char type;
};

static int
read_size(const char **at, va_list *args)
{
	int size = 0;

	if (**at == '*') {
		(*at)++;
		return va_arg(*args, int);
	}
	while (**at >= '0' && **at <= '9')
		size = size * 10 + *(*at)++ - '0';
	return size;
}

/* The conversion behind a '%'; where it ends. */
static const char *
read_conversion(const char *at, struct conversion *conversion, va_list *args)
{
	size_t n = 0;

	*conversion = (struct conversion){ .width = -1, .precision = -1 };
	while (*at && strchr("-+ #0", *at)) {
		assert(n + 2 < sizeof conversion->flags);
		conversion->flags[n++] = *at++;
	}
	if (*at == '*' || (*at >= '1' && *at <= '9'))
		conversion->width = read_size(&at, args);
	if (conversion->width < -1) { /* C11 7.21.6.1: a negative one is a '-' and a width */
		conversion->flags[n] = '-';
		conversion->width = -conversion->width;
	}
	if (*at == '.') {
		conversion->exact = *++at == '*';
		conversion->precision = read_size(&at, args);
	}
	for (n = 0; *at && strchr("hlzjt", *at); at++) {
		assert(n < 2);
		conversion->length[n++] = *at;
	}
	conversion->type = *at;
	assert(conversion->type && strchr("diouxXcsfFeEgGaAp%", conversion->type));
	return at + 1;
}

static void
put_spaces(const struct show_sink *sink, size_t n)
{
	for (; n; n--)
		sink->put(sink->ctx, " ", 1);
}

/* Columns of what show_bytes() makes: an escape has four. */
static size_t
shown_width(const char *bytes, size_t len)
{
	size_t width = 0;

	while (len) {
		size_t seen = seen_len(bytes, len, false);
		size_t odd = seen < len ? utf8_sequence(bytes + seen, len - seen) : 0;

		if (seen < len && !odd)
			odd = 1;
		width += utf8_width(bytes, seen) + 4 * odd;
		bytes += seen + odd;
		len -= seen + odd;
	}
	return width;
}

/* Bytes at the end that begin a character which would go on. */
static size_t
unfinished(const char *text, size_t len)
{
	size_t n = 1;

	while (n < 4 && n < len && utf8_is_continuation(text[len - n]))
		n++;
	return (unsigned char)text[len - n] >= 0xc0 && !utf8_sequence(text + len - n, n) ? n : 0;
}

static void
put_text(const struct show_sink *sink, const struct conversion *conversion, const char *text)
{
	size_t len, width, wanted = conversion->width > 0 ? (size_t)conversion->width : 0;
	bool left = strchr(conversion->flags, '-') != NULL;

	if (!text)
		text = "(null)";
	len = conversion->precision < 0 ? strlen(text)
					: strnlen(text, (size_t)conversion->precision);
	if (len && !conversion->exact && len == (size_t)conversion->precision)
		len -= unfinished(text, len);
	width = wanted ? shown_width(text, len) : 0;
	if (!left && width < wanted)
		put_spaces(sink, wanted - width);
	show_bytes(sink, text, len, false);
	if (left && width < wanted)
		put_spaces(sink, wanted - width);
}

/* Its name with the sizes written out. */
static void
spell(const struct conversion *conversion, char spec[64])
{
	int n = snprintf(spec, 64, "%%%s", conversion->flags);

	if (conversion->width >= 0)
		n += snprintf(spec + n, 64 - (size_t)n, "%d", conversion->width);
	if (conversion->precision >= 0)
		n += snprintf(spec + n, 64 - (size_t)n, ".%d", conversion->precision);
	snprintf(spec + n, 64 - (size_t)n, "%s%c", conversion->length, conversion->type);
}

static bool
is_length(const struct conversion *conversion, const char *length)
{
	return strcmp(conversion->length, length) == 0;
}

/* A number or pointer: the C library formats it. */
static void
put_number(const struct show_sink *sink, const struct conversion *conversion, va_list *args)
{
	char spec[64], out[512];
	int len;

	spell(conversion, spec);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* put together from a checked one */
	if (strchr("fFeEgGaA", conversion->type))
		len = snprintf(out, sizeof out, spec, va_arg(*args, double));
	else if (conversion->type == 'p')
		len = snprintf(out, sizeof out, spec, va_arg(*args, void *));
	else if (is_length(conversion, "ll"))
		len = snprintf(out, sizeof out, spec, va_arg(*args, long long));
	else if (is_length(conversion, "l"))
		len = snprintf(out, sizeof out, spec, va_arg(*args, long));
	else if (is_length(conversion, "z"))
		len = snprintf(out, sizeof out, spec, va_arg(*args, size_t));
	else if (is_length(conversion, "j"))
		len = snprintf(out, sizeof out, spec, va_arg(*args, intmax_t));
	else if (is_length(conversion, "t"))
		len = snprintf(out, sizeof out, spec, va_arg(*args, ptrdiff_t));
	else
		len = snprintf(out, sizeof out, spec, va_arg(*args, int));
#pragma GCC diagnostic pop
	if (len > 0)
		show_bytes(sink, out, (size_t)len < sizeof out ? (size_t)len : sizeof out - 1,
			   false);
}

void
show_format(const struct show_sink *sink, const char *format, va_list args)
{
	struct conversion conversion;
	va_list rest;

	va_copy(rest, args);
	while (*format) {
		size_t plain = strcspn(format, "%");

		if (plain)
			sink->put(sink->ctx, format, plain);
		format += plain;
		if (!*format)
			break;
		format = read_conversion(format + 1, &conversion, &rest);
		if (conversion.type == '%')
			sink->put(sink->ctx, "%", 1);
		else if (conversion.type == 's')
			put_text(sink, &conversion, va_arg(rest, const char *));
		else
			put_number(sink, &conversion, &rest);
	}
	va_end(rest);
}

struct room {
	char *out;
	size_t size, len, whole;
	bool full;
};

static void
put_into(void *ctx, const char *bytes, size_t len)
{
	struct room *room = ctx;
	size_t fits = room->full ? 0 : utf8_cut(bytes, len, room->size - room->len);

	memcpy(room->out + room->len, bytes, fits);
	room->len += fits;
	room->whole += len;
	room->full |= fits < len; /* nothing shorter may follow what is cut */
}

size_t
show_into_v(char *out, size_t size, const char *format, va_list args)
{
	struct room room = { out, size - 1, 0, 0, false };
	const struct show_sink sink = { put_into, &room };

	assert(size);
	show_format(&sink, format, args);
	out[room.len] = '\0';
	return room.whole;
}

size_t
show_into(char *out, size_t size, const char *format, ...)
{
	va_list args;
	size_t whole;

	va_start(args, format);
	whole = show_into_v(out, size, format, args);
	va_end(args);
	return whole;
}

bool
show_is_plain(const char *text, size_t len)
{
	while (len) {
		size_t seen = seen_len(text, len, false);

		if (seen < len && text[seen] != '\n')
			return false;
		seen += seen < len;
		text += seen;
		len -= seen;
	}
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t
show_undo(char *text, size_t len)
{
	size_t to = 0;

	for (size_t from = 0; from < len; to++) {
		if (len - from >= 4 && text[from] == '\\' && text[from + 1] == 'x' &&
		    hex_digit(text[from + 2]) >= 0 && hex_digit(text[from + 3]) >= 0) {
			text[to] =
				(char)(hex_digit(text[from + 2]) << 4 | hex_digit(text[from + 3]));
			from += 4;
		} else {
			text[to] = text[from++];
		}
	}
	return to;
}
