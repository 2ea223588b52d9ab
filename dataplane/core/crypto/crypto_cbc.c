/*
 * CBC records with HMAC-SHA-256: MAC-then-encrypt (RFC 5246 6.2.3.2) and encrypt-then-MAC
 * (RFC 7366).
 *
 * MAC-then-encrypt says where the MAC begins by a padding length that an attacker may have chosen,
 * before anything was verified. So that length is a secret: nothing below branches on it, indexes
 * memory by it or compresses a number of blocks that follows from it (Lucky 13; the counter-measure
 * is the usual one: every block that could be the last is compressed, and the right state is kept
 * by a mask).
 */
#include <errno.h>
#include <string.h>

#include "dataplane/core/crypto/crypto.h"

enum {
	IV_LEN = CRYPTO_AES_BLOCK,
	MAC_LEN = CRYPTO_HASH_LEN,
	BLOCK = CRYPTO_HASH_BLOCK,
	PADDING_MAX = 255,     /* and the byte that counts it */
	MTE_MIN = IV_LEN + 48, /* MAC and padding_length fill three blocks */
	ETM_MIN = IV_LEN + CRYPTO_AES_BLOCK + MAC_LEN,
};

/* ---- masks: all ones or zero, without branches ----------------------------------------------- */

/* Hides from the compiler what it knows of a value, lest it turns a mask back into a branch. */
static inline uint32_t
hide(uint32_t value)
{
	__asm__("" : "+r"(value));
	return value;
}

/* For values below 2^31. */
static inline uint32_t
mask_lt(uint32_t a, uint32_t b)
{
	return hide(0u - (hide(a - b) >> 31));
}

static inline uint32_t
mask_ge(uint32_t a, uint32_t b)
{
	return ~mask_lt(a, b);
}

static inline uint32_t
mask_eq(uint32_t a, uint32_t b)
{
	return mask_ge(a, b) & mask_ge(b, a);
}

static inline uint32_t
pick(uint32_t mask, uint32_t yes, uint32_t no)
{
	return (yes & mask) | (no & ~mask);
}

/* ---- what both kinds share ------------------------------------------------------------------- */

/* The MAC's header with its length filled in. */
static void
put_header(uint8_t to[CRYPTO_CCM_AAD_MAX], const struct crypto_cbc *record, uint32_t len)
{
	memcpy(to, record->header, record->header_len);
	to[record->header_len - 2] = (uint8_t)(len >> 8);
	to[record->header_len - 1] = (uint8_t)len;
}

/* The MAC over header and data, of public length. */
static void
mac_data(const struct crypto_ops *ops, const struct crypto_cbc *record, const uint8_t *data,
	 size_t len, uint8_t mac[MAC_LEN])
{
	uint8_t header[CRYPTO_CCM_AAD_MAX];
	struct crypto_piece pieces[2] = { { header, record->header_len }, { data, len } };

	put_header(header, record, (uint32_t)len);
	crypto_hmac(ops, &record->keys->mac, pieces, 2, mac);
}

static int
refuse(const struct crypto_cbc *record, size_t len)
{
	crypto_wipe(record->out, len);
	return -EBADMSG;
}

/* ---- sealing --------------------------------------------------------------------------------- */

size_t
crypto_cbc_sealed_len(size_t len)
{
	/* The MAC is two blocks, so it does not matter whether it is inside or behind. */
	return IV_LEN + (len / CRYPTO_AES_BLOCK + 1) * CRYPTO_AES_BLOCK + MAC_LEN;
}

size_t
crypto_cbc_seal(const struct crypto_ops *ops, const struct crypto_cbc *record, const uint8_t iv[16])
{
	const struct crypto_cbc_keys *keys = record->keys;
	uint8_t *body = record->out + IV_LEN;
	size_t len = record->len, total = crypto_cbc_sealed_len(len);
	size_t padding = total - IV_LEN - MAC_LEN - len;

	memcpy(record->out, iv, IV_LEN);
	memmove(body, record->in, len);
	if (!keys->encrypt_then_mac) {
		mac_data(ops, record, body, len, body + len);
		len += MAC_LEN;
	}
	memset(body + len, (int)padding - 1, padding);
	len += padding;
	ops->cbc_encrypt(keys->enc, iv, body, body, len / CRYPTO_AES_BLOCK);
	if (keys->encrypt_then_mac)
		mac_data(ops, record, record->out, IV_LEN + len, body + len);
	return total;
}

/* ---- encrypt-then-MAC ------------------------------------------------------------------------ */

/*
 * The length of the content in a verified body, or -EBADMSG: a peer that pads wrongly under its own
 * MAC.
 */
static int
unpad(const uint8_t *body, size_t len)
{
	size_t padding = body[len - 1];

	if (padding + 1 > len)
		return -EBADMSG;
	for (size_t i = 0; i < padding; i++) {
		if (body[len - 2 - i] != padding)
			return -EBADMSG;
	}
	return (int)(len - 1 - padding);
}

static int
open_etm(const struct crypto_ops *ops, const struct crypto_cbc *record, const uint8_t **content)
{
	uint8_t mac[MAC_LEN], *body = record->out + IV_LEN;
	size_t sealed = record->len - MAC_LEN, len = sealed - IV_LEN;
	int content_len;
	bool right;

	mac_data(ops, record, record->in, sealed, mac);
	right = crypto_equal(mac, record->in + sealed, MAC_LEN);
	crypto_wipe(mac, sizeof mac);
	if (!right)
		return refuse(record, record->len);
	ops->cbc_decrypt(record->keys->enc, record->in, record->in + IV_LEN, body,
			 len / CRYPTO_AES_BLOCK);
	content_len = unpad(body, len);
	if (content_len < 0)
		return refuse(record, record->len);
	*content = body;
	return content_len;
}

/* ---- MAC-then-encrypt ------------------------------------------------------------------------ */

/* A decrypted body: content || MAC || padding || padding_length. */
struct body {
	const uint8_t *bytes;
	uint32_t len;         /* public */
	uint32_t content_len; /* secret, at most len - 33 */
	uint32_t shortest;    /* public: the least that content_len can be */
	uint32_t good;        /* secret mask: the padding is as it must be */
};

/* Reads the padding. Where it is wrong, content_len is as if there were none. */
static void
body_read(struct body *body, const uint8_t *bytes, uint32_t len)
{
	uint32_t padding = bytes[len - 1];
	uint32_t room = len - MAC_LEN - 1;
	uint32_t scan = room < PADDING_MAX ? room : PADDING_MAX;
	uint32_t good = mask_ge(room, padding);

	for (uint32_t i = 1; i <= scan; i++)
		good &= ~mask_ge(padding, i) | mask_eq(bytes[len - 1 - i], padding);
	body->bytes = bytes;
	body->len = len;
	body->content_len = room - (padding & good);
	body->shortest = room - scan;
	body->good = good;
}

/* The secret-length message of the inner hash, behind the inner pad: header || content. */
struct message {
	uint8_t header[CRYPTO_CCM_AAD_MAX];
	uint32_t header_len;
	const struct body *body;
	uint32_t len;    /* secret */
	uint32_t last;   /* secret: the index of the block that padding ends in */
	uint8_t bits[8]; /* secret: the length that ends it */
};

static void
message_start(struct message *message, const struct crypto_cbc *record, const struct body *body)
{
	uint32_t bits;

	put_header(message->header, record, body->content_len);
	message->header_len = record->header_len;
	message->body = body;
	message->len = record->header_len + body->content_len;
	message->last = (message->len + 8) / BLOCK;
	bits = (BLOCK + message->len) * 8;
	memset(message->bits, 0, 4);
	for (int i = 0; i < 4; i++)
		message->bits[4 + i] = (uint8_t)(bits >> (24 - 8 * i));
}

/* Byte `at` as if the message never ended. `at` is public. */
static uint32_t
message_byte(const struct message *message, uint32_t at)
{
	if (at < message->header_len)
		return message->header[at];
	at -= message->header_len;
	return at < message->body->len ? message->body->bytes[at] : 0;
}

/* Block `k` as it is hashed: data, 0x80, zeros, and in the last block the length in bits. */
static void
message_block(const struct message *message, uint32_t k, uint8_t block[BLOCK])
{
	uint32_t is_last = mask_eq(k, message->last);

	for (uint32_t i = 0; i < BLOCK; i++) {
		uint32_t at = k * BLOCK + i;
		uint32_t byte = message_byte(message, at) & mask_lt(at, message->len);

		byte |= 0x80 & mask_eq(at, message->len);
		if (i >= BLOCK - 8)
			byte |= message->bits[i - (BLOCK - 8)] & is_last;
		block[i] = (uint8_t)byte;
	}
}

/* The inner hash. Blocks compressed: as many as the longest content would need. */
static void
inner_hash(const struct crypto_ops *ops, const struct crypto_cbc *record, const struct body *body,
	   uint8_t digest[MAC_LEN])
{
	struct message message;
	uint8_t block[BLOCK];
	uint32_t h[8], kept[8] = { 0 };
	uint32_t last = (record->header_len + body->len - MAC_LEN - 1 + 8) / BLOCK;

	message_start(&message, record, body);
	memcpy(h, record->keys->mac.inner, sizeof h);
	for (uint32_t k = 0; k <= last; k++) {
		uint32_t is_last = mask_eq(k, message.last);

		message_block(&message, k, block);
		ops->sha256_blocks(h, block, 1);
		for (int i = 0; i < 8; i++)
			kept[i] |= h[i] & is_last;
	}
	for (int i = 0; i < MAC_LEN; i++)
		digest[i] = (uint8_t)(kept[i / 4] >> (24 - 8 * (i % 4)));
	crypto_wipe(&message, sizeof message);
	crypto_wipe(block, sizeof block);
	crypto_wipe(h, sizeof h);
	crypto_wipe(kept, sizeof kept);
}

static void
outer_hash(const struct crypto_ops *ops, const struct crypto_hmac_key *key, uint8_t mac[MAC_LEN])
{
	struct crypto_sha256 hash = { .len = BLOCK };

	memcpy(hash.h, key->outer, sizeof hash.h);
	crypto_sha256_update(ops, &hash, mac, MAC_LEN);
	crypto_sha256_final(ops, &hash, mac);
	crypto_wipe(&hash, sizeof hash);
}

/*
 * The MAC that the record carries, from its secret place: every byte that could belong to it is
 * read, into a ring of 32 that comes out rotated by a secret distance, which five masked rotations
 * take back.
 */
static void
carried_mac(const struct body *body, uint8_t mac[MAC_LEN])
{
	uint32_t begin = body->content_len, end = begin + MAC_LEN;
	uint32_t distance = (begin - body->shortest) % MAC_LEN;
	uint8_t turned[MAC_LEN];

	memset(mac, 0, MAC_LEN);
	for (uint32_t at = body->shortest; at < body->len - 1; at++)
		mac[(at - body->shortest) % MAC_LEN] |=
			(uint8_t)(body->bytes[at] & mask_ge(at, begin) & mask_lt(at, end));
	for (uint32_t by = 1; by < MAC_LEN; by *= 2) {
		uint32_t turn = ~mask_eq(distance & by, 0);

		for (uint32_t i = 0; i < MAC_LEN; i++)
			turned[i] = (uint8_t)pick(turn, mac[(i + by) % MAC_LEN], mac[i]);
		memcpy(mac, turned, MAC_LEN);
	}
	crypto_wipe(turned, sizeof turned);
}

static int
open_mte(const struct crypto_ops *ops, const struct crypto_cbc *record, const uint8_t **content)
{
	uint8_t *bytes = record->out + IV_LEN;
	uint8_t mac[MAC_LEN], carried[MAC_LEN];
	struct body body;
	uint32_t differ = 0;

	ops->cbc_decrypt(record->keys->enc, record->in, record->in + IV_LEN, bytes,
			 (record->len - IV_LEN) / CRYPTO_AES_BLOCK);
	body_read(&body, bytes, record->len - IV_LEN);
	inner_hash(ops, record, &body, mac);
	outer_hash(ops, &record->keys->mac, mac);
	carried_mac(&body, carried);
	for (int i = 0; i < MAC_LEN; i++)
		differ |= mac[i] ^ carried[i];
	crypto_wipe(mac, sizeof mac);
	crypto_wipe(carried, sizeof carried);
	/* One verdict for padding and MAC; from here on it is public. */
	if ((mask_eq(differ, 0) & body.good) == 0)
		return refuse(record, record->len);
	*content = bytes;
	return (int)body.content_len;
}

int
crypto_cbc_open(const struct crypto_ops *ops, const struct crypto_cbc *record,
		const uint8_t **content)
{
	bool etm = record->keys->encrypt_then_mac;
	size_t least = etm ? ETM_MIN : MTE_MIN;

	if (record->len < least || record->len % CRYPTO_AES_BLOCK != 0)
		return refuse(record, record->len);
	return etm ? open_etm(ops, record, content) : open_mte(ops, record, content);
}
