/*
 * flow.h - which worker owns a flow.
 *
 * Each 5-tuple belongs to one worker, which alone has its session. Where the device's hash already
 * decides (RSS of real hardware, a queue for every worker), the worker that received a datagram
 * owns it and nothing is computed. Elsewhere (af_packet spills under load, memif's sender picks the
 * ring, one queue and many workers) this hash decides, and the receiver hands the datagram over
 * (handover.h).
 *
 * Pure; immutable once made; any thread.
 */
#pragma once

#include "dataplane/core/siphash.h"
#include "dataplane/core/stack.h"

struct flow {
	struct siphash_key
		key; /* random: who could compute the hash could aim all flows at one worker */
	unsigned workers;
};

/*
 * The owner of a datagram. This is the one place that decides: connection ids (RFC 9146), which
 * name the worker that gave them out whatever 5-tuple they come from, will be looked at here.
 */
static inline unsigned
flow_owner(const struct flow *flow, const struct dgram_in *datagram)
{
	uint64_t hash = siphash13(&flow->key, &datagram->peer, sizeof datagram->peer);

	return (unsigned)((hash >> 32) * flow->workers >> 32);
}
