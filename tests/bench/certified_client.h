/*
 * certified_client.h - one device's handshakes with whatever server stands behind a net, for benchmarks:
 * cradlestorm's client, with a certificate, a raw public key or a pre-shared key.
 *
 * Owner: the caller, one thread. Allocates a handshake's memory while it lasts. Life:
 * certified_client_init() -> { certified_client_begin(), certified_client_turn() ... } ->
 * certified_client_fini().
 */
#pragma once

#include "tests/support/dtls_net.h"
#include "tests/support/ec_certs.h"
#include "tools/storm/storm_dtls_client.h"

struct certified_client {
	struct net *net;
	struct storm_dtls dtls;
	struct storm_dtls_env env;
	struct storm_dtls_who who; /* of a pre-shared key */
	struct counters counters;
	struct server_identity server;
	uint64_t random;
	/* Certificate messages, and the private key of both. */
	uint8_t secret[CURVE_SECRET];
	uint8_t certificate[CERT_DER_MAX + 6], raw_key[CURVE_SPKI + 3];
	size_t certificate_len;
};

enum certified_by { CERTIFIED_BY_KEY, CERTIFIED_BY_CERTIFICATE, CERTIFIED_BY_RAW_KEY };

/* Ends the process where libcrypto fails. */
void certified_client_init(struct certified_client *client, struct net *net,
			   const struct cert *device, const struct cert *root,
			   const struct cert *server);
void certified_client_fini(struct certified_client *client);

/* Sends the first hello of a handshake. */
void certified_client_begin(struct certified_client *client, enum certified_by by);
/* Takes what is under way to it, and answers; whether its handshake is finished. */
bool certified_client_turn(struct certified_client *client);
