#include "dataplane/core/crypto/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
load64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof value);
	return le64toh(value);
}

static inline uint64_t
rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void
sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static inline void
absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

/*
 * The last len % 8 bytes, zeros, and the length's low byte. Where there are eight bytes the last
 * eight are read, and those that were absorbed already shifted out: a copy of a length known at run
 * time only is a call.
 */
static inline uint64_t
last_word(const uint8_t *bytes, size_t len)
{
	uint64_t word = (uint64_t)len << 56;
	size_t left = len % 8;

	if (len >= 8)
		return left ? word | load64(bytes + len - 8) >> (64 - 8 * left) : word;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)bytes[i] << 8 * i;
	return word;
}

struct siphash_key
siphash_key(const uint8_t bytes[16])
{
	return (struct siphash_key){ load64(bytes), load64(bytes + 8) };
}

uint64_t
siphash13(const struct siphash_key *key, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	struct state s = {
		key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573),
	};

	for (size_t left = len / 8; left; left--, at += 8)
		absorb(&s, load64(at));
	absorb(&s, last_word(bytes, len));
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
