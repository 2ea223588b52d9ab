/*
 * What a client may send for a point of P-256 and for a signature with it, and must not get through with: each
 * by name, as others were broken by it (invalid curves, infinity, r or s of zero, the many DERs of one number).
 */
#include <criterion/criterion.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "dataplane/ec/ec_engine.h"
#include "dataplane/ec/ec_trust.h"
#include "tests/support/ec_certs.h"

enum { NUMBER = 32 };

/* SEC 2 2.4.2: the field's prime and the group's order. */
static const uint8_t prime[NUMBER] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
				       0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff,
				       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t order[NUMBER] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
				       0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
				       0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

static struct ec_engine *engine;
static struct ec_trust *ours;
static struct cert device;
static uint8_t hello; /* stands for what was said before the client's flight */
static uint8_t r[NUMBER], s[NUMBER], point[DTLS_POINT];

static void
fill_job(struct ec_job *job, const uint8_t key[DTLS_POINT], const uint8_t share[DTLS_POINT])
{
	uint8_t spki[DTLS_SPKI];
	struct writer spki_out = writer_init(spki, sizeof spki), out;

	memset(job, 0, sizeof *job);
	job->kind = EC_FINISH;
	job->type = DTLS_RAW_PUBLIC_KEY;
	job->ops = crypto_select();
	job->finish.is_pinned = true;
	job->secrets.secret[NUMBER - 1] = 7;
	crypto_sha256_init(&job->transcript);
	crypto_sha256_update(job->ops, &job->transcript, &hello, sizeof hello);
	dtls_spki_write(&spki_out, key);
	out = writer_init(job->bytes, sizeof job->bytes);
	(void)writer_room(&out, DTLS_HANDSHAKE_HEADER);
	dtls_certificate_write(&out, DTLS_RAW_PUBLIC_KEY,
			       &(struct dtls_chain){ .n = 1, .certificates = { { spki, sizeof spki } } });
	job->chain_len = (uint16_t)(writer_len(&out) - DTLS_HANDSHAKE_HEADER);
	(void)writer_room(&out, DTLS_HANDSHAKE_HEADER);
	dtls_client_key_exchange_write(&out, share);
}

/* A signature whose numbers have 32 bytes each and no sign to hide, so that every form has room; of a client that
 * says this key and this share. */
static void
sign(const uint8_t said[DTLS_POINT], const uint8_t share[DTLS_POINT])
{
	EC_KEY *key = EVP_PKEY_get1_EC_KEY(device.key);
	static struct ec_job job;
	uint8_t hash[EC_HASH_LEN];

	fill_job(&job, said, share);
	crypto_sha256_update(job.ops, &job.transcript, job.bytes, DTLS_HANDSHAKE_HEADER + job.chain_len + EC_SHARE);
	crypto_sha256_final(job.ops, &job.transcript, hash);
	do {
		ECDSA_SIG *signature = ECDSA_do_sign(hash, sizeof hash, key);

		cr_assert_eq(BN_bn2binpad(ECDSA_SIG_get0_r(signature), r, NUMBER), NUMBER);
		cr_assert_eq(BN_bn2binpad(ECDSA_SIG_get0_s(signature), s, NUMBER), NUMBER);
		ECDSA_SIG_free(signature);
	} while (r[0] >= 0x80 || s[0] >= 0x80 || r[0] == 0 || s[0] == 0);
	EC_KEY_free(key);
}

static void
setup(void)
{
	EC_KEY *key;

	engine = ec_engine_new();
	ours = ec_trust_new();
	cert_make_device(&device, "urn:dev:one", NULL);
	key = EVP_PKEY_get1_EC_KEY(device.key);
	cr_assert_eq(EC_POINT_point2oct(EC_KEY_get0_group(key), EC_KEY_get0_public_key(key),
					POINT_CONVERSION_UNCOMPRESSED, point, sizeof point, NULL),
		     sizeof point);
	EC_KEY_free(key);
	sign(point, point);
}

static void
teardown(void)
{
	cert_free(&device);
	ec_trust_release(ours);
	ec_engine_free(engine);
}

TestSuite(ec_vectors, .init = setup, .fini = teardown);

/* The verdict on a raw public key that inventory has. */
static enum ec_verdict
judge(const uint8_t key[DTLS_POINT], const uint8_t share[DTLS_POINT], const uint8_t *signature, size_t len)
{
	static struct ec_job job;
	struct writer out;

	fill_job(&job, key, share);
	out = writer_init(job.bytes + (ec_job_verify(&job) - job.bytes), EC_VERIFY_MAX);
	dtls_certificate_verify_write(&out, &(struct dtls_bytes){ signature, len });
	job.verify_len = (uint16_t)writer_len(&out);
	ec_engine_work(engine, ours, &job, CERT_NOW);
	return job.verdict;
}

/* ---- signatures ---- */

static size_t
put(uint8_t *out, uint8_t tag, const uint8_t *content, size_t len)
{
	out[0] = tag;
	out[1] = (uint8_t)len;
	memcpy(out + 2, content, len);
	return 2 + len;
}

/* SEQUENCE of two INTEGERs, of these very bytes. */
static size_t
put_pair(uint8_t *out, const uint8_t *first, size_t first_len, const uint8_t *second, size_t second_len)
{
	uint8_t both[80];
	size_t len = put(both, 2, first, first_len);

	len += put(both + len, 2, second, second_len);
	return put(out, 0x30, both, len);
}

static size_t
good(uint8_t *out)
{
	return put_pair(out, r, NUMBER, s, NUMBER);
}

static size_t
r_is_zero(uint8_t *out)
{
	return put_pair(out, (const uint8_t *)"", 1, s, NUMBER);
}

static size_t
s_is_zero(uint8_t *out)
{
	return put_pair(out, r, NUMBER, (const uint8_t *)"", 1);
}

static size_t
both_are_zero(uint8_t *out)
{
	return put_pair(out, (const uint8_t *)"", 1, (const uint8_t *)"", 1);
}

static size_t
r_is_the_order(uint8_t *out)
{
	uint8_t number[1 + NUMBER] = { 0 };

	memcpy(number + 1, order, NUMBER);
	return put_pair(out, number, sizeof number, s, NUMBER);
}

static size_t
s_is_the_order(uint8_t *out)
{
	uint8_t number[1 + NUMBER] = { 0 };

	memcpy(number + 1, order, NUMBER);
	return put_pair(out, r, NUMBER, number, sizeof number);
}

static size_t
s_is_the_prime(uint8_t *out)
{
	uint8_t number[1 + NUMBER] = { 0 };

	memcpy(number + 1, prime, NUMBER);
	return put_pair(out, r, NUMBER, number, sizeof number);
}

static size_t
s_is_beyond_the_order(uint8_t *out)
{
	uint8_t number[1 + NUMBER] = { 0 };
	unsigned carry = 0;

	for (int i = NUMBER - 1; i >= 0; i--) {
		carry += (unsigned)s[i] + order[i];
		number[1 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	number[0] = (uint8_t)carry;
	return put_pair(out, r, NUMBER, number, sizeof number);
}

static size_t
r_is_negative(uint8_t *out)
{
	uint8_t number[NUMBER];
	unsigned carry = 1;

	for (int i = NUMBER - 1; i >= 0; i--) {
		carry += (uint8_t)~r[i];
		number[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return put_pair(out, number, NUMBER, s, NUMBER);
}

static size_t
a_needless_zero(uint8_t *out)
{
	uint8_t number[1 + NUMBER] = { 0 };

	memcpy(number + 1, r, NUMBER);
	return put_pair(out, number, sizeof number, s, NUMBER);
}

static size_t
a_length_in_long_form(uint8_t *out)
{
	size_t len = good(out);

	memmove(out + 2, out + 1, len - 1);
	out[1] = 0x81;
	return len + 1;
}

static size_t
a_number_of_a_length_in_long_form(uint8_t *out)
{
	size_t len = good(out);

	memmove(out + 4, out + 3, len - 3);
	out[3] = 0x81;
	out[1]++;
	return len + 1;
}

static size_t
an_indefinite_length(uint8_t *out)
{
	size_t len = good(out);

	out[1] = 0x80;
	out[len] = out[len + 1] = 0;
	return len + 2;
}

static size_t
a_byte_behind(uint8_t *out)
{
	size_t len = good(out);

	out[len] = 0;
	return len + 1;
}

static size_t
an_element_more(uint8_t *out)
{
	size_t len = good(out);

	memcpy(out + len, "\x05", 2);
	out[1] = (uint8_t)(out[1] + 2);
	return len + 2;
}

static size_t
a_set(uint8_t *out)
{
	size_t len = good(out);

	out[0] = 0x31;
	return len;
}

static size_t
an_octet_string(uint8_t *out)
{
	size_t len = good(out);

	out[2] = 0x04;
	return len;
}

static size_t
s_is_missing(uint8_t *out)
{
	uint8_t one[2 + NUMBER];

	return put(out, 0x30, one, put(one, 2, r, NUMBER));
}

static size_t
r_is_empty(uint8_t *out)
{
	return put_pair(out, r, 0, s, NUMBER);
}

static size_t
a_byte_is_missing(uint8_t *out)
{
	return good(out) - 1;
}

static size_t
a_length_beyond(uint8_t *out)
{
	size_t len = good(out);

	out[1]++;
	return len;
}

static size_t
r_and_s_exchanged(uint8_t *out)
{
	return put_pair(out, s, NUMBER, r, NUMBER);
}

static size_t
a_bit_of_r(uint8_t *out)
{
	size_t len = good(out);

	out[4 + NUMBER - 1] ^= 1;
	return len;
}

static size_t
bare_numbers(uint8_t *out)
{
	memcpy(out, r, NUMBER);
	memcpy(out + NUMBER, s, NUMBER);
	return 2 * NUMBER;
}

static size_t
nothing(uint8_t *out)
{
	return 0;
}

#define CASE(name)     \
	{              \
		name, #name \
	}

Test(ec_vectors, signatures_that_are_none_are_refused)
{
	static const struct {
		size_t (*make)(uint8_t *out);
		const char *name;
	} cases[] = {
		CASE(r_is_zero),
		CASE(s_is_zero),
		CASE(both_are_zero),
		CASE(r_is_the_order),
		CASE(s_is_the_order),
		CASE(s_is_the_prime),
		CASE(s_is_beyond_the_order),
		CASE(r_is_negative),
		CASE(a_needless_zero),
		CASE(a_length_in_long_form),
		CASE(a_number_of_a_length_in_long_form),
		CASE(an_indefinite_length),
		CASE(a_byte_behind),
		CASE(an_element_more),
		CASE(a_set),
		CASE(an_octet_string),
		CASE(s_is_missing),
		CASE(r_is_empty),
		CASE(a_byte_is_missing),
		CASE(a_length_beyond),
		CASE(r_and_s_exchanged),
		CASE(a_bit_of_r),
		CASE(bare_numbers),
		CASE(nothing),
	};
	uint8_t signature[96];

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = cases[i].make(signature);

		cr_expect_eq(judge(point, point, signature, len), EC_BAD_SIGNATURE, "%s", cases[i].name);
	}
	cr_assert_eq(judge(point, point, signature, good(signature)), EC_GOOD, "the good one is taken");
}

Test(ec_vectors, a_signature_of_another_hash_or_key_is_refused)
{
	uint8_t signature[96];
	size_t len = good(signature);

	hello ^= 1;
	cr_expect_eq(judge(point, point, signature, len), EC_BAD_SIGNATURE);
	hello ^= 1;
	cr_expect_eq(judge(point, point, signature, len), EC_GOOD);
	cert_free(&device);
	cert_make_device(&device, "urn:dev:two", NULL);
	sign(point, point);
	cr_expect_eq(judge(point, point, signature, good(signature)), EC_BAD_SIGNATURE);
}

/* ---- points ---- */

static void
off_the_curve(uint8_t at[DTLS_POINT])
{
	at[DTLS_POINT - 1] ^= 1;
}

static void
infinity(uint8_t at[DTLS_POINT])
{
	memset(at, 0, DTLS_POINT);
}

static void
zeros(uint8_t at[DTLS_POINT])
{
	memset(at + 1, 0, DTLS_POINT - 1);
}

static void
x_is_the_prime(uint8_t at[DTLS_POINT])
{
	memcpy(at + 1, prime, NUMBER);
}

static void
y_is_the_prime(uint8_t at[DTLS_POINT])
{
	memcpy(at + 1 + NUMBER, prime, NUMBER);
}

static void
beyond_the_prime(uint8_t at[DTLS_POINT])
{
	memset(at + 1, 0xff, DTLS_POINT - 1);
}

static void
x_and_y_exchanged(uint8_t at[DTLS_POINT])
{
	memcpy(at + 1, point + 1 + NUMBER, NUMBER);
	memcpy(at + 1 + NUMBER, point + 1, NUMBER);
}

static void
compressed_with_a_tail(uint8_t at[DTLS_POINT])
{
	at[0] = (uint8_t)(2 + (at[DTLS_POINT - 1] & 1));
}

/* RFC 8422 5.4: uncompressed alone. */
static void
hybrid(uint8_t at[DTLS_POINT])
{
	at[0] = (uint8_t)(6 + (at[DTLS_POINT - 1] & 1));
}

static void
an_unknown_form(uint8_t at[DTLS_POINT])
{
	at[0] = 5;
}

static const struct {
	void (*spoil)(uint8_t at[DTLS_POINT]);
	const char *name;
} bad_points[] = {
	CASE(off_the_curve),	 CASE(infinity),	  CASE(zeros),		  CASE(x_is_the_prime),
	CASE(y_is_the_prime),	 CASE(beyond_the_prime), CASE(x_and_y_exchanged), CASE(compressed_with_a_tail),
	CASE(hybrid),		 CASE(an_unknown_form),
};

/* Either the parser of the message refuses it, or the helper. */
Test(ec_vectors, key_shares_that_are_no_points_are_refused)
{
	uint8_t signature[96];
	size_t len = good(signature);

	for (unsigned i = 0; i < sizeof bad_points / sizeof bad_points[0]; i++) {
		uint8_t body[1 + DTLS_POINT] = { DTLS_POINT };

		memcpy(body + 1, point, DTLS_POINT);
		bad_points[i].spoil(body + 1);
		if (dtls_client_key_exchange_parse(body, sizeof body))
			cr_expect_eq(judge(point, body + 1, signature, len), EC_BAD_POINT, "%s",
				     bad_points[i].name);
	}
}

Test(ec_vectors, public_keys_that_are_no_points_are_refused)
{
	uint8_t signature[96];

	for (unsigned i = 0; i < sizeof bad_points / sizeof bad_points[0]; i++) {
		uint8_t key[DTLS_POINT];
		size_t len;

		memcpy(key, point, DTLS_POINT);
		bad_points[i].spoil(key);
		sign(key, point);
		len = good(signature);
		cr_expect_neq(judge(key, point, signature, len), EC_GOOD, "%s", bad_points[i].name);
	}
}

Test(ec_vectors, key_shares_of_another_length_are_malformed)
{
	static const struct {
		const char *name;
		uint8_t len;
	} cases[] = {
		{ "no point", 0 },
		{ "infinity, as one byte", 1 },
		{ "compressed", 33 },
		{ "without its form", 64 },
		{ "a byte more", 66 },
		{ "of P-384", 97 },
		{ "of P-521", 133 },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t body[256] = { cases[i].len };

		memcpy(body + 1, point, DTLS_POINT);
		if (cases[i].len == 33)
			body[1] = 2;
		if (cases[i].len == 1)
			body[1] = 0;
		cr_expect_null(dtls_client_key_exchange_parse(body, 1u + cases[i].len), "%s", cases[i].name);
	}
	/* Whatever the length in front says. */
	for (unsigned len = 0; len < 2 + DTLS_POINT; len++) {
		uint8_t body[2 + DTLS_POINT] = { DTLS_POINT };

		memcpy(body + 1, point, DTLS_POINT);
		if (len != 1 + DTLS_POINT)
			cr_expect_null(dtls_client_key_exchange_parse(body, len), "%u bytes", len);
	}
}

/* ---- our key elsewhere ---- */

static struct {
	bool wrong, silent;
	unsigned releases;
} elsewhere;

static bool
sign_elsewhere(void *ctx, const uint8_t digest[32], uint8_t signature[64])
{
	EC_KEY *key = EVP_PKEY_get1_EC_KEY(device.key);
	uint8_t signed_[32];
	ECDSA_SIG *made;

	memcpy(signed_, digest, sizeof signed_);
	signed_[0] ^= elsewhere.wrong;
	made = ECDSA_do_sign(signed_, sizeof signed_, key);
	cr_assert_eq(BN_bn2binpad(ECDSA_SIG_get0_r(made), signature, NUMBER), NUMBER);
	cr_assert_eq(BN_bn2binpad(ECDSA_SIG_get0_s(made), signature + NUMBER, NUMBER), NUMBER);
	ECDSA_SIG_free(made);
	EC_KEY_free(key);
	return !elsewhere.silent;
}

static void
release_elsewhere(void *ctx)
{
	elsewhere.releases++;
}

static int
add_elsewhere(bool wrong, bool silent, uint8_t first)
{
	struct ec_own own = { .signer = { sign_elsewhere, release_elsewhere, NULL, { 0 } } };
	char error[EC_ERROR_MAX];

	memcpy(own.signer.point, point, sizeof point);
	own.signer.point[0] = first;
	elsewhere.wrong = wrong;
	elsewhere.silent = silent;
	return ec_trust_add_own(ours, &own, error);
}

Test(ec_vectors, a_key_elsewhere_must_sign_rightly_before_it_is_taken)
{
	cr_assert_lt(add_elsewhere(true, false, 4), 0);
	cr_assert_lt(add_elsewhere(false, true, 4), 0);
	cr_assert_lt(add_elsewhere(false, false, 5), 0);
	cr_assert_not(ec_trust_has_own(ours));
	cr_assert_eq(elsewhere.releases, 0);
}

Test(ec_vectors, a_key_elsewhere_signs_handshakes_and_goes_with_the_trust)
{
	static struct ec_job job = { .kind = EC_BEGIN, .type = DTLS_RAW_PUBLIC_KEY };

	job.ops = crypto_select();
	cr_assert_eq(add_elsewhere(false, false, 4), 0);
	ec_engine_work(engine, ours, &job, 0);
	cr_assert_eq(job.verdict, EC_GOOD);
	cr_assert_gt(job.flight_len, DTLS_SPKI + DTLS_KEY_PARAMETERS + 60);
	elsewhere.silent = true;
	ec_engine_work(engine, ours, &job, 0);
	cr_assert_eq(job.verdict, EC_FAILED);
	cr_assert_eq(elsewhere.releases, 0);
	ec_trust_release(ours);
	ours = NULL;
	cr_assert_eq(elsewhere.releases, 1);
}
