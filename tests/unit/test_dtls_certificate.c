/* Handshake messages of ECDHE_ECDSA suites: what is malformed, and the way there and back. */
#include <criterion/criterion.h>

#include "dataplane/core/dtls/dtls_certificate.h"

static uint8_t bytes[1024];
static struct writer out;

static void
setup(void)
{
	memset(bytes, 0, sizeof bytes);
	out = writer_init(bytes, sizeof bytes);
}

TestSuite(dtls_certificate, .init = setup);

static void
fill_point(uint8_t point[DTLS_POINT])
{
	point[0] = DTLS_POINT_UNCOMPRESSED;
	for (unsigned i = 1; i < DTLS_POINT; i++)
		point[i] = (uint8_t)i;
}

/* ---- Certificate ---- */

Test(dtls_certificate, lists_with_nonsense_lengths_are_refused)
{
	static const struct {
		const char *body;
		size_t len;
		const char *what;
	} cases[] = {
		{ "", 0, "nothing" },
		{ "\0\0", 2, "half a length" },
		{ "\0\0\1", 3, "a list beyond the end" },
		{ "\0\0\0x", 4, "bytes behind the list" },
		{ "\0\0\2\0\0", 5, "half a certificate's length" },
		{ "\0\0\3\0\0\0", 6, "an empty certificate" },
		{ "\0\0\4\0\0\2x", 7, "a certificate beyond its list" },
		{ "\0\0\7\0\0\1x\0\0\0", 10, "an empty one behind a good one" },
		{ "\0\0\5\0\0\1x\0", 8, "rest of the list" },
		{ "\xff\xff\xff\0\0\1x", 7, "the greatest length" },
		{ "\0\0\4\xff\xff\xff\1", 7, "a certificate of the greatest length" },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct dtls_chain chain;

		cr_assert_not(dtls_certificate_parse((const uint8_t *)cases[i].body, cases[i].len,
						     DTLS_X509, &chain),
			      "%s", cases[i].what);
	}
}

Test(dtls_certificate, a_chain_longer_than_ten_is_refused)
{
	for (unsigned n = 0; n <= DTLS_CHAIN_MAX + 1; n++) {
		struct dtls_chain chain;
		struct writer_mark mark;

		out = writer_init(bytes, sizeof bytes);
		mark = writer_reserve_u24(&out);
		for (unsigned i = 0; i < n; i++) {
			writer_u24(&out, 1);
			writer_u8(&out, (uint8_t)i);
		}
		writer_close(&out, mark);
		cr_assert_eq(dtls_certificate_parse(bytes, writer_len(&out), DTLS_X509, &chain),
			     n <= DTLS_CHAIN_MAX);
		if (n <= DTLS_CHAIN_MAX)
			cr_assert_eq(chain.n, n);
	}
}

Test(dtls_certificate, a_client_without_certificate_says_so_in_both_types)
{
	struct dtls_chain chain;

	cr_assert(dtls_certificate_parse((const uint8_t *)"\0\0\0", 3, DTLS_X509, &chain));
	cr_assert_eq(chain.n, 0);
	cr_assert(
		dtls_certificate_parse((const uint8_t *)"\0\0\0", 3, DTLS_RAW_PUBLIC_KEY, &chain));
	cr_assert_eq(chain.n, 0);
}

Test(dtls_certificate, a_raw_key_has_one_length_less_than_a_list_of_one)
{
	const struct dtls_chain one = { .n = 1,
					.certificates = { { (const uint8_t *)"spki", 4 } } };
	struct dtls_chain chain;

	dtls_certificate_write(&out, DTLS_RAW_PUBLIC_KEY, &one);
	cr_assert_eq(writer_finish(&out), 3 + 4);
	cr_assert(dtls_certificate_parse(bytes, 7, DTLS_RAW_PUBLIC_KEY, &chain));
	cr_assert_eq(chain.n, 1);
	cr_assert_eq(chain.certificates[0].len, 4);
	cr_assert_not(dtls_certificate_parse(bytes, 7, DTLS_X509, &chain));
	cr_assert_not(dtls_certificate_parse(bytes, 6, DTLS_RAW_PUBLIC_KEY, &chain));
	cr_assert_not(dtls_certificate_parse(bytes, 8, DTLS_RAW_PUBLIC_KEY, &chain));
	out = writer_init(bytes, sizeof bytes);
	dtls_certificate_write(&out, DTLS_X509, &one);
	cr_assert_eq(writer_finish(&out), 3 + 3 + 4);
}

Test(dtls_certificate, a_chain_comes_back_in_its_order)
{
	const struct dtls_chain sent = {
		.n = 2,
		.certificates = { { (const uint8_t *)"leaf", 4 },
				  { (const uint8_t *)"issuer", 6 } },
	};
	struct dtls_chain chain;

	dtls_certificate_write(&out, DTLS_X509, &sent);
	cr_assert(dtls_certificate_parse(bytes, writer_finish(&out), DTLS_X509, &chain));
	cr_assert_eq(chain.n, 2);
	cr_assert_arr_eq(chain.certificates[0].at, "leaf", 4);
	cr_assert_arr_eq(chain.certificates[1].at, "issuer", 6);
}

/* ---- keys ---- */

Test(dtls_certificate, a_key_that_is_not_an_uncompressed_p256_point_is_refused)
{
	uint8_t point[DTLS_POINT];

	fill_point(point);
	dtls_spki_write(&out, point);
	cr_assert_eq(writer_finish(&out), DTLS_SPKI);
	cr_assert_arr_eq(dtls_spki_point(bytes, DTLS_SPKI), point, DTLS_POINT);
	cr_assert_null(dtls_spki_point(bytes, DTLS_SPKI - 1));
	cr_assert_null(dtls_spki_point(bytes, DTLS_SPKI + 1));
	for (unsigned i = 0; i <= DTLS_SPKI - DTLS_POINT; i++) {
		bytes[i] ^= 1;
		cr_assert_null(dtls_spki_point(bytes, DTLS_SPKI), "byte %u", i);
		bytes[i] ^= 1;
	}
}

Test(dtls_certificate, every_truncation_of_a_key_exchange_is_refused)
{
	uint8_t point[DTLS_POINT];
	size_t len;

	fill_point(point);
	dtls_client_key_exchange_write(&out, point);
	len = writer_finish(&out);
	cr_assert_eq(len, 66);
	cr_assert_arr_eq(dtls_client_key_exchange_parse(bytes, len), point, DTLS_POINT);
	for (size_t i = 0; i < len; i++)
		cr_assert_null(dtls_client_key_exchange_parse(bytes, i));
	cr_assert_null(dtls_client_key_exchange_parse(bytes, len + 1));
	bytes[0]++;
	cr_assert_null(dtls_client_key_exchange_parse(bytes, len + 1), "a longer point");
	bytes[0]--;
	for (unsigned form = 0; form < 256; form++) {
		bytes[1] = (uint8_t)form;
		cr_assert_eq(dtls_client_key_exchange_parse(bytes, len) != NULL, form == 4);
	}
}

Test(dtls_certificate, a_server_key_exchange_comes_back)
{
	const struct dtls_bytes sent = { (const uint8_t *)"signature", 9 };
	uint8_t expected[DTLS_POINT];
	struct dtls_bytes signature;
	const uint8_t *point;
	size_t len;

	fill_point(expected);
	dtls_server_key_exchange_write(&out, expected, &sent);
	len = writer_finish(&out);
	cr_assert_eq(len, DTLS_KEY_PARAMETERS + 2 + 2 + 9);
	cr_assert_arr_eq(bytes, "\3\0\x17\x41\4", 5);
	cr_assert(dtls_server_key_exchange_parse(bytes, len, &point, &signature));
	cr_assert_arr_eq(point, expected, DTLS_POINT);
	cr_assert_arr_eq(signature.at, "signature", 9);
	for (size_t i = 0; i < len; i++)
		cr_assert_not(dtls_server_key_exchange_parse(bytes, i, &point, &signature));
	for (unsigned i = 0; i < 5; i++) { /* another type, curve or point */
		bytes[i] ^= 1;
		cr_assert_not(dtls_server_key_exchange_parse(bytes, len, &point, &signature));
		bytes[i] ^= 1;
	}
}

/* ---- signatures ---- */

Test(dtls_certificate, signatures_of_other_algorithms_or_impossible_lengths_are_refused)
{
	static const uint8_t signature[DTLS_OTHER_SIGNATURE_MAX + 1];
	struct dtls_bytes found;

	for (size_t len = 0; len <= sizeof signature; len++) {
		const struct dtls_bytes sent = { signature, len };

		out = writer_init(bytes, sizeof bytes);
		dtls_certificate_verify_write(&out, &sent);
		cr_assert_eq(dtls_certificate_verify_parse(bytes, writer_finish(&out), &found),
			     len >= DTLS_SIGNATURE_MIN && len <= DTLS_OTHER_SIGNATURE_MAX, "%zu", len);
		cr_assert_not(
			dtls_certificate_verify_parse(bytes, writer_finish(&out) + 1, &found));
	}
	for (unsigned algorithm = 0; algorithm <= 0xffff; algorithm++) {
		memcpy(bytes,
		       "\0\0\0\x08"
		       "12345678",
		       12);
		cursor_store(bytes, algorithm, 2);
		cr_assert_eq(dtls_certificate_verify_parse(bytes, 12, &found),
			     algorithm == DTLS_ECDSA_SHA256);
	}
}

Test(dtls_certificate, our_request_asks_for_ecdsa_and_no_authority)
{
	size_t len;

	dtls_certificate_request_write(&out);
	len = writer_finish(&out);
	cr_assert_eq(len, 8);
	cr_assert_arr_eq(bytes, "\1\x40\0\2\4\3\0\0", 8);
	cr_assert(dtls_certificate_request_parse(bytes, len));
	for (size_t i = 0; i < len; i++)
		cr_assert_not(dtls_certificate_request_parse(bytes, i));
	bytes[1] = 1; /* rsa_sign */
	cr_assert_not(dtls_certificate_request_parse(bytes, len));
}
