/*
 * kept_slots.h - associations in memory that outlives the process: what a worker's next one needs, so that devices
 * go on after a crash without a handshake.
 *
 * One slot for each session of the table, in the same place, as connection ids name it; and a word beside it that says
 * what the slot is:
 *
 *	 tags, a word each		 slots
 *	+---+---+---+---		+---------+--------------+--------------------------+-------+----------+
 *	| 0 | 1 | t | ...		| numbers | keys, peer, connection ids ...           | owner | CBC keys |
 *	+---+---+---+---		+---------+------------------------------------------+-------+----------+
 *	  |   |   `- the checksum of	  of dtls_kept.h		`---- what the tag covers, as far as it is used
 *	  |   |      the slot, keyed
 *	  |   `- being written
 *	  `- free, and wiped
 *
 * A tag is written last when a slot is made, and first when it goes, in one store: a process that ends in between leaves
 * 1, and the next one drops that slot. The numbers change with every record and check themselves. So whatever moment a
 * process ends at, each slot is whole with the numbers of the last record that left, or is none.
 *
 * No time, no pointer and no index of a directory that changes from process to process stands here: an owner is named. The layout
 * is for good under its version (KEPT_LAYOUT); another one is dropped as a whole, not converted.
 *
 * Owner: the stack; before it runs and after it has ended the control thread. Nothing is allocated.
 */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "dataplane/core/crypto/siphash.h"
#include "dataplane/core/dtls/dtls_cbc.h"
#include "dataplane/core/dtls/dtls_record.h"
#include "dataplane/core/sessions/stack_state.h"

enum {
	KEPT_LAYOUT = 1, /* of what is below: grows with any change of it */
	KEPT_OWNER_MAX = ENDPOINT_NAME_MAX,
};

enum kept_tag {
	KEPT_FREE = 0,
	KEPT_WRITING = 1,
	KEPT_TAG_BIT = 2, /* of every checksum, so that it is none of these */
};

struct kept_slot {
	struct dtls_kept numbers;
	uint64_t flight_sequence;
	struct dtls_keys keys;
	uint8_t address[16]; /* of the device, and the way to it */
	uint8_t mac[6];
	uint16_t vlan, port;
	uint16_t flight_message, suite;
	uint16_t mid; /* of ours, when this was written */
	uint32_t device;
	uint8_t flight_verify[DTLS_VERIFY_DATA];
	uint8_t cid[DTLS_CID];
	uint8_t peer_cid[DTLS_PEER_CID_MAX];
	uint8_t peer_cid_len, max_fragment, protection, has_cid;
	uint8_t listener, owner_len;
	uint8_t owner[KEPT_OWNER_MAX]; /* identity or endpoint name */
	uint8_t pad[7];
	struct dtls_cbc cbc; /* under DTLS_CBC */
} __attribute__((aligned(64)));

static_assert(offsetof(struct kept_slot, numbers) == 0 &&
		      offsetof(struct kept_slot, flight_sequence) == 24 &&
		      offsetof(struct kept_slot, keys) == 32 &&
		      offsetof(struct kept_slot, address) == 72 &&
		      offsetof(struct kept_slot, device) == 104 &&
		      offsetof(struct kept_slot, flight_verify) == 108 &&
		      offsetof(struct kept_slot, cid) == 120 &&
		      offsetof(struct kept_slot, peer_cid) == 128 &&
		      offsetof(struct kept_slot, peer_cid_len) == 160 &&
		      offsetof(struct kept_slot, owner) == 166 && offsetof(struct kept_slot, cbc) == 428 &&
		      sizeof(struct dtls_cbc) == 168 && sizeof(struct kept_slot) == 640,
	      "another layout is another KEPT_LAYOUT");

void kept_put_slot(struct stack *stack, const struct session *session, struct dtls_session *dtls);
void kept_drop_slot(struct stack *stack, struct dtls_session *dtls);

/* The session has just got this association, or another address: its slot says so. */
static inline void
kept_put(struct stack *stack, const struct session *session, struct dtls_session *dtls)
{
	if (__builtin_expect(stack->kept.tags != NULL, 0))
		kept_put_slot(stack, session, dtls);
}

/* The association is over: its slot is wiped. */
static inline void
kept_drop(struct stack *stack, struct dtls_session *dtls)
{
	if (__builtin_expect(dtls->kept != NULL, 0))
		kept_drop_slot(stack, dtls);
}

/* Whatever the slot has is wiped, and it is free. */
void kept_wipe(const struct kept_memory *memory, uint32_t slot);

/* What the tag of this slot must be, if it is whole. */
uint64_t kept_tag_of(const struct kept_memory *memory, uint32_t slot);
uint64_t kept_salt_of(const struct kept_slot *slot);
/* Whether a slot is whole: its tag and its numbers are what they must be. */
bool kept_is_whole(const struct kept_memory *memory, uint32_t slot);
