#include "dataplane/core/dtls/dtls_cookie.h"

#include <string.h>

enum {
	KIND_SECRET = 1,   /* bit: which of the two */
	KIND_FRAGMENT = 2, /* bit: there is no hash of the whole */
	KINDS = 4,
	HEAD_MAX = 2 + DTLS_RANDOM + 1 + DTLS_SESSION_ID_MAX,
	HEAD_HASH = 8,
	TAIL_HASH = 8,
	WHOLE_HASH = DTLS_COOKIE - 1 - HEAD_HASH,
	HALF_US = DTLS_COOKIE_LIFE_US / 2,
};

static void
replace_secret(struct dtls_cookies *cookies, unsigned i, const struct rng *rng)
{
	enum { KEY = 16 };
	uint8_t keys[2 * KEY];

	rng_fill(rng, keys, sizeof keys);
	cookies->heads[i] = siphash_key(keys);
	cookies->wholes[i] = siphash_key(keys + KEY);
	crypto_wipe(keys, sizeof keys);
}

void
dtls_cookies_init(struct dtls_cookies *cookies, const struct rng *rng, uint64_t now_us)
{
	replace_secret(cookies, 0, rng);
	replace_secret(cookies, 1, rng);
	cookies->newest = 0;
	cookies->shared = false;
	cookies->rotate_us = now_us + DTLS_COOKIE_LIFE_US;
}

void
dtls_cookies_rotate(struct dtls_cookies *cookies, const struct rng *rng, uint64_t now_us)
{
	if (now_us < cookies->rotate_us)
		return;
	/* After a silence longer than a life both are outdated. */
	if (now_us - cookies->rotate_us >= DTLS_COOKIE_LIFE_US)
		replace_secret(cookies, cookies->newest, rng);
	cookies->newest ^= 1;
	replace_secret(cookies, cookies->newest, rng);
	cookies->rotate_us = now_us + DTLS_COOKIE_LIFE_US;
}

/* The secret of a minute, as every appliance makes it that shares it. */
static void
derive_secret(struct dtls_cookies *cookies, const struct crypto_ops *ops,
	      const struct cookie_sharing *sharing, uint64_t minute)
{
	static const char labels[2][16] = { "cookie whole", "cookie head" };
	uint8_t number[8], secrets[2][CRYPTO_HASH_LEN];
	struct crypto_hmac_key key;

	cursor_store(number, minute, sizeof number);
	crypto_hmac_key_init(ops, &key, sharing->secret, sizeof sharing->secret);
	for (unsigned i = 0; i < 2; i++) {
		const struct crypto_piece pieces[] = { { labels[i], sizeof labels[i] },
						       { number, sizeof number } };

		crypto_hmac(ops, &key, pieces, 2, secrets[i]);
	}
	cookies->wholes[minute & 1] = siphash_key(secrets[0]);
	cookies->heads[minute & 1] = siphash_key(secrets[1]);
	crypto_wipe(secrets, sizeof secrets);
	crypto_wipe(&key, sizeof key);
}

static void
share(struct dtls_cookies *cookies, const struct crypto_ops *ops,
      const struct cookie_sharing *sharing, uint64_t now_us)
{
	uint64_t half = (now_us + (uint64_t)sharing->wall_us) / HALF_US, minute = half / 2;

	derive_secret(cookies, ops, sharing, minute);
	derive_secret(cookies, ops, sharing, half & 1 ? minute + 1 : minute - 1);
	cookies->newest = minute & 1;
	cookies->shared = true;
	cookies->rotate_us = (half + 1) * HALF_US - (uint64_t)sharing->wall_us;
}

void
dtls_cookies_follow(struct dtls_cookies *cookies, const struct crypto_ops *ops,
		    const struct rng *rng, const struct cookie_sharing *sharing, uint64_t now_us)
{
	if (sharing->on) {
		if (!cookies->shared || now_us >= cookies->rotate_us)
			share(cookies, ops, sharing, now_us);
	} else if (cookies->shared) {
		cookies->shared = false;
		dtls_cookies_init(cookies, rng, now_us);
	} else {
		dtls_cookies_rotate(cookies, rng, now_us);
	}
}

/* Unambiguous: peer and kind have one size, the head says its own length. */
static void
put_head_hash(const struct dtls_cookies *cookies, const struct peer *peer,
	      const struct dtls_hello *hello, uint8_t cookie[DTLS_COOKIE])
{
	uint8_t bytes[sizeof *peer + 1 + HEAD_MAX];
	struct writer writer = writer_init(bytes, sizeof bytes);
	uint64_t hash;

	writer_bytes(&writer, peer, sizeof *peer);
	writer_u8(&writer, cookie[0]);
	writer_bytes(&writer, hello->head.at, hello->head.len);
	hash = siphash13(&cookies->heads[cookie[0] & KIND_SECRET], bytes, writer_len(&writer));
	cursor_store(cookie + 1, hash, HEAD_HASH);
}

/* Of kind and head's hash, and of the tail by a hash of it, as it lies: it may be long. */
static void
put_whole_hash(const struct dtls_cookies *cookies, const struct dtls_hello *hello,
	       uint8_t cookie[DTLS_COOKIE])
{
	const struct siphash_key *key = &cookies->wholes[cookie[0] & KIND_SECRET];
	uint8_t bytes[1 + HEAD_HASH + TAIL_HASH], hash[8];

	memcpy(bytes, cookie, 1 + HEAD_HASH);
	cursor_store(bytes + 1 + HEAD_HASH, siphash13(key, hello->tail.at, hello->tail.len),
		     TAIL_HASH);
	cursor_store(hash, siphash13(key, bytes, sizeof bytes), sizeof hash);
	memcpy(cookie + 1 + HEAD_HASH, hash, WHOLE_HASH);
}

void
dtls_cookie_make(const struct dtls_cookies *cookies, const struct peer *peer,
		 const struct dtls_hello *hello, bool whole, uint8_t cookie[DTLS_COOKIE])
{
	memset(cookie, 0, DTLS_COOKIE);
	cookie[0] = (uint8_t)(cookies->newest | (whole ? 0 : KIND_FRAGMENT));
	put_head_hash(cookies, peer, hello, cookie);
	if (whole)
		put_whole_hash(cookies, hello, cookie);
}

bool
dtls_cookie_check(const struct dtls_cookies *cookies, const struct peer *peer,
		  const struct dtls_hello *hello, bool whole)
{
	uint8_t expected[DTLS_COOKIE] = { 0 };

	if (hello->cookie.len != DTLS_COOKIE || hello->cookie.at[0] >= KINDS)
		return false;
	expected[0] = hello->cookie.at[0];
	put_head_hash(cookies, peer, hello, expected);
	if (!crypto_equal(expected, hello->cookie.at, 1 + HEAD_HASH))
		return false;
	if (!whole)
		return true;
	if (!(expected[0] & KIND_FRAGMENT))
		put_whole_hash(cookies, hello, expected);
	return crypto_equal(expected, hello->cookie.at, DTLS_COOKIE);
}

void
dtls_cookie_write_verify(struct writer *out, const struct dtls_record *record,
			 const struct dtls_message *message, const uint8_t cookie[DTLS_COOKIE])
{
	enum { BODY = 2 + 1 + DTLS_COOKIE };
	/* Clients' parsers differ: one that writes 0xFEFD itself reads it, the others expect 1.0
	 * at this point. */
	uint16_t version = record->version == DTLS_1_2 ? DTLS_1_2 : DTLS_1_0;
	struct writer_mark mark = dtls_write_record(out, DTLS_HANDSHAKE, version, record->sequence);
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	dtls_message_header(header, DTLS_HELLO_VERIFY_REQUEST, BODY, message->sequence);
	writer_bytes(out, header, sizeof header);
	writer_u16(out, DTLS_1_0); /* RFC 6347 4.2.1: whatever will be negotiated */
	writer_u8(out, DTLS_COOKIE);
	writer_bytes(out, cookie, DTLS_COOKIE);
	writer_close(out, mark);
}
