#include "dataplane/core/dtls/dtls_members.h"

#include <string.h>

#include "dataplane/core/cursor.h"

enum {
	MARK_AT = 6, /* of the id: R and M */
	MEMBER_BITS = 13,
	AHEAD = 1, /* hours: of a member whose clock is before ours */
};

#define HOUR_US UINT64_C(3600000000)

static void
derive(const struct crypto_ops *ops, const struct crypto_hmac_key *key, const char label[16],
       uint64_t hour, uint8_t out[CRYPTO_HASH_LEN])
{
	uint8_t number[8];
	const struct crypto_piece pieces[] = { { label, 16 }, { number, sizeof number } };

	cursor_store(number, hour, sizeof number);
	crypto_hmac(ops, key, pieces, 2, out);
}

void
dtls_members_renew(struct dtls_members *members, const struct crypto_ops *ops,
		   const struct member_sharing *sharing, uint64_t now_us)
{
	static const char of_ids[16] = "connection id", of_forward[16] = "forward";
	uint64_t hour = (now_us + (uint64_t)sharing->wall_us) / HOUR_US;
	uint8_t bytes[CRYPTO_HASH_LEN];
	struct crypto_hmac_key key;

	members->number = sharing->number;
	members->on = sharing->on;
	members->due_us = UINT64_MAX;
	if (!sharing->on)
		return;
	members->member = sharing->member;
	members->newest = (uint8_t)(hour % DTLS_MEMBER_KEYS);
	members->due_us = (hour + 1) * HOUR_US - (uint64_t)sharing->wall_us;
	crypto_hmac_key_init(ops, &key, sharing->secret, sizeof sharing->secret);
	for (unsigned i = 0; i < DTLS_MEMBER_KEYS; i++) {
		uint64_t of = hour + AHEAD - i;

		derive(ops, &key, of_ids, of, bytes);
		members->keys[of % DTLS_MEMBER_KEYS] = siphash_key(bytes);
	}
	derive(ops, &key, of_forward, 0, bytes);
	crypto_hmac_key_init(ops, &members->forward, bytes, sizeof bytes);
	crypto_wipe(bytes, sizeof bytes);
	crypto_wipe(&key, sizeof key);
}

/* Of the id's first bytes, under the key of hour R. */
static uint16_t
mask(const struct dtls_members *members, const uint8_t cid[DTLS_CID], unsigned r)
{
	return siphash13(&members->keys[r], cid, MARK_AT) & MEMBER_NUMBER_MAX;
}

void
dtls_members_mark(const struct dtls_members *members, uint8_t cid[DTLS_CID])
{
	unsigned r = members->newest;

	cursor_store(cid + MARK_AT,
		     (uint64_t)r << MEMBER_BITS | (members->member ^ mask(members, cid, r)), 2);
}

uint16_t
dtls_members_owner(const struct dtls_members *members, const uint8_t cid[DTLS_CID])
{
	uint16_t mark = (uint16_t)cursor_load(cid + MARK_AT, 2);

	return (uint16_t)((mark ^ mask(members, cid, mark >> MEMBER_BITS)) & MEMBER_NUMBER_MAX);
}
