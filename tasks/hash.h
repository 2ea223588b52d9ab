/*
 * hash.h - FNV-1a, for tables and for noticing edits: no adversary chooses what goes in.
 *
 * A hash begins as HASH32_EMPTY or HASH64_EMPTY, and takes bytes or words one after the other. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH32_EMPTY UINT32_C(0x811c9dc5)
#define HASH64_EMPTY UINT64_C(0xcbf29ce484222325)

static inline uint32_t
hash32_bytes(uint32_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT32_C(0x01000193);
	return hash;
}

/* A word as if it were one byte: quicker, and as good for a table whose bucket takes the upper half in. */
static inline uint64_t
hash64_word(uint64_t hash, uint64_t word)
{
	return (hash ^ word) * UINT64_C(0x100000001b3);
}

static inline uint64_t
hash64_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = hash64_word(hash, at[i]);
	return hash;
}
