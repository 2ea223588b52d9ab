/* frame_fixture.h - the port that the vectors of frames.h talk to, and frames in exactly sized
 * memory. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/io/l3.h"
#include "tests/unit/frames.h"

static const struct l3_port port_any_vlan = {
	.mac = { 2, 0, 0, 0, 0, 1 },
	.vlan = LINK_UNTAGGED,
	.first_listener = 10,
	.n_addresses = 2,
	.n_udp_ports = 2,
	.udp_ports = { 5683, 5684 },
	.addresses = { { [10] = 0xff, [11] = 0xff, 198, 18, 0, 1 },
		       { 0x20, 0x01, 0x00, 0x02, [15] = 1 } },
};

/* The vector's bytes in an allocation of just their size, so that sanitizers see a step beyond;
 * free() it. */
static inline uint8_t *
frame_new(const char *name, size_t *len)
{
	for (size_t i = 0; i < sizeof frame_vectors / sizeof frame_vectors[0]; i++) {
		const char *hex = frame_vectors[i].hex;
		uint8_t *frame;

		if (strcmp(frame_vectors[i].name, name) != 0)
			continue;
		*len = strlen(hex) / 2;
		frame = malloc(*len);
		cr_assert(frame);
		for (size_t at = 0; at < *len; at++)
			cr_assert_eq(sscanf(hex + 2 * at, "%2hhx", &frame[at]), 1);
		return frame;
	}
	cr_assert_fail("no vector %s", name);
	return NULL;
}
