/*
 * seal.h - secrets of the store under a key-encryption key: AES-256-GCM (NIST SP 800-38D), by libcrypto.
 *
 * What is sealed belongs to its place: the row's number and what the bytes are stand in the associated data, so that a
 * key moved to another row does not open. Nonces are 96 random bits: fine for some 2^32 seals under one key, so
 * change it long before that.
 *
 *	0        12                12 + n            12 + n + 16
 *	+--------+------------------+----------------+
 *	| nonce  | ciphertext       | tag            |
 *	+--------+------------------+----------------+
 *
 * Owner: one thread. Allocates in sealer_new() alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "control/store/keyring.h"

enum { SEAL_NONCE_LEN = 12, SEAL_TAG_LEN = 16, SEAL_OVERHEAD = SEAL_NONCE_LEN + SEAL_TAG_LEN };

/* What the bytes are. Never changed once released: stands in the associated data. */
enum seal_what {
	SEAL_KEY = 1,
	SEAL_SETTINGS = 2,
	SEAL_LOG = 3,
	/* In a database that several appliances share, where a row is 64 bits of a hash of its name (cluster_rows.h). */
	SEAL_SHARED_KEY = 4,
	SEAL_SHARED_SETTINGS = 5,
	SEAL_POLICY = 6,
	SEAL_MESSAGE = 7,
	SEAL_FILE = 9, /* sealed_file.h */
	SEAL_SHARED_POLICY = 10, /* cluster_policy.h: by a hash of the file's name */
};

struct seal_place {
	enum seal_what what;
	uint64_t row;
};

struct sealer;

/* The keyring is copied. NULL: out of memory. */
struct sealer *sealer_new(const struct keyring *keyring);
/* Of its own, with the same keys. NULL: out of memory. */
struct sealer *sealer_copy(const struct sealer *sealer);
void sealer_free(struct sealer *sealer); /* NULL: nothing */
/* The id of the key that seals; NULL: there is none. */
const uint8_t *sealer_id(const struct sealer *sealer);
/* Which of the keys has this id; -1: none. */
int sealer_find(const struct sealer *sealer, const void *id, size_t len);
/* Writes len + SEAL_OVERHEAD bytes. 0 or -EIO. */
int sealer_seal(struct sealer *sealer, const struct seal_place *place, const void *plain, size_t len,
		uint8_t *out);
/*
 * Under the key `number` of sealer_find(): writes len - SEAL_OVERHEAD bytes. 0; -EBADMSG: not sealed under it, for another
 * place, or damaged; `out` is wiped then.
 */
int sealer_open(struct sealer *sealer, unsigned number, const struct seal_place *place,
		const void *sealed, size_t len, uint8_t *out);
