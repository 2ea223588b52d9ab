#include "dataplane/core/sessions/kept_slots.h"

#include <string.h>

#include "dataplane/core/sessions/secured_state.h"

/* ---- checks ---- */

/* From the keys, as a slot of other keys has other checks. */
uint64_t
kept_salt_of(const struct kept_slot *slot)
{
	const uint8_t *client = slot->keys.client_key, *server = slot->keys.server_key;
	uint64_t halves[2];

	if (slot->protection == DTLS_CBC) {
		client = slot->cbc.client.enc;
		server = slot->cbc.server.enc;
	}
	memcpy(&halves[0], client, sizeof halves[0]);
	memcpy(&halves[1], server, sizeof halves[1]);
	return halves[0] ^ (halves[1] << 32 | halves[1] >> 32);
}

/* Of this slot in this place: one that was copied elsewhere is none. */
uint64_t
kept_tag_of(const struct kept_memory *memory, uint32_t index)
{
	const struct kept_slot *slot = &memory->slots[index];
	const struct siphash_key key = { memory->key.k0 ^ index, memory->key.k1 };
	const uint8_t *begin = (const uint8_t *)&slot->flight_sequence;
	uint64_t tag = siphash13(&key, begin, (size_t)(slot->owner - begin) + slot->owner_len);

	if (slot->protection == DTLS_CBC)
		tag = (tag << 1 | tag >> 63) ^ siphash13(&key, &slot->cbc, sizeof slot->cbc);
	return tag | KEPT_TAG_BIT;
}

bool
kept_is_whole(const struct kept_memory *memory, uint32_t index)
{
	const struct kept_slot *slot = &memory->slots[index];
	uint64_t tag = atomic_load_explicit(&memory->tags[index], memory_order_relaxed);
	uint64_t sent, received;

	return (tag & KEPT_TAG_BIT) && tag == kept_tag_of(memory, index) &&
	       slot->numbers.salt == kept_salt_of(slot) &&
	       dtls_kept_number(slot->numbers.salt, slot->numbers.sent, &sent) &&
	       dtls_kept_number(~slot->numbers.salt, slot->numbers.received, &received);
}

/* ---- writing ---- */

/* Whose association it is; false: the directory does not know any more. */
static bool
put_owner(const struct stack *stack, const struct dtls_session *dtls, struct kept_slot *slot)
{
	size_t len;
	const uint8_t *name =
		stack->directory ? directory_owner_name(stack->directory, dtls->identity_hash,
							dtls->device, &len)
				 : NULL;

	if (!name || len > sizeof slot->owner)
		return false;
	slot->device = dtls->device;
	slot->owner_len = (uint8_t)len;
	memcpy(slot->owner, name, len);
	return true;
}

static void
put_peer(const struct session *session, struct kept_slot *slot)
{
	memcpy(slot->address, session->node.peer.addr, sizeof slot->address);
	slot->port = session->node.peer.port;
	slot->listener = session->node.peer.listener;
	memcpy(slot->mac, session->link.mac, sizeof slot->mac);
	slot->vlan = session->link.vlan;
	slot->mid = session->exchange.mid;
}

static void
put_dtls(const struct dtls_session *dtls, struct kept_slot *slot)
{
	slot->keys = dtls->keys;
	slot->protection = dtls->protection;
	if (dtls->protection == DTLS_CBC)
		slot->cbc = *dtls->cbc;
	slot->flight_sequence = dtls->flight_sequence;
	slot->flight_message = dtls->flight_message;
	memcpy(slot->flight_verify, dtls->flight_verify, sizeof slot->flight_verify);
	slot->suite = dtls->suite;
	slot->max_fragment = dtls->max_fragment;
	slot->has_cid = dtls->has_cid;
	memcpy(slot->cid, dtls->cid, sizeof slot->cid);
	slot->peer_cid_len = dtls->peer_cid_len;
	memcpy(slot->peer_cid, dtls->peer_cid, sizeof slot->peer_cid);
}

void
kept_wipe(const struct kept_memory *memory, uint32_t index)
{
	dtls_kept_store(&memory->tags[index], KEPT_WRITING);
	crypto_wipe(&memory->slots[index], sizeof memory->slots[index]);
	dtls_kept_store(&memory->tags[index], KEPT_FREE);
}

void
kept_put_slot(struct stack *stack, const struct session *session, struct dtls_session *dtls)
{
	const struct kept_memory *memory = &stack->kept;
	uint32_t index = session_slot(stack, session);
	struct kept_slot *slot = &memory->slots[index];

	dtls_kept_store(&memory->tags[index], KEPT_WRITING);
	if (!put_owner(stack, dtls, slot)) {
		dtls->kept = NULL;
		kept_wipe(memory, index);
		return;
	}
	put_peer(session, slot);
	put_dtls(dtls, slot);
	slot->numbers.salt = kept_salt_of(slot);
	dtls_kept_sent(&slot->numbers, dtls->write_sequence);
	dtls_kept_received(&slot->numbers, dtls->window.top);
	dtls_kept_store(&memory->tags[index], kept_tag_of(memory, index));
	dtls->kept = &slot->numbers;
}

void
kept_drop_slot(struct stack *stack, struct dtls_session *dtls)
{
	const struct kept_slot *slot = (const struct kept_slot *)dtls->kept;

	kept_wipe(&stack->kept, (uint32_t)(slot - stack->kept.slots));
	dtls->kept = NULL;
}
