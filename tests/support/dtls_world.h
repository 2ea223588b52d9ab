/*
 * dtls_world.h - one peer's DTLS server on injected time and randomness, for tests, fuzz targets
 * and benchmarks.
 *
 * What a stack does around the DTLS modules, in its shortest form: one peer, at most one handshake
 * and one association, which a new handshake replaces when it has finished. A datagram in, at most
 * one datagram out. Application data is kept in `received`, and echoed when `echo` is set.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/core/dtls/dtls_flight.h"
#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/core/dtls/dtls_handshake.h"

enum { DTLS_WORLD_DATAGRAM = 1500 };

struct dtls_world_credential {
	const void *identity;
	size_t identity_len;
	const void *key;
	size_t key_len;
};

struct dtls_world {
	struct dtls_server server;
	struct counters counters;
	struct peer peer;
	uint64_t now_us;
	uint64_t random; /* state of the generator */
	const struct dtls_world_credential *credentials;
	unsigned n_credentials;
	bool has_handshake, has_session, echo, closed;
	bool no_cbc; /* the pool of keys under CBC is empty */
	struct dtls_handshake handshake;
	struct dtls_session session;
	struct dtls_cbc cbc[2]; /* of the session, and of the handshake beside it */
	unsigned established; /* times */
	uint8_t received[DTLS_WORLD_DATAGRAM];
	size_t received_len;
};

static inline void
dtls_world_random(void *ctx, uint8_t *bytes, size_t len)
{
	struct dtls_world *world = ctx;

	for (size_t i = 0; i < len; i++) { /* xorshift64 */
		world->random ^= world->random << 13;
		world->random ^= world->random >> 7;
		world->random ^= world->random << 17;
		bytes[i] = (uint8_t)(world->random >> 32);
	}
}

static inline bool
dtls_world_find(void *ctx, const uint8_t *identity, size_t len, struct dtls_identity *found)
{
	const struct dtls_world *world = ctx;

	for (unsigned i = 0; i < world->n_credentials; i++) {
		const struct dtls_world_credential *c = &world->credentials[i];

		if (c->key_len == 0 || c->identity_len != len ||
		    memcmp(c->identity, identity, len) != 0)
			continue;
		found->device = 100 + i;
		found->hash = 0x1122334455667788 + i;
		found->key_len = (uint8_t)c->key_len;
		memcpy(found->key, c->key, c->key_len);
		return true;
	}
	return false;
}

static inline struct dtls_cbc *
dtls_world_take_cbc(void *ctx)
{
	struct dtls_world *world = ctx;

	return world->no_cbc ? NULL : &world->cbc[world->established % 2];
}

static inline void
dtls_world_init(struct dtls_world *world, const struct crypto_ops *ops,
		const struct dtls_world_credential *credentials, unsigned n)
{
	memset(world, 0, sizeof *world);
	world->random = 0x9e3779b97f4a7c15;
	world->now_us = 1000000;
	world->credentials = credentials;
	world->n_credentials = n;
	world->peer = (struct peer){ .addr = { [10] = 0xff, 0xff, 192, 0, 2, 1 }, .port = 40000 };
	world->server = (struct dtls_server){
		.ops = ops,
		.rng = { dtls_world_random, world },
		.counters = &world->counters,
		.worker = 7,
		.find_identity = dtls_world_find,
		.take_cbc = dtls_world_take_cbc,
		.find_ctx = world,
	};
	dtls_server_init(&world->server, world->now_us);
}

static inline void
dtls_world_end_handshake(struct dtls_world *world)
{
	dtls_handshake_leave(&world->server, &world->handshake);
	crypto_wipe(&world->handshake, sizeof world->handshake);
	world->has_handshake = false;
}

static inline void
dtls_world_take_progress(struct dtls_world *world, enum dtls_progress progress,
			 const struct dtls_session *fresh)
{
	if (progress == DTLS_WAITING)
		return;
	if (progress == DTLS_ESTABLISHED) {
		world->session = *fresh;
		world->has_session = true;
		world->closed = false;
		world->established++;
	}
	dtls_world_end_handshake(world);
}

static inline void
dtls_world_handshake_record(struct dtls_world *world, const struct dtls_record *record,
			    struct writer *out)
{
	struct dtls_session fresh;
	struct dtls_turn turn = { world->now_us, out, &fresh };

	if (!world->has_handshake) {
		count(&world->counters, COUNTER_dtls_rx_no_session);
		return;
	}
	dtls_world_take_progress(
		world, dtls_handshake_receive(&world->server, &world->handshake, record, &turn),
		&fresh);
}

static inline void
dtls_world_hello_record(struct dtls_world *world, const struct dtls_record *record,
			struct writer *out)
{
	switch (dtls_greet(&world->server, &world->peer, record, out)) {
	case DTLS_GREETING_DROPPED:
	case DTLS_GREETING_ANSWERED:
		return;
	case DTLS_GREETING_FRAGMENT:
		if (world->has_handshake)
			break;
		count(&world->counters, COUNTER_dtls_hello_fragment);
		return;
	case DTLS_GREETING_VERIFIED:
		if (world->has_handshake && dtls_handshake_is_of(&world->handshake, record))
			break;
		if (world->has_handshake)
			dtls_handshake_leave(&world->server, &world->handshake);
		dtls_handshake_init(&world->handshake, &world->server, 0x010203, world->now_us);
		world->has_handshake = true;
		break;
	}
	dtls_world_handshake_record(world, record, out);
}

static inline void
dtls_world_opened(struct dtls_world *world, const struct dtls_opening *opening, struct writer *out)
{
	switch (opening->type) {
	case DTLS_APPLICATION_DATA:
		memcpy(world->received, opening->content, opening->length);
		world->received_len = opening->length;
		if (world->echo)
			dtls_write_sealed(world->server.ops, &world->session, DTLS_APPLICATION_DATA,
					  world->received, world->received_len, out);
		return;
	case DTLS_ALERT_RECORD:
		world->closed = true;
		world->has_session = false;
		return;
	case DTLS_HANDSHAKE:
		dtls_session_handshake(&world->server, &world->session, opening, out);
		return;
	}
}

static inline void
dtls_world_protected_record(struct dtls_world *world, const struct dtls_record *record,
			    struct writer *out)
{
	struct dtls_opening opening = { .session = &world->session, .record = *record };

	if (!world->has_session) {
		dtls_world_handshake_record(world, record, out);
		return;
	}
	dtls_open(world->server.ops, &opening, 1);
	if (opening.outcome != COUNTER_dtls_rx_opened && world->has_handshake) {
		dtls_world_handshake_record(world, record, out);
		return;
	}
	count(&world->counters, opening.outcome);
	if (opening.outcome == COUNTER_dtls_rx_opened)
		dtls_world_opened(world, &opening, out);
}

/* Takes a datagram (which is overwritten); returns the length of the answer in `reply`. */
static inline size_t
dtls_world_receive(struct dtls_world *world, uint8_t *datagram, size_t len,
		   uint8_t reply[DTLS_WORLD_DATAGRAM])
{
	struct dtls_walk walk = { datagram, datagram + len };
	struct writer out = writer_init(reply, DTLS_WORLD_DATAGRAM);
	struct dtls_record record;

	dtls_cookies_rotate(&world->server.cookies, &world->server.rng, world->now_us);
	while (dtls_record_next(&walk, &record, &world->counters)) {
		if (record.epoch != 0)
			dtls_world_protected_record(world, &record, &out);
		else if (dtls_is_hello(&record))
			dtls_world_hello_record(world, &record, &out);
		else
			dtls_world_handshake_record(world, &record, &out);
	}
	return writer_len(&out);
}

/* The next datagram of a flight that needs several; 0: there is none. */
static inline size_t
dtls_world_more(struct dtls_world *world, uint8_t reply[DTLS_WORLD_DATAGRAM])
{
	struct writer out = writer_init(reply, DTLS_WORLD_DATAGRAM);

	if (!world->has_handshake || !dtls_handshake_is_sending(&world->handshake))
		return 0;
	dtls_handshake_send(&world->server, &world->handshake, &out);
	return writer_len(&out);
}

/* The handshake's job came back. */
static inline size_t
dtls_world_answered(struct dtls_world *world, uint8_t reply[DTLS_WORLD_DATAGRAM])
{
	struct writer out = writer_init(reply, DTLS_WORLD_DATAGRAM);
	struct dtls_session fresh;
	struct dtls_turn turn = { world->now_us, &out, &fresh };

	if (!world->has_handshake)
		return 0;
	dtls_world_take_progress(
		world, dtls_handshake_answered(&world->server, &world->handshake, &turn),
		&fresh);
	return writer_len(&out);
}

static inline size_t
dtls_world_tick(struct dtls_world *world, uint8_t reply[DTLS_WORLD_DATAGRAM])
{
	struct writer out = writer_init(reply, DTLS_WORLD_DATAGRAM);
	struct dtls_session fresh;
	struct dtls_turn turn = { world->now_us, &out, &fresh };

	if (!world->has_handshake)
		return 0;
	dtls_world_take_progress(
		world, dtls_handshake_tick(&world->server, &world->handshake, &turn), &fresh);
	return writer_len(&out);
}

/* Seals application data for the client; returns the record's length. */
static inline size_t
dtls_world_send(struct dtls_world *world, const void *data, size_t len,
		uint8_t datagram[DTLS_WORLD_DATAGRAM])
{
	struct writer out = writer_init(datagram, DTLS_WORLD_DATAGRAM);

	dtls_write_sealed(world->server.ops, &world->session, DTLS_APPLICATION_DATA, data, len,
			  &out);
	return writer_len(&out);
}
