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

static unsigned abilities; /* of the server, criterion runs each test in a process of its own */

static enum dtls_alert
choose(const void *suites, size_t len, const void *compressions, struct dtls_offer *offer)
{
	const struct dtls_hello hello = {
		.version = DTLS_1_2,
		.suites = { suites, len },
		.compressions = { compressions, 1 },
	};

	return dtls_hello_choose(&hello, abilities, offer);
}

Test(dtls_hello, ccm_is_preferred_to_cbc)
{
	struct dtls_offer offer;

	cr_assert_eq(choose("\xc0\xa8", 2, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_PSK_AES_128_CCM_8);
	cr_assert_not(offer.secure_renegotiation);
	cr_assert_eq(choose("\0\xae\xc0\xa8", 4, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_PSK_AES_128_CCM_8, "ours is preferred");
	cr_assert_eq(choose("\0\xae\0\xff", 4, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_PSK_AES_128_CBC_SHA256);
	cr_assert_eq(dtls_suite_protection(offer.suite), DTLS_CBC);
	cr_assert(offer.secure_renegotiation);
	cr_assert_eq(choose("\0\xff", 2, "\0", &offer), DTLS_HANDSHAKE_FAILURE);
	cr_assert_eq(choose("\xa8\xc0", 2, "\0", &offer), DTLS_HANDSHAKE_FAILURE);
	cr_assert_eq(choose("\xc0\xa8", 2, "\1", &offer), DTLS_ILLEGAL_PARAMETER,
		     "no null compression");
}

/* ---- certificates ---- */

enum {
	ALL = DTLS_OWN_CERTIFICATE | DTLS_OWN_RAW_KEY | DTLS_PEER_CERTIFICATES | DTLS_PEER_RAW_KEYS
};

#define EXTENSIONS(text) (const uint8_t *)text, sizeof text - 1

static enum dtls_alert
choose_with(const char *suites, size_t n, const uint8_t *extensions, size_t len,
	    struct dtls_offer *offer)
{
	const struct dtls_hello hello = {
		.version = DTLS_1_2,
		.suites = { (const uint8_t *)suites, 2 * n },
		.compressions = { (const uint8_t *)"\0", 1 },
		.extensions = { extensions, len },
	};

	return dtls_hello_choose(&hello, abilities, offer);
}

Test(dtls_hello, certificates_are_refused_where_lists_lack_what_we_have)
{
	static const struct {
		const uint8_t *extensions;
		size_t len;
		const char *what;
	} cases[] = {
		{ EXTENSIONS("\0\x0a\0\4\0\2\0\x1d"), "x25519 alone" },
		{ EXTENSIONS("\0\x0a\0\2\0\0"), "no group" },
		{ EXTENSIONS("\0\x0a\0\3\0\1\x17"), "half a group" },
		{ EXTENSIONS("\0\x0a\0\4\0\3\0\x17"), "a list beyond its extension" },
		{ EXTENSIONS("\0\x0b\0\2\1\1"), "compressed points alone" },
		{ EXTENSIONS("\0\x0b\0\1\0"), "no point format" },
		{ EXTENSIONS("\0\x0d\0\4\0\2\4\1"), "RSA alone" },
		{ EXTENSIONS("\0\x0d\0\4\0\2\2\3"), "SHA-1 alone" },
		{ EXTENSIONS("\0\x13\0\2\1\1"), "OpenPGP from the client" },
		{ EXTENSIONS("\0\x14\0\2\1\1"), "OpenPGP from us" },
		{ EXTENSIONS("\0\x14\0\1\0"), "no type" },
		{ EXTENSIONS("\0\0\0\0"), "a server name without list" },
		{ EXTENSIONS("\0\0\0\5\0\3\0\0\0"), "an empty server name" },
		{ EXTENSIONS("\0\0\0\x0a\0\x08\0\0\1a\0\0\1b"), "two server names" },
	};

	abilities = ALL;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct dtls_offer offer;

		cr_assert_eq(choose_with("\xc0\xae", 1, cases[i].extensions, cases[i].len, &offer),
			     DTLS_HANDSHAKE_FAILURE, "%s", cases[i].what);
		cr_assert_eq(choose_with("\xc0\xae\xc0\xa8", 2, cases[i].extensions, cases[i].len,
					 &offer),
			     DTLS_NO_ALERT, "%s must not cost a pre-shared key", cases[i].what);
		cr_assert_eq(offer.suite, DTLS_PSK_AES_128_CCM_8);
	}
}

Test(dtls_hello, suites_of_certificates_need_the_ability_and_follow_our_order)
{
	struct dtls_offer offer;

	cr_assert_eq(choose("\xc0\xae", 2, "\0", &offer), DTLS_HANDSHAKE_FAILURE);
	abilities = ALL;
	cr_assert_eq(choose("\xc0\xac\xc0\x2b\xc0\xae", 6, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_ECDHE_ECDSA_AES_128_CCM_8);
	cr_assert_eq(choose("\xc0\xac\xc0\x2b", 4, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_ECDHE_ECDSA_AES_128_GCM_SHA256);
	cr_assert_eq(choose("\xc0\xac", 2, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_ECDHE_ECDSA_AES_128_CCM);
	cr_assert_eq(choose("\xc0\xae\xc0\xa8", 4, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_PSK_AES_128_CCM_8, "who has a key needs no curve");
	cr_assert_eq(choose("\0\xae\xc0\xae", 4, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_ECDHE_ECDSA_AES_128_CCM_8, "CBC comes last");
	cr_assert_eq(choose("\xc0\x23", 2, "\0", &offer), DTLS_HANDSHAKE_FAILURE);
	abilities |= DTLS_CERTIFICATES_CBC;
	cr_assert_eq(choose("\xc0\x23", 2, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.suite, DTLS_ECDHE_ECDSA_AES_128_CBC_SHA256);
}

Test(dtls_hello, certificate_types_follow_the_clients_preference)
{
	static const struct {
		unsigned abilities;
		const char *types;
		int chosen; /* -1: refused */
	} cases[] = {
		{ ALL, "\2\2\0", DTLS_RAW_PUBLIC_KEY },
		{ ALL, "\2\0\2", DTLS_X509 },
		{ ALL, "\2\1\2", DTLS_RAW_PUBLIC_KEY },
		{ DTLS_OWN_CERTIFICATE | DTLS_PEER_CERTIFICATES, "\2\2\0", DTLS_X509 },
		{ DTLS_OWN_CERTIFICATE | DTLS_PEER_CERTIFICATES, "\2\2\2", -1 },
		{ DTLS_OWN_RAW_KEY | DTLS_PEER_RAW_KEYS, "\2\0\2", DTLS_RAW_PUBLIC_KEY },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t extensions[14] = "\0\x13\0\3...\0\x14\0\3...";
		struct dtls_offer offer;

		memcpy(extensions + 4, cases[i].types, 3);
		memcpy(extensions + 11, cases[i].types, 3);
		abilities = cases[i].abilities;
		cr_assert_eq(choose_with("\xc0\xae", 1, extensions, sizeof extensions, &offer),
			     cases[i].chosen < 0 ? DTLS_HANDSHAKE_FAILURE : DTLS_NO_ALERT,
			     "case %u", i);
		if (cases[i].chosen < 0)
			continue;
		cr_assert_eq(offer.own_type, cases[i].chosen);
		cr_assert_eq(offer.peer_type, cases[i].chosen);
		cr_assert(offer.answers_own_type && offer.answers_peer_type);
	}
}

Test(dtls_hello, a_client_that_names_no_type_means_certificates)
{
	struct dtls_offer offer;

	abilities = DTLS_OWN_RAW_KEY | DTLS_PEER_RAW_KEYS;
	cr_assert_eq(choose("\xc0\xae", 2, "\0", &offer), DTLS_HANDSHAKE_FAILURE);
	abilities = DTLS_OWN_CERTIFICATE | DTLS_PEER_CERTIFICATES;
	cr_assert_eq(choose("\xc0\xae", 2, "\0", &offer), DTLS_NO_ALERT);
	cr_assert_eq(offer.own_type, DTLS_X509);
	cr_assert_not(offer.answers_own_type || offer.answers_peer_type);
}

Test(dtls_hello, a_server_name_is_found_among_names_of_other_types)
{
	struct dtls_offer offer;

	abilities = ALL;
	cr_assert_eq(
		choose_with("\xc0\xae", 1, EXTENSIONS("\0\0\0\x0d\0\x0b\7\0\1x\0\0\4host"), &offer),
		DTLS_NO_ALERT);
	cr_assert_eq(offer.server_name.len, 4);
	cr_assert_arr_eq(offer.server_name.at, "host", 4);
}
