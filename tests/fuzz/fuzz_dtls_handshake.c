/*
 * A client's datagrams, each after its 2-byte length; 0xffff instead of a length lets a second
 * pass. The server stays within its memory and its promises: answers fit, what failed is gone, and
 * time ends everything.
 */
#include <stdlib.h>

#include "tests/support/dtls_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed(struct dtls_world *world, const uint8_t *data, size_t len)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM], *datagram = malloc(len ? len : 1);

	memcpy(datagram, data, len);
	if (dtls_world_receive(world, datagram, len, reply) > DTLS_WORLD_DATAGRAM)
		abort();
	if (world->has_handshake && world->handshake.state >= DTLS_STATES)
		abort(); /* ended, but not given back */
	free(datagram);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	struct dtls_world world;
	uint8_t reply[DTLS_WORLD_DATAGRAM];

	dtls_fuzz_init(&world);
	while (reader_left(&reader)) {
		uint16_t len = reader_u16(&reader);
		const uint8_t *datagram;

		if (len == 0xffff) {
			world.now_us += 1000000;
			dtls_world_tick(&world, reply);
			continue;
		}
		datagram = reader_bytes(&reader,
					len < reader_left(&reader) ? len : reader_left(&reader));
		if (datagram)
			feed(&world, datagram, (size_t)(reader.at - datagram));
	}
	world.now_us += DTLS_HANDSHAKE_LIFE_US;
	dtls_world_tick(&world, reply);
	if (world.has_handshake)
		abort();
	return 0;
}
