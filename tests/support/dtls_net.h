/*
 * dtls_net.h - a client and a dtls_world with a network between them that may lose, repeat, hold
 * back and damage datagrams, on a simulated clock.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/dtls_world.h"

enum { NET_QUEUE = 64 };

struct net_queue {
	struct {
		uint8_t data[DTLS_WORLD_DATAGRAM];
		size_t len;
	} slot[NET_QUEUE];
	unsigned head, tail;
};

enum net_direction { NET_TO_SERVER, NET_TO_CLIENT };

/* What becomes of the datagrams. The index counts those of a direction from 0. */
enum net_fault { NET_NONE, NET_LOSE, NET_REPEAT, NET_HOLD, NET_DAMAGE, NET_CUT };

struct net {
	struct dtls_world world;
	struct net_queue to_server, to_client;
	unsigned sent[2]; /* datagrams of each direction so far */
	enum net_fault fault;
	enum net_direction direction;
	unsigned index;  /* of the datagram it strikes */
	size_t offset;   /* NET_DAMAGE: the byte; NET_CUT: what is left */
	bool hit_number; /* NET_DAMAGE struck the epoch or sequence number of a record */
	bool holding;    /* the struck datagram waits in `held` for the next one to overtake it */
	uint8_t held[DTLS_WORLD_DATAGRAM];
	size_t held_len;
	/* NULL, or datagrams to the server are written there, each after its 2-byte length. */
	FILE *record;
	/* NULL, or what the helper threads do, in between. */
	void (*help)(void *ctx, struct net *net);
	void *help_ctx;
};

static inline void
net_put(struct net_queue *queue, const uint8_t *data, size_t len)
{
	if (queue->tail - queue->head == NET_QUEUE)
		abort(); /* a storm: nothing here may cause one */
	memcpy(queue->slot[queue->tail % NET_QUEUE].data, data, len);
	queue->slot[queue->tail++ % NET_QUEUE].len = len;
}

static inline size_t
net_get(struct net_queue *queue, uint8_t *data, size_t size)
{
	unsigned i = queue->head % NET_QUEUE;
	size_t len;

	if (queue->head == queue->tail)
		return 0;
	queue->head++;
	len = queue->slot[i].len < size ? queue->slot[i].len : size;
	memcpy(data, queue->slot[i].data, len);
	return len;
}

static inline struct net_queue *
net_queue(struct net *net, enum net_direction direction)
{
	return direction == NET_TO_SERVER ? &net->to_server : &net->to_client;
}

static inline bool
net_is_number(const uint8_t *data, size_t len, size_t offset)
{
	for (size_t at = 0; at + DTLS_RECORD_HEADER <= len;) {
		if (offset >= at + 3 && offset < at + 11)
			return true;
		at += DTLS_RECORD_HEADER + (size_t)(data[at + 11] << 8 | data[at + 12]);
	}
	return false;
}

/* Sends one datagram through the network. */
static inline void
net_send(struct net *net, enum net_direction direction, const uint8_t *data, size_t len)
{
	struct net_queue *queue = net_queue(net, direction);
	bool struck = net->direction == direction && net->sent[direction]++ == net->index;
	uint8_t copy[DTLS_WORLD_DATAGRAM];

	if (net->direction != direction)
		net->sent[direction]++;
	if (direction == NET_TO_SERVER && net->record) {
		fputc((int)(len >> 8), net->record);
		fputc((int)(len & 255), net->record);
		fwrite(data, 1, len, net->record);
	}
	memcpy(copy, data, len);
	switch (struck ? net->fault : NET_NONE) {
	case NET_LOSE:
		return;
	case NET_HOLD:
		memcpy(net->held, data, len);
		net->held_len = len;
		net->holding = true;
		return;
	case NET_REPEAT:
		net_put(queue, copy, len);
		break;
	case NET_DAMAGE:
		net->hit_number = net_is_number(data, len, net->offset % len);
		copy[net->offset % len] ^= 0x41;
		break;
	case NET_CUT:
		len = net->offset < len ? net->offset : len;
		break;
	case NET_NONE:
		break;
	}
	if (len)
		net_put(queue, copy, len);
	if (net->holding && net->direction == direction) {
		net_put(queue, net->held, net->held_len);
		net->holding = false;
	}
}

/* Sends what the server wrote, and what more there is of its flight. */
static inline void
net_reply(struct net *net, uint8_t reply[DTLS_WORLD_DATAGRAM], size_t len)
{
	for (; len; len = dtls_world_more(&net->world, reply))
		net_send(net, NET_TO_CLIENT, reply, len);
}

/* Hands all datagrams that are on their way to the server to it. */
static inline void
net_serve(struct net *net)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM], reply[DTLS_WORLD_DATAGRAM];
	size_t len;

	while ((len = net_get(&net->to_server, datagram, sizeof datagram)) != 0) {
		uint8_t *exact = malloc(len); /* sanitizers see the first byte beyond */

		memcpy(exact, datagram, len);
		len = dtls_world_receive(&net->world, exact, len, reply);
		free(exact);
		net_reply(net, reply, len);
		if (net->help)
			net->help(net->help_ctx, net);
	}
}

/* Lets time pass. */
static inline void
net_advance(struct net *net, uint64_t us)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM];
	size_t len;

	net->world.now_us += us;
	len = dtls_world_tick(&net->world, reply);
	net_reply(net, reply, len);
}
