/*
 * bench_certificates - what a mutual handshake with X.509 costs this side, all threads together, and
 * how much of it is elliptic curves.
 *
 * usage: bench_certificates [--quick] [--json FILE]
 *
 * mbedTLS's client shakes hands over memory; counted is the time in the server's functions, as they
 * are met between two turns of the client, and that of a handshake's jobs, done over and over as
 * helper threads do under load, key pairs and nonces made ahead included. The chain was verified in
 * the first handshake, as a device's that comes again. The floor is the same operations of curves
 * by themselves.
 *
 * Keys: x509_handshake_us, x509_worker_us (of it on a polled core), ec_floor_us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/x509_crt.h>
#include <openssl/ec.h>

#include "tests/support/dtls_mbedtls.h"
#include "tests/support/ec_world.h"

enum { ROUNDS = 5 };

struct bench {
	struct net net;
	struct ec_world helper;
	struct mbed_client client;
	struct cert root, server, device;
	mbedtls_x509_crt chain;
	mbedtls_pk_context key;
	struct ec_job jobs[2]; /* as they came, by kind */
	double helper_us;      /* of live jobs, this round */
};

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void
fail(const char *what)
{
	fprintf(stderr, "bench_certificates: %s\n", what);
	exit(1);
}

/* ---- a handshake ---- */

static void
help(void *ctx, struct net *net)
{
	struct bench *bench = ctx;
	struct ec_world *helper = &bench->helper;
	uint8_t reply[DTLS_WORLD_DATAGRAM];
	double begun;

	if (!helper->is_offered)
		return;
	bench->jobs[helper->job.kind] = helper->job;
	begun = now_us();
	ec_engine_work(helper->engine, helper->trust, &helper->job, CERT_NOW);
	bench->helper_us += now_us() - begun;
	helper->is_offered = false;
	net_reply(net, reply, dtls_world_answered(&net->world, &helper->job, reply));
}

static void
setup(struct bench *bench)
{
	static const struct dtls_world_credential none = { "x", 1, "x", 1 };
	const struct ec_own own = { .key = { bench->server.key_der, bench->server.key_der_len },
				    .chain = { bench->server.der, bench->server.der_len } };
	char error[EC_ERROR_MAX];

	dtls_world_init(&bench->net.world, crypto_select(), &none, 1);
	bench->net.index = UINT32_MAX;
	ec_world_init(&bench->helper, &bench->net);
	bench->net.help = help;
	bench->net.help_ctx = bench;
	bench->helper.known = "urn:dev:one";
	if (ec_trust_add_anchor(bench->helper.trust,
				(struct ec_bytes){ bench->root.der, bench->root.der_len }, 1,
				error) < 0 ||
	    ec_trust_add_own(bench->helper.trust, &own, error) < 0)
		fail(error);
	bench->net.world.server.abilities = ec_trust_abilities(bench->helper.trust);
}

/* Microseconds of the helper for the jobs of the last handshake, with a key pair made ahead. */
static double
help_again(struct bench *bench)
{
	struct ec_job begin = bench->jobs[EC_BEGIN], finish = bench->jobs[EC_FINISH];
	const struct ec_world *helper = &bench->helper;
	double begun = now_us();

	(void)ec_engine_prepare(helper->engine);
	ec_engine_work(helper->engine, helper->trust, &begin, CERT_NOW);
	ec_engine_work(helper->engine, helper->trust, &finish, CERT_NOW);
	begun = now_us() - begun;
	if (begin.verdict != EC_GOOD || finish.verdict != EC_GOOD)
		fail("a job failed");
	return begun;
}

/* Microseconds of this side. */
static double
shake_hands(struct bench *bench)
{
	static const struct dtls_world_credential none = { "x", 1, "x", 1 };
	struct mbed_client *client = &bench->client;
	double spent = 0, begun;
	int result;

	mbed_init(client, &bench->net, &none);
	client->suites[0] = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8;
	mbedtls_ssl_conf_authmode(&client->config, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_own_cert(&client->config, &bench->chain, &bench->key);
	mbed_start(client);
	bench->net.world.has_session = false;
	do {
		result = mbedtls_ssl_handshake(&client->ssl);
		begun = now_us();
		net_serve(&bench->net);
		spent += now_us() - begun;
	} while (result == MBEDTLS_ERR_SSL_WANT_READ);
	if (result != 0 || !bench->net.world.has_session)
		fail("a handshake failed");
	mbed_fini(client);
	return spent;
}

/* ---- the floor ---- */

struct floor {
	EC_GROUP *group;
	EC_KEY *ours, *theirs;
	BN_CTX *numbers;
	uint8_t digest[32], signature[80];
	unsigned signature_len;
};

static void
floor_setup(struct floor *floor)
{
	floor->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	floor->ours = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	floor->theirs = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	floor->numbers = BN_CTX_new();
	if (!EC_KEY_generate_key(floor->ours) || !EC_KEY_generate_key(floor->theirs) ||
	    !ECDSA_sign(0, floor->digest, 32, floor->signature, &floor->signature_len,
			floor->theirs))
		fail("libcrypto");
}

/* A key pair, a nonce, a signature with it, a verification and an ECDH. */
static double
floor_once(struct floor *floor)
{
	BIGNUM *inverse = NULL, *r = NULL;
	EC_KEY *pair = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *shared = EC_POINT_new(floor->group);
	double begun = now_us();
	ECDSA_SIG *signature;
	bool good = EC_KEY_generate_key(pair) == 1 &&
		    ECDSA_sign_setup(floor->ours, floor->numbers, &inverse, &r) == 1;

	signature = ECDSA_do_sign_ex(floor->digest, 32, inverse, r, floor->ours);
	good = good && signature &&
	       ECDSA_verify(0, floor->digest, 32, floor->signature, (int)floor->signature_len,
			    floor->theirs) == 1 &&
	       EC_POINT_mul(floor->group, shared, NULL, EC_KEY_get0_public_key(floor->theirs),
			    EC_KEY_get0_private_key(pair), floor->numbers) == 1;
	begun = now_us() - begun;
	if (!good)
		fail("libcrypto");
	ECDSA_SIG_free(signature);
	BN_clear_free(inverse);
	BN_clear_free(r);
	EC_POINT_free(shared);
	EC_KEY_free(pair);
	return begun;
}

/* ---- all ---- */

struct result {
	double handshake_us, worker_us, floor_us;
};

/* Means of n each, in turn, so that what else the machine does strikes all. */
static struct result
measure(struct bench *bench, struct floor *floor, unsigned n)
{
	enum { AGAIN = 10 };
	struct result sum = { 0 };
	double helper_us = 0;

	bench->helper_us = 0;
	for (unsigned i = 0; i < n; i++) {
		sum.worker_us += shake_hands(bench);
		for (unsigned k = 0; k < AGAIN; k++)
			helper_us += help_again(bench);
		for (unsigned k = 0; k < AGAIN; k++)
			sum.floor_us += floor_once(floor);
	}
	sum.worker_us = (sum.worker_us - bench->helper_us) / n;
	sum.floor_us /= n * AGAIN;
	sum.handshake_us = sum.worker_us + helper_us / (n * AGAIN);
	return sum;
}

static int
write_json(const char *path, const struct result *best)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		perror(path);
		return 1;
	}
	fprintf(file,
		"{\"x509_handshake_us\": %.2f, \"x509_worker_us\": %.2f, \"ec_floor_us\": %.2f}\n",
		best->handshake_us, best->worker_us, best->floor_us);
	return fclose(file) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static struct bench bench;
	static struct floor floor;
	struct result best = { 1e9, 1e9, 1e9 };
	const char *json = NULL;
	unsigned n = 100;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			n = 20;
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json = argv[++i];
		} else {
			fprintf(stderr, "usage: bench_certificates [--quick] [--json FILE]\n");
			return 2;
		}
	}
	cert_make_ca(&bench.root, "Root", NULL);
	cert_make(&bench.server, &(struct cert_spec){ .cn = "bs", .issuer = &bench.root });
	cert_make_device(&bench.device, "urn:dev:one", &bench.root);
	mbedtls_x509_crt_init(&bench.chain);
	mbedtls_pk_init(&bench.key);
	if (mbedtls_x509_crt_parse_der(&bench.chain, bench.device.der, bench.device.der_len) ||
	    mbedtls_pk_parse_key(&bench.key, bench.device.key_der, bench.device.key_der_len, NULL,
				 0))
		fail("mbedTLS does not take the certificate");
	setup(&bench);
	floor_setup(&floor);
	(void)shake_hands(&bench); /* the chain is known from here on */
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct result now = measure(&bench, &floor, n);

		if (now.handshake_us < best.handshake_us)
			best = now;
	}
	printf("Mutual X.509 handshake, CPU of all threads of this side:\n");
	printf("  %8.1f us, of it %.1f us on the polled core\n", best.handshake_us, best.worker_us);
	printf("  %8.1f us for its operations of elliptic curves alone: %.2f times that\n",
	       best.floor_us, best.handshake_us / best.floor_us);
	return json ? write_json(json, &best) : 0;
}
