/*
 * Associations in memory that outlives the process: what cannot be taken up first; then devices that go on with the next
 * one, however the one before ended.
 */
#include "dataplane/core/sessions/kept_slots.h"
#include "dataplane/core/stack_kept.h"
#include "tests/unit/secured_world.h"

enum { SESSIONS = 8, CRASHES = 8, NUMBERS = 256 };

/* The memory, and processes that ended without a word. */
static _Atomic uint64_t tags[SESSIONS];
static struct kept_slot slots[SESSIONS];
static struct world *dead[CRASHES];
static unsigned n_dead;
static struct stack_restored restored;

/* Record numbers of epoch 1 that were sent to the device. */
static uint64_t sent[NUMBERS];
static unsigned n_sent;

static const struct kept_place place = { tags, slots, "the key of tags" };
static const struct kept_memory *kept;

static void
keep(void)
{
	stack_keep(world->stack, &place);
	kept = &world->stack->kept;
}

static void
start_kept(void)
{
	begin(SESSIONS, 40);
	memset((void *)tags, 0, sizeof tags);
	memset(slots, 0, sizeof slots);
	n_dead = n_sent = 0;
	keep();
}

static void
end_kept(void)
{
	world_free(world);
	while (n_dead)
		world_free(dead[--n_dead]);
}

TestSuite(kept, .init = start_kept, .fini = end_kept);

/* Another process begins with the memory as it is; the one before does nothing any more. */
static void
crash(void)
{
	uint64_t now = world->now;

	cr_assert_lt(n_dead, CRASHES);
	dead[n_dead++] = world;
	world = world_new_random(SESSIONS, (uint8_t)(77 + n_dead), false);
	world->now = now + SECOND / 2;
	add_known(0, 40);
	add_known(1, 40);
	memset(&restored, 0, sizeof restored);
	keep();
	stack_restore(world->stack, world->now, &restored);
}

/* The slot of the one association that there is. */
static struct kept_slot *
only_slot(void)
{
	struct kept_slot *found = NULL;

	for (unsigned i = 0; i < SESSIONS; i++) {
		if (tags[i] == KEPT_FREE)
			continue;
		cr_assert_null(found);
		found = &slots[i];
	}
	cr_assert_not_null(found);
	return found;
}

static _Atomic uint64_t *
tag_of_slot(const struct kept_slot *slot)
{
	return &tags[slot - slots];
}

/* What somebody wrote there with the right checks. */
static void
seal(struct kept_slot *slot)
{
	slot->numbers.salt = kept_salt_of(slot);
	dtls_kept_sent(&slot->numbers, 5);
	dtls_kept_received(&slot->numbers, 1);
	*tag_of_slot(slot) = kept_tag_of(kept, (uint32_t)(slot - slots));
}

static void
assert_all_wiped(void)
{
	static const struct kept_slot nothing;

	for (unsigned i = 0; i < SESSIONS; i++) {
		cr_assert_eq(tags[i], KEPT_FREE);
		cr_assert_arr_eq(&slots[i], &nothing, sizeof nothing);
	}
}

static void
assert_damaged(const char *what)
{
	crash();
	cr_expect_eq(restored.damaged, 1, "%s", what);
	cr_expect_eq(restored.associations, 0, "%s", what);
	cr_expect_eq(counted(COUNTER_dtls_restore_damaged), 1, "%s", what);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0, "%s", what);
	assert_all_wiped();
}

static void
note_number(uint64_t number)
{
	for (unsigned i = 0; i < n_sent; i++)
		cr_assert_neq(sent[i], number, "number %llu twice", (unsigned long long)number);
	cr_assert_lt(n_sent, NUMBERS);
	sent[n_sent++] = number;
}

static void
note_sent(const struct device *it)
{
	for (unsigned i = 0; i < world->out.used; i++) {
		struct dgram_out *out = &world->slots[i];
		struct dtls_walk walk = { out->data, out->data + out->len };
		struct counters counters = { 0 };
		struct dtls_record record;

		while (peer_equal(&out->peer, &it->peer) && dtls_record_next(&walk, &record, &counters))
			if (record.epoch == 1)
				note_number(record.sequence);
	}
}

static void
ask(struct device *it, uint16_t mid, const char *ep)
{
	device_ask(it, mid, ep);
	note_sent(it);
}

static void
accept_step(struct device *it)
{
	device_accept(it);
	note_sent(it);
}

static void
bootstrap(struct device *it, const char *ep)
{
	ask(it, 77, ep);
	assert_answer(it, 0x44);
	for (int step = 0; step < 3; step++)
		accept_step(it);
	cr_assert_eq(last_event()->kind, SESSION_FINISHED);
}

/* ---- what cannot be taken up ---- */

Test(kept, a_number_that_is_none_is_seen)
{
	uint64_t number, word = dtls_kept_word(0x1234567890abcdef, 77);
	unsigned wrong = 0;

	cr_assert(dtls_kept_number(0x1234567890abcdef, word, &number));
	cr_assert_eq(number, 77);
	for (unsigned bit = 0; bit < 64; bit++)
		wrong += dtls_kept_number(0x1234567890abcdef, word ^ UINT64_C(1) << bit, &number);
	cr_expect_eq(wrong, 0, "one bit is always seen");
	cr_expect_not(dtls_kept_number(~UINT64_C(0x1234567890abcdef), word, &number), "of the other direction");
	cr_expect_not(dtls_kept_number(0x1234567890abcdee, word, &number), "of other keys");
	cr_assert(dtls_kept_number(9, dtls_kept_word(9, DTLS_KEPT_MAX + 1), &number));
	cr_assert_eq(number, DTLS_KEPT_MAX, "what is used up stays so");
}

Test(kept, a_slot_with_any_byte_otherwise_is_dropped)
{
	size_t end;

	device_handshake(&device);
	end = offsetof(struct kept_slot, owner) + only_slot()->owner_len;
	for (size_t i = 0; i < end; i++) {
		struct kept_slot before = *only_slot(), *slot = only_slot();
		uint64_t tag = *tag_of_slot(slot);

		((uint8_t *)slot)[i] ^= 0x10;
		cr_expect_not(kept_is_whole(kept, (uint32_t)(slot - slots)), "byte %zu", i);
		*slot = before;
		*tag_of_slot(slot) = tag;
	}
	only_slot()->keys.server_key[3] ^= 1;
	assert_damaged("a key");
}

Test(kept, a_tag_that_is_wrong_drops_its_slot)
{
	device_handshake(&device);
	*tag_of_slot(only_slot()) ^= 8;
	assert_damaged("a tag");
}

/* Whatever a process that dies in between leaves: the tag says it, not what stands in the slot. */
Test(kept, a_slot_that_was_being_written_is_dropped)
{
	device_handshake(&device);
	*tag_of_slot(only_slot()) = KEPT_WRITING;
	assert_damaged("half written");
}

Test(kept, a_slot_that_was_being_wiped_is_dropped)
{
	struct kept_slot *slot;

	device_handshake(&device);
	slot = only_slot();
	*tag_of_slot(slot) = KEPT_WRITING;
	memset(slot, 0, sizeof *slot / 2);
	assert_damaged("half wiped");
}

Test(kept, a_slot_in_another_place_is_dropped)
{
	struct kept_slot *slot;

	device_handshake(&device);
	slot = only_slot();
	slots[5] = *slot;
	tags[5] = *tag_of_slot(slot);
	kept_wipe(kept, (uint32_t)(slot - slots));
	assert_damaged("a copy");
}

Test(kept, numbers_that_are_used_up_are_dropped)
{
	device_handshake(&device);
	dtls_kept_sent(&only_slot()->numbers, DTLS_KEPT_MAX - STACK_KEPT_MARGIN);
	assert_damaged("record numbers");
}

Test(kept, numbers_of_other_keys_are_dropped)
{
	struct kept_slot *slot;

	device_handshake(&device);
	slot = only_slot();
	slot->numbers.sent = dtls_kept_word(slot->numbers.salt + 1, 3);
	assert_damaged("a number of other keys");
}

/* With a tag that is right: by what no stack writes. */
#define CANNOT_BE(name, what, statement)                                                           \
	Test(kept, name)                                                                           \
	{                                                                                          \
		struct kept_slot *slot;                                                            \
		device.client.offer_cid = true;                                                    \
		device_handshake(&device);                                                         \
		slot = only_slot();                                                                \
		statement;                                                                         \
		seal(slot);                                                                        \
		assert_damaged(what);                                                              \
	}

CANNOT_BE(a_listener_without_dtls_is_dropped, "NoSec", slot->listener = 0)
CANNOT_BE(a_listener_that_is_none_is_dropped, "a listener", slot->listener = 2)
CANNOT_BE(a_long_id_of_the_peer_is_dropped, "a peer's id", slot->peer_cid_len = 33)
CANNOT_BE(a_suite_that_is_none_is_dropped, "protection", slot->protection = DTLS_CBC + 1)
CANNOT_BE(a_fragment_length_that_is_none_is_dropped, "max_fragment", slot->max_fragment = 5)
CANNOT_BE(an_id_of_another_slot_is_dropped, "an id", slot->cid[3] ^= 1)
CANNOT_BE(an_id_of_another_worker_is_dropped, "an id", slot->cid[0] ^= 1)
CANNOT_BE(a_flag_that_is_none_is_dropped, "has_cid", slot->has_cid = 2)
CANNOT_BE(a_flag_of_cbc_that_is_none_is_dropped, "a bool", memset(&slot->cbc.client.encrypt_then_mac, 2, 1))
CANNOT_BE(an_owner_without_a_name_is_dropped, "no owner", slot->owner_len = 0)
CANNOT_BE(flight_numbers_that_are_used_up_are_dropped, "a flight", slot->flight_sequence = DTLS_KEPT_MAX)

Test(kept, a_device_that_is_gone_is_dropped)
{
	struct kept_slot *slot;

	device_handshake(&device);
	slot = only_slot();
	slot->owner[0] = 'x';
	seal(slot);
	crash();
	cr_expect_eq(restored.unknown, 1);
	cr_expect_eq(counted(COUNTER_dtls_restore_unknown), 1);
	assert_all_wiped();
}

/* Who has the name now is another device: it was removed, and made anew with another key. */
Test(kept, another_device_of_the_same_name_does_not_get_it)
{
	struct kept_slot *slot;

	device_handshake(&device);
	slot = only_slot();
	slot->device++;
	seal(slot);
	crash();
	cr_expect_eq(restored.unknown, 1);
	assert_all_wiped();
}

Test(kept, a_peer_has_one_association)
{
	struct kept_slot *slot;

	device_handshake(&device);
	slot = only_slot();
	slots[6] = *slot;
	seal(&slots[6]);
	crash();
	cr_expect_eq(restored.associations, 1);
	cr_expect_eq(restored.no_room, 1);
	cr_expect_eq(counted(COUNTER_dtls_restore_room), 1);
	cr_expect_eq(tags[6], KEPT_FREE);
}

Test(kept, nothing_is_nothing)
{
	crash();
	cr_expect_eq(restored.associations + restored.damaged + restored.unknown + restored.no_room, 0);
}

/* ---- what is taken up ---- */

Test(kept, a_device_goes_on_and_no_number_comes_twice)
{
	device_handshake(&device);
	note_sent(&device);
	bootstrap(&device, "dev");
	crash();
	cr_assert_eq(restored.associations, 1);
	cr_assert_eq(counted(COUNTER_dtls_restored), 1);
	device.n = 0;
	bootstrap(&device, "dev");
	cr_assert_geq(n_sent, 8);
	cr_assert_eq(counted(COUNTER_dtls_started), 0);
	assert_nothing_leaks();
	assert_all_wiped();
}

Test(kept, a_run_that_was_cut_is_asked_for_anew)
{
	device_handshake(&device);
	ask(&device, 1, "dev");
	accept_step(&device);
	crash();
	bootstrap(&device, "dev");
}

Test(kept, a_record_from_before_is_refused)
{
	static uint8_t older[DTLS_WORLD_DATAGRAM], newer[DTLS_WORLD_DATAGRAM];
	size_t older_len, newer_len;

	device_handshake(&device);
	older_len = client_seal(&device.client, DTLS_APPLICATION_DATA, "\x40\0\0\1", 4, older);
	newer_len = client_seal(&device.client, DTLS_APPLICATION_DATA, "\x40\0\0\2", 4, newer);
	device_send(&device, newer, newer_len);
	cr_assert_eq(device.n, 1);
	crash();
	device_send(&device, newer, newer_len);
	cr_expect_eq(device.n, 0, "it was received");
	/* It was not, but nobody knows that any more. */
	device_send(&device, older, older_len);
	cr_expect_eq(device.n, 0);
	cr_expect_eq(counted(COUNTER_dtls_rx_replayed), 2);
	device_say(&device, "\x40\0\0\3", 4);
	cr_expect_eq(device.n, 1, "the next one is taken");
}

Test(kept, crashes_one_after_the_other_lose_nothing)
{
	device_handshake(&device);
	for (int i = 0; i < 6; i++) {
		ask(&device, (uint16_t)(i + 1), "dev");
		crash();
		cr_assert_eq(restored.associations, 1);
		if (i == 3)
			crash(); /* before anything was said */
	}
	bootstrap(&device, "dev");
}

/* Message ids of a run before are what the device still remembers (RFC 7252 4.5). */
Test(kept, message_ids_do_not_come_again)
{
	uint16_t before, after;

	device_handshake(&device);
	ask(&device, 1, "dev");
	before = (uint16_t)cursor_load(device.messages[1].bytes + 2, 2);
	crash();
	ask(&device, 2, "dev");
	after = (uint16_t)cursor_load(device.messages[1].bytes + 2, 2);
	cr_assert_geq((uint16_t)(after - before), 4096);
}

Test(kept, devices_with_connection_ids_go_on_wherever_they_are)
{
	device.client.offer_cid = true;
	device.client.own_cid_len = DTLS_CID;
	memcpy(device.client.own_cid, "theirs!!", DTLS_CID);
	device_handshake(&device);
	device.peer.port = 4999;
	ask(&device, 1, "dev"); /* moves */
	crash();
	cr_assert_eq(restored.associations, 1);
	cr_assert_not_null(session_table_find(world->stack->table,
					      session_table_hash(world->stack->table, &device.peer),
					      &device.peer),
			   "where it was last");
	device.peer.port = 5001;
	bootstrap(&device, "dev");
	cr_assert_eq(counted(COUNTER_dtls_moved), 1);
}

static const uint8_t cbc_suite[2] = { 0x00, 0xae };

Test(kept, keys_of_cbc_outlive_it_too)
{
	device.client.suites = cbc_suite;
	device.client.suites_len = sizeof cbc_suite;
	device.client.encrypt_then_mac = true;
	device_handshake(&device);
	note_sent(&device);
	bootstrap(&device, "dev");
	only_slot();
	crash();
	cr_assert_eq(restored.associations, 1);
	bootstrap(&device, "dev");
}

Test(kept, a_key_of_cbc_that_is_wrong_drops_its_slot)
{
	device.client.suites = cbc_suite;
	device.client.suites_len = sizeof cbc_suite;
	device_handshake(&device);
	only_slot()->cbc.server.mac.outer[7] ^= 4;
	assert_damaged("a MAC key");
}

Test(kept, without_room_for_keys_of_cbc_there_is_no_session)
{
	struct kept_place other_place = place;

	device.client.suites = cbc_suite;
	device.client.suites_len = sizeof cbc_suite;
	device_handshake(&device);
	dead[n_dead++] = world;
	world = world_new(SESSIONS);
	add_known(0, 40);
	world->stack->secured->free_cbc = 0;
	stack_keep(world->stack, &other_place);
	stack_restore(world->stack, world->now, &restored);
	cr_expect_eq(restored.no_room, 1);
	cr_expect_eq(stack_gauges(world->stack).sessions, 0);
	assert_all_wiped();
}

/* The key is asked for over and over: what is kept is the newest. */
Test(kept, a_new_handshake_replaces_what_is_kept)
{
	device_handshake(&device);
	device_init(&device, 0, 4000);
	device.client.random[2] = 99;
	device_handshake(&device);
	cr_assert_eq(counted(COUNTER_dtls_replaced), 1);
	(void)only_slot();
	crash();
	cr_assert_eq(restored.associations, 1);
	bootstrap(&device, "dev");
}

Test(kept, an_association_that_ended_is_wiped)
{
	device_handshake(&device);
	device_handshake(&other);
	device_close(&device);
	(void)only_slot();
	device_close(&other);
	assert_all_wiped();
}

/* What waits to be sealed when an association ends must not count in the slot, which is another's by then. */
Test(kept, the_last_words_of_an_association_are_in_no_slot)
{
	static uint8_t bytes[2][DTLS_WORLD_DATAGRAM];
	struct dgram_in in[2];

	device_handshake(&device);
	for (unsigned i = 0; i < 2; i++) {
		in[i] = (struct dgram_in){ .peer = device.peer, .data = bytes[i] };
		in[i].len = (uint16_t)(i == 0 ? client_seal(&device.client, DTLS_APPLICATION_DATA, "\x40\0\0\1", 4,
							    bytes[0])
					      : client_seal(&device.client, DTLS_ALERT_RECORD, "\1\0", 2,
							    bytes[1]));
	}
	world_clear(world);
	stack_receive(world->stack, world->now, in, 2, &world->out);
	cr_assert_eq(world->out.used, 2, "an answer, and close_notify");
	assert_all_wiped();
}

/* ---- when it is written ---- */

static struct crypto_ops watched;
static unsigned n_watched;

/* The numbers of what is sealed now are in the memory already, as the next one to send. */
static void
seal_watched(struct crypto_ccm *records, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t number = cursor_load(records[i].nonce + DTLS_IMPLICIT_IV, 8) & DTLS_KEPT_MAX, next = 0;
		const struct kept_slot *slot = only_slot();

		cr_assert(dtls_kept_number(slot->numbers.salt, slot->numbers.sent, &next));
		cr_assert_gt(next, number, "%llu", (unsigned long long)number);
		n_watched++;
	}
	crypto_select()->ccm8_seal(records, n);
}

Test(kept, a_number_is_kept_before_its_record_is_sealed)
{
	device_handshake(&device);
	watched = *crypto_select();
	watched.ccm8_seal = seal_watched;
	world->stack->secured->server.ops = &watched;
	bootstrap(&device, "dev");
	world->stack->secured->server.ops = crypto_select();
	cr_assert_geq(n_watched, 4);
}

/* The event of a run that begins is told while its request is processed. */
static bool
emit_watched(void *ctx, const struct session_event *event)
{
	const struct kept_slot *slot = only_slot();
	uint64_t received;

	cr_assert(dtls_kept_number(~slot->numbers.salt, slot->numbers.received, &received));
	cr_assert_eq(received, device.client.session.write_sequence - 1);
	n_watched++;
	return world_emit(ctx, event);
}

Test(kept, a_record_is_kept_as_received_before_it_is_processed)
{
	device_handshake(&device);
	world->stack->config.emit = emit_watched;
	bootstrap(&device, "dev");
	cr_assert_geq(n_watched, 2);
}

/* Our last flight again is a record under the same keys (RFC 6347 4.2.4). */
Test(kept, a_flight_that_is_sent_again_has_a_number_of_its_own)
{
	size_t len;
	static uint8_t flight[DTLS_WORLD_DATAGRAM];
	uint64_t before, after;

	device_hello(&device);
	device_hello(&device);
	len = client_last_flight(&device.client, flight);
	device_send(&device, flight, len);
	note_sent(&device);
	cr_assert(dtls_kept_number(only_slot()->numbers.salt, only_slot()->numbers.sent, &before));
	len = client_finished(&device.client, flight); /* as if ours had been lost */
	device_send(&device, flight, len);
	note_sent(&device);
	cr_assert(dtls_kept_number(only_slot()->numbers.salt, only_slot()->numbers.sent, &after));
	cr_assert_gt(after, before);
}

/* ---- off, and on while associations are there ---- */

Test(kept, nothing_is_kept_where_it_is_off)
{
	world_free(world);
	begin(SESSIONS, 40);
	device_handshake(&device);
	bootstrap(&device, "dev");
	assert_all_wiped();
}

/* Those that passed from the process before, for one. */
Test(kept, associations_that_were_there_are_kept_from_then_on)
{
	world_free(world);
	begin(SESSIONS, 40);
	device_handshake(&device);
	note_sent(&device);
	keep();
	ask(&device, 1, "dev");
	crash();
	cr_assert_eq(restored.associations, 1);
	bootstrap(&device, "dev");
}

Test(kept, sessions_that_were_taken_up_make_way_for_new_ones)
{
	device_handshake(&device);
	crash();
	cr_assert_eq(session_table_unpinned(world->stack->table), 1);
	world_tick(world, 100 * SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 1, "its device may be slow");
	world_tick(world, 200 * SECOND);
	cr_assert_eq(stack_gauges(world->stack).sessions, 0);
	assert_all_wiped();
}

/* A change of the layout is seen by this, and needs another KEPT_LAYOUT. */
Test(kept, the_layout_is_that_of_its_version)
{
	static struct kept_slot slot;
	const struct kept_memory memory = { tags, &slot, { 1, 2 } };

	for (size_t i = 0; i < sizeof slot; i++)
		((uint8_t *)&slot)[i] = (uint8_t)(i * 7);
	slot.protection = DTLS_CBC;
	slot.owner_len = 200;
	cr_expect_eq(KEPT_LAYOUT, 1);
	cr_expect_eq(kept_salt_of(&slot), UINT64_C(0xf0d0d0d0f8e898a8), "%llx", (unsigned long long)kept_salt_of(&slot));
	cr_expect_eq(kept_tag_of(&memory, 0), UINT64_C(0x10ff65248409e916), "%llx",
		     (unsigned long long)kept_tag_of(&memory, 0));
}
