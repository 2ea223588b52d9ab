/*
 * expr_codecs.c - methods between text, bytes, digests and numbers.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tasks/base64.h"
#include "tasks/digest.h"
#include "tasks/expr/expr_internal.h"

/* ---- hex ---- */

static void
put_hex(char *out, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[at[i] >> 4];
		out[2 * i + 1] = digits[at[i] & 15];
	}
}

bool
string_encode_hex(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t len = args[0].text.len;
	char *at = expr_text_new(run, 2 * len);

	if (!at)
		return false;
	put_hex(at, args[0].text.at, len);
	return expr_give_text(out, at, 2 * len);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
string_decode_hex(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	const char *text = args[0].text.at;
	size_t len = args[0].text.len;
	char *at;

	if (len % 2)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "reads hex of an odd number of digits");
	at = expr_text_new(run, len / 2);
	if (!at)
		return false;
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return METHOD_FAIL(run, EXPR_ARGUMENT, "reads a text that is not hex");
		at[i / 2] = (char)(high << 4 | low);
	}
	return expr_give_bytes(out, at, len / 2);
}

static bool
give_utf8(struct run *run, const struct value *bytes, struct value *out)
{
	if (!utf8_valid(bytes->text.at, bytes->text.len))
		return METHOD_FAIL(run, EXPR_ARGUMENT, "reads bytes that are not valid UTF-8");
	return expr_give_text(out, bytes->text.at, bytes->text.len);
}

bool
string_decode_hex_string(struct run *run, const struct value *args, unsigned n_args,
			 struct value *out)
{
	struct value bytes;

	return string_decode_hex(run, args, n_args, &bytes) && give_utf8(run, &bytes, out);
}

/* ---- base64, UTF-8 ---- */

bool
string_encode_base64(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	size_t len = args[0].text.len;
	char *at = expr_text_new(run, base64_encoded_max(len));

	if (!at)
		return false;
	len = base64_encode(BASE64_STANDARD, (const uint8_t *)args[0].text.at, len, at);
	return expr_give_text(out, at, len);
}

bool
string_decode_base64(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	char *at = expr_text_new(run, args[0].text.len / 4 * 3 + 3);
	long len;

	if (!at)
		return false;
	len = base64_decode(args[0].text.at, args[0].text.len, (uint8_t *)at);
	if (len < 0)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "reads a text that is not base64");
	return expr_give_bytes(out, at, (size_t)len);
}

bool
string_decode_base64_string(struct run *run, const struct value *args, unsigned n_args,
			    struct value *out)
{
	struct value bytes;

	return string_decode_base64(run, args, n_args, &bytes) && give_utf8(run, &bytes, out);
}

bool
string_encode_utf8(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return expr_give_bytes(out, args[0].text.at, args[0].text.len);
}

bool
bytes_decode_utf8(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return give_utf8(run, &args[0], out);
}

/* ---- digests, in hex as the original gives them ---- */

static bool
give_digest(struct run *run, const uint8_t *digest, size_t len, struct value *out)
{
	char *at;

	if (!len)
		return METHOD_FAIL(run, EXPR_LIMIT, "is nothing that the crypto library can do");
	at = expr_text_new(run, 2 * len);
	if (!at)
		return false;
	put_hex(at, digest, len);
	return expr_give_text(out, at, 2 * len);
}

static bool
make_digest(struct run *run, enum digest_algorithm algorithm, const struct value *message,
	    struct value *out)
{
	uint8_t digest[DIGEST_MAX];
	struct digest_span span = { message->text.at, message->text.len };

	return give_digest(run, digest, digest_bytes(algorithm, span, digest), out);
}

static bool
make_hmac(struct run *run, enum digest_algorithm algorithm, const struct value *args,
	  struct value *out)
{
	struct digest_span message = { args[0].text.at, args[0].text.len };
	struct digest_span key = { args[1].text.at, args[1].text.len };
	uint8_t digest[DIGEST_MAX];
	size_t len = digest_hmac(algorithm, key, message, digest);
	bool fine = give_digest(run, digest, len, out);

	explicit_bzero(digest, sizeof digest); /* it may be a device's key */
	return fine;
}

bool
string_md5_hex(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return make_digest(run, DIGEST_MD5, &args[0], out);
}

bool
string_sha256_hex(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return make_digest(run, DIGEST_SHA256, &args[0], out);
}

bool
string_hmac_md5(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return make_hmac(run, DIGEST_MD5, args, out);
}

bool
string_hmac_sha256(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	return make_hmac(run, DIGEST_SHA256, args, out);
}

/* ---- numbers ---- */

/* An optional sign and at least one digit of `base`; false when it is none or beyond 64 bits. */
static bool
read_integer(const struct value *text, int base, int64_t *out)
{
	const char *at = text->text.at, *end = at + text->text.len;
	bool negative = at < end && *at == '-';
	int64_t value = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	if (at == end)
		return false;
	for (; at < end; at++) {
		int digit = hex_digit(*at);

		if (digit < 0 || digit >= base || __builtin_mul_overflow(value, base, &value))
			return false;
		/* Downwards when negative: the smallest integer has no positive counterpart. */
		if (__builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	*out = value;
	return true;
}

bool
string_to_long(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	int64_t value;

	if (!read_integer(&args[0], 10, &value))
		return METHOD_FAIL(run, EXPR_NUMBER_FORMAT,
				   "reads a text that is not a 64-bit integer");
	return expr_give_integer(out, value);
}

bool
string_to_int(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	int64_t value;

	if (!read_integer(&args[0], 10, &value) || value != (int32_t)value)
		return METHOD_FAIL(run, EXPR_NUMBER_FORMAT,
				   "reads a text that is not a 32-bit integer");
	return expr_give_integer(out, value);
}

bool
string_parse_hex(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	int64_t value;

	if (!read_integer(&args[0], 16, &value))
		return METHOD_FAIL(run, EXPR_NUMBER_FORMAT,
				   "reads a text that is not a 64-bit hexadecimal number");
	return expr_give_integer(out, value);
}

static size_t
skip_digits(const char *text, size_t at)
{
	while (text[at] >= '0' && text[at] <= '9')
		at++;
	return at;
}

/* Decimal alone: strtod() would take hex, "inf" and "nan" as well. */
static bool
is_decimal(const char *text)
{
	size_t at = *text == '-' || *text == '+', start = at, digits;

	at = skip_digits(text, at);
	digits = at - start;
	if (text[at] == '.') {
		start = at + 1;
		at = skip_digits(text, start);
		digits += at - start;
	}
	if (!digits)
		return false;
	if (text[at] == 'e' || text[at] == 'E') {
		start = at + 1 + (text[at + 1] == '-' || text[at + 1] == '+');
		at = skip_digits(text, start);
		if (at == start)
			return false;
	}
	return !text[at];
}

bool
string_to_double(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	char text[64];
	double value;

	if (args[0].text.len >= sizeof text || memchr(args[0].text.at, 0, args[0].text.len))
		return METHOD_FAIL(run, EXPR_NUMBER_FORMAT, "reads a text that is not a number");
	memcpy(text, args[0].text.at, args[0].text.len);
	text[args[0].text.len] = '\0';
	value = is_decimal(text) ? strtod(text, NULL) : NAN;
	if (!isfinite(value))
		return METHOD_FAIL(run, EXPR_NUMBER_FORMAT, "reads a text that is not a number");
	return expr_give_double(out, value);
}

bool
string_to_boolean(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	const char *text = args[0].text.at;
	size_t len = args[0].text.len;

	if (len == 4 && strncasecmp(text, "true", 4) == 0)
		return expr_give_boolean(out, true);
	if (len == 5 && strncasecmp(text, "false", 5) == 0)
		return expr_give_boolean(out, false);
	return METHOD_FAIL(run, EXPR_ARGUMENT, "reads a text that is neither true nor false");
}
