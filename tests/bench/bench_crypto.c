/*
 * bench_crypto - nanoseconds of every primitive, for each backend that this CPU runs, side by side.
 *
 * usage: bench_crypto [--quick] [--json FILE]
 *
 * All measurements take turns, many short rounds each, and the best round counts: what another
 * program on the machine takes is not ours. Keys of the JSON: NAME_ns for the best backend,
 * NAME_mbedtls_ns for the portable one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/rng_drbg.h"

enum {
	BACKENDS_MAX = 4,
	BURST = 16,
	RECORD_MAX = 300,
	ROUND_NS = 200 * 1000,
};

/* What every measurement works on. */
struct bench {
	const struct crypto_ops *ops;
	struct crypto_hmac_key key;
	struct rng_drbg drbg;
	struct crypto_ccm records[BURST];
	uint8_t keys[BURST][16];
	uint8_t buffers[BURST][RECORD_MAX + 8];
	uint32_t h[2][8];
	uint8_t data[64];
	uint8_t out[64];
};

static void
sha_block(struct bench *bench)
{
	bench->ops->sha256_blocks(bench->h[0], bench->data, 1);
}

static void
sha_two_blocks(struct bench *bench)
{
	struct crypto_lane lanes[2] = { { bench->h[0], bench->data },
					{ bench->h[1], bench->data } };

	bench->ops->sha256_lanes(lanes, 2, 1);
}

static void
hmac_key(struct bench *bench)
{
	crypto_hmac_key_init(bench->ops, &bench->key, bench->data, 48);
}

static void
hmac_50(struct bench *bench)
{
	struct crypto_piece piece = { bench->data, 50 };

	crypto_hmac(bench->ops, &bench->key, &piece, 1, bench->out);
}

static void
prf(struct bench *bench, const struct crypto_hmac_key *key, const char *label, size_t seed,
    size_t len)
{
	uint8_t out[64];
	struct crypto_prf job = { key, label, { { bench->data, seed } }, out, len };

	crypto_prf(bench->ops, &job, 1);
	bench->out[0] ^= out[0];
}

/*
 * RFC 7627 4, RFC 5246 6.3 and 7.4.9: the master secret and what follows from it; two keys
 * prepared.
 */
static void
four_prfs(struct bench *bench)
{
	struct crypto_hmac_key key;

	crypto_hmac_key_init(bench->ops, &key, bench->data, 36);
	prf(bench, &key, "extended master secret", 32, 48);
	crypto_hmac_key_init(bench->ops, &key, bench->data, 48);
	prf(bench, &key, "key expansion", 64, 40);
	prf(bench, &key, "client finished", 32, 12);
	prf(bench, &key, "server finished", 32, 12);
}

static void
prepare(struct bench *bench, unsigned n, uint16_t len)
{
	for (unsigned i = 0; i < n; i++) {
		bench->records[i] = (struct crypto_ccm){
			.key = bench->keys[i],
			.nonce = bench->data,
			.aad = bench->data,
			.aad_len = 13,
			.in = bench->buffers[i],
			.out = bench->buffers[i],
			.len = len,
		};
	}
}

static void
pair_of_records(struct bench *bench, unsigned n, uint16_t len)
{
	prepare(bench, n, len);
	bench->ops->ccm8_seal(bench->records, n);
	bench->ops->ccm8_open(bench->records, n);
	if (!bench->records[0].ok || !bench->records[n - 1].ok)
		abort();
}

static void
seal_100(struct bench *bench)
{
	prepare(bench, 1, 100);
	bench->ops->ccm8_seal(bench->records, 1);
}

static void
seal_300(struct bench *bench)
{
	prepare(bench, 1, 300);
	bench->ops->ccm8_seal(bench->records, 1);
}

static void
pair_100(struct bench *bench)
{
	pair_of_records(bench, 1, 100);
}

static void
pair_300(struct bench *bench)
{
	pair_of_records(bench, 1, 300);
}

static void
burst_100(struct bench *bench)
{
	pair_of_records(bench, BURST, 100);
}

static void
burst_300(struct bench *bench)
{
	pair_of_records(bench, BURST, 300);
}

static void
cbc_open_100(struct bench *bench)
{
	uint8_t header[13] = { 0 }, wire[256];
	struct crypto_cbc_keys keys = { .mac = bench->key };
	struct crypto_cbc record = { &keys, header, sizeof header, 100, bench->buffers[0], wire };
	const uint8_t *content;

	record.len = (uint16_t)crypto_cbc_seal(bench->ops, &record, bench->data);
	record.in = wire;
	if (crypto_cbc_open(bench->ops, &record, &content) != 100)
		abort();
}

static void
random_8(struct bench *bench)
{
	struct rng rng = rng_drbg_source(&bench->drbg);

	rng_fill(&rng, bench->out, 8);
}

static const struct item {
	const char *name, *text;
	void (*run)(struct bench *bench);
	unsigned units; /* that one run does */
} items[] = {
	{ "sha256_block", "SHA-256 compression, one stream", sha_block, 1 },
	{ "sha256_block_of_two", "SHA-256 compression, two streams in step, each", sha_two_blocks,
	  2 },
	{ "hmac_key", "HMAC key prepared", hmac_key, 1 },
	{ "hmac_50", "HMAC of 50 bytes", hmac_50, 1 },
	{ "handshake_prfs", "the four PRFs of a handshake, keys prepared", four_prfs, 1 },
	{ "ccm8_seal_100", "CCM-8, 100 bytes sealed alone", seal_100, 1 },
	{ "ccm8_seal_300", "CCM-8, 300 bytes sealed alone", seal_300, 1 },
	{ "ccm8_100", "CCM-8, 100 bytes, seal or open alone", pair_100, 2 },
	{ "ccm8_300", "CCM-8, 300 bytes, seal or open alone", pair_300, 2 },
	{ "ccm8_100_burst", "CCM-8, 100 bytes, seal or open, 16 a burst", burst_100, 2 * BURST },
	{ "ccm8_300_burst", "CCM-8, 300 bytes, seal or open, 16 a burst", burst_300, 2 * BURST },
	{ "cbc_pair_100", "CBC-SHA256, 100 bytes, sealed and opened", cbc_open_100, 1 },
	{ "random_8", "8 random bytes", random_8, 1 },
};

enum { ITEMS = sizeof items / sizeof items[0] };

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* Nanoseconds a unit over `runs` runs. */
static double
measure(const struct item *item, struct bench *bench, unsigned runs)
{
	double start = now_ns();

	for (unsigned i = 0; i < runs; i++)
		item->run(bench);
	return (now_ns() - start) / runs / item->units;
}

/* As many runs as fill a round. */
static unsigned
calibrate(const struct item *item, struct bench *bench)
{
	unsigned runs = 1;

	while (measure(item, bench, runs) * runs * item->units < ROUND_NS && runs < 1u << 20)
		runs *= 2;
	return runs;
}

static unsigned
open_backends(struct bench benches[BACKENDS_MAX])
{
	unsigned n = 0;

	for (; n < BACKENDS_MAX && (benches[n].ops = crypto_backend(n)) != NULL; n++) {
		const char *failed = crypto_selftest(benches[n].ops);

		if (failed != NULL) {
			fprintf(stderr, "bench_crypto: %s: %s failed\n", benches[n].ops->name,
				failed);
			exit(1);
		}
		for (int i = 0; i < BURST; i++)
			benches[n].keys[i][0] = (uint8_t)i;
		if (rng_drbg_init(&benches[n].drbg, benches[n].ops) != 0)
			exit(1);
		hmac_key(&benches[n]);
	}
	return n;
}

static void
print(double best[BACKENDS_MAX][ITEMS], const struct bench *benches, unsigned n)
{
	printf("%-50s", "ns");
	for (unsigned b = 0; b < n; b++)
		printf(" %20s", benches[b].ops->name);
	putchar('\n');
	for (unsigned i = 0; i < ITEMS; i++) {
		printf("%-50s", items[i].text);
		for (unsigned b = 0; b < n; b++)
			printf(" %20.1f", best[b][i]);
		putchar('\n');
	}
}

static int
write_json(const char *path, double best[BACKENDS_MAX][ITEMS], unsigned n)
{
	FILE *file = fopen(path, "w");

	if (file == NULL) {
		perror(path);
		return 1;
	}
	for (unsigned i = 0; i < ITEMS; i++)
		fprintf(file, "%s\"%s_ns\": %.2f,\n \"%s_mbedtls_ns\": %.2f", i ? ",\n " : "{\n ",
			items[i].name, best[0][i], items[i].name, best[n - 1][i]);
	fputs("\n}\n", file);
	return fclose(file) == 0 ? 0 : 1;
}

static void
run(struct bench *benches, unsigned n, unsigned rounds, double best[BACKENDS_MAX][ITEMS])
{
	unsigned runs[BACKENDS_MAX][ITEMS];

	for (unsigned round = 0; round <= rounds; round++) {
		for (unsigned i = 0; i < ITEMS; i++) {
			for (unsigned b = 0; b < n; b++) {
				double ns;

				if (round == 0) {
					runs[b][i] = calibrate(&items[i], &benches[b]);
					best[b][i] = 1e18;
					continue;
				}
				ns = measure(&items[i], &benches[b], runs[b][i]);
				if (ns < best[b][i])
					best[b][i] = ns;
			}
		}
	}
}

int
main(int argc, char **argv)
{
	static struct bench benches[BACKENDS_MAX];
	static double best[BACKENDS_MAX][ITEMS];
	const char *json = NULL;
	unsigned rounds = 200, n;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			rounds = 40;
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json = argv[++i];
		} else {
			fputs("usage: bench_crypto [--quick] [--json FILE]\n", stderr);
			return 2;
		}
	}
	n = open_backends(benches);
	run(benches, n, rounds, best);
	print(best, benches, n);
	return json != NULL ? write_json(json, best, n) : 0;
}
