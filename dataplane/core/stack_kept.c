#include "dataplane/core/stack_kept.h"

#include <string.h>

#include "dataplane/core/dtls/dtls_hello.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/kept_slots.h"
#include "dataplane/core/sessions/sessions.h"

enum {
	/* Message ids of ours go on here: a run needs a few dozen, and a device remembers them for
	 * EXCHANGE_LIFETIME (RFC 7252 4.4), in which there are eight crashes at most before one comes twice. */
	MID_STEP = 1 << 13,
};

size_t
stack_kept_tag_bytes(void)
{
	return sizeof(uint64_t);
}

size_t
stack_kept_slot_bytes(void)
{
	return sizeof(struct kept_slot);
}

uint32_t
stack_kept_layout(void)
{
	return KEPT_LAYOUT;
}

/* As between two bursts. */
static void
see_published(struct stack *stack)
{
	stack->limits = atomic_load_explicit(stack->config.limits, memory_order_acquire);
	stack->directory = atomic_load_explicit(stack->config.directory, memory_order_acquire);
}

void
stack_keep(struct stack *stack, const struct kept_place *place)
{
	if (!stack->secured)
		return;
	see_published(stack);
	stack->kept = (struct kept_memory){ place->tags, place->slots, siphash_key(place->key) };
	for (uint32_t slot = 0; slot < stack->config.sessions; slot++) {
		const struct session *session = session_at(stack, slot);
		struct dtls_session *dtls = association_of(stack, session);

		if (dtls)
			kept_put(stack, session, dtls);
	}
}

/* ---- taking up ---- */

/* One slot on its way. */
struct restore {
	struct stack *stack;
	uint32_t index;
	const struct kept_slot *slot;
	uint64_t sent, received;
};

static bool
names_its_slot(const struct restore *restore)
{
	const uint8_t *cid = restore->slot->cid;

	return cid[0] == restore->stack->config.worker &&
	       (uint32_t)(cid[1] << 16 | cid[2] << 8 | cid[3]) == restore->index;
}

/* As bytes, for any other value than these of a bool is undefined. */
static bool
has_bools(const struct dtls_cbc *cbc)
{
	uint8_t client, server;

	memcpy(&client, &cbc->client.encrypt_then_mac, 1);
	memcpy(&server, &cbc->server.encrypt_then_mac, 1);
	return client <= 1 && server <= 1;
}

/* What no stack writes, but memory may hold. Sets the numbers. */
static bool
is_sound(struct restore *restore)
{
	const struct stack *stack = restore->stack;
	const struct kept_slot *slot = restore->slot;

	return kept_is_whole(&stack->kept, restore->index) &&
	       dtls_kept_number(slot->numbers.salt, slot->numbers.sent, &restore->sent) &&
	       dtls_kept_number(~slot->numbers.salt, slot->numbers.received, &restore->received) &&
	       restore->sent < DTLS_KEPT_MAX - STACK_KEPT_MARGIN &&
	       slot->flight_sequence < DTLS_KEPT_MAX - STACK_KEPT_MARGIN && slot->owner_len &&
	       slot->listener < stack->config.n_listeners &&
	       stack->config.listener_security[slot->listener] == LISTENER_PSK &&
	       slot->peer_cid_len <= DTLS_PEER_CID_MAX && slot->protection <= DTLS_CBC &&
	       slot->max_fragment <= DTLS_MAX_FRAGMENT_4096 && slot->has_cid <= 1 &&
	       has_bools(&slot->cbc) &&
	       (!slot->has_cid || names_its_slot(restore));
}

static void
take_dtls(const struct restore *restore, struct dtls_session *dtls)
{
	const struct kept_slot *slot = restore->slot;

	dtls->keys = slot->keys;
	dtls->write_sequence = restore->sent + STACK_KEPT_MARGIN;
	/* Which of those below were received is not kept: they are on their way no more, devices repeat themselves
	 * in new records. */
	dtls->window = (struct dtls_window){ restore->received, UINT64_MAX };
	dtls->flight_sequence = slot->flight_sequence + STACK_KEPT_MARGIN;
	dtls->flight_message = slot->flight_message;
	memcpy(dtls->flight_verify, slot->flight_verify, sizeof dtls->flight_verify);
	dtls->suite = slot->suite;
	dtls->protection = slot->protection;
	dtls->max_fragment = slot->max_fragment;
	dtls->has_cid = slot->has_cid;
	memcpy(dtls->cid, slot->cid, sizeof dtls->cid);
	dtls->peer_cid_len = slot->peer_cid_len;
	memcpy(dtls->peer_cid, slot->peer_cid, sizeof dtls->peer_cid);
}

/* False: there is no room for them. */
static bool
take_cbc(const struct restore *restore, struct dtls_session *dtls)
{
	struct secured_cbc *cbc;

	if (dtls->protection != DTLS_CBC)
		return true;
	cbc = cbc_pool_take(restore->stack->secured);
	if (!cbc)
		return false;
	memcpy(&cbc->keys, &restore->slot->cbc, sizeof cbc->keys);
	dtls->cbc = &cbc->keys;
	return true;
}

static struct session *
open_session(const struct restore *restore)
{
	struct session_table *table = restore->stack->table;
	const struct kept_slot *slot = restore->slot;
	struct peer peer = { .port = slot->port, .listener = slot->listener };
	struct session *session;

	memcpy(peer.addr, slot->address, sizeof peer.addr);
	session = (struct session *)session_table_open_at(
		table, restore->index, session_table_hash(table, &peer), &peer);
	if (!session)
		return NULL;
	exchange_open(&session->exchange, (uint16_t)(slot->mid + MID_STEP));
	memcpy(session->link.mac, slot->mac, sizeof session->link.mac);
	session->link.vlan = slot->vlan;
	return session;
}

/*
 * Its device may be in the middle of a run, and asks anew when it misses the server: after
 * EXCHANGE_LIFETIME at the latest (RFC 7252 4.8.2), or when it was told to come back.
 */
static void
wait_for_device(struct stack *stack, struct session *session)
{
	struct association *association = association_at(stack, session);
	uint64_t until_us = stack->now_us + stack->limits->linger_us;

	association_keep(stack, session);
	if (association->keep_us < until_us)
		association->keep_us = until_us;
	session_arm(stack, session, association_wait_us(stack, session, stack->limits->idle_us));
	session_table_unpin(stack->table, &session->node);
}

enum outcome { RESTORED, DAMAGED, UNKNOWN, NO_ROOM };

static enum outcome
restore_slot(struct restore *restore)
{
	struct stack *stack = restore->stack;
	const struct kept_slot *slot = restore->slot;
	struct session *session;
	struct dtls_session *dtls;
	uint64_t hash;

	if (!is_sound(restore))
		return DAMAGED;
	hash = stack->directory ? directory_hash(stack->directory, slot->owner, slot->owner_len) : 0;
	if (!stack->directory || !directory_find_owner(stack->directory, hash, slot->device))
		return UNKNOWN;
	session = open_session(restore);
	if (!session)
		return NO_ROOM;
	dtls = &association_at(stack, session)->dtls;
	take_dtls(restore, dtls);
	dtls->identity_hash = hash;
	dtls->device = slot->device;
	if (!take_cbc(restore, dtls)) {
		crypto_wipe(dtls, sizeof *dtls);
		session_close(stack, session);
		return NO_ROOM;
	}
	association_at(stack, session)->established = true;
	kept_put(stack, session, dtls); /* with the numbers that we go on from */
	wait_for_device(stack, session);
	return RESTORED;
}

static void
count_outcome(struct stack *stack, enum outcome outcome, struct stack_restored *restored)
{
	static const enum counter counters[] = {
		[RESTORED] = COUNTER_dtls_restored,
		[DAMAGED] = COUNTER_dtls_restore_damaged,
		[UNKNOWN] = COUNTER_dtls_restore_unknown,
		[NO_ROOM] = COUNTER_dtls_restore_room,
	};
	uint32_t *const sums[] = {
		[RESTORED] = &restored->associations,
		[DAMAGED] = &restored->damaged,
		[UNKNOWN] = &restored->unknown,
		[NO_ROOM] = &restored->no_room,
	};

	count(&stack->counters, counters[outcome]);
	++*sums[outcome];
}

void
stack_restore(struct stack *stack, uint64_t now_us, struct stack_restored *restored)
{
	const struct kept_memory *memory = &stack->kept;

	if (!memory->tags)
		return;
	stack->now_us = now_us;
	see_published(stack);
	for (uint32_t i = 0; i < stack->config.sessions; i++) {
		struct restore restore = { .stack = stack, .index = i, .slot = &memory->slots[i] };
		enum outcome outcome;

		if (atomic_load_explicit(&memory->tags[i], memory_order_relaxed) == KEPT_FREE)
			continue;
		outcome = restore_slot(&restore);
		if (outcome != RESTORED)
			kept_wipe(memory, i);
		count_outcome(stack, outcome, restored);
	}
	stack->membership++;
	atomic_store_explicit(&stack->gauge_sessions, session_table_count(stack->table),
			      memory_order_relaxed);
}
