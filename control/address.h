/*
 * address.h - IP addresses as operators write and read them. Pure: allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/dataplane.h"

/*
 * "198.18.0.1/24", "2001:2::1" (prefix 32 or 128 then) to an address; IPv4 is v4-mapped and its
 * prefix counts the IPv4 bits. 0, or -EINVAL.
 */
int address_parse(const char *text, struct dataplane_address *address);

/*
 * True for addresses that cannot be reached from the public Internet: loopback, link-local,
 * private (RFC 1918), unique local (RFC 4193), shared (RFC 6598) and benchmarking (RFC 2544, RFC
 * 5180) space.
 */
bool address_is_private(const uint8_t addr[16]);

/*
 * What an address is that no interface can have for its own: "a group's address" and the like; NULL
 * for one that it can.
 */
const char *address_unfit(const struct dataplane_address *address);

enum { ADDRESS_TEXT_MAX = 64 };

/* "198.18.0.1", "2001:2::1" */
void address_format(const uint8_t addr[16], char out[ADDRESS_TEXT_MAX]);
/* "198.18.0.1/24" */
void address_format_prefix(const struct dataplane_address *address, char out[ADDRESS_TEXT_MAX]);
/* "198.18.0.1:5683", "[2001:2::1]:5683" */
void address_format_peer(const struct peer *peer, char out[ADDRESS_TEXT_MAX]);
