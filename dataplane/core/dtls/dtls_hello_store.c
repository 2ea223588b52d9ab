#include "dataplane/core/dtls/dtls_hello_store.h"

#include <string.h>

static bool
is_kept(const struct dtls_stored_hello *hello, uint64_t now_us)
{
	return hello->since_us && now_us - hello->since_us < DTLS_STORED_HELLO_US;
}

/* The index, or DTLS_STORED_HELLOS. */
static unsigned
find(const struct dtls_hello_store *store, const struct peer *peer, uint16_t sequence,
     uint64_t now_us)
{
	for (unsigned i = 0; i < DTLS_STORED_HELLOS; i++) {
		const struct dtls_stored_hello *hello = &store->hellos[i];

		if (hello->sequence == sequence && is_kept(hello, now_us) &&
		    peer_equal(&hello->peer, peer))
			return i;
	}
	return DTLS_STORED_HELLOS;
}

/* A free place, or that of the oldest. */
static unsigned
take_place(struct dtls_hello_store *store, const struct peer *peer, uint16_t sequence,
	   uint64_t now_us)
{
	unsigned place = 0;

	for (unsigned i = 1; i < DTLS_STORED_HELLOS; i++)
		if (store->hellos[i].since_us < store->hellos[place].since_us)
			place = i;
	store->hellos[place] = (struct dtls_stored_hello){ *peer, sequence, now_us };
	memset(&store->bodies[place], 0, sizeof store->bodies[place]);
	return place;
}

/* As if it had not been fragmented. */
static void
put_record(struct dtls_hello_store *store, unsigned place, struct dtls_record *record)
{
	struct writer out = writer_init(store->record, sizeof store->record);
	struct writer_mark mark =
		dtls_write_record(&out, DTLS_HANDSHAKE, record->version, record->sequence);
	uint16_t length = store->bodies[place].assembly.length;
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	dtls_message_header(header, DTLS_CLIENT_HELLO, length, store->hellos[place].sequence);
	writer_bytes(&out, header, sizeof header);
	writer_bytes(&out, store->bodies[place].body, length);
	writer_close(&out, mark);
	record->header = store->record;
	record->fragment = store->record + DTLS_RECORD_HEADER;
	record->length = (uint16_t)(writer_finish(&out) - DTLS_RECORD_HEADER);
}

bool
dtls_hello_store_has(const struct dtls_hello_store *store, const struct peer *peer,
		     const struct dtls_message *message, uint64_t now_us)
{
	return find(store, peer, message->sequence, now_us) != DTLS_STORED_HELLOS;
}

bool
dtls_hello_store_add(struct dtls_hello_store *store, const struct peer *peer,
		     const struct dtls_message *message, uint64_t now_us,
		     struct dtls_record *record)
{
	unsigned place = find(store, peer, message->sequence, now_us);

	if (message->length > DTLS_STORED_HELLO_MAX)
		return false;
	if (place == DTLS_STORED_HELLOS)
		place = take_place(store, peer, message->sequence, now_us);
	if (dtls_assembly_add(&store->bodies[place].assembly, message, store->bodies[place].body,
			      store->bodies[place].seen,
			      DTLS_STORED_HELLO_MAX) != DTLS_GATHER_WHOLE)
		return false;
	put_record(store, place, record);
	store->hellos[place].since_us = 0;
	return true;
}
