#include "control/inventory/key_hex.h"

#include <errno.h>

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
key_from_hex(const char *hex, size_t len, struct device_spec *spec)
{
	if (len % 2 || !len || len > 2 * DTLS_KEY_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 2) {
		int high = digit(hex[i]), low = digit(hex[i + 1]);

		if (high < 0 || low < 0)
			return (int)i + (high < 0 ? 1 : 2);
		spec->key[i / 2] = (uint8_t)(high << 4 | low);
	}
	spec->key_len = (uint8_t)(len / 2);
	spec->key_is_hex = true;
	return 0;
}
