/*
 * rng_drbg.h - a worker's own random generator: CTR_DRBG with AES-128, no derivation function (NIST
 * SP 800-90A 10.2.1).
 *
 * Output is made a pool at a time, so a short request is a copy; bytes handed out are wiped from
 * the pool, and the key that made them is gone already, so whoever reads the state later learns
 * nothing of the past. Reseeded from the kernel every RNG_RESEED_POOLS pools without waiting for
 * it: a reseed that fails is tried again at the next pool (the standard's own limit is 2^48).
 *
 * Owner: the worker, in its own memory; one thread. Does not allocate; a reseed is one getrandom()
 * of 32 bytes. Life: rng_drbg_init() -> rng_drbg_source() -> { rng_fill() }* -> rng_drbg_fini(),
 * which wipes.
 */
#pragma once

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/rng.h"

enum {
	RNG_SEED_LEN = 32, /* SP 800-90A table 3: key and block length of AES-128 */
	RNG_POOL_LEN = 512,
	RNG_RESEED_POOLS = 1024, /* half a megabyte of output */
};

struct rng_drbg {
	const struct crypto_ops *ops;
	/*
	 * Writes a whole seed, or returns -errno: the kernel's, or what a test injects. Must not
	 * wait.
	 */
	int (*entropy)(uint8_t seed[RNG_SEED_LEN]);
	uint8_t key[CRYPTO_AES_KEY_LEN];
	uint8_t v[CRYPTO_AES_BLOCK];
	uint32_t pools; /* made since the last seed */
	uint32_t used;  /* bytes of the pool that were handed out */
	uint8_t pool[RNG_POOL_LEN +
		     RNG_SEED_LEN]; /* the end is the next key and v, taken at once */
};

/*
 * Seeds from the kernel, waiting until it has entropy (at boot). 0, or -errno and nothing to be
 * used.
 */
int rng_drbg_init(struct rng_drbg *drbg, const struct crypto_ops *ops)
	__attribute__((warn_unused_result));
/* Seeds from these bytes instead and never reseeds: for tests that replay. */
void rng_drbg_init_replay(struct rng_drbg *drbg, const struct crypto_ops *ops,
			  const uint8_t seed[RNG_SEED_LEN]);
void rng_drbg_fini(struct rng_drbg *drbg);

/* The generator as the core takes it. `drbg` must outlive it. */
struct rng rng_drbg_source(struct rng_drbg *drbg);
