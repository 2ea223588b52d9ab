/*
 * Every backend against the known answers, and against mbedTLS's own high-level functions on random
 * input: every length to 300 and every length of associated data, in bursts of every width.
 */
#include <criterion/criterion.h>

#include <mbedtls/ccm.h>
#include <mbedtls/gcm.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/crypto_backend.h"

enum {
	LEN_MAX = 300,
	BURST_MAX = 9,
	GUARD = 32, /* bytes behind an output that must stay as they are */
	SEED = 0x5eed2024,
};

/* splitmix64: the tests must replay. */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void
fill_random(uint64_t *state, void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)bytes)[i] = (uint8_t)next_random(state);
}

#define each_backend(ops)                                                                          \
	const struct crypto_ops *ops, *ops##_first = crypto_backend(0);                            \
	for (unsigned ops##_i = 0; ops##_first && (ops = crypto_backend(ops##_i)) != NULL;         \
	     ops##_i++)

/* ---- negative cases: a backend that is wrong must not pass ----------------------------------- */

static void
broken_blocks(uint32_t h[8], const uint8_t *data, size_t blocks)
{
	crypto_select()->sha256_blocks(h, data, blocks);
	h[7] ^= blocks != 0;
}

static void
broken_lanes(const struct crypto_lane *lanes, unsigned n, size_t blocks)
{
	crypto_select()->sha256_lanes(lanes, n, blocks);
	lanes[n - 1].h[0] ^= 1;
}

static void
broken_hmac(const struct crypto_hmac_lane *lanes, unsigned n, size_t blocks)
{
	crypto_select()->hmac_lanes(lanes, n, blocks);
	lanes[n - 1].mac[31] ^= 1;
}

static void
broken_seal(struct crypto_ccm *records, unsigned n)
{
	crypto_select()->ccm8_seal(records, n);
	records[n - 1].out[records[n - 1].len] ^= 1;
}

static void
credulous_open(struct crypto_ccm *records, unsigned n)
{
	crypto_select()->ccm8_open(records, n);
	for (unsigned i = 0; i < n; i++)
		records[i].ok = true;
}

static void
broken_open(struct crypto_ccm *records, unsigned n)
{
	crypto_select()->ccm8_open(records, n);
	records[n - 1].ok = false;
}

static void
broken_cbc(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out,
	   size_t blocks)
{
	crypto_select()->cbc_decrypt(key, in, in, out, blocks);
}

static void
broken_ctr(const uint8_t key[16], const uint8_t counter[16], uint8_t *out, size_t blocks)
{
	for (size_t i = 0; i < blocks; i++)
		crypto_select()->ctr_stream(key, counter, out + 16 * i, 1);
}

Test(crypto, selftest_names_what_is_broken)
{
	struct crypto_ops ops = *crypto_select();

	cr_assert_null(crypto_selftest(&ops));
	ops.sha256_blocks = broken_blocks;
	cr_assert(strncmp(crypto_selftest(&ops), "SHA-256", 7) == 0);
	ops = *crypto_select();
	ops.sha256_lanes = broken_lanes;
	cr_assert(strncmp(crypto_selftest(&ops), "HMAC", 4) == 0);
	ops = *crypto_select();
	ops.hmac_lanes = broken_hmac;
	cr_assert(strncmp(crypto_selftest(&ops), "HMAC", 4) == 0);
	ops = *crypto_select();
	ops.ccm8_seal = broken_seal;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-CCM-8", 13) == 0);
	ops = *crypto_select();
	ops.ccm8_open = credulous_open;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-CCM-8", 13) == 0);
	ops.ccm8_open = broken_open;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-CCM-8", 13) == 0);
	ops = *crypto_select();
	ops.ccm16_seal = broken_seal;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-CCM,", 12) == 0);
	ops = *crypto_select();
	ops.ccm16_open = credulous_open;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-CCM,", 12) == 0);
	ops = *crypto_select();
	ops.gcm_seal = broken_seal;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-GCM", 11) == 0);
	ops = *crypto_select();
	ops.gcm_open = credulous_open;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-GCM", 11) == 0);
	ops = *crypto_select();
	ops.cbc_encrypt = broken_cbc;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-CBC", 11) == 0);
	ops = *crypto_select();
	ops.cbc_decrypt = broken_cbc;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-CBC", 11) == 0);
	ops = *crypto_select();
	ops.ctr_stream = broken_ctr;
	cr_assert(strncmp(crypto_selftest(&ops), "AES-128-CTR", 11) == 0);
}

Test(crypto, every_backend_passes_the_selftest)
{
	unsigned n = 0;

	each_backend(ops)
	{
		const char *failed = crypto_selftest(ops);

		cr_assert_null(failed, "%s: %s", ops->name, failed);
		n++;
	}
	cr_assert_geq(n, 1u);
	cr_assert_eq(crypto_select(), crypto_backend(0));
	cr_assert_str_eq(crypto_backend(n - 1)->name, "mbedtls", "the portable one comes last");
}

Test(crypto, equal_sees_every_bit)
{
	uint8_t a[40] = { 0 }, b[40] = { 0 };

	for (unsigned bit = 0; bit < 8 * sizeof a; bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert(!crypto_equal(a, b, sizeof a), "bit %u", bit);
		cr_assert(crypto_equal(a, b, bit / 8), "bit %u", bit);
		b[bit / 8] = 0;
	}
	cr_assert(crypto_equal(a, b, sizeof a));
	cr_assert(crypto_equal(NULL, NULL, 0));
}

/* ---- SHA-256, HMAC, PRF against mbedTLS ------------------------------------------------------ */

static void
oracle_hash(const void *data, size_t len, uint8_t digest[32])
{
	cr_assert_eq(mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), data, len, digest),
		     0);
}

static void
oracle_hmac(const void *key, size_t key_len, const void *data, size_t len, uint8_t mac[32])
{
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

	cr_assert_eq(mbedtls_md_hmac(md, key, key_len, data, len, mac), 0);
}

/* RFC 5246 5, word for word. `seed` includes the label. */
static void
oracle_prf(const struct crypto_piece *secret, const uint8_t *seed, size_t seed_len, uint8_t *out,
	   size_t len)
{
	uint8_t a[32 + CRYPTO_PRF_SEED_MAX], block[32];

	oracle_hmac(secret->data, secret->len, seed, seed_len, a);
	while (len != 0) {
		size_t n = len < 32 ? len : 32;

		memcpy(a + 32, seed, seed_len);
		oracle_hmac(secret->data, secret->len, a, 32 + seed_len, block);
		memcpy(out, block, n);
		out += n;
		len -= n;
		oracle_hmac(secret->data, secret->len, a, 32, a);
	}
}

Test(crypto, sha256_of_a_million_a)
{
	/* NIST's third example for SHA-256 */
	static const uint8_t expected[32] = {
		0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92, 0x81, 0xa1, 0xc7,
		0xe2, 0x84, 0xd7, 0x3e, 0x67, 0xf1, 0x80, 0x9a, 0x48, 0xa4, 0x97,
		0x20, 0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0,
	};
	uint8_t a[1000], digest[32];

	memset(a, 'a', sizeof a);
	each_backend(ops)
	{
		struct crypto_sha256 hash;

		crypto_sha256_init(&hash);
		for (int i = 0; i < 1000; i++)
			crypto_sha256_update(ops, &hash, a, sizeof a);
		crypto_sha256_final(ops, &hash, digest);
		cr_assert_arr_eq(digest, expected, sizeof digest, "%s", ops->name);
	}
}

Test(crypto, sha256_of_every_length_in_three_pieces)
{
	uint8_t data[LEN_MAX], expected[32], digest[32];
	uint64_t state = SEED;

	fill_random(&state, data, sizeof data);
	each_backend(ops)
	{
		for (size_t len = 0; len <= LEN_MAX; len++) {
			size_t first = len ? next_random(&state) % len : 0;
			size_t second = first + (len ? next_random(&state) % (len - first) : 0);
			struct crypto_sha256 hash;

			oracle_hash(data, len, expected);
			crypto_sha256(ops, data, len, digest);
			cr_assert_arr_eq(digest, expected, 32, "%s: length %zu", ops->name, len);
			crypto_sha256_init(&hash);
			crypto_sha256_update(ops, &hash, data, first);
			crypto_sha256_update(ops, &hash, data + first, second - first);
			crypto_sha256_update(ops, &hash, data + second, len - second);
			crypto_sha256_final(ops, &hash, digest);
			cr_assert_arr_eq(digest, expected, 32, "%s: %zu, %zu of %zu", ops->name,
					 first, second, len);
		}
	}
}

Test(crypto, sha256_forks_and_goes_on_after_final)
{
	const struct crypto_ops *ops = crypto_select();
	struct crypto_sha256 hash, fork;
	uint8_t expected[32], digest[32];

	crypto_sha256_init(&hash);
	crypto_sha256_update(ops, &hash, "one ", 4);
	fork = hash;
	crypto_sha256_final(ops, &hash, digest);
	oracle_hash("one ", 4, expected);
	cr_assert_arr_eq(digest, expected, 32);
	crypto_sha256_update(ops, &hash, "two", 3);
	crypto_sha256_final(ops, &hash, digest);
	oracle_hash("one two", 7, expected);
	cr_assert_arr_eq(digest, expected, 32);
	crypto_sha256_update(ops, &fork, "three", 5);
	crypto_sha256_final(ops, &fork, digest);
	oracle_hash("one three", 9, expected);
	cr_assert_arr_eq(digest, expected, 32);
}

Test(crypto, lanes_equal_streams)
{
	uint8_t data[BURST_MAX][3 * 64];
	uint32_t start[BURST_MAX][8];
	uint64_t state = SEED;

	fill_random(&state, data, sizeof data);
	fill_random(&state, start, sizeof start);
	each_backend(ops)
	{
		for (unsigned n = 0; n <= BURST_MAX; n++) {
			uint32_t h[BURST_MAX][8], expected[8];
			struct crypto_lane lanes[BURST_MAX];

			memcpy(h, start, sizeof h);
			for (unsigned i = 0; i < n; i++)
				lanes[i] = (struct crypto_lane){ h[i], data[i] };
			ops->sha256_lanes(lanes, n, n % 4);
			for (unsigned i = 0; i < n; i++) {
				memcpy(expected, start[i], sizeof expected);
				crypto_backend(0)->sha256_blocks(expected, data[i], n % 4);
				cr_assert_arr_eq(h[i], expected, 32, "%s: %u of %u", ops->name, i,
						 n);
			}
		}
	}
}

/*
 * Against the definition, over the portable compression; the MAC goes where its message is, as the
 * PRF has it.
 */
static void
reference_hmac(const uint32_t inner[8], const uint32_t outer[8], const uint8_t *message,
	       size_t blocks, uint8_t mac[32])
{
	const struct crypto_ops *ops = &crypto_mbedtls;
	uint8_t block[64] = { [32] = 0x80, [62] = 768 >> 8 };
	uint32_t h[8];

	memcpy(h, inner, sizeof h);
	ops->sha256_blocks(h, message, blocks);
	for (int i = 0; i < 32; i++)
		block[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
	memcpy(h, outer, sizeof h);
	ops->sha256_blocks(h, block, 1);
	for (int i = 0; i < 32; i++)
		mac[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

Test(crypto, hmac_lanes_in_place)
{
	uint8_t data[BURST_MAX][3 * 64];
	uint32_t keys[BURST_MAX][2][8];
	uint64_t state = SEED;

	fill_random(&state, data, sizeof data);
	fill_random(&state, keys, sizeof keys);
	each_backend(ops)
	{
		for (unsigned n = 0; n <= BURST_MAX; n++) {
			uint8_t message[BURST_MAX][3 * 64], expected[32];
			struct crypto_hmac_lane lanes[BURST_MAX];
			size_t blocks = 1 + n % 3;

			memcpy(message, data, sizeof message);
			for (unsigned i = 0; i < n; i++)
				lanes[i] = (struct crypto_hmac_lane){ keys[i][0], keys[i][1],
								      message[i], message[i] };
			ops->hmac_lanes(lanes, n, blocks);
			for (unsigned i = 0; i < n; i++) {
				reference_hmac(keys[i][0], keys[i][1], data[i], blocks, expected);
				cr_assert_arr_eq(message[i], expected, 32, "%s: %u of %u",
						 ops->name, i, n);
				cr_assert_arr_eq(message[i] + 32, data[i] + 32,
						 sizeof data[i] - 32);
			}
		}
	}
}

Test(crypto, hmac_of_every_key_and_data_length)
{
	uint8_t key[LEN_MAX], data[LEN_MAX], expected[32], mac[32];
	uint64_t state = SEED;

	fill_random(&state, key, sizeof key);
	fill_random(&state, data, sizeof data);
	each_backend(ops)
	{
		for (size_t i = 0; i <= LEN_MAX; i++) {
			size_t key_len = (i * 7) % 140, a = i / 3, b = i / 2;
			struct crypto_piece pieces[4] = {
				{ data, a },
				{ NULL, 0 },
				{ data + a, b - a },
				{ data + b, i - b },
			};
			struct crypto_hmac_key prepared;

			oracle_hmac(key, key_len, data, i, expected);
			crypto_hmac_key_init(ops, &prepared, key, key_len);
			crypto_hmac(ops, &prepared, pieces, 4, mac);
			cr_assert_arr_eq(mac, expected, 32, "%s: key %zu, data %zu", ops->name,
					 key_len, i);
		}
	}
}

Test(crypto, prf_of_every_length)
{
	uint8_t secret[140], seed[CRYPTO_PRF_SEED_MAX], expected[LEN_MAX], out[LEN_MAX + GUARD];
	uint64_t state = SEED;

	fill_random(&state, secret, sizeof secret);
	fill_random(&state, seed, sizeof seed);
	memcpy(seed, "label", 5);
	each_backend(ops)
	{
		for (size_t len = 0; len <= LEN_MAX; len++) {
			size_t seed_len = 5 + len % (CRYPTO_PRF_SEED_MAX - 4),
			       half = (seed_len - 5) / 2;
			struct crypto_piece key = { secret, len % sizeof secret };
			struct crypto_hmac_key prepared;
			struct crypto_prf job = {
				&prepared,
				"label",
				{ { seed + 5, half }, { seed + 5 + half, seed_len - 5 - half } },
				out,
				len,
			};

			memset(out, 0xee, sizeof out);
			oracle_prf(&key, seed, seed_len, expected, len);
			crypto_hmac_key_init(ops, &prepared, key.data, key.len);
			crypto_prf(ops, &job, 1);
			cr_assert_arr_eq(out, expected, len, "%s: length %zu, seed %zu", ops->name,
					 len, seed_len);
			cr_assert_eq(out[len], 0xee, "%s: length %zu", ops->name, len);
		}
	}
}

/* Jobs that go in step have what they have alone, whichever of them is longer. */
Test(crypto, prf_in_step_equals_prf_alone)
{
	enum { JOBS = 5 };
	static const size_t lengths[] = { 0, 12, 32, 33, 40, 48, 64, 65, 96, 97, 140 };
	static const size_t seeds[] = { 0, 20, 32, 64, 90, 120 };
	const unsigned n_lengths = sizeof lengths / sizeof lengths[0];
	const unsigned n_seeds = sizeof seeds / sizeof seeds[0];
	uint8_t secret[JOBS][32], seed[CRYPTO_PRF_SEED_MAX], alone[LEN_MAX];
	uint8_t out[JOBS][LEN_MAX + GUARD];
	uint64_t state = SEED;

	fill_random(&state, secret, sizeof secret);
	fill_random(&state, seed, sizeof seed);
	each_backend(ops)
	{
		for (unsigned round = 0; round < n_lengths * n_seeds; round++) {
			struct crypto_hmac_key keys[JOBS];
			struct crypto_prf jobs[JOBS];
			unsigned n = 2 + round % (JOBS - 1);

			memset(out, 0xee, sizeof out);
			for (unsigned i = 0; i < n; i++) {
				size_t len = lengths[(round * (i + 1) + i) % n_lengths];
				size_t seed_len = seeds[(round + i * 7) % n_seeds];

				crypto_hmac_key_init(ops, &keys[i], secret[i], sizeof secret[i]);
				jobs[i] = (struct crypto_prf){ &keys[i],
							       "label",
							       { { seed, seed_len } },
							       out[i],
							       len };
			}
			crypto_prf(ops, jobs, n);
			for (unsigned i = 0; i < n; i++) {
				struct crypto_prf job = jobs[i];

				job.out = alone;
				crypto_prf(ops, &job, 1);
				cr_assert_arr_eq(out[i], alone, job.len, "%s: round %u, job %u",
						 ops->name, round, i);
				cr_assert_eq(out[i][job.len], 0xee, "%s: round %u, job %u",
					     ops->name, round, i);
			}
		}
	}
}

/* Ends of streams of every length, beside those of every other kind of end. */
Test(crypto, ends_in_step_equal_ends_alone)
{
	enum { STREAMS = 3 };
	uint8_t data[STREAMS][LEN_MAX], alone[CRYPTO_HASH_LEN];
	uint8_t digests[STREAMS + 1][CRYPTO_HASH_LEN];
	uint64_t state = SEED;

	fill_random(&state, data, sizeof data);
	each_backend(ops)
	{
		for (unsigned round = 0; round < 131 * 131; round++) {
			const size_t lens[STREAMS] = { round % 131, round / 131, round % 7 };
			struct crypto_sha256 hashes[STREAMS];
			const struct crypto_sha256 *ends[STREAMS];
			unsigned n = round % (STREAMS + 1);

			for (unsigned i = 0; i < STREAMS; i++) {
				crypto_sha256_init(&hashes[i]);
				crypto_sha256_update(ops, &hashes[i], data[i], lens[i]);
				ends[i] = &hashes[i];
			}
			memset(digests, 0xee, sizeof digests);
			crypto_sha256_finals(ops, ends, n, digests);
			for (unsigned i = 0; i < n; i++) {
				crypto_sha256(ops, data[i], lens[i], alone);
				cr_assert_arr_eq(digests[i], alone, sizeof alone, "%s: %zu and %zu",
						 ops->name, lens[0], lens[1]);
			}
			cr_assert_eq(digests[n][0], 0xee);
		}
	}
}

/* A processor on which the clock goes on by what hashes cost, and now and then by something else. */
static uint64_t fake_time, fake_cost[3], fake_calls;

static uint64_t
fake_clock(void)
{
	return fake_time += fake_calls++ % 5 == 0 ? 1000 : 0;
}

static void
fake_hmacs(const struct crypto_hmac_lane *lanes, unsigned n, size_t blocks)
{
	fake_time += fake_cost[n];
}

Test(crypto, what_hashes_in_step_cost_is_measured)
{
	static const struct {
		uint64_t one, two;
		unsigned percent;
	} cases[] = { { 10, 11, 55 }, { 10, 15, 75 }, { 10, 20, 100 }, { 10, 24, 120 }, { 0, 0, 100 } };
	struct crypto_ops ops = *crypto_select();

	ops.hmac_lanes = fake_hmacs;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fake_cost[1] = cases[i].one;
		fake_cost[2] = cases[i].two;
		cr_expect_eq(crypto_step_percent(&ops, fake_clock), cases[i].percent, "%u", i);
	}
}

/* ---- AEADs against mbedTLS's ----------------------------------------------------------------- */

typedef void aead_op(struct crypto_ccm *records, unsigned n);

static const struct aead {
	const char *name;
	size_t tag_len, seal, open; /* of struct crypto_ops */
} aeads[] = {
	{ "CCM-8", 8, offsetof(struct crypto_ops, ccm8_seal),
	  offsetof(struct crypto_ops, ccm8_open) },
	{ "CCM", 16, offsetof(struct crypto_ops, ccm16_seal),
	  offsetof(struct crypto_ops, ccm16_open) },
	{ "GCM", 16, offsetof(struct crypto_ops, gcm_seal), offsetof(struct crypto_ops, gcm_open) },
};

static const struct aead *aead; /* the one under test */

#define each_aead() for (aead = aeads; aead < aeads + sizeof aeads / sizeof aeads[0]; aead++)

static aead_op *
op_at(const struct crypto_ops *ops, size_t offset)
{
	aead_op *op;

	memcpy(&op, (const char *)ops + offset, sizeof op);
	return op;
}

struct ccm_case {
	uint8_t key[16], nonce[12], aad[CRYPTO_CCM_AAD_MAX];
	uint8_t plain[LEN_MAX], sealed[LEN_MAX + CRYPTO_LONG_TAG_LEN];
	uint8_t buffer[LEN_MAX + CRYPTO_LONG_TAG_LEN + GUARD];
	struct crypto_ccm record;
};

static void
oracle_ccm(struct ccm_case *c, size_t len, size_t aad_len)
{
	mbedtls_ccm_context ccm;

	mbedtls_ccm_init(&ccm);
	cr_assert_eq(mbedtls_ccm_setkey(&ccm, MBEDTLS_CIPHER_ID_AES, c->key, 128), 0);
	cr_assert_eq(mbedtls_ccm_encrypt_and_tag(&ccm, len, c->nonce, 12, c->aad, aad_len, c->plain,
						 c->sealed, c->sealed + len, aead->tag_len),
		     0);
	mbedtls_ccm_free(&ccm);
}

static void
oracle_gcm(struct ccm_case *c, size_t len, size_t aad_len)
{
	mbedtls_gcm_context gcm;

	mbedtls_gcm_init(&gcm);
	cr_assert_eq(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, c->key, 128), 0);
	cr_assert_eq(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, c->nonce, 12, c->aad,
					       aad_len, c->plain, c->sealed, aead->tag_len,
					       c->sealed + len),
		     0);
	mbedtls_gcm_free(&gcm);
}

static void
ccm_case_make(struct ccm_case *c, uint64_t *state, size_t len, size_t aad_len)
{
	fill_random(state, c, offsetof(struct ccm_case, sealed));
	if (strcmp(aead->name, "GCM") == 0)
		oracle_gcm(c, len, aad_len);
	else
		oracle_ccm(c, len, aad_len);
	c->record = (struct crypto_ccm){
		.key = c->key,
		.nonce = c->nonce,
		.aad = c->aad,
		.aad_len = (uint16_t)aad_len,
		.in = c->buffer,
		.out = c->buffer,
		.len = (uint16_t)len,
	};
	memset(c->buffer, 0xee, sizeof c->buffer);
}

/* The cases as one burst, their verdicts copied back. */
static void
run(void (*op)(struct crypto_ccm *, unsigned), struct ccm_case *cases, unsigned n)
{
	struct crypto_ccm burst[BURST_MAX];

	for (unsigned i = 0; i < n; i++)
		burst[i] = cases[i].record;
	op(burst, n);
	for (unsigned i = 0; i < n; i++)
		cases[i].record.ok = burst[i].ok;
}

static void
check_guard(const struct ccm_case *c, size_t used, const char *what)
{
	for (size_t i = used; i < sizeof c->buffer; i++)
		cr_assert_eq(c->buffer[i], 0xee, "%s: len %u wrote at %zu", what, c->record.len, i);
}

static void
check_in_place(const struct crypto_ops *ops, struct ccm_case *cases, unsigned n, unsigned round)
{
	for (unsigned i = 0; i < n; i++)
		memcpy(cases[i].buffer, cases[i].plain, cases[i].record.len);
	run(op_at(ops, aead->seal), cases, n);
	for (unsigned i = 0; i < n; i++) {
		struct ccm_case *c = &cases[i];

		cr_assert_arr_eq(c->buffer, c->sealed, c->record.len + aead->tag_len,
				 "%s: seed %#x round %u: seal %u of %u, len %u, aad %u", ops->name,
				 SEED, round, i, n, c->record.len, c->record.aad_len);
		check_guard(c, c->record.len + aead->tag_len, ops->name);
	}
	run(op_at(ops, aead->open), cases, n);
	for (unsigned i = 0; i < n; i++) {
		struct ccm_case *c = &cases[i];

		cr_assert(c->record.ok, "%s: seed %#x round %u", ops->name, SEED, round);
		cr_assert_arr_eq(c->buffer, c->plain, c->record.len,
				 "%s: seed %#x round %u: open %u of %u, len %u, aad %u", ops->name,
				 SEED, round, i, n, c->record.len, c->record.aad_len);
		check_guard(c, c->record.len + aead->tag_len, ops->name);
	}
}

/* The same from a buffer of its own, which stays as it is. */
static void
check_apart(const struct crypto_ops *ops, struct ccm_case *cases, unsigned n, unsigned round)
{
	for (unsigned i = 0; i < n; i++) {
		memset(cases[i].buffer, 0xee, sizeof cases[i].buffer);
		cases[i].record.in = cases[i].sealed;
	}
	run(op_at(ops, aead->open), cases, n);
	for (unsigned i = 0; i < n; i++) {
		struct ccm_case *c = &cases[i];

		cr_assert(c->record.ok, "%s: seed %#x round %u", ops->name, SEED, round);
		cr_assert_arr_eq(c->buffer, c->plain, c->record.len);
		check_guard(c, c->record.len, ops->name);
		c->record.in = c->buffer;
	}
}

/*
 * Half of the burst is forged: ciphertext or tag, associated data, nonce or key. Those stay
 * untouched.
 */
static void
check_forged(const struct crypto_ops *ops, struct ccm_case *cases, unsigned n, uint64_t *state)
{
	for (unsigned i = 0; i < n; i++) {
		struct ccm_case *c = &cases[i];
		size_t sealed = c->record.len + aead->tag_len;
		uint8_t bit = (uint8_t)(1u << next_random(state) % 8);

		memcpy(c->buffer, c->sealed, sealed);
		if (i % 2 != 0)
			continue;
		switch (next_random(state) % 4) {
		case 0:
			c->key[next_random(state) % 16] ^= bit;
			break;
		case 1:
			c->nonce[next_random(state) % 12] ^= bit;
			break;
		case 2:
			if (c->record.aad_len != 0) {
				c->aad[next_random(state) % c->record.aad_len] ^= bit;
				break;
			}
			/* fall through */
		default:
			c->sealed[next_random(state) % sealed] ^= bit;
			memcpy(c->buffer, c->sealed, sealed);
		}
	}
	run(op_at(ops, aead->open), cases, n);
	for (unsigned i = 0; i < n; i++) {
		struct ccm_case *c = &cases[i];

		cr_assert_eq(c->record.ok, i % 2 != 0, "%s: forged %u of %u", ops->name, i, n);
		cr_assert_arr_eq(c->buffer, i % 2 != 0 ? c->plain : c->sealed, c->record.len,
				 "%s: %u of %u, len %u", ops->name, i, n, c->record.len);
	}
}

/*
 * 301 lengths and 65 of associated data have no common divisor: going round both meets every pair.
 */
static void
check_rounds(const struct crypto_ops *ops)
{
	struct ccm_case cases[BURST_MAX];
	uint64_t state = SEED;
	unsigned total = 0;

	for (unsigned round = 0; total < (LEN_MAX + 1) * (CRYPTO_CCM_AAD_MAX + 1); round++) {
		unsigned n = 1 + round % BURST_MAX;

		for (unsigned i = 0; i < n; i++, total++)
			ccm_case_make(&cases[i], &state, total % (LEN_MAX + 1),
				      total % (CRYPTO_CCM_AAD_MAX + 1));
		check_in_place(ops, cases, n, round);
		check_apart(ops, cases, n, round);
		check_forged(ops, cases, n, &state);
	}
}

Test(crypto, aead_of_every_length)
{
	each_aead()
	{
		each_backend(ops) check_rounds(ops);
	}
}

static void
check_flipped_bits(void)
{
	each_backend(ops)
	{
		struct ccm_case c;
		uint64_t state = SEED;
		size_t bits = 8 * (21 + aead->tag_len);

		ccm_case_make(&c, &state, 21, 13);
		for (size_t bit = 0; bit <= bits; bit++) {
			memcpy(c.buffer, c.sealed, 21 + aead->tag_len);
			if (bit < bits)
				c.buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
			run(op_at(ops, aead->open), &c, 1);
			cr_assert_eq(c.record.ok, bit == bits, "%s: bit %zu", ops->name, bit);
		}
	}
}

Test(crypto, aead_refuses_every_flipped_bit)
{
	each_aead() check_flipped_bits();
}

static void
check_burst_of_none(void)
{
	each_backend(ops)
	{
		op_at(ops, aead->seal)(NULL, 0);
		op_at(ops, aead->open)(NULL, 0);
	}
}

Test(crypto, aead_burst_of_none)
{
	each_aead() check_burst_of_none();
}

/* The longest record of TLS, whose counter needs a second byte. */
static void
check_longest_record(void)
{
	static uint8_t in[1 << 14], out[(1 << 14) + CRYPTO_LONG_TAG_LEN];
	static uint8_t expected[sizeof out];
	const struct crypto_ops *reference = &(struct crypto_ops){ 0 };
	uint8_t key[16] = { 1 }, nonce[12] = { 2 }, aad[13] = { 3 };
	struct crypto_ccm record = {
		.key = key, .nonce = nonce, .aad = aad, .aad_len = 13, .len = 1 << 14
	};

	for (unsigned i = 0; crypto_backend(i) != NULL; i++)
		reference = crypto_backend(i);
	record.in = in;
	record.out = expected;
	op_at(reference, aead->seal)(&record, 1);
	each_backend(ops)
	{
		record.in = in;
		record.out = out;
		op_at(ops, aead->seal)(&record, 1);
		cr_assert_arr_eq(out, expected, sizeof in + aead->tag_len, "%s", ops->name);
		record.in = out;
		op_at(ops, aead->open)(&record, 1);
		cr_assert(record.ok, "%s", ops->name);
		cr_assert_arr_eq(out, in, sizeof in, "%s", ops->name);
	}
}

/* ---- CBC and CTR, one backend against the other ---------------------------------------------- */

Test(crypto, cbc_and_ctr_of_every_length)
{
	enum { BLOCKS = 20 };
	uint8_t key[16], iv[16], data[16 * BLOCKS], made[16 * BLOCKS], expected[16 * BLOCKS];
	const struct crypto_ops *reference = crypto_select();
	uint64_t state = SEED;

	for (unsigned i = 0; crypto_backend(i) != NULL; i++)
		reference = crypto_backend(i);
	each_backend(ops)
	{
		for (size_t n = 0; n <= BLOCKS; n++) {
			fill_random(&state, key, sizeof key);
			fill_random(&state, iv, sizeof iv);
			fill_random(&state, data, sizeof data);
			reference->cbc_encrypt(key, iv, data, expected, n);
			memcpy(made, data, sizeof made);
			ops->cbc_encrypt(key, iv, made, made, n);
			cr_assert_arr_eq(made, expected, 16 * n, "%s: %zu blocks", ops->name, n);
			ops->cbc_decrypt(key, iv, made, made, n);
			cr_assert_arr_eq(made, data, sizeof made, "%s: %zu blocks", ops->name, n);
			ops->cbc_decrypt(key, iv, expected, made, n);
			cr_assert_arr_eq(made, data, sizeof made, "%s: %zu blocks", ops->name, n);
			memset(iv + n % 16, 0xff, 16 - n % 16); /* carries */
			reference->ctr_stream(key, iv, expected, n);
			ops->ctr_stream(key, iv, made, n);
			cr_assert_arr_eq(made, expected, 16 * n, "%s: %zu blocks", ops->name, n);
		}
	}
}

Test(crypto, aead_of_the_longest_record)
{
	each_aead() check_longest_record();
}
