#include "control/inventory/key_hex.h"

#include <errno.h>
#include <string.h>

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
bytes_from_hex(const char *hex, size_t len, uint8_t *bytes, size_t max, size_t *n)
{
	size_t at = 0;

	if (len >= 2 && hex[0] == '0' && (hex[1] | 0x20) == 'x')
		at = 2;
	for (*n = 0; at < len; (*n)++) {
		int high = digit(hex[at]), low = at + 1 < len ? digit(hex[at + 1]) : -1;

		if (high < 0)
			return (int)at + 1;
		if (at + 1 == len || *n == max)
			return -EINVAL;
		if (low < 0)
			return (int)at + 2;
		bytes[*n] = (uint8_t)(high << 4 | low);
		at += 2;
		/* "00:11", "00-11", "00 11": one between two, as other programs write them. */
		at += at + 1 < len && memchr(":- ", hex[at], 3);
	}
	return *n ? 0 : -EINVAL;
}

int
key_from_hex(const char *hex, size_t len, struct device_spec *spec)
{
	size_t n;
	int wrong = bytes_from_hex(hex, len, spec->key, sizeof spec->key, &n);

	if (wrong)
		return wrong;
	spec->key_len = (uint8_t)n;
	spec->key_is_hex = true;
	return 0;
}
