/*
 * CBC records, made by hand with every padding that a peer may choose and every one it may not.
 */
#include "dataplane/core/crypto/crypto_cbc.c"

#include <criterion/criterion.h>

enum {
	ROOM = 1024,
	HEADER_LEN = 13,
};

/* seq_num, type, version, length: the last two are for the code to fill in. */
static const uint8_t header[HEADER_LEN] = { 0, 1, 0, 0, 0, 0, 0, 5, 23, 0xfe, 0xfd, 0xaa, 0xaa };
static const uint8_t iv[16] = { 0x10, 0x32, 0x54, 0x76 };

static struct crypto_cbc_keys
make_keys(const struct crypto_ops *ops, bool encrypt_then_mac)
{
	struct crypto_cbc_keys keys = { .encrypt_then_mac = encrypt_then_mac };

	memset(keys.enc, 0x42, sizeof keys.enc);
	crypto_hmac_key_init(ops, &keys.mac, "a MAC key of thirty-two bytes...", 32);
	return keys;
}

static void
true_mac(const struct crypto_ops *ops, const struct crypto_cbc_keys *keys, const uint8_t *data,
	 size_t len, uint8_t mac[32])
{
	uint8_t head[HEADER_LEN];
	struct crypto_piece pieces[2] = { { head, sizeof head }, { data, len } };

	memcpy(head, header, sizeof head);
	head[HEADER_LEN - 2] = (uint8_t)(len >> 8);
	head[HEADER_LEN - 1] = (uint8_t)len;
	crypto_hmac(ops, &keys->mac, pieces, 2, mac);
}

/* A plaintext body and what becomes of it on the wire. */
struct forge {
	const struct crypto_ops *ops;
	struct crypto_cbc_keys keys;
	uint8_t body[ROOM];
	size_t len;
	uint8_t wire[ROOM], out[ROOM];
};

/* content || MAC || padding of `padding` + 1 bytes; for encrypt-then-MAC without the MAC. */
static void
forge_body(struct forge *forge, size_t content, unsigned padding)
{
	for (size_t i = 0; i < content; i++)
		forge->body[i] = (uint8_t)(i * 31);
	forge->len = content;
	if (!forge->keys.encrypt_then_mac) {
		true_mac(forge->ops, &forge->keys, forge->body, content, forge->body + content);
		forge->len += 32;
	}
	memset(forge->body + forge->len, (int)padding, padding + 1u);
	forge->len += padding + 1u;
	cr_assert_eq(forge->len % 16, 0u);
}

static int
forge_open(struct forge *forge)
{
	struct crypto_cbc record = { &forge->keys, header, HEADER_LEN, 0, forge->wire, forge->out };
	const uint8_t *content = NULL;
	size_t total = 16 + forge->len;
	int len;

	memcpy(forge->wire, iv, 16);
	forge->ops->cbc_encrypt(forge->keys.enc, iv, forge->body, forge->wire + 16,
				forge->len / 16);
	if (forge->keys.encrypt_then_mac) {
		true_mac(forge->ops, &forge->keys, forge->wire, total, forge->wire + total);
		total += 32;
	}
	record.len = (uint16_t)total;
	len = crypto_cbc_open(forge->ops, &record, &content);
	if (len >= 0)
		cr_assert_arr_eq(content, forge->body, (size_t)len);
	return len;
}

static bool
is_wiped(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

#define each_backend(ops)                                                                          \
	const struct crypto_ops *ops;                                                              \
	for (unsigned ops##_i = 0; (ops = crypto_backend(ops##_i)) != NULL; ops##_i++)

/* ---- what must be refused -------------------------------------------------------------------- */

Test(crypto_cbc, refuses_fragments_of_impossible_length)
{
	each_backend(ops)
	{
		for (int etm = 0; etm < 2; etm++) {
			struct crypto_cbc_keys keys = make_keys(ops, etm);
			uint8_t in[ROOM] = { 0 }, out[ROOM];
			const uint8_t *content;

			for (uint16_t len = 0; len < 200; len++) {
				struct crypto_cbc record = {
					&keys, header, HEADER_LEN, len, in, out
				};

				memset(out, 0xee, sizeof out);
				cr_assert_eq(crypto_cbc_open(ops, &record, &content), -EBADMSG,
					     "%u", len);
				cr_assert(is_wiped(out, len));
				cr_assert_eq(out[len], 0xee);
			}
		}
	}
}

Test(crypto_cbc, refuses_every_flipped_byte)
{
	each_backend(ops)
	{
		for (int etm = 0; etm < 2; etm++) {
			struct crypto_cbc_keys keys = make_keys(ops, etm);
			uint8_t plain[50] = { 1, 2, 3 }, sealed[ROOM], wire[ROOM];
			struct crypto_cbc seal = { &keys, header, HEADER_LEN, 50, plain, sealed };
			size_t total = crypto_cbc_seal(ops, &seal, iv);
			const uint8_t *content;

			for (size_t at = 0; at <= total; at++) {
				struct crypto_cbc open = { &keys,           header, HEADER_LEN,
							   (uint16_t)total, wire,   wire };

				memcpy(wire, sealed, total);
				wire[at] ^= 0x04;
				cr_assert_eq(crypto_cbc_open(ops, &open, &content),
					     at < total ? -EBADMSG : 50, "%s: byte %zu", ops->name,
					     at);
				cr_assert(at == total || is_wiped(wire, total));
			}
		}
	}
}

Test(crypto_cbc, refuses_another_header)
{
	const struct crypto_ops *ops = crypto_select();

	for (int etm = 0; etm < 2; etm++) {
		struct crypto_cbc_keys keys = make_keys(ops, etm);
		uint8_t plain[5] = "hello", sealed[ROOM], out[ROOM], other[HEADER_LEN];
		struct crypto_cbc seal = { &keys, header, HEADER_LEN, 5, plain, sealed };
		size_t total = crypto_cbc_seal(ops, &seal, iv);
		const uint8_t *content;

		for (unsigned at = 0; at < HEADER_LEN; at++) {
			struct crypto_cbc open = { &keys,           other,  HEADER_LEN,
						   (uint16_t)total, sealed, out };

			memcpy(other, header, sizeof other);
			other[at] ^= 1;
			/* The length is filled in, not believed. */
			cr_assert_eq(crypto_cbc_open(ops, &open, &content),
				     at < HEADER_LEN - 2 ? -EBADMSG : 5, "byte %u", at);
		}
	}
}

/* Each byte of the padding is wrong once (RFC 5246 6.2.3.2: every one must be checked). */
Test(crypto_cbc, refuses_wrong_padding_under_a_right_mac)
{
	each_backend(ops)
	{
		for (int etm = 0; etm < 2; etm++) {
			struct forge forge = { .ops = ops, .keys = make_keys(ops, etm) };

			for (unsigned i = 0; i <= 255; i++) {
				forge_body(&forge, 64, 255);
				forge.body[forge.len - 1 - i] ^= 1;
				cr_assert_eq(forge_open(&forge), -EBADMSG, "%s: byte %u", ops->name,
					     i);
			}
		}
	}
}

Test(crypto_cbc, refuses_padding_longer_than_the_record)
{
	each_backend(ops)
	{
		for (int etm = 0; etm < 2; etm++) {
			struct forge forge = { .ops = ops, .keys = make_keys(ops, etm) };
			unsigned longest = etm ? 47 : 15;

			for (unsigned padding = longest + 1; padding <= 255; padding++) {
				memset(forge.body, (int)padding, sizeof forge.body);
				forge.len = 48;
				cr_assert_eq(forge_open(&forge), -EBADMSG, "%u", padding);
			}
			forge_body(&forge, 0, longest);
			cr_assert_eq(forge.len, 48u);
			cr_assert_eq(forge_open(&forge), 0);
		}
	}
}

/* ---- what must be taken ---------------------------------------------------------------------- */

Test(crypto_cbc, takes_every_padding)
{
	each_backend(ops)
	{
		for (int etm = 0; etm < 2; etm++) {
			struct forge forge = { .ops = ops, .keys = make_keys(ops, etm) };

			for (size_t content = 0; content <= 300; content++) {
				unsigned padding = 15 - content % 16;

				for (; padding <= 255; padding += 16) {
					forge_body(&forge, content, padding);
					cr_assert_eq(forge_open(&forge), (int)content,
						     "%s: %zu and %u", ops->name, content, padding);
				}
			}
		}
	}
}

Test(crypto_cbc, opens_what_it_seals_in_place)
{
	each_backend(ops)
	{
		for (int etm = 0; etm < 2; etm++) {
			struct crypto_cbc_keys keys = make_keys(ops, etm);

			for (uint16_t len = 0; len <= 300; len++) {
				uint8_t plain[ROOM], wire[ROOM];
				struct crypto_cbc seal = { &keys, header,    HEADER_LEN,
							   len,   wire + 16, wire };
				struct crypto_cbc open = {
					&keys, header, HEADER_LEN, 0, wire, wire
				};
				const uint8_t *content;

				for (int i = 0; i < ROOM; i++)
					plain[i] = (uint8_t)(i + len);
				memset(wire, 0xee, sizeof wire);
				memcpy(wire + 16, plain, len);
				open.len = (uint16_t)crypto_cbc_seal(ops, &seal, iv);
				cr_assert_eq(open.len, crypto_cbc_sealed_len(len));
				cr_assert_leq(open.len, len + CRYPTO_CBC_OVERHEAD_MAX);
				cr_assert_eq(wire[open.len], 0xee);
				cr_assert_eq(crypto_cbc_open(ops, &open, &content), (int)len);
				cr_assert_arr_eq(content, plain, len);
			}
		}
	}
}

/* ---- Lucky 13: the work must not depend on the padding --------------------------------------- */

static size_t compressed;

static void
counting_blocks(uint32_t h[8], const uint8_t *data, size_t blocks)
{
	compressed += blocks;
	crypto_select()->sha256_blocks(h, data, blocks);
}

Test(crypto_cbc, lucky13_compresses_as_often_for_every_padding)
{
	struct crypto_ops ops = *crypto_select();
	struct forge forge = { .ops = &ops, .keys = make_keys(&ops, false) };
	size_t expected = 0;

	ops.sha256_blocks = counting_blocks;
	for (unsigned padding = 15; padding <= 255; padding += 16) {
		/* Records of one length: 320 bytes of body. */
		forge_body(&forge, 320 - 33 - padding, padding);
		cr_assert_eq(forge.len, 320u);
		for (int wrong = 0; wrong < 3; wrong++) {
			if (wrong == 1)
				forge.body[320 - 33 - padding] ^= 1; /* the MAC */
			if (wrong == 2)
				forge.body[forge.len - 1] = 0xff; /* and the padding */
			compressed = 0;
			cr_assert_eq(forge_open(&forge) >= 0, wrong == 0);
			if (expected == 0)
				expected = compressed;
			cr_assert_eq(compressed, expected, "padding %u, wrong %d: %zu", padding,
				     wrong, compressed);
		}
	}
}
