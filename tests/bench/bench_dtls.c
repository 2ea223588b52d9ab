/*
 * bench_dtls.c - what the DTLS server costs, beside the sum of its primitives and mbedTLS as
 * shipped, in one run.
 *
 * usage: bench_dtls [--quick] [--json FILE]
 *
 *	handshake_us          the server's side of a handshake, cookie and random bytes included
 *	handshake_floor_us    its primitives alone: the very hash, HMAC and AES-CCM calls, recorded
 *	                      of one, made directly on inputs of the same sizes, and the cookies'
 *	                      SipHash and the random bytes; one by one, see replay_calls()
 *	handshake_mbedtls_us  the same by Debian's mbedTLS, its server calls alone
 *	handshake_openssl_us  the same by Debian's OpenSSL
 *	record_pair_us        opening a record of 100 bytes and sealing one; pair after pair, each
 *	                      waiting for the one before, see settle()
 *	record_pair_floor_us  its two AES-CCM calls on prepared nonces, additional data and
 *	                      records; they wait alike
 *	record_pair_stream_us, record_pair_burst_us and their floors
 *	                      without waiting; and 32 records a call
 *	hello_verify_us       a ClientHello answered with a HelloVerifyRequest
 *	bytes_per_handshake, bytes_per_dtls_session
 *
 * The candidates take turns within a round, so a noisy neighbour hits all alike; a figure is the
 * best of the rounds, with the median beside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ssl_cookie.h>

#include "dataplane/core/crypto/rng_drbg.h"
#include "dataplane/core/crypto/siphash.h"
#include "tests/support/dtls_client.h"
#include "tests/bench/openssl_handshake.h"
#include "tests/support/dtls_mbedtls.h"

enum {
	ROUNDS = 201,
	/*
	 * Few enough for the cache to hold what is received, as it holds what a port has just
	 * filled.
	 */
	CLIENTS = 20,
	RECORDS = 64,
	/* Short enough for most rounds to fit between two ticks of the clock. */
	HANDSHAKE_PASSES = 3,
	RECORD_PASSES = 8,
	RECORD_CONTENT = 100,
	CALLS_MAX = 128,
};

static const struct dtls_world_credential known[] = {
	{ "urn:dev:one", 11, "0123456789abcdef", 16 },
};

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

/* ---- the primitives of a handshake, recorded ------------------------------------------------- */

enum call_kind { CALL_BLOCKS, CALL_LANES, CALL_HMAC, CALL_SEAL, CALL_OPEN };

static struct call {
	enum call_kind kind;
	unsigned n;
	size_t blocks;
	struct crypto_ccm ccm; /* of what follows: the record as it was, so that its tag is right */
	uint8_t key[16], nonce[12], aad[CRYPTO_CCM_AAD_MAX], in[128];
} calls[CALLS_MAX];
static unsigned n_calls;
static const struct crypto_ops *real;

static struct call *
log_call(enum call_kind kind, unsigned n, size_t blocks)
{
	if (n_calls == CALLS_MAX)
		abort();
	calls[n_calls].kind = kind;
	calls[n_calls].n = n;
	calls[n_calls].blocks = blocks;
	return &calls[n_calls++];
}

static void
log_ccm(enum call_kind kind, const struct crypto_ccm *ccm, unsigned n)
{
	struct call *call;

	if (n == 0)
		return;
	call = log_call(kind, n, 0);
	if (n != 1 || ccm->len > sizeof call->in - CRYPTO_CCM_TAG_LEN)
		abort();
	call->ccm = *ccm;
	call->ccm.key = memcpy(call->key, ccm->key, sizeof call->key);
	call->ccm.nonce = memcpy(call->nonce, ccm->nonce, sizeof call->nonce);
	call->ccm.aad = memcpy(call->aad, ccm->aad, ccm->aad_len);
	call->ccm.in =
		memcpy(call->in, ccm->in, ccm->len + (kind == CALL_OPEN ? CRYPTO_CCM_TAG_LEN : 0));
}

static void
logged_blocks(uint32_t h[8], const uint8_t *data, size_t blocks)
{
	log_call(CALL_BLOCKS, 1, blocks);
	real->sha256_blocks(h, data, blocks);
}

static void
logged_lanes(const struct crypto_lane *lanes, unsigned n, size_t blocks)
{
	log_call(CALL_LANES, n, blocks);
	real->sha256_lanes(lanes, n, blocks);
}

static void
logged_hmac(const struct crypto_hmac_lane *lanes, unsigned n, size_t blocks)
{
	log_call(CALL_HMAC, n, blocks);
	real->hmac_lanes(lanes, n, blocks);
}

static void
logged_seal(struct crypto_ccm *records, unsigned n)
{
	log_ccm(CALL_SEAL, records, n);
	real->ccm8_seal(records, n);
}

static void
logged_open(struct crypto_ccm *records, unsigned n)
{
	log_ccm(CALL_OPEN, records, n);
	real->ccm8_open(records, n);
}

/* 0, which the compiler does not know: what is multiplied with it must be waited for. */
static inline uint32_t
nothing_of(uint32_t value)
{
	uint32_t zero = 0;

	__asm__ volatile("" : "+r"(zero));
	return value & zero;
}

/*
 * Begins with the hash before it and ends before the one behind it, as keys come from hashes and
 * are followed by them.
 */
static void
replay_ccm(const struct call *call, uint32_t h[8])
{
	static uint8_t out[128];
	struct crypto_ccm ccm = call->ccm;

	ccm.key += nothing_of(h[0]);
	ccm.nonce += nothing_of(h[0]);
	ccm.out = out;
	if (call->kind == CALL_SEAL) {
		real->ccm8_seal(&ccm, 1);
		h[0] ^= nothing_of(out[ccm.len]);
		return;
	}
	real->ccm8_open(&ccm, 1);
	if (!ccm.ok)
		abort();
	h[0] ^= nothing_of(out[0]);
}

/*
 * One primitive after the other: what a call gives goes into the next, as it does in a handshake,
 * or the processor would run two of them at a time.
 */
static void
replay_calls(void)
{
	static uint8_t data[2][512];
	static uint32_t h[2][8], outer[8];
	const struct crypto_lane lanes[2] = { { h[0], data[0] }, { h[1], data[1] } };
	const struct crypto_hmac_lane hmacs[2] = { { h[0], outer, data[0], data[0] },
						   { h[1], outer, data[1], data[1] } };

	for (unsigned i = 0; i < n_calls; i++) {
		switch (calls[i].kind) {
		case CALL_BLOCKS:
			real->sha256_blocks(h[0], data[0], calls[i].blocks);
			break;
		case CALL_LANES:
			real->sha256_lanes(lanes, calls[i].n, calls[i].blocks);
			break;
		case CALL_HMAC:
			real->hmac_lanes(hmacs, calls[i].n, calls[i].blocks);
			memcpy(h[0], data[0], sizeof h[0]);
			break;
		case CALL_SEAL:
		case CALL_OPEN:
			replay_ccm(&calls[i], h[0]);
			break;
		}
	}
}

static unsigned
compressions(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_calls; i++)
		n += calls[i].n * (unsigned)(calls[i].blocks + (calls[i].kind == CALL_HMAC));
	return n;
}

/* ---- our handshake, from recorded clients ---------------------------------------------------- */

static struct recording {
	uint8_t random[64]; /* what the server drew */
	size_t len[3];
	uint8_t datagram[3][256];
	uint8_t received[3][256]; /* copies, which the server writes to */
} recordings[CLIENTS];
static struct dtls_world world;

/*
 * The server's generator: the real one at its real price, but of a replay the bytes are those that
 * the client in the recording was given.
 */
static struct tape {
	struct rng_drbg drbg;
	struct recording *recording;
	size_t at;
	bool replaying;
} tape;

static void
draw(void *ctx, uint8_t *bytes, size_t len)
{
	const struct rng source = rng_drbg_source(&tape.drbg);
	uint8_t *taped = tape.recording->random + tape.at;

	tape.at += len;
	if (tape.at > sizeof tape.recording->random)
		abort();
	rng_fill(&source, bytes, len);
	if (tape.replaying)
		memcpy(bytes, taped, len);
	else
		memcpy(taped, bytes, len);
}

static void
record_client(struct recording *recording, unsigned i)
{
	struct test_client client;
	uint8_t copy[DTLS_WORLD_DATAGRAM], reply[DTLS_WORLD_DATAGRAM];

	client_init(&client, real, &known[0]);
	memcpy(client.random, &i, sizeof i);
	tape.recording = recording;
	tape.at = 0;
	for (int flight = 0; flight < 3; flight++) {
		recording->len[flight] =
			flight < 2 ? client_hello(&client, recording->datagram[flight])
				   : client_last_flight(&client, recording->datagram[flight]);
		memcpy(copy, recording->datagram[flight], recording->len[flight]);
		client_take(&client, reply,
			    dtls_world_receive(&world, copy, recording->len[flight], reply));
	}
	if (client.finished != 1)
		abort();
}

static void
replay_client(struct recording *recording)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM];

	tape.recording = recording;
	tape.at = 0;
	world.has_session = false;
	for (int flight = 0; flight < 3; flight++)
		dtls_world_receive(&world, recording->received[flight], recording->len[flight],
				   reply);
	if (!world.has_session)
		abort();
}

static void
receive_all(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		memcpy(recordings[i].received, recordings[i].datagram,
		       sizeof recordings[i].received);
}

static void
prepare(void)
{
	struct crypto_ops logging;

	dtls_world_init(&world, real, known, 1);
	if (rng_drbg_init(&tape.drbg, real))
		abort();
	world.server.rng.fill = draw;
	for (unsigned i = 0; i < CLIENTS; i++)
		record_client(&recordings[i], i);
	tape.replaying = true;
	logging = *real;
	logging.sha256_blocks = logged_blocks;
	logging.sha256_lanes = logged_lanes;
	logging.hmac_lanes = logged_hmac;
	logging.ccm8_seal = logged_seal;
	logging.ccm8_open = logged_open;
	world.server.ops = &logging;
	receive_all();
	replay_client(&recordings[0]);
	world.server.ops = real;
}

static double
run_ours(void)
{
	double spent = 0;

	for (unsigned pass = 0; pass < HANDSHAKE_PASSES; pass++) {
		double start;

		receive_all();
		start = now_us();
		for (unsigned i = 0; i < CLIENTS; i++)
			replay_client(&recordings[i]);
		spent += now_us() - start;
	}
	return spent / (HANDSHAKE_PASSES * CLIENTS);
}

/* The primitives that no backend has: SipHash of both cookies, and the server's random bytes. */
static void
call_others(void)
{
	enum { HEAD = sizeof(struct peer) + 1 + 2 + DTLS_RANDOM + 1, TAIL = 17, WHOLE = 17 };
	static const struct siphash_key key = { 1, 2 };
	static uint8_t data[HEAD];
	const struct rng source = rng_drbg_source(&tape.drbg);

	for (unsigned cookie = 0; cookie < 2; cookie++) {
		data[0] ^= (uint8_t)siphash13(&key, data, sizeof data);
		data[0] ^= (uint8_t)siphash13(&key, data, TAIL);
		data[0] ^= (uint8_t)siphash13(&key, data, WHOLE);
	}
	rng_fill(&source, data, DTLS_RANDOM);
}

static double
run_floor(void)
{
	double start = now_us();

	for (unsigned i = 0; i < HANDSHAKE_PASSES * CLIENTS; i++) {
		replay_calls();
		call_others();
	}
	return (now_us() - start) / (HANDSHAKE_PASSES * CLIENTS);
}

static double
run_verify(void)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM];
	double start = now_us();

	for (unsigned i = 0; i < HANDSHAKE_PASSES * CLIENTS; i++) {
		struct recording *recording = &recordings[i % CLIENTS];

		dtls_world_receive(&world, recording->datagram[0], recording->len[0], reply);
	}
	return (now_us() - start) / (HANDSHAKE_PASSES * CLIENTS);
}

/* ---- records --------------------------------------------------------------------------------- */

static struct dtls_session association;
static uint8_t sealed[RECORDS][256], datagram[RECORDS][256], answer[RECORDS][256];
static size_t sealed_len;
static struct crypto_ccm prepared_open[RECORDS], prepared_seal[RECORDS];
static uint8_t nonces[RECORDS][DTLS_NONCE];

/* RFC 5246 6.2.3.3, of the one kind of record that is measured but for its number. */
static uint8_t aads[RECORDS][16];

static void
prepare_record(unsigned i)
{
	static const uint8_t type_version_length[] = { DTLS_APPLICATION_DATA, 0xfe, 0xfd, 0,
						       RECORD_CONTENT };
	const uint8_t *header = sealed[i], *fragment = header + DTLS_RECORD_HEADER;

	memcpy(nonces[i], association.keys.client_iv, DTLS_IMPLICIT_IV);
	memcpy(nonces[i] + DTLS_IMPLICIT_IV, fragment, DTLS_EXPLICIT_NONCE);
	memcpy(aads[i], header + 3, 8);
	memcpy(aads[i] + 8, type_version_length, sizeof type_version_length);
	prepared_open[i] = (struct crypto_ccm){
		.key = association.keys.client_key,
		.nonce = nonces[i],
		.aad = aads[i],
		.aad_len = 13,
		.in = fragment + DTLS_EXPLICIT_NONCE,
		.out = datagram[i],
		.len = RECORD_CONTENT,
	};
	prepared_seal[i] = prepared_open[i];
	prepared_seal[i].in = prepared_seal[i].out = answer[i];
}

/* Both directions under the same key, so that what was sealed can be opened. */
static void
prepare_records(void)
{
	uint8_t content[RECORD_CONTENT] = { 0 };

	memcpy(association.keys.client_key, "0123456789abcdef", DTLS_KEY);
	memcpy(association.keys.server_key, "0123456789abcdef", DTLS_KEY);
	for (unsigned i = 0; i < RECORDS; i++) {
		struct writer out = writer_init(sealed[i], sizeof sealed[i]);

		dtls_write_sealed(real, &association, DTLS_APPLICATION_DATA, content,
				  sizeof content, &out);
		sealed_len = writer_len(&out);
		prepare_record(i);
	}
}

/*
 * Waits for what was begun. A worker's next record is far away when it has just one; without this
 * the processor starts it while it is busy with the one before, and what counts is how many
 * instructions its window holds.
 */
static inline void
settle(bool alone)
{
#if defined(__x86_64__)
	if (alone)
		__builtin_ia32_lfence();
#endif
}

/* Opens and seals `n` records from `at` on. */
static void
pair_burst(unsigned at, unsigned n, struct counters *counters)
{
	static struct dtls_opening openings[DTLS_BURST];
	static struct dtls_sealing sealings[DTLS_BURST];

	for (unsigned i = 0; i < n; i++) {
		struct dtls_walk walk = { datagram[at + i], datagram[at + i] + sealed_len };

		openings[i].session = &association;
		if (!dtls_record_next(&walk, &openings[i].record, counters))
			abort();
	}
	dtls_open(real, openings, n);
	for (unsigned i = 0; i < n; i++) {
		if (openings[i].outcome != COUNTER_dtls_rx_opened)
			abort();
		sealings[i].session = &association;
		sealings[i].record = answer[at + i];
		sealings[i].length = RECORD_CONTENT;
		sealings[i].type = DTLS_APPLICATION_DATA;
	}
	dtls_seal(real, sealings, n);
}

static double
run_pairs(unsigned n, bool alone)
{
	struct counters counters = { 0 };
	double spent = 0;

	for (unsigned pass = 0; pass < RECORD_PASSES; pass++) {
		double start;

		memcpy(datagram, sealed, sizeof datagram);
		association.window = (struct dtls_window){ 0 };
		start = now_us();
		for (unsigned at = 0; at < RECORDS; at += n) {
			settle(alone);
			pair_burst(at, n, &counters);
		}
		spent += now_us() - start;
	}
	return spent / (RECORD_PASSES * RECORDS);
}

static double
run_pairs_floor(unsigned n, bool alone)
{
	double start = now_us();

	for (unsigned pass = 0; pass < RECORD_PASSES; pass++) {
		for (unsigned at = 0; at < RECORDS; at += n) {
			settle(alone);
			real->ccm8_open(&prepared_open[at], n);
			for (unsigned i = 0; i < n; i++) {
				if (!prepared_open[at + i].ok)
					abort();
			}
			real->ccm8_seal(&prepared_seal[at], n);
		}
	}
	return (now_us() - start) / (RECORD_PASSES * RECORDS);
}

/* ---- mbedTLS --------------------------------------------------------------------------------- */

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
	if (mbedtls_ssl_config_defaults(&mbed.config, MBEDTLS_SSL_IS_SERVER,
					MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					MBEDTLS_SSL_PRESET_DEFAULT) ||
	    mbedtls_ssl_cookie_setup(&mbed.cookies, mbed_random, NULL))
		abort();
	mbedtls_ssl_conf_ciphersuites(&mbed.config, suites);
	mbedtls_ssl_conf_rng(&mbed.config, mbed_random, NULL);
	mbedtls_ssl_conf_psk(&mbed.config, known[0].key, known[0].key_len, known[0].identity,
			     known[0].identity_len);
	mbedtls_ssl_conf_dtls_cookies(&mbed.config, mbedtls_ssl_cookie_write,
				      mbedtls_ssl_cookie_check, &mbed.cookies);
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

	for (int i = 0; i < 4; i++)
		sum += mbed_one();
	return sum / 4;
}

static double
run_openssl(void)
{
	double sum = 0;

	for (int i = 0; i < 4; i++)
		sum += openssl_handshake_us(now_us);
	return sum / 4;
}

/* ---- report ---------------------------------------------------------------------------------- */

static double
run_pair(void)
{
	return run_pairs(1, true);
}

static double
run_pair_floor(void)
{
	return run_pairs_floor(1, true);
}

static double
run_stream(void)
{
	return run_pairs(1, false);
}

static double
run_stream_floor(void)
{
	return run_pairs_floor(1, false);
}

static double
run_burst(void)
{
	return run_pairs(DTLS_BURST, false);
}

static double
run_burst_floor(void)
{
	return run_pairs_floor(DTLS_BURST, false);
}

static struct figure {
	const char *key, *text;
	double (*run)(void);  /* NULL: a constant */
	double value, middle; /* best and median of the rounds */
	double rounds[ROUNDS];
} figures[] = {
	{ "handshake_us", "server side of a handshake, cookie included", run_ours },
	{ "handshake_floor_us", "the sum of its primitives", run_floor },
	{ "handshake_mbedtls_us", "the same by mbedTLS as shipped", run_mbedtls },
	{ "handshake_openssl_us", "the same by OpenSSL as shipped", run_openssl },
	{ "hello_verify_us", "a ClientHello answered with HelloVerifyRequest", run_verify },
	{ "record_pair_us", "a record of 100 bytes opened and one sealed, one pair at a time",
	  run_pair },
	{ "record_pair_floor_us", "its two AES-CCM calls", run_pair_floor },
	{ "record_pair_stream_us", "the same pair after pair, so that the processor overlaps them",
	  run_stream },
	{ "record_pair_stream_floor_us", "its AES-CCM calls", run_stream_floor },
	{ "record_pair_burst_us", "the same in bursts of 32", run_burst },
	{ "record_pair_burst_floor_us", "its AES-CCM calls", run_burst_floor },
	{ "bytes_per_handshake", "state of a running handshake", NULL,
	  sizeof(struct dtls_handshake) },
	{ "bytes_per_dtls_session", "state of an association", NULL, sizeof(struct dtls_session) },
};

enum { FIGURES = sizeof figures / sizeof figures[0] };

static void
judge(struct figure *figure, unsigned rounds)
{
	if (!figure->run)
		return;
	qsort(figure->rounds, rounds, sizeof figure->rounds[0], compare);
	figure->value = figure->rounds[0];
	figure->middle = figure->rounds[rounds / 2];
}

/* What the floor of a handshake is the sum of. */
static void
print_primitives(void)
{
	static const char *const names[] = {
		[CALL_BLOCKS] = "compressions of a stream",
		[CALL_LANES] = "of two streams in step",
		[CALL_HMAC] = "HMACs",
		[CALL_SEAL] = "CCM seal",
		[CALL_OPEN] = "CCM open",
	};

	printf("crypto backend %s; primitives of a handshake, with %u SHA-256 compressions:\n ",
	       real->name, compressions());
	for (unsigned kind = 0; kind < sizeof names / sizeof names[0]; kind++) {
		unsigned n = 0;

		for (unsigned i = 0; i < n_calls; i++)
			n += calls[i].kind == kind ? calls[i].n : 0;
		printf(" %u %s,", n, names[kind]);
	}
	printf(" 6 SipHash, %d random bytes\n", DTLS_RANDOM);
}

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
			rounds = 151;
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
	print_primitives();
	printf("  %-28s %10s %10s\n", "", "best", "median");
	for (unsigned i = 0; i < FIGURES; i++) {
		judge(&figures[i], rounds);
		printf("  %-28s %10.3f", figures[i].key, figures[i].value);
		if (figures[i].run)
			printf(" %10.3f  %s\n", figures[i].middle, figures[i].text);
		else
			printf(" %10s  %s\n", "", figures[i].text);
	}
	return json && write_json(json) ? 1 : 0;
}
