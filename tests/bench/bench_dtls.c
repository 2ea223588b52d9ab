/*
 * bench_dtls.c - what the DTLS server costs, beside the sum of its primitives and mbedTLS as shipped, in one run.
 *
 * usage: bench_dtls [--quick] [--json FILE]
 *
 *	handshake_us          the server's side of a whole handshake, cookie included
 *	handshake_floor_us    the very compressions and AES-CCM calls of it, on the same data sizes, and nothing else
 *	handshake_mbedtls_us  the same by Debian's mbedTLS, its server calls alone
 *	record_pair_us        opening a record of 100 bytes and sealing one
 *	record_pair_floor_us  its two AES-CCM calls
 *	hello_verify_us       a ClientHello answered with a HelloVerifyRequest
 *	bytes_per_handshake, bytes_per_dtls_session
 *
 * The candidates take turns within a round; a figure is the median of the rounds, so a noisy neighbour hits all alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ssl_cookie.h>

#include "tests/support/dtls_client.h"
#include "tests/support/dtls_mbedtls.h"

enum { ROUNDS = 41, HANDSHAKES = 200, RECORDS = 1000, RECORD_CONTENT = 100, CALLS_MAX = 128 };

static const struct dtls_world_credential known[] = { { "urn:dev:one", 11, "0123456789abcdef", 16 } };

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *values, unsigned n)
{
	qsort(values, n, sizeof *values, compare);
	return values[n / 2];
}

/* ---- the primitives of a handshake, recorded ------------------------------------------------------------------- */

enum call_kind { CALL_BLOCKS, CALL_LANES, CALL_SEAL, CALL_OPEN };

static struct {
	enum call_kind kind;
	unsigned n;
	size_t blocks;
	uint16_t len, aad_len;
} calls[CALLS_MAX];
static unsigned n_calls;
static const struct crypto_ops *real;

static void
log_call(enum call_kind kind, unsigned n, size_t blocks, const struct crypto_ccm *ccm)
{
	if (n == 0)
		return;
	if (n_calls == CALLS_MAX)
		abort();
	calls[n_calls].kind = kind;
	calls[n_calls].n = n;
	calls[n_calls].blocks = blocks;
	calls[n_calls].len = ccm ? ccm->len : 0;
	calls[n_calls++].aad_len = ccm ? ccm->aad_len : 0;
}

static void
logged_blocks(uint32_t h[8], const uint8_t *data, size_t blocks)
{
	log_call(CALL_BLOCKS, 1, blocks, NULL);
	real->sha256_blocks(h, data, blocks);
}

static void
logged_lanes(const struct crypto_lane *lanes, unsigned n, size_t blocks)
{
	log_call(CALL_LANES, n, blocks, NULL);
	real->sha256_lanes(lanes, n, blocks);
}

static void
logged_seal(struct crypto_ccm *records, unsigned n)
{
	log_call(CALL_SEAL, n, 0, records);
	real->ccm8_seal(records, n);
}

static void
logged_open(struct crypto_ccm *records, unsigned n)
{
	log_call(CALL_OPEN, n, 0, records);
	real->ccm8_open(records, n);
}

static void
replay_calls(void)
{
	static uint8_t data[2048];
	static uint32_t h[2][8];
	struct crypto_lane lanes[2] = { { h[0], data }, { h[1], data + 512 } };

	for (unsigned i = 0; i < n_calls; i++) {
		struct crypto_ccm ccm = {
			.key = data, .nonce = data + 16, .aad = data + 32, .aad_len = calls[i].aad_len,
			.in = data + 256, .out = data + 256, .len = calls[i].len,
		};

		switch (calls[i].kind) {
		case CALL_BLOCKS:
			real->sha256_blocks(h[0], data, calls[i].blocks);
			break;
		case CALL_LANES:
			real->sha256_lanes(lanes, calls[i].n, calls[i].blocks);
			break;
		case CALL_SEAL:
			real->ccm8_seal(&ccm, 1);
			break;
		case CALL_OPEN:
			real->ccm8_open(&ccm, 1);
			break;
		}
	}
}

static unsigned
compressions(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_calls; i++)
		n += calls[i].n * (unsigned)calls[i].blocks;
	return n;
}

/* ---- our handshake, from recorded clients ------------------------------------------------------------------------ */

static struct recording {
	uint64_t random; /* the server's generator before it */
	size_t len[3];
	uint8_t datagram[3][256];
} recordings[HANDSHAKES];
static struct dtls_world world;

static void
record_client(struct recording *recording, unsigned i)
{
	struct test_client client;
	uint8_t copy[DTLS_WORLD_DATAGRAM], reply[DTLS_WORLD_DATAGRAM];

	client_init(&client, real, &known[0]);
	memcpy(client.random, &i, sizeof i);
	recording->random = world.random;
	for (int flight = 0; flight < 3; flight++) {
		recording->len[flight] = flight < 2 ? client_hello(&client, recording->datagram[flight]) :
						      client_last_flight(&client, recording->datagram[flight]);
		memcpy(copy, recording->datagram[flight], recording->len[flight]);
		client_take(&client, reply, dtls_world_receive(&world, copy, recording->len[flight], reply));
	}
	if (client.finished != 1)
		abort();
}

static void
replay_client(const struct recording *recording)
{
	uint8_t datagram[256], reply[DTLS_WORLD_DATAGRAM];

	world.random = recording->random;
	world.has_session = false;
	for (int flight = 0; flight < 3; flight++) {
		memcpy(datagram, recording->datagram[flight], recording->len[flight]);
		dtls_world_receive(&world, datagram, recording->len[flight], reply);
	}
	if (!world.has_session)
		abort();
}

static void
prepare(void)
{
	struct crypto_ops logging;

	dtls_world_init(&world, real, known, 1);
	for (unsigned i = 0; i < HANDSHAKES; i++)
		record_client(&recordings[i], i);
	logging = *real;
	logging.sha256_blocks = logged_blocks;
	logging.sha256_lanes = logged_lanes;
	logging.ccm8_seal = logged_seal;
	logging.ccm8_open = logged_open;
	world.server.ops = &logging;
	replay_client(&recordings[0]);
	world.server.ops = real;
}

static double
run_ours(void)
{
	double start = now_us();

	for (unsigned i = 0; i < HANDSHAKES; i++)
		replay_client(&recordings[i]);
	return (now_us() - start) / HANDSHAKES;
}

static double
run_floor(void)
{
	double start = now_us();

	for (unsigned i = 0; i < HANDSHAKES; i++)
		replay_calls();
	return (now_us() - start) / HANDSHAKES;
}

static double
run_verify(void)
{
	uint8_t datagram[256], reply[DTLS_WORLD_DATAGRAM];
	double start = now_us();

	for (unsigned i = 0; i < HANDSHAKES; i++) {
		memcpy(datagram, recordings[i].datagram[0], recordings[i].len[0]);
		dtls_world_receive(&world, datagram, recordings[i].len[0], reply);
	}
	return (now_us() - start) / HANDSHAKES;
}

/* ---- records --------------------------------------------------------------------------------------------------- */

static struct dtls_session association;
static uint8_t sealed[RECORDS][256];
static size_t sealed_len;

/* Both directions under the same key, so that what was sealed can be opened. */
static void
prepare_records(void)
{
	uint8_t content[RECORD_CONTENT] = { 0 };

	memcpy(association.keys.client_key, "0123456789abcdef", DTLS_KEY);
	memcpy(association.keys.server_key, "0123456789abcdef", DTLS_KEY);
	for (unsigned i = 0; i < RECORDS; i++) {
		struct writer out = writer_init(sealed[i], sizeof sealed[i]);

		dtls_write_sealed(real, &association, DTLS_APPLICATION_DATA, content, sizeof content, &out);
		sealed_len = writer_len(&out);
	}
}

/* Bursts of n: walk, open, seal. */
static double
run_pairs(unsigned n)
{
	static uint8_t datagram[DTLS_BURST][256], answer[DTLS_BURST][256];
	static struct dtls_opening openings[DTLS_BURST];
	static struct dtls_sealing sealings[DTLS_BURST];
	struct counters counters = { 0 };
	double start;

	association.window = (struct dtls_window){ 0 };
	start = now_us();
	for (unsigned at = 0; at + n <= RECORDS; at += n) {
		for (unsigned i = 0; i < n; i++) {
			struct dtls_walk walk = { datagram[i], datagram[i] + sealed_len };

			memcpy(datagram[i], sealed[at + i], sealed_len);
			openings[i].session = &association;
			if (!dtls_record_next(&walk, &openings[i].record, &counters))
				abort();
		}
		dtls_open(real, openings, n);
		for (unsigned i = 0; i < n; i++) {
			if (openings[i].outcome != COUNTER_dtls_rx_opened)
				abort();
			sealings[i].session = &association;
			sealings[i].record = answer[i];
			sealings[i].length = RECORD_CONTENT;
			sealings[i].type = DTLS_APPLICATION_DATA;
		}
		dtls_seal(real, sealings, n);
	}
	return (now_us() - start) / (RECORDS / n * n);
}

static double
run_pairs_floor(unsigned n)
{
	static uint8_t data[DTLS_BURST][256], keys[32];
	struct crypto_ccm ccm[DTLS_BURST];
	double start = now_us();

	for (unsigned at = 0; at + n <= RECORDS; at += n) {
		for (unsigned i = 0; i < n; i++)
			ccm[i] = (struct crypto_ccm){ .key = keys, .nonce = keys, .aad = keys, .aad_len = 13,
						      .in = data[i], .out = data[i], .len = RECORD_CONTENT };
		real->ccm8_open(ccm, n);
		real->ccm8_seal(ccm, n);
	}
	return (now_us() - start) / (RECORDS / n * n);
}

/* ---- mbedTLS --------------------------------------------------------------------------------------------------- */

static struct mbed_server {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_ssl_cookie_ctx cookies;
	struct net net; /* its queues; the world in it is not used */
	uint32_t timer;
} mbed;

static int
mbed_server_send(void *ctx, const unsigned char *data, size_t len)
{
	net_put(&mbed.net.to_client, data, len);
	return (int)len;
}

static int
mbed_server_receive(void *ctx, unsigned char *data, size_t size)
{
	size_t len = net_get(&mbed.net.to_server, data, size);

	return len ? (int)len : MBEDTLS_ERR_SSL_WANT_READ;
}

static void
mbed_server_set_timer(void *ctx, uint32_t intermediate_ms, uint32_t final_ms)
{
	mbed.timer = final_ms;
}

static int
mbed_server_get_timer(void *ctx)
{
	return mbed.timer ? 0 : -1;
}

static void
prepare_mbedtls(void)
{
	static int suites[] = { MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0 };

	mbedtls_ssl_init(&mbed.ssl);
	mbedtls_ssl_config_init(&mbed.config);
	mbedtls_ssl_cookie_init(&mbed.cookies);
	mbed.net.index = UINT32_MAX;
	if (mbedtls_ssl_config_defaults(&mbed.config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					MBEDTLS_SSL_PRESET_DEFAULT) ||
	    mbedtls_ssl_cookie_setup(&mbed.cookies, mbed_random, NULL))
		abort();
	mbedtls_ssl_conf_ciphersuites(&mbed.config, suites);
	mbedtls_ssl_conf_rng(&mbed.config, mbed_random, NULL);
	mbedtls_ssl_conf_psk(&mbed.config, known[0].key, known[0].key_len, known[0].identity,
			     known[0].identity_len);
	mbedtls_ssl_conf_dtls_cookies(&mbed.config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check,
				      &mbed.cookies);
	if (mbedtls_ssl_setup(&mbed.ssl, &mbed.config))
		abort();
	mbedtls_ssl_set_bio(&mbed.ssl, NULL, mbed_server_send, mbed_server_receive, NULL);
	mbedtls_ssl_set_timer_cb(&mbed.ssl, NULL, mbed_server_set_timer, mbed_server_get_timer);
}

static void
mbed_server_reset(void)
{
	if (mbedtls_ssl_session_reset(&mbed.ssl) ||
	    mbedtls_ssl_set_client_transport_id(&mbed.ssl, (const unsigned char *)"peer", 4))
		abort();
}

/* One handshake; returns the microseconds of the server's calls. */
static double
mbed_one(void)
{
	struct mbed_client client;
	double spent = 0;
	int result = -1, client_result = -1;

	mbed_init(&client, &mbed.net, &known[0]);
	mbed_start(&client);
	for (int turn = 0; turn < 10 && (result || client_result); turn++) {
		double start;

		client_result = mbedtls_ssl_handshake(&client.ssl);
		start = now_us();
		if (turn == 0)
			mbed_server_reset();
		if (result != 0)
			result = mbedtls_ssl_handshake(&mbed.ssl);
		if (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED)
			mbed_server_reset();
		spent += now_us() - start;
	}
	if (result || client_result)
		abort();
	mbed_fini(&client);
	return spent;
}

static double
run_mbedtls(void)
{
	double sum = 0;

	for (int i = 0; i < 20; i++)
		sum += mbed_one();
	return sum / 20;
}

/* ---- report ---------------------------------------------------------------------------------------------------- */

static double
run_pair(void)
{
	return run_pairs(1);
}

static double
run_pair_floor(void)
{
	return run_pairs_floor(1);
}

static double
run_burst(void)
{
	return run_pairs(DTLS_BURST);
}

static double
run_burst_floor(void)
{
	return run_pairs_floor(DTLS_BURST);
}

static struct figure {
	const char *key, *text;
	double (*run)(void); /* NULL: a constant */
	double value;
	double rounds[ROUNDS];
} figures[] = {
	{ "handshake_us", "server side of a handshake, cookie included", run_ours },
	{ "handshake_floor_us", "the sum of its primitives", run_floor },
	{ "handshake_mbedtls_us", "the same by mbedTLS as shipped", run_mbedtls },
	{ "hello_verify_us", "a ClientHello answered with HelloVerifyRequest", run_verify },
	{ "record_pair_us", "a record of 100 bytes opened and one sealed", run_pair },
	{ "record_pair_floor_us", "its two AES-CCM calls", run_pair_floor },
	{ "record_pair_burst_us", "the same in bursts of 32", run_burst },
	{ "record_pair_burst_floor_us", "its AES-CCM calls", run_burst_floor },
	{ "bytes_per_handshake", "state of a running handshake", NULL, sizeof(struct dtls_handshake) },
	{ "bytes_per_dtls_session", "state of an association", NULL, sizeof(struct dtls_session) },
};

enum { FIGURES = sizeof figures / sizeof figures[0] };

static int
write_json(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return -1;
	for (unsigned i = 0; i < FIGURES; i++)
		fprintf(file, "%s\"%s\": %.4f", i ? ", " : "{", figures[i].key, figures[i].value);
	fprintf(file, "}\n");
	return fclose(file);
}

int
main(int argc, char **argv)
{
	unsigned rounds = ROUNDS;
	const char *json = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			rounds = 11;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			json = argv[++i];
		else
			return fprintf(stderr, "usage: bench_dtls [--quick] [--json FILE]\n"), 2;
	}
	real = crypto_select();
	prepare();
	prepare_records();
	prepare_mbedtls();
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < FIGURES; i++)
			if (figures[i].run)
				figures[i].rounds[round] = figures[i].run();
	printf("crypto backend %s; %u SHA-256 compressions a handshake\n", real->name, compressions());
	for (unsigned i = 0; i < FIGURES; i++) {
		if (figures[i].run)
			figures[i].value = median(figures[i].rounds, rounds);
		printf("  %-28s %10.3f  %s\n", figures[i].key, figures[i].value, figures[i].text);
	}
	return json && write_json(json) ? 1 : 0;
}
