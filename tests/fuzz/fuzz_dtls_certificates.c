/*
 * A client with a certificate: its datagrams, each after its 2-byte length. Instead of a length
 * 0xffff lets a second pass, and 0xfffe lets the helper answer, with a verdict of the byte behind.
 * The server stays within its memory: flights end, what failed is gone, and its place given back.
 */
#include <stdlib.h>

#include "tests/support/ec_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECOND = 0xffff, HELP = 0xfffe, FLIGHT_DATAGRAMS_MAX = 64 };

static struct dtls_world world;
static struct ec_fuzz helper;

/* All of a flight, which must come to its end. */
static void
read_flight(uint8_t reply[DTLS_WORLD_DATAGRAM], size_t len)
{
	for (unsigned n = 0; len; n++) {
		if (len > DTLS_WORLD_DATAGRAM || n == FLIGHT_DATAGRAMS_MAX)
			abort();
		len = dtls_world_more(&world, reply);
	}
	if (world.has_handshake && world.handshake.state >= DTLS_STATES)
		abort(); /* ended, but not given back */
	if (helper.is_taken && !world.has_handshake)
		abort();
}

static void
feed(const uint8_t *data, size_t len)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM], *datagram = malloc(len ? len : 1);

	memcpy(datagram, data, len);
	read_flight(reply, dtls_world_receive(&world, datagram, len, reply));
	free(datagram);
}

static void
take(struct reader *reader)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM];
	uint16_t len = reader_u16(reader);
	size_t left = reader_left(reader);
	const uint8_t *datagram;

	if (len == SECOND) {
		world.now_us += 1000000;
		read_flight(reply, dtls_world_tick(&world, reply));
	} else if (len == HELP) {
		helper.verdict = reader_u8(reader) % EC_VERDICTS;
		read_flight(reply, ec_fuzz_help(&helper, &world, reply));
	} else {
		datagram = reader_bytes(reader, len < left ? len : left);
		if (datagram)
			feed(datagram, (size_t)(reader->at - datagram));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	uint8_t reply[DTLS_WORLD_DATAGRAM];

	dtls_fuzz_init(&world);
	ec_fuzz_init(&helper, &world);
	while (reader_left(&reader))
		take(&reader);
	world.now_us += DTLS_HANDSHAKE_LIFE_US;
	read_flight(reply, dtls_world_tick(&world, reply));
	if (world.has_handshake || helper.is_taken)
		abort();
	return 0;
}
