/*
 * Datagrams of a hostile server to one device of the swarm, over NoSec and PSK. Input: a byte (bit
 * 0: PSK, the rest: ms until the next datagram), a length, and so many bytes; again and again.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/storm/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct one {
	struct fleet fleet;
	struct device device;
	uint32_t idle;
	struct names names;
	struct expect expect;
	struct storm_out out;
	uint8_t slots[STORM_OUT_MAX][STORM_DATAGRAM_MAX];
};

static void
begin(struct one *one, bool psk)
{
	const struct fleet_settings settings = { .security = psk ? SECURITY_PSK : SECURITY_NOSEC,
						 .format = 112,
						 .ack_timeout_us = 2000000,
						 .give_up_us = 93000000 };
	char error[NAMES_ERROR_MAX];

	memset(one, 0, sizeof *one);
	if (name_pattern_parse(&one->names.endpoint, "d%u", error) < 0 ||
	    name_pattern_parse(&one->names.identity, "d%u", error) < 0 ||
	    name_pattern_parse(&one->names.key, "k%u", error) < 0 ||
	    expect_parse(&one->expect, "/0/1=00{ep}", error) < 0)
		abort();
	for (unsigned i = 0; i < STORM_OUT_MAX; i++)
		one->out.slots[i].data = one->slots[i];
	one->fleet.devices = &one->device;
	one->fleet.idle = &one->idle;
	one->fleet.n = 1;
	one->fleet.names = &one->names;
	one->fleet.expect = &one->expect;
	fleet_init(&one->fleet, &settings, crypto_select(), 0, 0);
	(void)fleet_start(&one->fleet, 0, &one->out);
}

static void
feed(struct one *one, const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1); /* sanitizers see the first byte beyond */

	if (!exact)
		abort();
	if (len) /* an empty datagram lies nowhere */
		memcpy(exact, bytes, len);
	one->out.n = 0;
	fleet_receive(&one->fleet, 0, exact, len, &one->out);
	free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	static struct one one;
	uint32_t index;

	begin(&one, reader_u8(&reader) & 1);
	while (reader_left(&reader)) {
		uint8_t wait_ms = reader_u8(&reader);
		struct reader datagram = reader_vector_u8(&reader);

		feed(&one, datagram.at, reader_left(&datagram));
		fleet_set_time(&one.fleet, one.fleet.now_us + wait_ms * UINT64_C(1000));
		one.out.n = 0;
		while (fleet_tick(&one.fleet, &index, &one.out))
			one.out.n = 0;
	}
	expect_free(&one.expect);
	return 0;
}
