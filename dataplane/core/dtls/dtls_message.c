#include "dataplane/core/dtls/dtls_message.h"

#include <assert.h>
#include <string.h>

enum { U24 = 0xffffff };

bool
dtls_message_next(struct reader *record, struct dtls_message *message)
{
	const uint8_t *header = reader_bytes(record, DTLS_HANDSHAKE_HEADER);
	uint32_t type_length;
	uint64_t extent;

	if (!header)
		return false;
	message->header = header;
	type_length = (uint32_t)cursor_load(header, 4);
	message->type = (uint8_t)(type_length >> 24);
	message->length = type_length & U24;
	message->sequence = (uint16_t)cursor_load(header + 4, 2);
	extent = cursor_load(header + 6, 6);
	message->offset = (uint32_t)(extent >> 24);
	message->fragment_length = extent & U24;
	message->fragment = reader_bytes(record, message->fragment_length);
	if (!reader_ok(record) || message->offset + message->fragment_length > message->length)
		return false;
	/* An empty fragment of a message that is not empty says nothing and would never end one. */
	return message->fragment_length != 0 || message->length == 0;
}

void
dtls_message_header(uint8_t header[DTLS_HANDSHAKE_HEADER], uint8_t type, uint32_t length,
		    uint16_t sequence)
{
	assert(length <= U24);
	cursor_store(header, (uint32_t)type << 24 | length, 4);
	cursor_store(header + 4, sequence, 2);
	cursor_store(header + 6, length, 6); /* fragment_offset 0 in front */
}

static bool
mark_seen(uint8_t *seen, size_t i)
{
	uint8_t bit = (uint8_t)(1u << (i % 8));
	bool fresh = !(seen[i / 8] & bit);

	seen[i / 8] |= bit;
	return fresh;
}

/* Other bytes than those that came, or of another length: not both are the sender's. */
static bool
clashes(const struct dtls_assembly *assembly, const struct dtls_message *message,
	const uint8_t *body, const uint8_t *seen)
{
	if (assembly->have && assembly->length != message->length)
		return true;
	for (size_t i = 0; assembly->have && i < message->fragment_length; i++) {
		size_t at = message->offset + i;

		if ((seen[at / 8] >> (at % 8) & 1) && body[at] != message->fragment[i])
			return true;
	}
	return false;
}

/* Nearly every message is: its bytes need not be told apart. */
static enum dtls_gather
take_whole(struct dtls_assembly *assembly, const struct dtls_message *message, uint8_t *body,
	   uint8_t *seen)
{
	memcpy(body, message->fragment, message->length);
	memset(seen, 0xff, (message->length + 7) / 8);
	assembly->have = assembly->length;
	return DTLS_GATHER_WHOLE;
}

enum dtls_gather
dtls_assembly_add(struct dtls_assembly *assembly, const struct dtls_message *message, uint8_t *body,
		  uint8_t *seen, size_t capacity)
{
	if (message->length > capacity)
		return DTLS_GATHER_REFUSED;
	if (clashes(assembly, message, body, seen)) {
		memset(seen, 0, (capacity + 7) / 8);
		assembly->have = 0;
	}
	if (assembly->have == 0)
		assembly->length = (uint16_t)message->length;
	if (assembly->have == 0 && dtls_message_is_whole(message))
		return take_whole(assembly, message, body, seen);
	for (size_t i = 0; i < message->fragment_length; i++) {
		size_t at = message->offset + i;

		if (!mark_seen(seen, at))
			continue;
		body[at] = message->fragment[i];
		assembly->have++;
	}
	return assembly->have == assembly->length ? DTLS_GATHER_WHOLE : DTLS_GATHER_MORE;
}
