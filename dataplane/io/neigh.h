/*
 * neigh.h - what keeps us reachable: ARP (RFC 826), neighbour discovery (RFC 4861) and echo (RFC
 * 792, RFC 4443).
 *
 * Pure and without state: a question in, the answer in its place; and what tells of us unasked. We
 * never ask: replies go to the MAC address that the device's datagram came from. One answer a
 * question and never longer by more than 8 bytes, so nothing is amplified.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/io/l3.h"

enum {
	/* A neighbour advertisement has a link-layer address that the solicitation may have
	 * lacked. */
	NEIGH_GROWTH = 8,
	NEIGH_ANNOUNCEMENT_BYTES = 32, /* of a message, without headers */
};

struct neigh_answer {
	uint8_t *frame; /* within the question's frame; it may begin later and end later */
	size_t len;
	enum counter counter; /* what was answered, or announced */
};

/*
 * Answers a packet that l3_parse() called L3_ARP, L3_ICMP or L3_ICMPV6. `room`: writable bytes from
 * packet->message on, at least message_len; advertisements need NEIGH_GROWTH more where the
 * solicitation had no option. false: no answer, and packet->drop says why.
 */
bool neigh_answer(const struct l3_port *port, enum l3_kind kind, struct l3_packet *packet,
		  size_t room, struct neigh_answer *answer) __attribute__((warn_unused_result));

/*
 * Tells all on the link that port->addresses[address] is at port->mac, in the port's VLAN where it has
 * one, else untagged: a request of an address for itself (an announcement of RFC 5227 3), or an
 * advertisement to all nodes that overrides what they knew (RFC 4861 7.2.6). `message` has
 * NEIGH_ANNOUNCEMENT_BYTES, and L3_HEADERS_MAX writable bytes before it.
 */
void neigh_announce(const struct l3_port *port, unsigned address, uint8_t *message,
		    struct neigh_answer *announcement) __attribute__((nonnull));
