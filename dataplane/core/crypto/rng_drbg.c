#include "dataplane/core/crypto/rng_drbg.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static int
kernel_entropy(uint8_t seed[RNG_SEED_LEN])
{
	/* Up to 256 bytes come whole or not at all (getrandom(2)). */
	ssize_t n = getrandom(seed, RNG_SEED_LEN, GRND_NONBLOCK);

	return n == RNG_SEED_LEN ? 0 : -EAGAIN;
}

static void
increment(uint8_t v[CRYPTO_AES_BLOCK])
{
	for (int i = CRYPTO_AES_BLOCK - 1; i >= 0; i--) {
		if (++v[i] != 0)
			return;
	}
}

/*
 * SP 800-90A 10.2.1.5.1 and the update that ends it: `blocks` blocks into `out`, and two more
 * behind them, which are the next key and v, since the update's input is zero and its counter goes
 * on where the output's stopped.
 */
static void
generate(struct rng_drbg *drbg, uint8_t *out, size_t blocks)
{
	uint8_t *next = out + blocks * CRYPTO_AES_BLOCK;

	increment(drbg->v);
	drbg->ops->ctr_stream(drbg->key, drbg->v, out, blocks + 2);
	memcpy(drbg->key, next, sizeof drbg->key);
	memcpy(drbg->v, next + sizeof drbg->key, sizeof drbg->v);
	crypto_wipe(next, RNG_SEED_LEN);
}

/*
 * SP 800-90A 10.2.1.2: the update with the seed, of a fresh state (10.2.1.3.1) or a running one
 * (10.2.1.4.1).
 */
static void
update(struct rng_drbg *drbg, const uint8_t seed[RNG_SEED_LEN])
{
	uint8_t next[RNG_SEED_LEN];

	increment(drbg->v);
	drbg->ops->ctr_stream(drbg->key, drbg->v, next, 2);
	for (int i = 0; i < RNG_SEED_LEN; i++)
		next[i] ^= seed[i];
	memcpy(drbg->key, next, sizeof drbg->key);
	memcpy(drbg->v, next + sizeof drbg->key, sizeof drbg->v);
	crypto_wipe(next, sizeof next);
	drbg->pools = 0;
}

static void
reseed(struct rng_drbg *drbg)
{
	uint8_t seed[RNG_SEED_LEN];

	if (drbg->entropy(seed) == 0)
		update(drbg, seed);
	crypto_wipe(seed, sizeof seed);
}

static void
refill(struct rng_drbg *drbg)
{
	if (drbg->pools >= RNG_RESEED_POOLS && drbg->entropy != NULL)
		reseed(drbg);
	generate(drbg, drbg->pool, RNG_POOL_LEN / CRYPTO_AES_BLOCK);
	drbg->pools++;
	drbg->used = 0;
}

/* Of what the pool has left. */
static inline void
take(struct rng_drbg *drbg, uint8_t *bytes, size_t len)
{
	uint8_t *from = drbg->pool + drbg->used;

	memcpy(bytes, from, len);
	crypto_wipe(from, len);
	drbg->used += (uint32_t)len;
}

static void
fill(void *ctx, uint8_t *bytes, size_t len)
{
	struct rng_drbg *drbg = ctx;
	size_t left;

	while (len > (left = RNG_POOL_LEN - drbg->used)) {
		take(drbg, bytes, left);
		bytes += left;
		len -= left;
		refill(drbg);
	}
	take(drbg, bytes, len);
}

void
rng_drbg_init_replay(struct rng_drbg *drbg, const struct crypto_ops *ops,
		     const uint8_t seed[RNG_SEED_LEN])
{
	memset(drbg, 0, sizeof *drbg);
	drbg->ops = ops;
	drbg->used = RNG_POOL_LEN;
	update(drbg, seed);
}

int
rng_drbg_init(struct rng_drbg *drbg, const struct crypto_ops *ops)
{
	uint8_t seed[RNG_SEED_LEN];
	ssize_t n;

	do {
		n = getrandom(seed, sizeof seed, 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof seed)
		return n < 0 ? -errno : -EIO;
	rng_drbg_init_replay(drbg, ops, seed);
	drbg->entropy = kernel_entropy;
	crypto_wipe(seed, sizeof seed);
	return 0;
}

void
rng_drbg_fini(struct rng_drbg *drbg)
{
	crypto_wipe(drbg, sizeof *drbg);
}

struct rng
rng_drbg_source(struct rng_drbg *drbg)
{
	return (struct rng){ .fill = fill, .ctx = drbg };
}
