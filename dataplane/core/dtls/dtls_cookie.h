/*
 * dtls_cookie.h - stateless cookies (RFC 6347 4.2.1): a client proves that it receives at its
 * address.
 *
 * Two keyed hashes, both over the peer (address, port, listener): one of the ClientHello up to the
 * cookie (version, random, session id), one of all of it (suites, compression and extensions too).
 *
 *	 0      1                9                16
 *	+------+----------------+----------------+
 *	| kind | of the head    | of the whole   |
 *	+------+----------------+----------------+
 *	kind: bit 0 names the secret; bit 1 says that the hello was not seen whole, so that there is
 *	no second hash
 *
 * A ClientHello may come in fragments, and nothing is kept before the cookie, so a first fragment
 * is judged by what it must hold: everything up to the cookie, that is by the first hash alone. (A
 * hello that came whole without a cookie may exceed the path with it, so every cookie has that
 * hash.) This is weaker only in that suites and extensions may differ between the two hellos; the
 * address is proven alike, and Finished covers the second hello anyway.
 *
 * Both are SipHash-1-3, each under keys of its own, at a fifth of the price of HMAC-SHA-256: neither
 * protects more than a round-trip, which the first alone must prove; guessing costs 2^64 and 2^56
 * datagrams, and a key is of use for two minutes.
 *
 * Two secrets: one is replaced every DTLS_COOKIE_LIFE_US, so a cookie is good for one to two of
 * these. Shared ones (cookie_sharing.h) are of the present minute and of the one that is nearer, the
 * last or the next: so a cookie is good for half a minute to one and a half, and for appliances whose
 * clocks are up to half a minute apart.
 *
 * Owner: one worker. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/cookie_sharing.h"
#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/rng.h"
#include "dataplane/core/crypto/siphash.h"
#include "dataplane/core/dtls/dtls_hello.h"
#include "dataplane/core/dtls/dtls_message.h"
#include "dataplane/core/dtls/dtls_record.h"
#include "dataplane/core/peer.h"

enum { DTLS_COOKIE_LIFE_US = 60 * 1000 * 1000 };

struct dtls_cookies {
	struct siphash_key heads[2], wholes[2];
	uint64_t rotate_us; /* when the older one is replaced */
	uint8_t newest;     /* index */
	bool shared;
};

void dtls_cookies_init(struct dtls_cookies *cookies, const struct rng *rng, uint64_t now_us);
/* Costs two comparisons when nothing is due. Call it before a burst. */
void dtls_cookies_rotate(struct dtls_cookies *cookies, const struct rng *rng, uint64_t now_us);
/* The same with shared secrets, where `sharing` is on. */
void dtls_cookies_follow(struct dtls_cookies *cookies, const struct crypto_ops *ops,
			 const struct rng *rng, const struct cookie_sharing *sharing,
			 uint64_t now_us);

/* `whole`: the hello was parsed whole, else just its head. */
void dtls_cookie_make(const struct dtls_cookies *cookies, const struct peer *peer,
		      const struct dtls_hello *hello, bool whole, uint8_t cookie[DTLS_COOKIE]);
/* Whether hello->cookie is ours, for this peer and hello, and not outdated. */
bool dtls_cookie_check(const struct dtls_cookies *cookies, const struct peer *peer,
		       const struct dtls_hello *hello, bool whole);

/*
 * Writes a HelloVerifyRequest for the hello that `message` of `record` begins. Record sequence and
 * message_seq are the client's (RFC 6347 4.2.1, 4.2.2), so nothing need be remembered. 44 bytes:
 * fewer than any ClientHello has.
 */
void dtls_cookie_write_verify(struct writer *out, const struct dtls_record *record,
			      const struct dtls_message *message,
			      const uint8_t cookie[DTLS_COOKIE]);
