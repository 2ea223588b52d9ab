#include "tasks/utf8.h"

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

bool
utf8_valid(const char *at, size_t len)
{
	uint32_t code, least;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = sequence_len((unsigned char)at[i], &code, &least);
		if (!n || n > len - i)
			return false;
		for (size_t k = 1; k < n; k++) {
			if (!utf8_is_continuation(at[i + k]))
				return false;
			code = code << 6 | ((unsigned char)at[i + k] & 0x3f);
		}
		if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
	}
	return true;
}

size_t
utf8_put(char *out, unsigned long code)
{
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
