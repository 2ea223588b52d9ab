/*
 * checksum.h - the Internet checksum (RFC 1071), shared by l3 and neigh.
 *
 * Sums are kept in memory byte order: folding gives the 16 bits as they stand in the packet, on
 * either endianness. Only the last part of a sum may have an odd length. Pure; no allocation.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 32-bit words into 64 bits: 64 KB of them cannot overflow, and the compiler makes vectors of the
 * loop. */
static inline uint64_t
checksum_add(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *at = (const uint8_t *)bytes;
	uint32_t word;

	for (; len >= sizeof word; at += sizeof word, len -= sizeof word) {
		memcpy(&word, at, sizeof word);
		sum += word;
	}
	if (len) {
		word = 0;
		memcpy(&word, at, len);
		sum += word;
	}
	return sum;
}

/* A field's value, so that what was just written by bytes is not read back by words: that stalls. */
static inline uint64_t
checksum_add_u16(uint64_t sum, uint16_t value)
{
	const uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };
	uint16_t word;

	memcpy(&word, bytes, sizeof word);
	return sum + word;
}

/* Not complemented: 0xffff over a message that carries its right checksum. */
static inline uint16_t
checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
