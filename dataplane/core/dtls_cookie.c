#include "dataplane/core/dtls_cookie.h"

#include <string.h>

enum {
	KIND_SECRET = 1,   /* bit: which of the two */
	KIND_FRAGMENT = 2, /* bit: covers the head alone */
	KINDS = 4,
};

static void
replace_secret(struct dtls_cookies *cookies, unsigned i, const struct crypto_ops *ops,
	       const struct rng *rng)
{
	uint8_t secret[CRYPTO_HASH_LEN];

	rng_fill(rng, secret, sizeof secret);
	crypto_hmac_key_init(ops, &cookies->secrets[i], secret, sizeof secret);
	crypto_wipe(secret, sizeof secret);
}

void
dtls_cookies_init(struct dtls_cookies *cookies, const struct crypto_ops *ops, const struct rng *rng,
		  uint64_t now_us)
{
	replace_secret(cookies, 0, ops, rng);
	replace_secret(cookies, 1, ops, rng);
	cookies->newest = 0;
	cookies->rotate_us = now_us + DTLS_COOKIE_LIFE_US;
}

void
dtls_cookies_rotate(struct dtls_cookies *cookies, const struct crypto_ops *ops, const struct rng *rng,
		    uint64_t now_us)
{
	if (now_us < cookies->rotate_us)
		return;
	/* After a silence longer than a life both are outdated. */
	if (now_us - cookies->rotate_us >= DTLS_COOKIE_LIFE_US)
		replace_secret(cookies, cookies->newest, ops, rng);
	cookies->newest ^= 1;
	replace_secret(cookies, cookies->newest, ops, rng);
	cookies->rotate_us = now_us + DTLS_COOKIE_LIFE_US;
}

static void
make_of_kind(const struct dtls_cookies *cookies, const struct crypto_ops *ops,
	     const struct peer *peer, const struct dtls_hello *hello, uint8_t kind,
	     uint8_t cookie[DTLS_COOKIE])
{
	const struct crypto_hmac_key *secret = &cookies->secrets[kind & KIND_SECRET];
	/* Unambiguous: peer and kind have one size, the head says its own length. */
	const struct crypto_piece pieces[] = {
		{ peer, sizeof *peer },
		{ &kind, 1 },
		{ hello->head.at, hello->head.len },
		{ hello->tail.at, kind & KIND_FRAGMENT ? 0 : hello->tail.len },
	};
	uint8_t mac[CRYPTO_HASH_LEN];

	crypto_hmac(ops, secret, pieces, 4, mac);
	cookie[0] = kind;
	memcpy(cookie + 1, mac, DTLS_COOKIE - 1);
}

void
dtls_cookie_make(const struct dtls_cookies *cookies, const struct crypto_ops *ops,
		 const struct peer *peer, const struct dtls_hello *hello, bool whole,
		 uint8_t cookie[DTLS_COOKIE])
{
	uint8_t kind = (uint8_t)(cookies->newest | (whole ? 0 : KIND_FRAGMENT));

	make_of_kind(cookies, ops, peer, hello, kind, cookie);
}

bool
dtls_cookie_check(const struct dtls_cookies *cookies, const struct crypto_ops *ops,
		  const struct peer *peer, const struct dtls_hello *hello)
{
	uint8_t expected[DTLS_COOKIE];

	if (hello->cookie.len != DTLS_COOKIE || hello->cookie.at[0] >= KINDS)
		return false;
	/* A cookie for a whole hello says nothing about a fragment, whose tail was not seen. */
	if (!(hello->cookie.at[0] & KIND_FRAGMENT) && hello->tail.len == 0)
		return false;
	make_of_kind(cookies, ops, peer, hello, hello->cookie.at[0], expected);
	return crypto_equal(expected, hello->cookie.at, DTLS_COOKIE);
}

void
dtls_cookie_write_verify(struct writer *out, const struct dtls_record *record,
			 const struct dtls_message *message, const uint8_t cookie[DTLS_COOKIE])
{
	enum { BODY = 2 + 1 + DTLS_COOKIE };
	/* Clients' parsers differ: one that writes 0xFEFD itself reads it, the others expect 1.0 at this point. */
	uint16_t version = record->version == DTLS_1_2 ? DTLS_1_2 : DTLS_1_0;
	struct writer_mark mark =
		dtls_write_record(out, DTLS_HANDSHAKE, version, record->sequence);
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	dtls_message_header(header, DTLS_HELLO_VERIFY_REQUEST, BODY, message->sequence);
	writer_bytes(out, header, sizeof header);
	writer_u16(out, DTLS_1_0); /* RFC 6347 4.2.1: whatever will be negotiated */
	writer_u8(out, DTLS_COOKIE);
	writer_bytes(out, cookie, DTLS_COOKIE);
	writer_close(out, mark);
}
