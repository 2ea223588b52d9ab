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

#include "dataplane/core/crypto/siphash.h"
#include "dataplane/core/dtls/dtls_record.h"
#include "dataplane/core/stack.h"

struct flow {
	struct siphash_key
		key; /* random: who could compute the hash could aim all flows at one worker */
	unsigned workers;
};

/*
 * The owner of a datagram that worker `receiver` got from a device whose hash decides. Connection
 * ids (RFC 9146) name the worker that gave them out, whatever 5-tuple they come from.
 */
static inline unsigned
flow_named(const struct flow *flow, const struct dgram_in *datagram, unsigned receiver)
{
	int named = dtls_named_worker(datagram->data, datagram->len);

	return named >= 0 && (unsigned)named < flow->workers ? (unsigned)named : receiver;
}

/* The owner of a datagram where our hash decides. */
static inline unsigned
flow_owner(const struct flow *flow, const struct dgram_in *datagram)
{
	uint64_t hash = siphash13(&flow->key, &datagram->peer, sizeof datagram->peer);
	int named = dtls_named_worker(datagram->data, datagram->len);

	if (named >= 0 && (unsigned)named < flow->workers)
		return (unsigned)named;
	return (unsigned)((hash >> 32) * flow->workers >> 32);
}
