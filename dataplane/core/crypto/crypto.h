/*
 * crypto.h - the symmetric primitives of DTLS 1.2, by one of several backends.
 *
 * A backend is a table of a few block-level functions (struct crypto_ops); everything above them
 * (padding, HMAC, PRF, CBC records) is written once over that table. crypto_select() picks the best
 * table the CPU can run; the caller keeps the pointer, runs crypto_selftest() on it before first
 * use, in one thread, and refuses to go on when that fails. (In one thread: the portable backend's
 * library builds its AES tables at its first use.)
 *
 * Threads: everything here is free of state, so any thread may call. Nothing allocates, blocks or
 * fails on input.
 * Secrets: temporaries are wiped before return; the structs are the caller's to
 * wipe (crypto_wipe). Timing depends on lengths, never on keys or contents.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	CRYPTO_HASH_LEN = 32, /* SHA-256, FIPS 180-4 */
	CRYPTO_HASH_BLOCK = 64,
	CRYPTO_AES_KEY_LEN = 16,
	CRYPTO_AES_BLOCK = 16,
	CRYPTO_CCM_NONCE_LEN = 12, /* RFC 6655 3: 4 bytes of salt and 8 explicit ones, so L = 3 */
	CRYPTO_CCM_TAG_LEN = 8,    /* AES_128_CCM_8 */
	CRYPTO_LONG_TAG_LEN = 16,  /* AES_128_CCM, AES_128_GCM */
	CRYPTO_CCM_AAD_MAX = 64,   /* 13 bytes in DTLS, 23 + a connection id in RFC 9146 */
	CRYPTO_PRF_SEED_MAX = 128, /* label and seed together; DTLS needs 77 */
};

/* One stream of a multi-buffer SHA-256 call: `h` is updated by the blocks at `data`. */
struct crypto_lane {
	uint32_t *h; /* eight words */
	const uint8_t *data;
};

/*
 * One HMAC of a multi-buffer call, from the chaining values of its padded key (struct
 * crypto_hmac_key), or from an inner one that went on over the message's first blocks. `mac` may
 * overlap `message`.
 */
struct crypto_hmac_lane {
	const uint32_t *inner, *outer; /* eight words */
	const uint8_t *message;        /* the rest of it, padded as what follows the inner pad */
	uint8_t *mac;                  /* 32 bytes */
};

/*
 * One AEAD record: AES-128-CCM-8, AES-128-CCM or AES-128-GCM, by which function gets it. `len`
 * counts plaintext in both directions:
 *	seal: in[len]       -> out[len + tag], the tag appended
 *	open: in[len + tag] -> out[len]
 * `out` may equal `in`; any other overlap is not allowed.
 */
struct crypto_ccm {
	const uint8_t *key;   /* 16 bytes, expanded by each call: cheaper than a cold schedule */
	const uint8_t *nonce; /* 12 bytes */
	const uint8_t *aad;   /* aad_len bytes, at most CRYPTO_CCM_AAD_MAX */
	const uint8_t *in;
	uint8_t *out;
	uint16_t aad_len;
	uint16_t len;
	bool ok; /* open: whether the tag was right */
};

struct crypto_ops {
	const char *name;

	/* SHA-256 compression of `blocks` 64-byte blocks. */
	void (*sha256_blocks)(uint32_t h[8], const uint8_t *data, size_t blocks);
	/*
	 * The same for `n` independent streams, all of `blocks` blocks: a backend may interleave
	 * them.
	 */
	void (*sha256_lanes)(const struct crypto_lane *lanes, unsigned n, size_t blocks);

	/*
	 * The inner hash of `blocks` blocks and the outer one for `n` independent HMACs: as one
	 * primitive, because the digest between the two then stays in registers (an HMAC of 50
	 * bytes: 98 ns against 110).
	 */
	void (*hmac_lanes)(const struct crypto_hmac_lane *lanes, unsigned n, size_t blocks);

	/* A burst of independent records; no two may share an `out`. */
	void (*ccm8_seal)(struct crypto_ccm *records, unsigned n);
	/*
	 * Sets `ok` in each. Where it is false, out[0..len) holds the ciphertext: a record opened
	 * in place is as it was and may be tried with another key, and no unauthenticated plaintext
	 * is left anywhere.
	 */
	void (*ccm8_open)(struct crypto_ccm *records, unsigned n);
	/* The same with tags of 16 bytes (RFC 6655 4: the suites without "_8"). */
	void (*ccm16_seal)(struct crypto_ccm *records, unsigned n);
	void (*ccm16_open)(struct crypto_ccm *records, unsigned n);
	/* The same under GCM (NIST SP 800-38D), tags of 16 bytes. */
	void (*gcm_seal)(struct crypto_ccm *records, unsigned n);
	void (*gcm_open)(struct crypto_ccm *records, unsigned n);

	/*
	 * AES-128-CBC over whole blocks, no padding; out may equal in. iv is 16 bytes and is not
	 * changed.
	 */
	void (*cbc_encrypt)(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
			    uint8_t *out, size_t blocks);
	void (*cbc_decrypt)(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
			    uint8_t *out, size_t blocks);
	/*
	 * `blocks` blocks of key stream E(key, counter), E(key, counter + 1), ...: 128-bit
	 * big-endian counter.
	 */
	void (*ctr_stream)(const uint8_t key[16], const uint8_t counter[16], uint8_t *out,
			   size_t blocks);
};

/*
 * The i-th backend that this CPU can run, best first; NULL past the last one. The last one is
 * portable.
 */
const struct crypto_ops *crypto_backend(unsigned i) __attribute__((warn_unused_result));
/* The best one. Never NULL. */
const struct crypto_ops *crypto_select(void) __attribute__((warn_unused_result));
/* Known-answer tests. NULL, or the name of the vector that failed. */
const char *crypto_selftest(const struct crypto_ops *ops) __attribute__((warn_unused_result));

/*
 * What two HMACs in step cost, in percent of one after the other, measured now, in a millisecond or so; `clock`
 * counts whatever goes with time. Above CRYPTO_STEP_WORTH, to bring two together does not pay.
 */
unsigned crypto_step_percent(const struct crypto_ops *ops, uint64_t (*clock)(void))
	__attribute__((warn_unused_result));

enum { CRYPTO_STEP_WORTH = 90 };

/* Constant time in the contents. */
bool crypto_equal(const void *a, const void *b, size_t len) __attribute__((warn_unused_result));

/*
 * explicit_bzero(3), inline, in wide stores that cannot be left out: the hot path wipes many short
 * temporaries. (Sealing 100 bytes: 77 ns; 84 with the `rep stos` that a compiler makes of
 * memset().)
 */
static inline void
crypto_wipe(void *secret, size_t len)
{
	uint64_t zeros __attribute__((vector_size(16))) = { 0 };
	uint8_t *at = secret;

	for (; len >= 4 * sizeof zeros; at += 4 * sizeof zeros, len -= 4 * sizeof zeros) {
		for (unsigned i = 0; i < 4; i++)
			memcpy(at + i * sizeof zeros, &zeros, sizeof zeros);
		__asm__ volatile("" : : "r"(at) : "memory");
	}
	for (; len >= sizeof zeros; at += sizeof zeros, len -= sizeof zeros) {
		memcpy(at, &zeros, sizeof zeros);
		__asm__ volatile("" : : "r"(at) : "memory");
	}
	if (len & 8) {
		memcpy(at, &zeros, 8);
		at += 8;
	}
	if (len & 4) {
		memcpy(at, &zeros, 4);
		at += 4;
	}
	if (len & 2) {
		memcpy(at, &zeros, 2);
		at += 2;
	}
	if (len & 1)
		*at = 0;
	__asm__ volatile("" : : "r"(secret) : "memory");
}

/*
 * SHA-256 as a stream. Plain memory: assign the struct to fork a transcript; crypto_sha256_final()
 * leaves it as it was, so the hash so far can be taken at any time and the stream goes on.
 */
struct crypto_sha256 {
	uint32_t h[8];
	uint64_t len;                    /* bytes so far */
	uint8_t tail[CRYPTO_HASH_BLOCK]; /* the last len % 64 of them */
};

void crypto_sha256_init(struct crypto_sha256 *hash);
void crypto_sha256_update(const struct crypto_ops *ops, struct crypto_sha256 *hash,
			  const void *data, size_t len);
void crypto_sha256_final(const struct crypto_ops *ops, const struct crypto_sha256 *hash,
			 uint8_t digest[CRYPTO_HASH_LEN]);
/* The same of `n` streams, neighbours in step. */
void crypto_sha256_finals(const struct crypto_ops *ops, const struct crypto_sha256 *const *hashes,
			  unsigned n, uint8_t (*digests)[CRYPTO_HASH_LEN]);
void crypto_sha256(const struct crypto_ops *ops, const void *data, size_t len,
		   uint8_t digest[CRYPTO_HASH_LEN]);

/* One piece of scattered input. An empty piece may have a NULL pointer. */
struct crypto_piece {
	const void *data;
	size_t len;
};

/*
 * HMAC-SHA-256 (RFC 2104) with the key's two pads already compressed: two compressions less a use.
 * A secret.
 */
struct crypto_hmac_key {
	uint32_t inner[8], outer[8];
};

void crypto_hmac_key_init(const struct crypto_ops *ops, struct crypto_hmac_key *key,
			  const void *secret, size_t len);
/* The HMAC of the pieces put together; for a truncated one use the leading bytes (RFC 2104 5). */
void crypto_hmac(const struct crypto_ops *ops, const struct crypto_hmac_key *key,
		 const struct crypto_piece *pieces, unsigned n, uint8_t mac[CRYPTO_HASH_LEN]);

/*
 * One output of the TLS 1.2 PRF (RFC 5246 5): out = P_SHA256(secret, label + seed[0] + seed[1]).
 * label and seeds together: at most CRYPTO_PRF_SEED_MAX bytes (our own callers' guarantee,
 * asserted).
 */
struct crypto_prf {
	const struct crypto_hmac_key *secret;
	const char *label; /* without its NUL */
	struct crypto_piece seed[2];
	uint8_t *out;
	size_t len;
};

/* A burst of independent outputs. */
void crypto_prf(const struct crypto_ops *ops, const struct crypto_prf *jobs, unsigned n);

/*
 * Records of TLS_PSK_WITH_AES_128_CBC_SHA256: fragment = IV (16) || AES-128-CBC(...) [|| MAC].
 *
 *	MAC-then-encrypt (RFC 5246 6.2.3.2):
 *		IV | E( content | MAC (32) | padding | padding_length )
 *	encrypt-then-MAC (RFC 7366 3):
 *		IV | E( content | padding | padding_length ) | MAC (32)
 */
struct crypto_cbc_keys {
	uint8_t enc[CRYPTO_AES_KEY_LEN];
	struct crypto_hmac_key mac;
	bool encrypt_then_mac;
};

struct crypto_cbc {
	const struct crypto_cbc_keys *keys;
	/*
	 * What the MAC covers ahead of the data: seq_num, type, version, length (RFC 5246 6.2.3.1),
	 * or RFC 9146 5's form. Both end in a 16-bit length, which is set here: its value in the
	 * caller's copy does not matter.
	 */
	const uint8_t *header;
	uint16_t header_len; /* 3 .. CRYPTO_CCM_AAD_MAX */
	uint16_t len;        /* bytes at `in`: content to seal, or fragment to open */
	const uint8_t *in;
	uint8_t *out; /* open: len bytes of room; may equal `in` */
};

enum {
	CRYPTO_CBC_OVERHEAD_MAX = 16 + 32 + 16, /* IV, MAC, padding */
};

/* Bytes of the fragment for `len` bytes of content: the padding is the shortest. */
size_t crypto_cbc_sealed_len(size_t len);
/*
 * Seals one record under a fresh random IV; returns the fragment's length, which `out` must have
 * room for. `in` may be out + 16, where the content goes; any other overlap is not allowed.
 */
size_t crypto_cbc_seal(const struct crypto_ops *ops, const struct crypto_cbc *record,
		       const uint8_t iv[16]);
/*
 * Opens one record: *content is where in `out` the content begins, and its length is returned;
 * -EBADMSG for whatever is wrong with it (RFC 5246 6.2.3.2: bad padding and bad MAC must look the
 * same), with `out` wiped. For MAC-then-encrypt the time depends on record->len alone (Lucky 13,
 * CVE-2013-0169).
 */
int crypto_cbc_open(const struct crypto_ops *ops, const struct crypto_cbc *record,
		    const uint8_t **content) __attribute__((warn_unused_result));
