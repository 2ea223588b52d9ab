#include "dataplane/core/dtls/dtls_flight.h"

#include <string.h>

/* ServerHello's extensions answer what the client offered, and nothing else (RFC 5246 7.4.1.4). */
static void
write_extensions(const struct dtls_handshake *hs, struct writer *out)
{
	struct writer_mark mark = writer_reserve_u16(out);

	if (hs->extended_master_secret) {
		writer_u16(out, DTLS_EXT_EXTENDED_MASTER_SECRET);
		writer_u16(out, 0);
	}
	if (hs->secure_renegotiation) {
		writer_u16(out, DTLS_EXT_RENEGOTIATION_INFO);
		writer_u16(out, 1);
		writer_u8(out, 0);
	}
	if (hs->max_fragment) {
		writer_u16(out, DTLS_EXT_MAX_FRAGMENT_LENGTH);
		writer_u16(out, 1);
		writer_u8(out, hs->max_fragment);
	}
	if (hs->has_cid) {
		writer_u16(out, DTLS_EXT_CONNECTION_ID);
		writer_u16(out, 1 + DTLS_CID);
		writer_u8(out, DTLS_CID);
		writer_bytes(out, hs->cid, DTLS_CID);
	}
	writer_close(out, mark);
}

static void
write_server_hello(const struct dtls_handshake *hs, struct writer *out)
{
	writer_u16(out, DTLS_1_2);
	writer_bytes(out, hs->run.server_random, DTLS_RANDOM);
	writer_u8(out, 0); /* no session id: no resumption */
	writer_u16(out, DTLS_PSK_AES_128_CCM_8);
	writer_u8(out, 0); /* no compression */
	/* A client that sent no extension need not know the field (RFC 5246 7.4.1.3). */
	if (hs->extended_master_secret || hs->secure_renegotiation || hs->max_fragment ||
	    hs->has_cid)
		write_extensions(hs, out);
}

/* Where a message begins, and the lengths to be closed at its end. */
struct open_message {
	struct writer_mark record;
	uint8_t type;
	uint16_t sequence;
	size_t start;
};

static struct open_message
open_message(struct dtls_handshake *hs, uint8_t type, uint16_t sequence, struct writer *out)
{
	struct open_message message = { .type = type, .sequence = sequence };

	message.record = dtls_write_record(out, DTLS_HANDSHAKE, DTLS_1_2, hs->sequence++);
	message.start = writer_len(out);
	(void)writer_room(out, DTLS_HANDSHAKE_HEADER);
	return message;
}

/* We do not fragment: the largest of our flights has 150 bytes. */
static void
close_message(const struct open_message *message, const struct crypto_ops *ops,
	      struct crypto_sha256 *transcript, struct writer *out)
{
	size_t len = writer_len(out) - message->start;
	uint8_t *header = out->start + message->start;

	if (!writer_ok(out))
		return;
	dtls_message_header(header, message->type, (uint32_t)(len - DTLS_HANDSHAKE_HEADER),
			    message->sequence);
	writer_close(out, message->record);
	if (transcript)
		crypto_sha256_update(ops, transcript, header, len);
}

void
dtls_flight_hello(const struct crypto_ops *ops, struct dtls_handshake *hs,
		  struct crypto_sha256 *transcript, struct writer *out)
{
	struct open_message message;

	message = open_message(hs, DTLS_SERVER_HELLO, hs->hello_message, out);
	write_server_hello(hs, out);
	close_message(&message, ops, transcript, out);
	/* RFC 4279 2: without an identity hint there is no ServerKeyExchange. */
	message = open_message(hs, DTLS_SERVER_HELLO_DONE, (uint16_t)(hs->hello_message + 1), out);
	close_message(&message, ops, transcript, out);
}

void
dtls_flight_finished(const struct crypto_ops *ops, struct dtls_session *session, struct writer *out)
{
	uint8_t finished[DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA];
	struct writer_mark mark = dtls_write_record(out, DTLS_CHANGE_CIPHER_SPEC, DTLS_1_2,
						    session->flight_sequence++);

	writer_u8(out, 1);
	writer_close(out, mark);
	dtls_message_header(finished, DTLS_FINISHED, DTLS_VERIFY_DATA, session->flight_message);
	memcpy(finished + DTLS_HANDSHAKE_HEADER, session->flight_verify, DTLS_VERIFY_DATA);
	dtls_write_sealed(ops, session, DTLS_HANDSHAKE, finished, sizeof finished, out);
}

void
dtls_flight_alert(uint64_t sequence, enum dtls_alert alert, struct writer *out)
{
	struct writer_mark mark = dtls_write_record(out, DTLS_ALERT_RECORD, DTLS_1_2, sequence);

	writer_u8(out, DTLS_FATAL);
	writer_u8(out, (uint8_t)alert);
	writer_close(out, mark);
}
