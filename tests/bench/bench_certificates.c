/*
 * bench_certificates - what a mutual handshake with certificates or raw keys costs this side, all threads
 * together, how much of it is elliptic curves, and what the libraries of Debian take for the same.
 *
 * usage: bench_certificates [--quick] [--json FILE]
 *
 * cradlestorm's clients shake hands over memory, so many side by side as a burst has, so that what clients
 * compute does not stand between two datagrams of the server; counted is the time in the server's
 * functions, and that of a handshake's jobs, done over and over as helper threads do under load, key
 * pairs and nonces made ahead included. The chain was verified in
 * the first handshake, as a device's that comes again. The floor is the same operations of curves
 * by themselves. Libraries are configured as people do: CCM-8, client certificates required, cookies.
 *
 * Keys:
 *	x509_handshake_us          with a certificate, all threads
 *	x509_worker_us             of it on a polled core
 *	rpk_handshake_us           with a raw public key, all threads
 *	psk_worker_us              a handshake with a pre-shared key, in the same world
 *	x509_worker_over_psk_us    what certificates cost a polled core beyond that
 *	ec_floor_us                operations of curves alone
 *	x509_handshakes_per_s      of one helper thread
 *	x509_handshake_mbedtls_us, x509_handshake_openssl_us
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/ec.h>

#include "tests/bench/certified_client.h"
#include "tests/bench/certified_peers.h"
#include "tests/support/ec_world.h"

enum { ROUNDS = 5, DAYS = 1000, LANES = 16, TURNS_MAX = 20, INTERRUPTED_US = 50 };

/* One handshake at a time. */
struct lane {
	struct net net;
	struct ec_world helper;
	struct certified_client client;
};

struct bench {
	struct lane lanes[LANES];
	struct cert root, server, device;
	struct ec_job jobs[2]; /* as they came last, by kind */
	double spent_us;       /* in the server's functions */
};

static double reading_us; /* of wall_us() itself */

static const struct dtls_world_credential psk = { "urn:dev:one", 11, "0123456789abcdef", 16 };

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double
wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* The clock of a thread's CPU time is a system call, which costs as much as a datagram: what takes
 * microseconds is measured with the one that is not. */
static void
measure_reading(void)
{
	enum { TIMES = 1000 };
	double begun = wall_us(), took = 1e9;

	for (unsigned i = 0; i < TIMES; i++) {
		double now = wall_us();

		took = now - begun < took ? now - begun : took;
		begun = now;
	}
	reading_us = took;
}

static void
fail(const char *what)
{
	fprintf(stderr, "bench_certificates: %s\n", what);
	exit(1);
}

/* ---- ours ---- */

static void
make_certificates(struct bench *bench)
{
	/* Libraries look at the machine's clock, we at CERT_NOW. */
	cert_make(&bench->root, &(struct cert_spec){ .cn = "Root",
						     .basic = "critical,CA:TRUE",
						     .usage = "critical,keyCertSign,cRLSign",
						     .from_days = -DAYS,
						     .to_days = DAYS });
	cert_make(&bench->server, &(struct cert_spec){ .cn = "bs",
						       .issuer = &bench->root,
						       .usage = "critical,digitalSignature",
						       .extended = "serverAuth",
						       .from_days = -DAYS,
						       .to_days = DAYS });
	cert_make(&bench->device, &(struct cert_spec){ .cn = "urn:dev:one",
						       .issuer = &bench->root,
						       .usage = "critical,digitalSignature",
						       .extended = "clientAuth",
						       .from_days = -DAYS,
						       .to_days = DAYS });
}

static void
setup_lane(struct lane *lane, const struct bench *bench)
{
	const struct ec_own own = { .key = { bench->server.key_der, bench->server.key_der_len },
				    .chain = { bench->server.der, bench->server.der_len } };
	const struct ec_bytes root = { bench->root.der, bench->root.der_len };
	char error[EC_ERROR_MAX];

	certified_client_init(&lane->client, &lane->net, &bench->device, &bench->root,
			      &bench->server);
	lane->client.who =
		(struct storm_dtls_who){ psk.identity, psk.key, (uint8_t)psk.identity_len,
					 (uint8_t)psk.key_len };
	dtls_world_init(&lane->net.world, crypto_select(), &psk, 1);
	lane->net.index = UINT32_MAX;
	ec_world_init(&lane->helper, &lane->net);
	lane->net.help = NULL; /* jobs wait for work_off() */
	lane->helper.known = "urn:dev:one";
	SHA256(lane->client.raw_key + 3, CURVE_SPKI, lane->helper.pinned);
	lane->helper.leaves_rest = true;
	if (ec_trust_add_anchor(lane->helper.trust, root, 1, error) < 0 ||
	    ec_trust_add_own(lane->helper.trust, &own, error) < 0)
		fail(error);
	lane->net.world.server.abilities = ec_trust_abilities(lane->helper.trust);
}

/* What the helper has to do, and no clock stands still for. */
static void
work_off(struct bench *bench)
{
	for (unsigned i = 0; i < LANES; i++) {
		struct ec_world *helper = &bench->lanes[i].helper;

		if (!helper->is_offered)
			continue;
		bench->jobs[helper->ec.job.kind] = helper->ec.job;
		ec_engine_work(helper->engine, helper->trust, &helper->ec.job, CERT_NOW);
	}
}

/* What began then took so long; 0 where something interrupted it, which tells nothing. */
static double
span_us(double begun)
{
	double took = wall_us() - begun - reading_us;

	return took < INTERRUPTED_US ? took : 0;
}

/* Sends what the server wrote, and what more there is of its flight. */
static void
reply(struct bench *bench, struct lane *lane, uint8_t datagram[DTLS_WORLD_DATAGRAM], size_t len)
{
	while (len) {
		double begun;

		net_send(&lane->net, NET_TO_CLIENT, datagram, len);
		begun = wall_us();
		len = dtls_world_more(&lane->net.world, datagram);
		bench->spent_us += span_us(begun);
	}
}

static void
serve_one(struct bench *bench, struct lane *lane)
{
	uint8_t in[DTLS_WORLD_DATAGRAM], out[DTLS_WORLD_DATAGRAM];
	size_t len;

	while ((len = net_get(&lane->net.to_server, in, sizeof in)) != 0) {
		double begun = wall_us();

		len = dtls_world_receive(&lane->net.world, in, len, out);
		bench->spent_us += span_us(begun);
		reply(bench, lane, out, len);
	}
}

static void
serve(struct bench *bench)
{
	for (unsigned i = 0; i < LANES; i++)
		serve_one(bench, &bench->lanes[i]);
}

static void
take_jobs(struct bench *bench)
{
	for (unsigned i = 0; i < LANES; i++) {
		struct lane *lane = &bench->lanes[i];
		uint8_t out[DTLS_WORLD_DATAGRAM];
		double begun;
		size_t len;

		if (!lane->helper.is_offered)
			continue;
		lane->helper.is_offered = false;
		begun = wall_us();
		len = dtls_world_answered(&lane->net.world, out);
		bench->spent_us += span_us(begun);
		reply(bench, lane, out, len);
	}
}

static unsigned
let_clients_answer(struct bench *bench)
{
	unsigned finished = 0;

	for (unsigned i = 0; i < LANES; i++)
		finished += certified_client_turn(&bench->lanes[i].client);
	return finished;
}

/* Microseconds of a polled core for one of so many handshakes. */
static double
shake_hands(struct bench *bench, enum certified_by by)
{
	unsigned finished = 0;

	bench->spent_us = 0;
	for (unsigned i = 0; i < LANES; i++) {
		bench->lanes[i].net.world.has_session = false;
		/* Devices with raw keys are known by them, others by their certificate's name. */
		bench->lanes[i].helper.has_pinned = by == CERTIFIED_BY_RAW_KEY;
		certified_client_begin(&bench->lanes[i].client, by);
	}
	for (unsigned turn = 0; turn < TURNS_MAX && finished < LANES; turn++) {
		serve(bench);
		work_off(bench);
		take_jobs(bench);
		finished = let_clients_answer(bench);
	}
	if (finished < LANES)
		fail("a handshake failed");
	return bench->spent_us / LANES;
}

/* Microseconds of the helper for the jobs of the last handshake, with a key pair made ahead. */
static double
help_again(struct bench *bench)
{
	struct ec_job begin = bench->jobs[EC_BEGIN], finish = bench->jobs[EC_FINISH];
	const struct ec_world *helper = &bench->lanes[LANES - 1].helper;
	double begun = now_us();

	(void)ec_engine_prepare(helper->engine);
	ec_engine_work(helper->engine, helper->trust, &begin, CERT_NOW);
	ec_engine_work(helper->engine, helper->trust, &finish, CERT_NOW);
	begun = now_us() - begun;
	if (begin.verdict != EC_GOOD || finish.verdict != EC_GOOD)
		fail("a job failed");
	return begun;
}

/* ---- peers ---- */

/* Microseconds of the library's calls in one handshake with a certificate. */
static double
peer_handshake(struct bench *bench, void (*peer_serve)(void *peer))
{
	struct certified_client *client = &bench->lanes[0].client;
	struct certified_peer peer = { .net = client->net, .now_us = now_us };
	bool finished = false;

	certified_client_begin(client, CERTIFIED_BY_CERTIFICATE);
	for (unsigned turn = 0; turn < TURNS_MAX && !finished; turn++) {
		peer_serve(&peer);
		finished = certified_client_turn(client);
	}
	if (!finished || !peer.done)
		fail("a library's handshake failed");
	return peer.spent_us;
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

enum value {
	OF_X509,
	OF_X509_WORKER,
	OF_RPK,
	OF_PSK_WORKER,
	OF_OVER_PSK,
	OF_EC_FLOOR,
	OF_PER_S,
	OF_MBEDTLS,
	OF_OPENSSL,
	VALUES
};

static const char *const keys[VALUES] = {
	"x509_handshake_us",         "x509_worker_us",
	"rpk_handshake_us",          "psk_worker_us",
	"x509_worker_over_psk_us",   "ec_floor_us",
	"x509_handshakes_per_s",     "x509_handshake_mbedtls_us",
	"x509_handshake_openssl_us",
};

struct result {
	double values[VALUES];
};

/*
 * Means of n each, in turn, so that what else the machine does strikes all. Libraries, whose handshakes
 * take milliseconds and the caches, come after ours, and less often.
 */
static struct result
measure(struct bench *bench, struct floor *floor, unsigned n)
{
	enum { AGAIN = 10, SELDOM = 5 }; /* n is a multiple of it */
	struct result mean = { { 0 } };
	double *sum = mean.values, helper_us[2] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		sum[OF_PSK_WORKER] += shake_hands(bench, CERTIFIED_BY_KEY);
		sum[OF_X509_WORKER] += shake_hands(bench, CERTIFIED_BY_CERTIFICATE);
		for (unsigned k = 0; k < AGAIN; k++)
			helper_us[0] += help_again(bench) / AGAIN;
		for (unsigned k = 0; k < AGAIN; k++)
			sum[OF_EC_FLOOR] += floor_once(floor) / AGAIN;
		sum[OF_RPK] += shake_hands(bench, CERTIFIED_BY_RAW_KEY);
		for (unsigned k = 0; k < AGAIN; k++)
			helper_us[1] += help_again(bench) / AGAIN;
	}
	for (unsigned i = 0; i < n; i += SELDOM) {
		sum[OF_OPENSSL] += SELDOM * peer_handshake(bench, openssl_peer_serve);
		sum[OF_MBEDTLS] += SELDOM * peer_handshake(bench, mbedtls_peer_serve);
	}
	sum[OF_X509] = sum[OF_X509_WORKER] + helper_us[0];
	sum[OF_RPK] += helper_us[1];
	sum[OF_OVER_PSK] = sum[OF_X509_WORKER] - sum[OF_PSK_WORKER];
	for (int i = 0; i < VALUES; i++)
		sum[i] /= n;
	sum[OF_PER_S] = 1e6 * n / helper_us[0];
	return mean;
}

static int
write_json(const char *path, const struct result *best)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		perror(path);
		return 1;
	}
	for (int i = 0; i < VALUES; i++)
		fprintf(file, "%s\"%s\": %.2f", i ? ", " : "{", keys[i], best->values[i]);
	fprintf(file, "}\n");
	return fclose(file) == 0 ? 0 : 1;
}

static void
print(const struct result *best)
{
	const double *values = best->values;

	printf("Mutual handshake with certificates, CPU of all threads of the server's side:\n");
	printf("  %8.1f us, of it %.1f us on the polled core (with a pre-shared key %.1f us)\n",
	       values[OF_X509], values[OF_X509_WORKER], values[OF_PSK_WORKER]);
	printf("  %8.1f us for its operations of elliptic curves alone: %.2f times that\n",
	       values[OF_EC_FLOOR], values[OF_X509] / values[OF_EC_FLOOR]);
	printf("  %8.1f us with a raw public key\n", values[OF_RPK]);
	printf("  %8.0f a second by one helper thread\n", values[OF_PER_S]);
	printf("  %8.1f us by mbedTLS, %.1f times ours; %.1f us by OpenSSL, %.1f times\n",
	       values[OF_MBEDTLS], values[OF_MBEDTLS] / values[OF_X509], values[OF_OPENSSL],
	       values[OF_OPENSSL] / values[OF_X509]);
}

int
main(int argc, char **argv)
{
	static struct bench bench;
	static struct floor floor;
	struct result best = { { [OF_X509] = 1e9 } };
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
	measure_reading();
	make_certificates(&bench);
	for (unsigned i = 0; i < LANES; i++)
		setup_lane(&bench.lanes[i], &bench);
	floor_setup(&floor);
	mbedtls_peer_init(&bench.root, &bench.server);
	openssl_peer_init(&bench.root, &bench.server);
	(void)shake_hands(&bench, CERTIFIED_BY_CERTIFICATE); /* the chain is known from here on */
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct result now = measure(&bench, &floor, n);

		if (now.values[OF_X509] < best.values[OF_X509])
			best = now;
	}
	print(&best);
	for (unsigned i = 0; i < LANES; i++)
		certified_client_fini(&bench.lanes[i].client);
	return json ? write_json(json, &best) : 0;
}
