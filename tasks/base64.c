#include "tasks/base64.h"

#include <assert.h>
#include <errno.h>

static const char *const alphabets[] = {
	[BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	[BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t
base64_encode(enum base64_alphabet alphabet, const uint8_t *bytes, size_t len, char *out)
{
	const char *digits = alphabets[alphabet];
	size_t n = 0;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i < 3 ? len - i : 3;
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (left > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		for (size_t digit = 0; digit <= left; digit++)
			out[n++] = digits[group >> (18 - 6 * digit) & 63];
		while (alphabet == BASE64_STANDARD && n % 4)
			out[n++] = '=';
	}
	return n;
}

static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* Characters without the padding, which is absent or fills the last group; -1 when it does neither. */
static long
unpadded_len(const char *text, size_t len)
{
	size_t pads = 0;

	while (pads < len && text[len - 1 - pads] == '=')
		pads++;
	if (pads && (pads > 2 || len % 4))
		return -1;
	return (long)(len - pads);
}

long
base64_decode(const char *text, size_t len, uint8_t *out)
{
	long digits = unpadded_len(text, len);
	uint32_t bits = 0;
	unsigned held = 0;
	long n = 0;

	if (digits < 0 || digits % 4 == 1)
		return -EINVAL;
	for (long i = 0; i < digits; i++) {
		int digit = digit_value(text[i]);

		if (digit < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[n++] = (uint8_t)(bits >> held);
		}
		assert(held < 8);
		bits &= 0xff;
	}
	return bits & ((1u << held) - 1) ? -EINVAL : n;
}
