/*
 * storm_fuzz.h - one device of the storm with a certificate or a raw public key, the same in every run, for
 * its fuzz target and for the program that records its seeds.
 *
 * It holds a fixed raw key against the server, so recorded flights with that key stay genuine. Certificates it
 * takes from nobody: how chains are read is reached all the same.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "tools/storm/storm_dtls_client.h"

enum { STORM_FUZZ_DATAGRAM = 1400, STORM_FUZZ_FLIGHT_MAX = 64 };

/* Private numbers of the server and of the device. */
static const uint8_t storm_fuzz_server_secret[CURVE_SECRET] = { [CURVE_SECRET - 1] = 5 };
static const uint8_t storm_fuzz_secret[CURVE_SECRET] = { [CURVE_SECRET - 1] = 7 };

struct storm_fuzz {
	struct storm_dtls dtls;
	struct storm_dtls_env env;
	struct counters counters;
	struct storm_dtls_who who;
	struct server_identity server;
	uint8_t message[3 + CURVE_SPKI]; /* body of the Certificate message */
	bool is_over;
	/* What the device sends. */
	void (*send)(void *ctx, const uint8_t *datagram, size_t len);
	void *ctx;
};

static inline void
storm_fuzz_random(void *ctx, uint8_t *bytes, size_t len)
{
	memset(bytes, 0x5a, len);
}

static inline void
storm_fuzz_hello(struct storm_fuzz *fuzz)
{
	uint8_t datagram[STORM_FUZZ_DATAGRAM];
	struct writer out = writer_init(datagram, sizeof datagram);

	storm_dtls_write_hello(&fuzz->dtls, &fuzz->env, &out);
	if (!writer_ok(&out))
		abort();
	fuzz->send(fuzz->ctx, datagram, writer_finish(&out));
}

/* A flight comes to its end. */
static inline void
storm_fuzz_flight(struct storm_fuzz *fuzz)
{
	const struct storm_cert_cut cut = { .fragment_max = 200, .apart = true };
	bool more = true;

	for (unsigned n = 0; more; n++) {
		uint8_t datagram[STORM_FUZZ_DATAGRAM];
		struct writer out = writer_init(datagram, sizeof datagram);

		more = storm_dtls_write_last_part(&fuzz->dtls, &fuzz->env, &cut, &out);
		if (!writer_ok(&out) || n == STORM_FUZZ_FLIGHT_MAX)
			abort();
		fuzz->send(fuzz->ctx, datagram, writer_finish(&out));
	}
}

static inline void
storm_fuzz_begin(struct storm_fuzz *fuzz, bool raw, bool cid)
{
	const struct rng rng = { storm_fuzz_random, NULL };
	const struct storm_cert_ways ways = { .raw = raw };
	EC_KEY *key = curve_key(storm_fuzz_secret);
	struct storm_cert_own own = { storm_fuzz_secret, fuzz->message, sizeof fuzz->message };

	fuzz->env = (struct storm_dtls_env){ crypto_select(), &fuzz->counters };
	fuzz->server.raw_key = curve_key(storm_fuzz_server_secret);
	fuzz->server.authorities = X509_STORE_new();
	fuzz->message[2] = CURVE_SPKI;
	if (!key || !curve_put_spki(key, fuzz->message + 3))
		abort();
	EC_KEY_free(key);
	storm_dtls_start(&fuzz->dtls, &rng, cid, storm_cert_new(&ways, &own, &fuzz->server));
	storm_fuzz_hello(fuzz);
}

static inline void
storm_fuzz_event(struct storm_fuzz *fuzz, enum storm_dtls_event event)
{
	if (event == STORM_DTLS_VERIFY)
		storm_fuzz_hello(fuzz);
	if (event == STORM_DTLS_ASKED) {
		storm_cert_compute(fuzz->dtls.cert);
		event = storm_dtls_take_computed(&fuzz->dtls);
	}
	if (event == STORM_DTLS_GREETED) {
		storm_cert_rewind(fuzz->dtls.cert);
		storm_fuzz_flight(fuzz);
	}
	fuzz->is_over |= event == STORM_DTLS_WRONG;
}

/* A datagram of the server, which is opened in place. */
static inline void
storm_fuzz_take(struct storm_fuzz *fuzz, uint8_t *datagram, size_t len)
{
	struct dtls_walk walk = { datagram, datagram + len };
	struct storm_dtls_taken taken;

	while (!fuzz->is_over &&
	       storm_dtls_take(&fuzz->dtls, &fuzz->env, &fuzz->who, &walk, &taken))
		storm_fuzz_event(fuzz, taken.event);
}

static inline void
storm_fuzz_end(struct storm_fuzz *fuzz)
{
	storm_cert_free(storm_dtls_part_with_cert(&fuzz->dtls));
	server_identity_fini(&fuzz->server);
	X509_STORE_free(fuzz->server.authorities);
	EC_KEY_free(fuzz->server.raw_key);
}
