/*
 * scripted_peer.h - one device that answers as the test says, and what the stack sent it.
 */
#pragma once

#include <criterion/criterion.h>

#include "tests/unit/stack_world.h"

enum { PORT = 5000, STEPS = 3 };

static const uint8_t request_bytes[] = { 0x44, 0x02, 0x12, 0x34, 0xc0, 0x8e, 0x9b, 0xe1,
					 0xb2, 0x62, 0x73, 0x4b, 'e',  'p',  '=',  'd',
					 'e',  'v',  '-',  '0',  '0',  '0',  '1' };

static inline struct world *
with_device(struct world *world)
{
	world_device(world, "dev-0001", world_batch(world, 11542, 22), 0);
	return world;
}

static inline struct world *
world_ready(unsigned sessions)
{
	return with_device(world_new(sessions));
}

static inline struct coap_msg
sent(const struct world *world, unsigned i)
{
	struct coap_msg msg;

	cr_assert_lt(i, world->out.used, "%u datagrams sent", world->out.used);
	cr_assert_leq(coap_parse(world->slots[i].data, world->slots[i].len, &msg), COAP_IS_PING);
	return msg;
}

/* The request of ours that was just sent, alone or behind an ACK. */
static inline struct coap_header
asked(const struct world *world)
{
	struct coap_msg msg = sent(world, world->out.used - 1);

	cr_assert_eq(msg.header.type, COAP_CON);
	cr_assert_lt(msg.header.code, 32);
	return msg.header;
}

static inline void
feed_message(struct world *world, uint16_t port, const struct coap_header *header)
{
	uint8_t bytes[64];
	struct writer writer = writer_init(bytes, sizeof bytes);

	coap_write_header(&writer, header);
	world_feed(world, port, bytes, writer_finish(&writer));
}

/* A message of the device about `request`: type and code as given, its own id for CON and NON. */
static inline void
reply_as(struct world *world, const struct coap_header *request, enum coap_type type, uint8_t code,
	 uint16_t own_mid)
{
	struct coap_header header = *request;

	header.type = type;
	header.code = code;
	if (type == COAP_CON || type == COAP_NON)
		header.mid = own_mid;
	if (code == COAP_EMPTY)
		header.token_len = 0;
	feed_message(world, PORT, &header);
}

static inline void
accept_step(struct world *world, const struct coap_header *request)
{
	reply_as(world, request, COAP_ACK, COAP_CHANGED, 0);
}

static inline void
feed_request(struct world *world, uint16_t port)
{
	world_feed(world, port, request_bytes, sizeof request_bytes);
}

static inline struct coap_header
start(struct world *world)
{
	struct coap_msg answer;

	feed_request(world, PORT);
	cr_assert_eq(world->out.used, 2);
	answer = sent(world, 0);
	cr_assert_eq(answer.header.code, COAP_CHANGED);
	return asked(world);
}

/* Begins, and accepts steps until step `step` is out. */
static inline struct coap_header
start_at(struct world *world, unsigned step)
{
	struct coap_header request = start(world);

	for (unsigned s = 0; s < step; s++) {
		accept_step(world, &request);
		request = asked(world);
	}
	return request;
}

static const struct session_event *
last_event(const struct world *world)
{
	cr_assert_gt(world->n_events, 0);
	return &world->events[world->n_events - 1];
}

static inline void
expect_ended(const struct world *world, enum session_event_kind kind, enum session_cause cause)
{
	const struct session_event *event = last_event(world);

	cr_expect_eq(event->kind, kind, "kind %u", event->kind);
	cr_expect_eq(event->cause, cause, "cause %u", event->cause);
	cr_expect_eq(stack_gauges(world->stack).running, 0);
	cr_expect_eq(atomic_load(&world->batches[0]->holders), 0);
}

static inline void
accept_from(struct world *world, struct coap_header request, unsigned step)
{
	for (; step < STEPS; step++) {
		accept_step(world, &request);
		cr_assert_eq(world->out.used, step + 1 < STEPS);
		if (step + 1 < STEPS)
			request = asked(world);
	}
}

static inline void
finish_from(struct world *world, struct coap_header request, unsigned step)
{
	accept_from(world, request, step);
	expect_ended(world, SESSION_FINISHED, CAUSE_NONE);
}
