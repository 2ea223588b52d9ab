/*
 * flow.h - which worker owns a flow.
 *
 * Each 5-tuple belongs to one worker, which alone has its session. Where the device's hash already decides (RSS of real
 * hardware, a queue for every worker), the worker that received a datagram owns it and nothing is computed. Elsewhere
 * (af_packet spills under load, memif's sender picks the ring, one queue and many workers) this hash decides, and the
 * receiver hands the datagram over (handover.h).
 *
 * Pure; immutable once made; any thread.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "dataplane/core/stack.h"

_Static_assert(sizeof(struct peer) == 20, "hashed as two words and a half");

struct flow {
	uint64_t key[2]; /* random: who could compute the hash could aim all flows at one worker */
	unsigned workers;
};

static inline uint64_t
flow_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * Two 64 x 64 multiplications, folded: 10 cycles, against 30 to 40 of a Toeplitz hash in software. Not a MAC: it spreads
 * load, and what a guess of it could win is an uneven spread.
 */
static inline uint64_t
flow_hash(const struct flow *flow, const struct peer *peer)
{
	uint64_t words[2];
	uint32_t tail;

	memcpy(words, peer->addr, sizeof words);
	memcpy(&tail, (const uint8_t *)peer + sizeof words, sizeof tail);
	words[0] = flow_mix(words[0] ^ flow->key[0], words[1] ^ flow->key[1]);
	return flow_mix(words[0] ^ tail ^ flow->key[1], flow->key[0] | 1);
}

/*
 * The owner of a datagram. This is the one place that decides: connection ids (RFC 9146), which name the worker that
 * gave them out whatever 5-tuple they come from, will be looked at here.
 */
static inline unsigned
flow_owner(const struct flow *flow, const struct dgram_in *datagram)
{
	return (unsigned)((flow_hash(flow, &datagram->peer) >> 32) * flow->workers >> 32);
}
