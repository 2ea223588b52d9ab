#include "tasks/utf8.h"

#include <assert.h>
#include <stdint.h>

size_t
utf8_length(const char *at, size_t len)
{
	size_t characters = 0;

	for (size_t i = 0; i < len; i++)
		characters += !utf8_is_continuation(at[i]);
	return characters;
}

size_t
utf8_offset(const char *at, size_t len, uint64_t characters)
{
	size_t offset = 0;

	/* A stray continuation at the start belongs to no character; it goes with the first. */
	while (offset < len && utf8_is_continuation(at[offset]))
		offset++;
	if (!characters)
		return 0;
	for (; offset < len && characters; characters--) {
		offset++;
		while (offset < len && utf8_is_continuation(at[offset]))
			offset++;
	}
	return offset;
}

/* The length of the sequence that a lead byte announces and the least code it may stand for; 0 for no lead. */
static size_t
sequence_len(unsigned char lead, uint32_t *code, uint32_t *least)
{
	if (lead < 0x80) {
		*code = lead;
		*least = 0;
		return 1;
	}
	if (lead >= 0xc0 && lead < 0xe0) {
		*code = lead & 0x1f;
		*least = 0x80;
		return 2;
	}
	if (lead >= 0xe0 && lead < 0xf0) {
		*code = lead & 0x0f;
		*least = 0x800;
		return 3;
	}
	*code = lead & 0x07;
	*least = 0x10000;
	return lead >= 0xf0 && lead < 0xf8 ? 4 : 0;
}

/* The character at `at` and its bytes; 0 bytes when it is not well-formed: cut, overlong, a surrogate, beyond Unicode. */
static size_t
read_character(const char *at, size_t len, uint32_t *code)
{
	uint32_t least;
	size_t n = len ? sequence_len((unsigned char)at[0], code, &least) : 0;

	if (!n || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (!utf8_is_continuation(at[i]))
			return 0;
		*code = *code << 6 | ((unsigned char)at[i] & 0x3f);
	}
	assert(n <= 4);
	return *code < least || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff) ? 0 : n;
}

size_t
utf8_sequence(const char *at, size_t len)
{
	uint32_t code;

	return read_character(at, len, &code);
}

size_t
utf8_valid_len(const char *at, size_t len)
{
	size_t i = 0;

	for (size_t n; (n = utf8_sequence(at + i, len - i)) > 0;)
		i += n;
	return i;
}

bool
utf8_valid(const char *at, size_t len)
{
	return utf8_valid_len(at, len) == len;
}

size_t
utf8_cut(const char *at, size_t len, size_t max)
{
	size_t start;

	if (len <= max)
		return len;
	/* A character has at most three bytes behind its first. */
	for (start = max; start > 0 && max - start < 3 && utf8_is_continuation(at[start]);)
		start--;
	return start + utf8_sequence(at + start, len - start) > max ? start : max;
}

/* Ranges of code points, ascending. */
struct range {
	uint32_t first, last;
};

/* Combining marks of the scripts in use, and format characters that take no column. */
static const struct range no_columns[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd },   { 0x0610, 0x061a },
	{ 0x064b, 0x065f }, { 0x06d6, 0x06dc }, { 0x0900, 0x0902 },   { 0x093c, 0x093c },
	{ 0x0941, 0x0948 }, { 0x094d, 0x094d }, { 0x0e31, 0x0e31 },   { 0x0e34, 0x0e3a },
	{ 0x0e47, 0x0e4e }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },   { 0x200b, 0x200f },
	{ 0x202a, 0x202e }, { 0x2060, 0x2064 }, { 0x20d0, 0x20ff },   { 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0xe0001, 0xe007f }, { 0xe0100, 0xe01ef },
};

/* East_Asian_Width W and F (UAX 11), and emoji, which terminals draw as wide. */
static const struct range two_columns[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },   { 0x23e9, 0x23ec },
	{ 0x2614, 0x2615 },   { 0x26a1, 0x26a1 },   { 0x2705, 0x2705 },   { 0x274c, 0x274c },
	{ 0x2e80, 0x303e },   { 0x3041, 0xa4cf },   { 0xa960, 0xa97c },   { 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
	{ 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1faff }, { 0x20000, 0x3fffd },
};

static bool
is_in(uint32_t code, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n && code >= ranges[i].first; i++)
		if (code <= ranges[i].last)
			return true;
	return false;
}

size_t
utf8_width(const char *at, size_t len)
{
	size_t columns = 0;
	uint32_t code;

	for (size_t i = 0, n; i < len; i += n) {
		n = read_character(at + i, len - i, &code);
		if (!n) {
			n = 1;
			columns++;
		} else if (is_in(code, two_columns, sizeof(two_columns) / sizeof(*two_columns))) {
			columns += 2;
		} else {
			columns +=
				!is_in(code, no_columns, sizeof(no_columns) / sizeof(*no_columns));
		}
	}
	return columns;
}

size_t
utf8_put(char *out, unsigned long code)
{
	assert(code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}
