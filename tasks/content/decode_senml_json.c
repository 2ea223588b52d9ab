/*
 * decode_senml_json.c - application/senml+json (RFC 8428 5, OMA TS Core 7.4.4) on strict JSON (RFC 8259).
 *
 * A record is a flat object, so the reader knows arrays of objects of scalars and nothing deeper. What is read
 * over and what is refused is listed in decode_senml_cbor.c.
 */
#include <errno.h>
#include <string.h>

#include "tasks/base64.h"
#include "tasks/content/decode_internal.h"
#include "tasks/utf8.h"

struct json_reader {
	struct decoder *decoder;
	const char *at, *end;
};

struct json_text {
	const char *at;
	size_t len;
};

static void
skip_blanks(struct json_reader *reader)
{
	while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4))
		reader->at++;
}

/* Takes a character with the blanks around it, or leaves it. */
static bool
accept(struct json_reader *reader, char c)
{
	skip_blanks(reader);
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	skip_blanks(reader);
	return true;
}

/* Four hex digits, or -1. */
static long
read_unit(struct json_reader *reader)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	long unit = 0;

	if (reader->end - reader->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		const char *digit = memchr(digits, *reader->at++, sizeof digits - 1);

		if (!digit)
			return -1;
		unit = unit << 4 | (digit - digits > 15 ? digit - digits - 6 : digit - digits);
	}
	return unit;
}

/* Behind "\u"; surrogates come in pairs (RFC 8259 7). Returns the bytes put, or 0. */
static size_t
read_unicode(struct json_reader *reader, char *out)
{
	long unit = read_unit(reader), low;

	if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return 0;
	if (unit < 0xd800 || unit > 0xdbff)
		return utf8_put(out, (unsigned long)unit);
	if (reader->end - reader->at < 2 || reader->at[0] != '\\' || reader->at[1] != 'u')
		return 0;
	reader->at += 2;
	low = read_unit(reader);
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	return utf8_put(out, 0x10000 + ((unsigned long)(unit - 0xd800) << 10) +
				     (unsigned long)(low - 0xdc00));
}

/* Behind a backslash. Returns the bytes put, or 0. */
static size_t
read_escape(struct json_reader *reader, char *out)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter;

	if (reader->at == reader->end)
		return 0;
	if (*reader->at == 'u') {
		reader->at++;
		return read_unicode(reader, out);
	}
	letter = memchr(letters, *reader->at++, sizeof letters - 1);
	if (!letter)
		return 0;
	*out = meanings[letter - letters];
	return 1;
}

/* The closing quote of the string that begins at reader->at, or NULL; *escapes: whether there are any. */
static const char *
find_close(const struct json_reader *reader, bool *escapes)
{
	const char *at = reader->at;

	for (*escapes = false; at < reader->end && *at != '"'; at++) {
		if ((unsigned char)*at < ' ')
			return NULL;
		if (*at == '\\') {
			*escapes = true;
			if (++at == reader->end)
				return NULL;
		}
	}
	return at < reader->end ? at : NULL;
}

/* Behind the opening quote. A string without escapes stays where it is. */
static bool
read_string(struct json_reader *reader, struct json_text *text)
{
	bool escapes;
	const char *close = find_close(reader, &escapes);
	size_t len = 0, n = 1;
	char *out;

	if (!close || !utf8_valid(reader->at, (size_t)(close - reader->at)))
		return false;
	*text = (struct json_text){ reader->at, (size_t)(close - reader->at) };
	if (escapes) {
		out = arena_alloc(reader->decoder->arena, text->len);
		if (!out)
			return decoder_fail(reader->decoder, -ENOMEM);
		for (; reader->at < close && n; len += n) {
			n = 1;
			if (*reader->at == '\\') {
				reader->at++;
				n = read_escape(reader, out + len);
			} else {
				out[len] = *reader->at++;
			}
		}
		*text = (struct json_text){ out, len };
	}
	if (!n || (escapes && reader->at != close))
		return false;
	reader->at = close + 1;
	return true;
}

static bool
read_word(struct json_reader *reader, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len))
		return false;
	reader->at += len;
	return true;
}

/* A string, a number, true or false. */
static bool
read_scalar(struct json_reader *reader, struct wire_value *value)
{
	struct json_text text;
	const char *start;

	if (reader->at < reader->end && *reader->at == '"') {
		reader->at++;
		if (!read_string(reader, &text))
			return false;
		*value = (struct wire_value){ WIRE_TEXT,
					      .bytes = { (const uint8_t *)text.at, text.len } };
		return true;
	}
	if (read_word(reader, "true") || read_word(reader, "false")) {
		*value = (struct wire_value){ WIRE_BOOLEAN, .boolean = reader->at[-2] == 'u' };
		return true;
	}
	for (start = reader->at;
	     reader->at < reader->end && *reader->at && memchr("0123456789+-.eE", *reader->at, 15);)
		reader->at++;
	return decode_number(start, (size_t)(reader->at - start), value);
}

/* vd is base64url (RFC 8428 5); devices also send the other alphabet and padding. */
static bool
read_data(struct decoder *decoder, struct senml_record *record, struct wire_value *value)
{
	uint8_t *bytes;
	long len;

	if (value->kind != WIRE_TEXT)
		return false;
	bytes = arena_alloc(decoder->arena, value->bytes.len / 4 * 3 + 3);
	if (!bytes)
		return decoder_fail(decoder, -ENOMEM);
	len = base64_decode((const char *)value->bytes.at, value->bytes.len, bytes);
	*value = (struct wire_value){ WIRE_BYTES, .bytes = { bytes, (size_t)(len < 0 ? 0 : len) } };
	return len >= 0 && senml_record_value(record, value);
}

static bool
is(const struct json_text *label, const char *name)
{
	return label->len == strlen(name) && !memcmp(label->at, name, label->len);
}

static bool
set_field(struct decoder *decoder, struct senml_record *record, const struct json_text *label,
	  struct wire_value *value)
{
	const char *text = (const char *)value->bytes.at;
	bool is_text = value->kind == WIRE_TEXT;

	if (is(label, "bn"))
		return is_text && senml_record_base(record, text, value->bytes.len);
	if (is(label, "n"))
		return is_text && senml_record_name(record, text, value->bytes.len);
	if (is(label, "v"))
		return value->kind <= WIRE_REAL && senml_record_value(record, value);
	if (is(label, "vs"))
		return is_text && senml_record_value(record, value);
	if (is(label, "vb"))
		return value->kind == WIRE_BOOLEAN && senml_record_value(record, value);
	if (is(label, "vd"))
		return read_data(decoder, record, value);
	if (is(label, "vlo")) {
		value->kind = WIRE_LINK;
		return is_text && senml_record_value(record, value);
	}
	if (is(label, "bv") || is(label, "bs") || is(label, "s"))
		return false;
	return !label->len || label->at[label->len - 1] != '_';
}

static bool
read_field(struct json_reader *reader, struct senml_record *record)
{
	struct wire_value name, value;

	if (reader->at == reader->end || *reader->at != '"' || !read_scalar(reader, &name) ||
	    !accept(reader, ':') || !read_scalar(reader, &value))
		return false;
	return set_field(reader->decoder, record,
			 &(struct json_text){ (const char *)name.bytes.at, name.bytes.len },
			 &value);
}

static bool
read_record(struct json_reader *reader, struct senml_record *record)
{
	if (!accept(reader, '{'))
		return false;
	senml_record_begin(record);
	do
		if (!read_field(reader, record))
			return false;
	while (accept(reader, ','));
	return accept(reader, '}') && senml_record_end(reader->decoder, record);
}

bool
senml_json_decode(struct decoder *decoder)
{
	const char *text = (const char *)decoder->input->bytes;
	struct json_reader reader = { decoder, text, text + decoder->input->len };
	struct senml_record record = { 0 };

	if (!accept(&reader, '['))
		return false;
	if (accept(&reader, ']'))
		return reader.at == reader.end;
	do
		if (!read_record(&reader, &record))
			return false;
	while (accept(&reader, ','));
	return accept(&reader, ']') && reader.at == reader.end;
}
