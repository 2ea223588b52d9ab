#include "tasks/content/cbor.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Initial bytes of major type 7 (RFC 8949 3.3). */
enum {
	CBOR_FALSE = 0xf4,
	CBOR_TRUE = 0xf5,
	CBOR_HALF = 0xf9,
	CBOR_SINGLE = 0xfa,
	CBOR_DOUBLE = 0xfb,
};

static void
put_be(struct bytes_out *out, uint8_t first, uint64_t value, size_t len)
{
	uint8_t bytes[9] = { first };

	assert(len < sizeof bytes);
	for (size_t i = 0; i < len; i++)
		bytes[1 + i] = (uint8_t)(value >> (8 * (len - 1 - i)));
	bytes_out_put(out, bytes, 1 + len);
}

void
cbor_head(struct bytes_out *out, enum cbor_major major, uint64_t argument)
{
	uint8_t first = (uint8_t)(major << 5);

	if (argument < 24)
		bytes_out_u8(out, (uint8_t)(first | argument));
	else if (argument <= UINT8_MAX)
		put_be(out, first | 24, argument, 1);
	else if (argument <= UINT16_MAX)
		put_be(out, first | 25, argument, 2);
	else if (argument <= UINT32_MAX)
		put_be(out, first | 26, argument, 4);
	else
		put_be(out, first | 27, argument, 8);
}

void
cbor_integer(struct bytes_out *out, int64_t value)
{
	if (value < 0)
		cbor_head(out, CBOR_NEGATIVE, (uint64_t)(-1 - value));
	else
		cbor_head(out, CBOR_UNSIGNED, (uint64_t)value);
}

void
cbor_string(struct bytes_out *out, enum cbor_major major, const void *bytes, size_t len)
{
	assert(major == CBOR_TEXT || major == CBOR_BYTES);
	cbor_head(out, major, len);
	bytes_out_put(out, bytes, len);
}

void
cbor_boolean(struct bytes_out *out, bool value)
{
	bytes_out_u8(out, value ? CBOR_TRUE : CBOR_FALSE);
}

void
cbor_double(struct bytes_out *out, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof bits);
	put_be(out, CBOR_DOUBLE, bits, 8);
}

/* The bits of a half that equals the single, or -1: subnormal halves are left to single precision. */
static int
half_of(float value)
{
	uint32_t bits, sign, fraction;
	int exponent;

	memcpy(&bits, &value, sizeof bits);
	sign = bits >> 16 & 0x8000;
	exponent = (int)(bits >> 23 & 0xff) - 127;
	fraction = bits & 0x7fffff;
	if (value == 0)
		return (int)sign;
	if (exponent == 128 && !fraction)
		return (int)(sign | 0x7c00);
	if (exponent < -14 || exponent > 15 || fraction & 0x1fff)
		return -1;
	return (int)(sign | (uint32_t)(exponent + 15) << 10 | fraction >> 13);
}

void
cbor_shortest_real(struct bytes_out *out, double value)
{
	float single = (float)value;
	uint32_t bits;
	int half;

	if (isnan(value)) {
		put_be(out, CBOR_HALF, 0x7e00, 2);
		return;
	}
	if ((double)single != value) {
		cbor_double(out, value);
		return;
	}
	half = half_of(single);
	memcpy(&bits, &single, sizeof bits);
	if (half >= 0)
		put_be(out, CBOR_HALF, (uint64_t)half, 2);
	else
		put_be(out, CBOR_SINGLE, bits, 4);
}

void
cbor_link(struct bytes_out *out, uint16_t object, uint16_t instance)
{
	char text[sizeof "65535:65535"];
	int len = snprintf(text, sizeof text, "%u:%u", object, instance);

	assert(len > 0 && (size_t)len < sizeof text);
	cbor_string(out, CBOR_TEXT, text, (size_t)len);
}
