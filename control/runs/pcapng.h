/*
 * pcapng.h - blocks of a capture file that Wireshark opens (draft-ietf-opsawg-pcapng), datagrams with
 * the secrets that decrypt them.
 *
 * Datagrams get IP and UDP headers made of who sent them, as there is none at hand any more.
 *
 * Pure. Allocates in `out`, which is wiped. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/text.h"

/* An end of a datagram: v4-mapped or IPv6. */
struct pcapng_end {
	uint8_t addr[16];
	uint16_t port;
};

struct pcapng_datagram {
	uint64_t wall_us; /* since 1970 */
	struct pcapng_end from, to;
	bool sent; /* by us */
	const uint8_t *bytes;
	size_t len;
	const char *comment; /* NULL: none */
};

/* The section, with a comment, and its one interface: the file's beginning. */
void pcapng_begin(struct text *out, const char *comment);
/* One line of a TLS key log. Before the datagrams that it decrypts. */
void pcapng_secret(struct text *out, const uint8_t client_random[32], const uint8_t master[48]);
void pcapng_datagram(struct text *out, const struct pcapng_datagram *datagram);
