/*
 * dtls_cookie.h - stateless cookies (RFC 6347 4.2.1): a client proves that it receives at its address.
 *
 * A cookie is a kind byte and 15 bytes of HMAC-SHA-256 over the peer (address, port, listener) and the ClientHello
 * before and behind the cookie: version, random, session id, suites, compression, extensions.
 *
 *	 0      1                16
 *	+------+----------------+      kind: bit 0 names the secret, bit 1 says "of a first fragment"
 *	| kind | mac            |
 *	+------+----------------+
 *
 * A ClientHello may come in fragments, and nothing is kept before the cookie, so the answer to a first fragment covers
 * what such a fragment must hold: everything up to the cookie. That is weaker only in that suites and extensions may
 * differ between the two hellos; the address is proven alike, and Finished covers the second hello anyway.
 *
 * Two secrets: one is replaced every DTLS_COOKIE_LIFE_US, so a cookie is good for one to two of these.
 *
 * Owner: one worker. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/crypto.h"
#include "dataplane/core/dtls_hello.h"
#include "dataplane/core/dtls_message.h"
#include "dataplane/core/dtls_record.h"
#include "dataplane/core/peer.h"
#include "dataplane/core/rng.h"

enum { DTLS_COOKIE_LIFE_US = 60 * 1000 * 1000 };

struct dtls_cookies {
	struct crypto_hmac_key secrets[2];
	uint64_t rotate_us; /* when the older one is replaced */
	uint8_t newest;     /* index */
};

void dtls_cookies_init(struct dtls_cookies *cookies, const struct crypto_ops *ops,
		       const struct rng *rng, uint64_t now_us);
/* Costs a comparison when nothing is due. Call it before a burst. */
void dtls_cookies_rotate(struct dtls_cookies *cookies, const struct crypto_ops *ops,
			 const struct rng *rng, uint64_t now_us);

/* `whole`: the hello was parsed whole, else just its head. */
void dtls_cookie_make(const struct dtls_cookies *cookies, const struct crypto_ops *ops,
		      const struct peer *peer, const struct dtls_hello *hello, bool whole,
		      uint8_t cookie[DTLS_COOKIE]);
/* Whether hello->cookie is ours, for this peer and hello, and not outdated. */
bool dtls_cookie_check(const struct dtls_cookies *cookies, const struct crypto_ops *ops,
		       const struct peer *peer, const struct dtls_hello *hello);

/*
 * Writes a HelloVerifyRequest for the hello that `message` of `record` begins. Record sequence and message_seq are the
 * client's (RFC 6347 4.2.1, 4.2.2), so nothing need be remembered. 44 bytes: fewer than any ClientHello has.
 */
void dtls_cookie_write_verify(struct writer *out, const struct dtls_record *record,
			      const struct dtls_message *message, const uint8_t cookie[DTLS_COOKIE]);
