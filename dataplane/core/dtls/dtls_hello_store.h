/*
 * dtls_hello_store.h - ClientHellos whose fragments lead nowhere by themselves: the first one is cut
 * before its cookie ends, or comes behind others (RFC 6347 4.2.3).
 *
 * All that is kept before a cookie was seen, so it is small and short-lived: 64 hellos of two
 * seconds; the oldest goes. Whoever floods it makes devices repeat their hello, and no more.
 *
 * Owner: one worker. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/dtls/dtls_message.h"
#include "dataplane/core/dtls/dtls_record.h"
#include "dataplane/core/peer.h"

enum {
	DTLS_STORED_HELLOS = 64,
	DTLS_STORED_HELLO_MAX = 1024, /* bytes of a body */
	DTLS_STORED_HELLO_US = 2 * 1000 * 1000,
};

struct dtls_hello_store {
	/* Apart from the bodies: a look-up reads these alone. */
	struct dtls_stored_hello {
		struct peer peer;
		uint16_t sequence; /* message_seq */
		uint64_t since_us; /* 0: free */
	} hellos[DTLS_STORED_HELLOS];
	struct {
		struct dtls_assembly assembly;
		uint8_t body[DTLS_STORED_HELLO_MAX];
		uint8_t seen[DTLS_STORED_HELLO_MAX / 8];
	} bodies[DTLS_STORED_HELLOS];
	uint8_t record[DTLS_RECORD_HEADER + DTLS_HANDSHAKE_HEADER + DTLS_STORED_HELLO_MAX];
};

/* Whether fragments of the hello that this one belongs to are kept. */
bool dtls_hello_store_has(const struct dtls_hello_store *store, const struct peer *peer,
			  const struct dtls_message *message, uint64_t now_us);

/*
 * Keeps a fragment, which is not a whole message. True: it was the last one that was missing, and
 * *record, which it came in, is now a record of the whole hello, in the store's memory until the next
 * call. A hello that is too long is not kept.
 */
bool dtls_hello_store_add(struct dtls_hello_store *store, const struct peer *peer,
			  const struct dtls_message *message, uint64_t now_us,
			  struct dtls_record *record);
