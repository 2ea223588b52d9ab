/*
 * l3.h - Ethernet, VLAN, IPv4, IPv6 and UDP: frames to datagrams and back.
 *
 * Pure: bytes and a port's addresses in, a verdict out. No DPDK, no I/O, no allocation; any thread,
 * as everything is the caller's. One call a frame: l3_parse() reads it and checks what this layer
 * checks; l3_prepend_*() write headers in front of a payload, so that an answer may be built where
 * the question lay.
 *
 * A datagram for us passed, in this order: destination MAC, source MAC, VLAN, header lengths,
 * header checksum, destination address, not a fragment, source address, UDP port, UDP checksum.
 * What fails is a counter, never an error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core/counters.h"
#include "dataplane/core/peer.h"
#include "dataplane/core/stack.h"

enum {
	L3_ADDRESSES_MAX = 32,
	L3_UDP_PORTS_MAX = 8,
	L3_VLAN_ID_MAX = 4094, /* IEEE 802.1Q: 0 is a priority tag, 4095 reserved */
	L3_EXTENSIONS_MAX = 4, /* IPv6 extension headers that are skipped; more are malformed */
	L3_HOP_LIMIT = 64,     /* of what we send */
	/* Ethernet 14, one tag 4, IPv6 40, UDP 8: what the l3_prepend_*() functions write at
	 * most. */
	L3_HEADERS_MAX = 14 + 4 + 40 + 8,
};

enum l3_ethertype {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
};

enum l3_protocol {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_UDP = 17,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_DESTINATION = 60,
};

/* What a device port answers to. Immutable while workers run. */
struct l3_port {
	uint8_t mac[6];
	uint16_t vlan; /* 1 to 4094: only this one; else any, answered in kind */
	/* The listener of (addresses[a], udp_ports[u]) is first_listener + a * n_udp_ports + u. */
	uint8_t first_listener;
	uint8_t n_addresses;
	uint8_t n_udp_ports;
	uint16_t udp_ports[L3_UDP_PORTS_MAX];
	uint8_t addresses[L3_ADDRESSES_MAX][16]; /* v4-mapped or IPv6 */
	/* Bits of each one's network, of 32 or 128. */
	uint8_t prefixes[L3_ADDRESSES_MAX];
};

enum l3_kind {
	L3_DROP,     /* packet->drop says why */
	L3_DATAGRAM, /* for a listener of ours: packet->datagram is complete */
	L3_ARP,      /* message and message_len are the ARP body */
	/* `message` is the ICMP message, for one of our addresses; its checksum is not checked
	 * yet. */
	L3_ICMP,
	/* The same, for one of our addresses or one of their groups; the source may be
	 * unspecified. */
	L3_ICMPV6,
};

/* What the driver found out about a frame. "Bad" is not taken from drivers: then the sum is
 * computed here. */
enum l3_rx_flags {
	L3_RX_IP_CHECKED = 1,  /* the IPv4 header checksum is right */
	L3_RX_UDP_CHECKED = 2, /* the UDP checksum is right */
};

struct l3_packet {
	enum counter drop;
	struct link link;
	uint8_t source[16], destination[16]; /* v4-mapped or IPv6 */
	uint8_t hop_limit;
	bool group;       /* sent to a group MAC address */
	uint8_t *message; /* what follows the last IP header, or the ARP body */
	uint16_t message_len;
	struct dgram_in datagram;
};

/* `frame` is borrowed and may be written to later through packet->message. Of `packet`, what the
 * kind names is set. */
enum l3_kind l3_parse(const struct l3_port *port, uint8_t *frame, size_t len, unsigned rx_flags,
		      struct l3_packet *packet);

/* Index in port->addresses, or -1. */
int l3_find_address(const struct l3_port *port, const uint8_t address[16]);
/* A source that can be answered: unicast, not ours, not loopback, not the broadcast address of a
 * network of ours; for IPv6, not v4-mapped, which is how we write IPv4. */
bool l3_source_answerable(const struct l3_port *port, const uint8_t address[16]);

static inline bool
l3_is_ipv4(const uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* RFC 4291 2.5.5.2 */

	return memcmp(address, mapped, sizeof mapped) == 0;
}

/*
 * The sum of the pseudo header (RFC 768; RFC 8200 8.1), to be continued over the message. The
 * v4-mapped prefix adds 0xffff, which is 0 in ones' complement, so both address families take one
 * way.
 */
uint64_t l3_pseudo_sum(const uint8_t source[16], const uint8_t destination[16], uint8_t protocol,
		       size_t message_len);

/* An IP packet of ours: both addresses are of one family. */
struct l3_header {
	const struct link *link; /* to this MAC, with this tag */
	const uint8_t *source, *destination;
	uint8_t protocol, hop_limit;
};

/*
 * These write headers so that they end where the payload begins, and return where the frame begins;
 * the bytes before the payload must be writable (L3_HEADERS_MAX in all). IPv4 is sent with DF and
 * id 0 (RFC 6864 4.1), and its header checksum is always computed here: over 20 bytes in registers,
 * offloading it gains nothing.
 */
uint8_t *l3_prepend_ethernet(const struct l3_port *port, const struct link *link,
			     uint16_t ethertype, uint8_t *payload);
uint8_t *l3_prepend_ip(const struct l3_port *port, const struct l3_header *header, uint8_t *message,
		       size_t message_len);
/* `offload`: the device computes the UDP checksum; only the pseudo header's sum is written. */
uint8_t *l3_prepend_udp(const struct l3_port *port, const struct dgram_out *datagram, bool offload);
