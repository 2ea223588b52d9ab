/*
 * Records of the CBC suite: what was sealed opens to the same bytes, what was spoiled or made up does not open. Input:
 *
 *	flags		1: encrypt-then-MAC (RFC 7366), 2: made up, not sealed, 4: with a connection id (RFC 9146)
 *	place, bits	what is turned over in the sealed record; bits 0: nothing
 *	content		the rest
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_cbc.h"
#include "dataplane/core/dtls/dtls_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ETM = 1, MADE_UP = 2, CID = 4, CONTENT_MAX = 1024, DATAGRAM = 1500 };

/* Both ends of an association. */
struct ends {
	struct dtls_cbc client_keys, server_keys;
	struct dtls_session client, server;
};

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
establish(struct ends *ends, bool encrypt_then_mac)
{
	uint8_t block[DTLS_CBC_KEY_BLOCK];

	for (unsigned i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)i;
	dtls_cbc_init(crypto_select(), &ends->server_keys, block, encrypt_then_mac);
	ends->client_keys = (struct dtls_cbc){ .client = ends->server_keys.server,
					       .server = ends->server_keys.client };
	ends->server = (struct dtls_session){ .cbc = &ends->server_keys, .protection = DTLS_CBC };
	ends->client = (struct dtls_session){ .cbc = &ends->client_keys, .protection = DTLS_CBC };
}

/* The record as it would arrive: sealed, or a header around the content. */
static size_t
write_record(struct ends *ends, bool made_up, const uint8_t *content, size_t len,
	     uint8_t datagram[DATAGRAM])
{
	struct writer out = writer_init(datagram, DATAGRAM);

	if (!made_up) {
		dtls_write_sealed(crypto_select(), &ends->client, DTLS_APPLICATION_DATA, content, len,
				  &out);
		return writer_finish(&out);
	}
	writer_u8(&out, DTLS_APPLICATION_DATA);
	writer_u16(&out, DTLS_1_2);
	writer_u16(&out, 1); /* epoch */
	writer_u48(&out, 7);
	writer_u16(&out, (uint16_t)len);
	writer_bytes(&out, content, len);
	return writer_finish(&out);
}

/* An exact allocation, so that sanitizers see the first byte read beyond the record. */
static bool
open_record(struct ends *ends, const uint8_t *datagram, size_t n, struct reader expected)
{
	struct dtls_opening opening = { .session = &ends->server };
	uint8_t *exact = malloc(n ? n : 1);
	struct dtls_walk walk = { exact, exact + n };
	struct counters counters = { 0 };
	bool opened = false;

	require(exact != NULL);
	memcpy(exact, datagram, n);
	while (dtls_record_next(&walk, &opening.record, &counters)) {
		if (opening.record.epoch == 0)
			continue;
		dtls_open(crypto_select(), &opening, 1);
		if (opening.outcome != COUNTER_dtls_rx_opened)
			continue;
		opened = true;
		require(opening.content >= exact && opening.content + opening.length <= exact + n);
		require(opening.length == reader_left(&expected));
		require(!opening.length || !memcmp(opening.content, expected.at, opening.length));
	}
	free(exact);
	return opened;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader input = reader_init(data, size);
	uint8_t flags = reader_u8(&input), place = reader_u8(&input), bits = reader_u8(&input);
	size_t len = reader_left(&input) < CONTENT_MAX ? reader_left(&input) : CONTENT_MAX, n;
	uint8_t datagram[DATAGRAM];
	struct ends ends;
	bool opened;

	if (!reader_ok(&input))
		return 0;
	input = reader_init(input.at, len);
	establish(&ends, flags & ETM);
	ends.server.has_cid = flags & CID;
	ends.client.peer_cid_len = flags & CID ? DTLS_CID : 0;
	n = write_record(&ends, flags & MADE_UP, input.at, len, datagram);
	require(n >= DTLS_RECORD_HEADER);
	datagram[place % n] ^= bits;
	opened = open_record(&ends, datagram, n, input);
	require(opened == (!bits && !(flags & MADE_UP)));
	/* A copy is dropped (RFC 6347 4.1.2.6). */
	require(!open_record(&ends, datagram, n, input));
	return 0;
}
