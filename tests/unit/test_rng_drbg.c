/*
 * The generator against NIST's vectors, and its pool, wiping and reseeding.
 */
#include "dataplane/core/crypto/rng_drbg.c"

#include <criterion/criterion.h>

static uint8_t
nibble(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static void
unhex(const char *hex, uint8_t *bytes)
{
	for (; hex[0] != '\0'; hex += 2)
		*bytes++ = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
}

/*
 * NIST CAVP, drbgtestvectors.zip, CTR_DRBG.rsp, [AES-128 no df], no personalization, no additional
 * input, 512 bits: the second output counts. With a reseed: drbgvectors_pr_false; without:
 * drbgvectors_no_reseed.
 */
static const struct {
	const char *entropy, *reseed, *returned;
} vectors[] = {
	{ "ce50f33da5d4c1d3d4004eb35244b7f2cd7f2e5076fbf6780a7ff634b249a5fc", NULL,
	  "6545c0529d372443b392ceb3ae3a99a30f963eaf313280f1d1a1e87f9db373d3"
	  "61e75d18018266499cccd64d9bbb8de0185f213383080faddec46bae1f784e5a" },
	{ "a385f70a4d450321dfd18d8379ef8e7736fee5fbf0a0aea53b76696094e8aa93", NULL,
	  "1a062553ab60457ed1f1c52f5aca5a3be564a27545358c112ed92c6eae2cb759"
	  "7cfcc2e0a5dd81c5bfecc941da5e8152a9010d4845170734676c8c1b6b3073a5" },
	{ "ed1e7f21ef66ea5d8e2a85b9337245445b71d6393a4eecb0e63c193d0f72f9a9",
	  "303fb519f0a4e17d6df0b6426aa0ecb2a36079bd48be47ad2a8dbfe48da3efad",
	  "f80111d08e874672f32f42997133a5210f7a9375e22cea70587f9cfafebe0f6a"
	  "6aa2eb68e7dd9164536d53fa020fcab20f54caddfab7d6d91e5ffec1dfd8deaa" },
	{ "eab5a9f23ceac9e4195e185c8cea549d6d97d03276225a7452763c396a7f70bf",
	  "4258765c65a03af92fc5816f966f1a6644a6134633aad2d5d19bd192e4c1196a",
	  "2915c9fabfbf7c62d68d83b4e65a239885e809ceac97eb8ef4b64df59881c277"
	  "d3a15e0e15b01d167c49038fad2f54785ea714366d17bb2f8239fd217d7e1cba" },
};

Test(rng_drbg, nist_vectors)
{
	const struct crypto_ops *ops;

	for (unsigned b = 0; (ops = crypto_backend(b)) != NULL; b++) {
		for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
			uint8_t seed[RNG_SEED_LEN], expected[64], out[64 + RNG_SEED_LEN];
			struct rng_drbg drbg;

			unhex(vectors[i].entropy, seed);
			unhex(vectors[i].returned, expected);
			rng_drbg_init_replay(&drbg, ops, seed);
			if (vectors[i].reseed != NULL) {
				unhex(vectors[i].reseed, seed);
				update(&drbg, seed);
			}
			generate(&drbg, out, 4);
			generate(&drbg, out, 4);
			cr_assert_arr_eq(out, expected, 64, "%s: vector %zu", ops->name, i);
		}
	}
}

Test(rng_drbg, requests_of_any_size_are_one_stream)
{
	static uint8_t whole[4 * RNG_POOL_LEN], parts[4 * RNG_POOL_LEN];
	uint8_t seed[RNG_SEED_LEN] = { 7 };
	struct rng_drbg a, b;
	struct rng from_a, from_b;
	size_t at = 0;

	rng_drbg_init_replay(&a, crypto_select(), seed);
	rng_drbg_init_replay(&b, crypto_select(), seed);
	from_a = rng_drbg_source(&a);
	from_b = rng_drbg_source(&b);
	rng_fill(&from_a, whole, sizeof whole);
	for (size_t n = 0; at < sizeof parts; n = (n + 1) % 41) {
		if (n > sizeof parts - at)
			n = sizeof parts - at;
		rng_fill(&from_b, parts + at, n);
		at += n;
	}
	cr_assert_arr_eq(parts, whole, sizeof whole);
	cr_assert_neq(memcmp(whole, whole + RNG_POOL_LEN, RNG_POOL_LEN), 0);
}

Test(rng_drbg, what_was_used_is_wiped)
{
	static const uint8_t zeros[RNG_POOL_LEN + RNG_SEED_LEN];
	uint8_t seed[RNG_SEED_LEN] = { 9 }, out[RNG_POOL_LEN], key[CRYPTO_AES_KEY_LEN];
	struct rng_drbg drbg;
	struct rng rng;

	rng_drbg_init_replay(&drbg, crypto_select(), seed);
	memcpy(key, drbg.key, sizeof key);
	rng = rng_drbg_source(&drbg);
	rng_fill(&rng, out, 100);
	cr_assert_arr_eq(drbg.pool, zeros, 100);
	cr_assert_neq(memcmp(drbg.pool + 100, zeros, 32), 0);
	cr_assert_arr_eq(drbg.pool + RNG_POOL_LEN, zeros, RNG_SEED_LEN);
	cr_assert_neq(memcmp(key, drbg.key, sizeof key), 0, "the key that made the pool is gone");
	rng_fill(&rng, out, RNG_POOL_LEN - 100);
	cr_assert_arr_eq(drbg.pool, zeros, sizeof zeros);
	rng_drbg_fini(&drbg);
	cr_assert_arr_eq(drbg.key, zeros, sizeof drbg.key);
	cr_assert_arr_eq(drbg.v, zeros, sizeof drbg.v);
}

static unsigned asked, failures;

static int
counted_entropy(uint8_t seed[RNG_SEED_LEN])
{
	asked++;
	memset(seed, (int)asked, RNG_SEED_LEN);
	return asked <= failures ? -EAGAIN : 0;
}

static void
use_pools(struct rng_drbg *drbg, unsigned pools)
{
	uint8_t out[RNG_POOL_LEN];
	struct rng rng = rng_drbg_source(drbg);

	while (pools-- != 0)
		rng_fill(&rng, out, sizeof out);
}

Test(rng_drbg, reseeds_after_its_interval_and_tries_again)
{
	uint8_t seed[RNG_SEED_LEN] = { 1 };
	struct rng_drbg drbg, twin;

	rng_drbg_init_replay(&drbg, crypto_select(), seed);
	rng_drbg_init_replay(&twin, crypto_select(), seed);
	drbg.entropy = counted_entropy;
	failures = 2;
	use_pools(&drbg, RNG_RESEED_POOLS);
	cr_assert_eq(asked, 0u);
	use_pools(&drbg, 2);
	cr_assert_eq(asked, 2u, "asked again after a failure");
	use_pools(&twin, RNG_RESEED_POOLS + 2);
	cr_assert_arr_eq(drbg.key, twin.key, sizeof drbg.key, "a failed reseed changes nothing");
	use_pools(&drbg, 1);
	use_pools(&twin, 1);
	cr_assert_eq(asked, 3u);
	cr_assert_neq(memcmp(drbg.key, twin.key, sizeof drbg.key), 0);
	use_pools(&drbg, RNG_RESEED_POOLS - 1);
	cr_assert_eq(asked, 3u);
	use_pools(&drbg, 1);
	cr_assert_eq(asked, 4u);
}

Test(rng_drbg, kernel_seeds_differ)
{
	struct rng_drbg a, b;
	struct rng from_a, from_b;
	uint8_t one[16], two[16], seed[RNG_SEED_LEN];

	cr_assert_eq(rng_drbg_init(&a, crypto_select()), 0);
	cr_assert_eq(rng_drbg_init(&b, crypto_select()), 0);
	from_a = rng_drbg_source(&a);
	from_b = rng_drbg_source(&b);
	rng_fill(&from_a, one, sizeof one);
	rng_fill(&from_b, two, sizeof two);
	cr_assert_neq(memcmp(one, two, sizeof one), 0);
	cr_assert_eq(a.entropy(seed), 0);
}
