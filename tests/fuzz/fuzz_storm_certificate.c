/*
 * Datagrams of a hostile server to a device of the storm that shakes hands with a certificate or a raw public
 * key. Input: a byte (bit 0: raw key, bit 1: connection id), then datagrams, each after its 2-byte length.
 */
#include "tests/support/storm_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
send(void *ctx, const uint8_t *datagram, size_t len)
{
	if (len == 0 || len > STORM_FUZZ_DATAGRAM)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	struct storm_fuzz fuzz = { .send = send };
	uint8_t ways = reader_u8(&reader);

	storm_fuzz_begin(&fuzz, ways & 1, ways & 2);
	while (reader_left(&reader) && !fuzz.is_over) {
		uint16_t len = reader_u16(&reader);
		size_t left = reader_left(&reader);
		const uint8_t *bytes = reader_bytes(&reader, len < left ? len : left);
		uint8_t *exact = malloc(left + 1);

		len = (uint16_t)(len < left ? len : left);
		if (!exact)
			abort();
		if (bytes)
			memcpy(exact, bytes, len);
		storm_fuzz_take(&fuzz, exact, bytes ? len : 0);
		free(exact);
	}
	storm_fuzz_end(&fuzz);
	return 0;
}
