/* ClientHello: shape and choice (RFC 5246 7.4.1.2, RFC 6347 4.2.1). */
#include <criterion/criterion.h>

#include "dataplane/core/dtls/dtls_hello.h"

/*
 * A hello with cookie, two suites, and extended_master_secret: version at 0, session id length at
 * 34, cookie length at 35, suites' length at 40, compressions' at 46, extensions' at 48.
 */
static const uint8_t hello_bytes[] = "\xfe\xfd"
				     "0123456789abcdef0123456789abcdef"
				     "\0"
				     "\4cook"
				     "\0\4\xc0\xa8\0\xff"
				     "\1\0"
				     "\0\4\0\x17\0\0";

enum { HELLO_LEN = sizeof hello_bytes - 1 };

Test(dtls_hello, every_truncation_is_malformed_but_a_hello_without_extensions)
{
	struct dtls_hello hello;

	for (size_t len = 0; len < HELLO_LEN; len++)
		cr_assert_eq(dtls_hello_parse(hello_bytes, len, &hello), len == HELLO_LEN - 6,
			     "%zu", len);
	cr_assert(dtls_hello_parse(hello_bytes, HELLO_LEN, &hello));
}

Test(dtls_hello, bytes_behind_the_end_are_malformed)
{
	uint8_t bytes[HELLO_LEN + 1] = { 0 };
	struct dtls_hello hello;

	memcpy(bytes, hello_bytes, HELLO_LEN);
	cr_assert_not(dtls_hello_parse(bytes, sizeof bytes, &hello));
}

Test(dtls_hello, nonsense_lengths_are_malformed)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *what;
	} cases[] = {
		{ 34, 33, "session id above 32 bytes" },
		{ 35, 255, "cookie beyond the end" },
		{ 41, 3, "odd suites" },
		{ 41, 0, "no suites" },
		{ 40, 1, "suites beyond the end" },
		{ 46, 0, "no compression methods" },
		{ 46, 200, "compressions beyond" },
		{ 49, 3, "extensions shorter than the rest" },
		{ 49, 5, "extensions beyond the end" },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t bytes[HELLO_LEN];
		struct dtls_hello hello;

		memcpy(bytes, hello_bytes, HELLO_LEN);
		bytes[cases[i].at] = cases[i].value;
		cr_assert_not(dtls_hello_parse(bytes, HELLO_LEN, &hello), "%s", cases[i].what);
	}
}

Test(dtls_hello, fields_are_found)
{
	struct dtls_hello hello;

	cr_assert(dtls_hello_parse(hello_bytes, HELLO_LEN, &hello));
	cr_assert_eq(hello.version, DTLS_1_2);
	cr_assert_arr_eq(hello.random, "0123456789abcdef0123456789abcdef", 32);
	cr_assert_eq(hello.cookie.len, 4);
	cr_assert_arr_eq(hello.cookie.at, "cook", 4);
	cr_assert_eq(hello.head.len, 35);
	cr_assert_eq(hello.tail.len, HELLO_LEN - 40);
	cr_assert_eq(hello.suites.len, 4);
	cr_assert_eq(hello.extensions.len, 4);
}

Test(dtls_hello, the_head_needs_everything_up_to_the_cookie)
{
	struct dtls_hello hello;

	for (size_t len = 0; len < HELLO_LEN; len++)
		cr_assert_eq(dtls_hello_parse_head(hello_bytes, len, &hello), len >= 40, "%zu",
			     len);
	cr_assert_eq(hello.cookie.len, 4);
	cr_assert_eq(hello.tail.len, 0);
}

static enum dtls_alert
choose(const void *suites, size_t len, const void *compressions, struct dtls_offer *offer)
{
	const struct dtls_hello hello = {
		.version = DTLS_1_2,
		.suites = { suites, len },
		.compressions = { compressions, 1 },
	};

	return dtls_hello_choose(&hello, offer);
}

Test(dtls_hello, suites_decide_the_lane)
{
	struct dtls_offer offer;

	cr_assert_eq(choose("\xc0\xa8", 2, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_not(offer.slow_lane);
	cr_assert_not(offer.secure_renegotiation);
	cr_assert_eq(choose("\0\xae\xc0\xa8", 4, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_not(offer.slow_lane, "ours is preferred");
	cr_assert_eq(choose("\0\xae\0\xff", 4, "\0", &offer), DTLS_NO_ALERT);
	cr_assert(offer.slow_lane);
	cr_assert(offer.secure_renegotiation);
	cr_assert_eq(choose("\0\xff", 2, "\0", &offer), DTLS_HANDSHAKE_FAILURE);
	cr_assert_eq(choose("\xa8\xc0", 2, "\0", &offer), DTLS_HANDSHAKE_FAILURE);
	cr_assert_eq(choose("\xc0\xa8", 2, "\1", &offer), DTLS_ILLEGAL_PARAMETER,
		     "no null compression");
}
