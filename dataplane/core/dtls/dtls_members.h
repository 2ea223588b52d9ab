/*
 * dtls_members.h - connection ids that say which member of a cluster gave them out.
 *
 *	 0        1             4           6           8
 *	+--------+-------------+-----------+---+-------+
 *	| worker | slot        | random    | R | M     |	R: 3 bits, M: 13 bits
 *	+--------+-------------+-----------+---+-------+
 *
 * R is the hour, modulo 8. M is the member's number under a mask that only members can make: a keyed hash of all before it,
 * whose key is derived of the cluster's secret and the hour. So nobody on the path reads who has a device or how many
 * members there are, or makes an id that is of a member of his choice; what he makes up is of one of N members with a
 * probability of N / 8192. SipHash-1-3 suffices for that: an id is no proof, records are authenticated by themselves.
 *
 * An id can be read for six hours: a device that is silent for longer begins anew.
 *
 * An appliance without a cluster puts random bits in the place of R and M. Nothing of this costs a record of an association
 * that is here: it is found by worker and slot, and the id is compared as a whole.
 *
 * Owner: one worker. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/siphash.h"
#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/member_sharing.h"

enum { DTLS_MEMBER_KEYS = 8 };

struct dtls_members {
	bool on;
	uint16_t member;
	uint8_t newest;  /* R of this hour */
	uint64_t due_us; /* when the hour is over */
	uint32_t number; /* member_sharing.number of these keys */
	struct siphash_key keys[DTLS_MEMBER_KEYS];
	struct crypto_hmac_key forward; /* of what members send each other */
};

/* Before a burst. Costs two comparisons when nothing has changed; `sharing` is all zero where there is no cluster. */
void dtls_members_renew(struct dtls_members *members, const struct crypto_ops *ops,
			const struct member_sharing *sharing, uint64_t now_us);

static inline void
dtls_members_follow(struct dtls_members *members, const struct crypto_ops *ops,
		    const struct member_sharing *sharing, uint64_t now_us)
{
	if (__builtin_expect(members->number != sharing->number || now_us >= members->due_us, 0))
		dtls_members_renew(members, ops, sharing, now_us);
}

/* Puts the member into an id whose first six bytes stand. */
void dtls_members_mark(const struct dtls_members *members, uint8_t cid[DTLS_CID]);
/* Whose number the id bears, be it somebody's or not. `members` is on. */
uint16_t dtls_members_owner(const struct dtls_members *members, const uint8_t cid[DTLS_CID]);
