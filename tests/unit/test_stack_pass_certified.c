/*
 * Handshakes with certificates or raw public keys that begin with one stack and finish with the next, wherever they
 * stand; and records of them that no stack could have written.
 */
#include <criterion/criterion.h>

#include "dataplane/core/record_kinds.h"
#include "dataplane/core/stack_pass.h"
#include "dataplane/ec/ec_engine.h"
#include "tests/unit/certified_stack.h"

enum { PLACES = 2, CLIENTS = 4, FILE_BYTES = 1 << 17, LATER_US = 123456789, SECOND = 1000000 };
enum { FILE_HEAD = 28, RECORD_HEAD = 8 };

static struct certified_stack stack;
static struct ec_engine *engine;
static struct ec_job *away[PLACES];
static unsigned n_away, room;
static uint8_t hello[DTLS_WORLD_DATAGRAM], file[FILE_BYTES], listeners[LISTENERS_MAX];
static size_t len;
static struct stack_passed saved, loaded;
static struct world *former[16];
static unsigned n_former;
static uint32_t trust;

static bool
offer(void *ctx, struct ec_job *job)
{
	if (n_away == room)
		return false;
	away[n_away++] = job;
	return true;
}

static struct world_options options = { .ec_offer = offer, .certificates = PLACES };

static void
setup(void)
{
	engine = ec_engine_new();
	options.random = 0;
	options.certificates = PLACES;
	certified_init(&stack, &options, CLIENTS);
	n_away = n_former = 0;
	room = PLACES;
	trust = 0;
	for (unsigned i = 0; i < LISTENERS_MAX; i++)
		listeners[i] = (uint8_t)i;
}

static void
teardown(void)
{
	while (n_former)
		world_free(former[--n_former]);
	certified_fini(&stack);
	ec_engine_free(engine);
}

TestSuite(stack_pass_certified, .init = setup, .fini = teardown);

/* The oldest job is done and comes back. */
static void
help(void)
{
	struct ec_job *job = away[0];

	cr_assert_neq(n_away, 0);
	away[0] = away[--n_away];
	ec_engine_work(engine, stack.trust, job, CERT_NOW);
	certified_answer(&stack, job);
}

static void
save(void)
{
	const struct stack_saving saving = { NULL, NULL };
	struct record_writer writer;

	saved = (struct stack_passed){ 0 };
	cr_assert_leq(stack_save_size(stack.world->stack), sizeof file);
	record_file_begin(&writer, file, sizeof file);
	stack_save(stack.world->stack, &writer, &saving, &saved);
	len = record_file_end(&writer);
	cr_assert_gt(len, 0);
}

/* Another process: other secrets, another clock, and nothing of what helpers had. */
static void
make_next(void)
{
	struct world *old = stack.world;

	former[n_former++] = old;
	options.random = 77;
	stack.world = world_new_options(CLIENTS, &options);
	stack.world->limits.abilities = ec_trust_abilities(stack.trust);
	stack.world->limits.trust = trust ? trust + 1 : 0;
	stack.world->now = old->now + LATER_US;
	n_away = 0;
	certified_pin(&stack);
}

static bool
load(void)
{
	const struct stack_loading loading = { .listeners = listeners,
					       .trust = trust,
					       .now_us = stack.world->now };
	struct record_reader reader = { .at = file + FILE_HEAD,
					.end = file + len,
					.shift_us = LATER_US };

	loaded = (struct stack_passed){ 0 };
	while (record_next(&reader))
		if (!stack_load(stack.world->stack, &reader, &loading, &loaded))
			return false;
	return !reader.malformed;
}

/* The one handshake that there is goes on in the next process. */
static void
pass(void)
{
	save();
	cr_assert_eq(saved.handshakes, 1);
	make_next();
	cr_assert(load());
	cr_assert_eq(loaded.handshakes, 1);
	cr_assert_eq(loaded.sessions, 1);
}

static void
send_part(unsigned part, size_t from, size_t to)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	certified_send(&stack, 0, datagram, cert_client_part(&stack.clients[0], part, from, to, datagram));
}

static void
send_finish(void)
{
	struct test_client *dtls = &stack.clients[0].dtls;
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	certified_send(&stack, 0, datagram, client_change_cipher_spec(dtls, datagram));
	certified_send(&stack, 0, datagram, client_finished(dtls, datagram));
}

static void
assert_finished(void)
{
	cr_assert(stack.clients[0].dtls.finished);
	cr_assert_eq(world_count(stack.world, COUNTER_dtls_finished), 1);
	cr_assert_eq(certified_free_places(&stack), PLACES);
}

static void
begin(void)
{
	(void)certified_hello(&stack, 0, hello);
	help();
	cr_assert(stack.clients[0].server_done);
}

/* ---- what cannot be ---- */

enum { NO_BYTES = 64 };

/* As pass(), with one field of the handshake otherwise: the last one counts. */
static bool
load_with(uint8_t field, const void *value, uint32_t value_len)
{
	uint8_t *at = file + FILE_HEAD, *record = NULL, head[8] = { field };
	uint32_t size, record_len;
	bool good;

	save();
	for (; at < file + len; at += RECORD_HEAD + size) {
		memcpy(&size, at + 4, sizeof size);
		if (at[0] == PASSED_CERTIFIED)
			record = at;
	}
	cr_assert_not_null(record);
	memcpy(&record_len, record + 4, sizeof record_len);
	cr_assert_eq(record + RECORD_HEAD + record_len, file + len, "the last one");
	memcpy(head + 4, &value_len, sizeof value_len);
	memcpy(file + len, head, sizeof head);
	memcpy(file + len + sizeof head, value, value_len);
	record_len += (uint32_t)sizeof head + value_len;
	memcpy(record + 4, &record_len, sizeof record_len);
	len += sizeof head + value_len;
	make_next();
	good = load();
	/* One that is refused is of no use any more. */
	world_free(stack.world);
	stack.world = former[--n_former];
	return good;
}

static bool
load_with_number(uint8_t field, uint16_t value)
{
	return load_with(field, &value, value > 255 ? 2 : 1);
}

Test(stack_pass_certified, a_hello_that_cannot_be_is_malformed)
{
	uint8_t none[NO_BYTES];

	memset(none, 0xff, sizeof none);
	(void)certified_hello(&stack, 0, hello);
	cr_expect_not(load_with(83, none, sizeof none), "a ServerHello of another length");
	cr_expect_not(load_with_number(73, 11), "none");
	cr_expect_not(load_with_number(69, 1), "a part of it was sent");
}

Test(stack_pass_certified, a_flight_that_cannot_be_is_malformed)
{
	uint8_t none[NO_BYTES];

	memset(none, 0xff, sizeof none);
	begin();
	cr_expect_not(load_with_number(1, DTLS_ENDED), "a state");
	cr_expect_not(load_with_number(1, DTLS_EXPECTING_HELLO), "a state of others");
	cr_expect_not(load_with_number(1, DTLS_EXPECTING_KEY_SHARE), "no certificate came");
	cr_expect_not(load_with_number(65, 1), "a type of certificates");
	cr_expect_not(load_with_number(67, EC_FLIGHT_MAX + 1), "a flight's length");
	cr_expect_not(load_with_number(67, 100), "a flight that ends within a message");
	cr_expect_not(load_with_number(68, 7), "what is sent next is no message");
	cr_expect_not(load_with_number(9, DTLS_DOUBT_CERTIFICATE), "a doubt without a verdict");
	cr_expect_not(load_with(83, none, sizeof none), "a flight without bytes");
}

Test(stack_pass_certified, a_client_s_flight_that_cannot_be_is_malformed)
{
	begin();
	send_part(0, 0, 0);
	cr_expect_not(load_with_number(74, 3), "a certificate in the middle of our flight");
	cr_expect_not(load_with_number(75, EC_MESSAGE_MAX + 1), "a certificate's length");
	cr_expect_not(load_with_number(75, 1), "a certificate that is none");
	cr_expect_not(load_with_number(20, EC_MESSAGE_MAX), "a message's length");
	send_part(1, 0, 0);
	send_part(2, 0, 0);
	cr_expect_not(load_with_number(76, EC_VERIFY_MAX), "a signature's length");
	cr_expect_not(load_with_number(76, 1), "a signature that is none");
	cr_expect(load_with_number(95, 1), "a field that came later");
}

/* ---- what passes ---- */

Test(stack_pass_certified, our_flight_is_asked_for_anew)
{
	(void)certified_hello(&stack, 0, hello);
	cr_assert_eq(n_away, 1);
	pass();
	cr_assert_eq(n_away, 1);
	help();
	certified_flight(&stack, 0, true);
	help();
	assert_finished();
}

Test(stack_pass_certified, a_client_goes_on_with_whatever_it_says_next)
{
	begin();
	for (unsigned part = 0; part < CERT_FLIGHT; part++) {
		pass();
		send_part(part, 0, 0);
	}
	pass();
	help();
	pass();
	send_finish();
	assert_finished();
}

Test(stack_pass_certified, messages_in_fragments_are_put_together)
{
	begin();
	for (unsigned part = 0; part < CERT_FLIGHT; part++) {
		size_t half = stack.clients[0].flight[part].len / 2;

		send_part(part, half, 0);
		pass();
		send_part(part, 0, half);
	}
	help();
	send_finish();
	assert_finished();
}

Test(stack_pass_certified, the_same_flight_is_sent_again)
{
	size_t hello_len = certified_hello(&stack, 0, hello);
	const uint8_t *point = stack.clients[0].server_point;
	unsigned seen = 0;

	help();
	pass();
	certified_send(&stack, 0, hello, hello_len);
	cr_assert_eq(world_count(stack.world, COUNTER_dtls_flight_again), 1);
	for (unsigned i = 0; i < STACK_TX_MAX; i++)
		seen += memmem(stack.world->slots[i].data, stack.world->slots[i].len, point, DTLS_POINT) != NULL;
	cr_assert_eq(seen, 1, "the same key share");
	certified_flight(&stack, 0, true);
	help();
	assert_finished();
}

Test(stack_pass_certified, a_finished_that_came_too_early_is_kept)
{
	begin();
	certified_flight(&stack, 0, true);
	pass();
	help();
	assert_finished();
}

Test(stack_pass_certified, who_was_judged_by_former_trust_is_judged_anew)
{
	begin();
	certified_flight(&stack, 0, false);
	help();
	trust = EC_TRUST_FORMER;
	pass();
	send_finish();
	cr_expect_eq(world_count(stack.world, COUNTER_dtls_certificate_trust_changed), 1);
	cr_expect_eq(world_count(stack.world, COUNTER_dtls_finished), 0);
}

/* ---- what does not ---- */

Test(stack_pass_certified, one_that_finds_no_place_leaves_no_session_behind)
{
	(void)certified_hello(&stack, 0, hello);
	(void)certified_hello(&stack, 1, hello);
	save();
	room = 1;
	make_next();
	cr_assert(load());
	cr_expect_eq(loaded.handshakes, 1);
	cr_expect_eq(loaded.lost[STACK_LOST_CERTIFICATE], 1);
	cr_expect_eq(loaded.sessions, 1);
	cr_expect_eq(stack_gauges(stack.world->stack).sessions, 1);
	cr_expect_eq(certified_free_places(&stack), PLACES - 1);
}
