/*
 * member_sharing.h - what a stack knows of the other appliances of its cluster: which connection ids are theirs, and where
 * they are.
 *
 * All have a secret in common, and clocks that are less than an hour apart. Published with the limits: immutable.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	MEMBER_SECRET_LEN = 32,
	MEMBER_ROUTES_MAX = 64,
	MEMBER_NUMBER_MAX = 8191, /* 13 bits; 0 is nobody's */
};

/* Where a member takes what others forward. */
struct member_route {
	uint16_t member, port; /* UDP, host byte order */
	uint8_t addr[16];      /* v4-mapped or IPv6 */
};

/* All zero: this appliance stands alone. */
struct member_sharing {
	uint32_t number; /* of the publication: what has another number may differ */
	bool on;
	uint16_t member; /* this one */
	uint8_t secret[MEMBER_SECRET_LEN];
	int64_t wall_us; /* to be added to a worker's time: microseconds since 1970 */
	unsigned n_routes;
	struct member_route routes[MEMBER_ROUTES_MAX]; /* of the others */
};
