/*
 * net.h - the swarm's addresses: which device is behind which 5-tuple, frames to datagrams and
 * back.
 *
 * Device i has address `first` + i mod n_addresses and UDP port first_port + i / n_addresses, so a
 * datagram finds its device by arithmetic. Its other port, after a rebinding, is ports_each higher.
 *
 *	address  first	first + 1	...	first + n - 1
 *	port p	 0	1			n - 1
 *	port p+1 n	n + 1			2n - 1
 *
 * The frame layer of the appliance does the work: before each frame its `struct l3_port` is aimed
 * at the one address and port that the frame is for, if it is ours. Pure; owner: the caller; one
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/io/l3.h"
#include "dataplane/io/neigh.h"

enum {
	NET_ASK_BYTES = 14 + 4 + 40 + 32, /* a neighbour solicitation, the larger question */
	NET_ADDRESS_TEXT = 64,
};

struct net {
	uint8_t server[16], next_hop[16]; /* v4-mapped or IPv6 */
	uint16_t server_port;
	uint8_t first[16];
	uint32_t n_addresses;
	uint16_t first_port;
	uint32_t ports_each; /* of an address: what all devices need */
};

/* "192.0.2.1" or "2001:db8::1". -1: it is neither. */
int net_parse_address(const char *text, uint8_t address[16]) __attribute__((warn_unused_result));
/* "FIRST", "FIRST-LAST" or "FIRST+COUNT". -1 as above, or the last is below the first. */
int net_parse_range(struct net *net, const char *text) __attribute__((warn_unused_result));
/* Decides ports_each. -1: address range times ports cannot hold so many devices. */
int net_fit(struct net *net, uint32_t devices) __attribute__((warn_unused_result));

/* The device of one of our addresses and ports, or -1. */
int64_t net_device(const struct net *net, const uint8_t address[16], uint16_t port);

/* l3_parse() for whoever of us the frame is for. *device: of a datagram. */
enum l3_kind net_parse(const struct net *net, struct l3_port *port, uint8_t *frame, size_t len,
		       unsigned rx_flags, struct l3_packet *packet, int64_t *device);
/* Whether this ARP or ICMPv6 packet says where the next hop is: then that is packet->link. */
bool net_is_next_hop(const struct net *net, enum l3_kind kind, const struct l3_packet *packet);
/* Asks for the next hop; the frame's length. */
size_t net_ask(const struct net *net, struct l3_port *port, uint16_t vlan,
	       uint8_t frame[NET_ASK_BYTES]);

/*
 * A datagram of a device: headers are written in front of its payload; returns where the frame
 * begins.
 */
struct net_datagram {
	uint32_t device;
	bool rebound, offload;
	uint8_t *data;
	uint16_t len;
};
uint8_t *net_prepend(const struct net *net, struct l3_port *port, const struct link *link,
		     const struct net_datagram *datagram);
