/*
 * peer.h - who a datagram is from, and the way back.
 */
#pragma once

#include <stdint.h>
#include <string.h>

/*
 * The 5-tuple of a session, normalised: IPv4 addresses are v4-mapped (RFC 4291 2.5.5.2), the local side is the
 * index of a listener (one device port, local address and UDP port).
 *
 *	 0               16     18        19    20
 *	+----------------+------+----------+-----+
 *	| addr           | port | listener | pad |
 *	+----------------+------+----------+-----+
 */
struct peer {
	uint8_t addr[16];
	uint16_t port;    /* host byte order */
	uint8_t listener; /* index into the stack's listeners */
	uint8_t pad;      /* 0: the struct is hashed and compared as bytes */
};

/* Where replies go: the Ethernet source and VLAN of the last datagram accepted from this peer. */
struct link {
	uint8_t mac[6];
	uint16_t vlan; /* tag control information, host byte order; LINK_UNTAGGED where there is none */
};

enum { LINK_UNTAGGED = 0xffff }; /* VID 0xfff is reserved (IEEE 802.1Q), so no tag looks like it */

static inline int
peer_equal(const struct peer *a, const struct peer *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* Security of a listener. */
enum listener_security {
	LISTENER_NOSEC,
	LISTENER_PSK,
	LISTENER_FORWARD, /* of no device: other members of the cluster send here */
};

enum { LISTENERS_MAX = 64, LISTENER_NONE = 0xff };
