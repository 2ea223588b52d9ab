/*
 * certified_peers.h - servers of Debian's libraries that take certificates, as people configure them,
 * for comparison.
 *
 * One of each a process. Ends the process where a library fails.
 */
#pragma once

#include "tests/support/dtls_net.h"
#include "tests/support/ec_certs.h"

/* One handshake with one of them. */
struct certified_peer {
	struct net *net;
	double (*now_us)(void);
	/* From here on 0 before. */
	double spent_us; /* in the library's calls */
	bool begun, done;
};

/* Each takes what is under way to the server and answers; `peer` is a struct certified_peer. */
void mbedtls_peer_init(const struct cert *root, const struct cert *server);
void mbedtls_peer_serve(void *peer);

void openssl_peer_init(const struct cert *root, const struct cert *server);
void openssl_peer_serve(void *peer);
