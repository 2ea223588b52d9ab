#include "dataplane/core/dtls/dtls_flight.h"

#include <string.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "dataplane/core/dtls/dtls_ec.h"

/* RFC 7250 4.2, RFC 6066 3, RFC 8422 5.2. */
static void
write_certificate_extensions(const struct dtls_ec *ec, struct writer *out)
{
	if (ec->answers_own_type) {
		writer_u16(out, DTLS_EXT_SERVER_CERTIFICATE_TYPE);
		writer_u16(out, 1);
		writer_u8(out, ec->own_type);
	}
	if (ec->answers_peer_type) {
		writer_u16(out, DTLS_EXT_CLIENT_CERTIFICATE_TYPE);
		writer_u16(out, 1);
		writer_u8(out, ec->peer_type);
	}
	if (ec->answers_name) {
		writer_u16(out, DTLS_EXT_SERVER_NAME);
		writer_u16(out, 0);
	}
	if (ec->answers_point_formats) {
		writer_u16(out, DTLS_EXT_EC_POINT_FORMATS);
		writer_u16(out, 2);
		writer_u8(out, 1);
		writer_u8(out, DTLS_UNCOMPRESSED);
	}
}

/* ServerHello's extensions answer what the client offered, and nothing else (RFC 5246 7.4.1.4). */
static void
write_extensions(const struct dtls_handshake *hs, struct writer *out)
{
	struct writer_mark mark = writer_reserve_u16(out);

	if (hs->extended_master_secret) {
		writer_u16(out, DTLS_EXT_EXTENDED_MASTER_SECRET);
		writer_u16(out, 0);
	}
	if (hs->encrypt_then_mac) {
		writer_u16(out, DTLS_EXT_ENCRYPT_THEN_MAC);
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
	if (hs->ec)
		write_certificate_extensions(hs->ec, out);
	writer_close(out, mark);
}

static bool
has_extensions(const struct dtls_handshake *hs)
{
	const struct dtls_ec *ec = hs->ec;

	return hs->extended_master_secret || hs->encrypt_then_mac || hs->secure_renegotiation ||
	       hs->max_fragment || hs->has_cid ||
	       (ec && (ec->answers_own_type || ec->answers_peer_type || ec->answers_name ||
		       ec->answers_point_formats));
}

static uint16_t
suite_of(const struct dtls_handshake *hs)
{
	if (hs->ec)
		return hs->ec->suite;
	return hs->protection == DTLS_CBC ? DTLS_PSK_AES_128_CBC_SHA256 : DTLS_PSK_AES_128_CCM_8;
}

static void
write_server_hello(const struct dtls_handshake *hs, struct writer *out)
{
	writer_u16(out, DTLS_1_2);
	writer_bytes(out, hs->run.server_random, DTLS_RANDOM);
	writer_u8(out, 0); /* no session id: no resumption */
	writer_u16(out, suite_of(hs));
	writer_u8(out, 0); /* no compression */
	/* A client that sent no extension need not know the field (RFC 5246 7.4.1.3). */
	if (has_extensions(hs))
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

/* Not in fragments: a flight without certificates has 150 bytes at most. */
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

/* ---- with certificates ---- */

/* The header of a whole message, whose body the caller writes. */
static size_t
begin_message(struct writer *out)
{
	size_t start = writer_len(out);

	(void)writer_room(out, DTLS_HANDSHAKE_HEADER);
	return start;
}

static void
end_message(struct writer *out, size_t start, uint8_t type, uint16_t sequence)
{
	size_t len = writer_len(out) - start - DTLS_HANDSHAKE_HEADER;

	if (writer_ok(out))
		dtls_message_header(out->start + start, type, (uint32_t)len, sequence);
}

void
dtls_flight_begin(struct dtls_handshake *hs)
{
	struct ec_job *job = &hs->ec->job;
	struct writer out = writer_init(job->bytes, EC_FLIGHT_MAX);
	size_t start = begin_message(&out);

	write_server_hello(hs, &out);
	end_message(&out, start, DTLS_SERVER_HELLO, hs->hello_message);
	job->message = hs->hello_message;
	job->flight_len = (uint16_t)writer_finish(&out);
}

bool
dtls_flight_complete(struct ec_job *job, const struct dtls_bytes *certificate,
		     const uint8_t point[DTLS_POINT], const struct dtls_bytes *signature)
{
	struct writer out = writer_init(job->bytes, EC_FLIGHT_MAX);
	uint16_t sequence = (uint16_t)(job->message + 1);
	size_t start;

	(void)writer_room(&out, job->flight_len);
	start = begin_message(&out);
	writer_bytes(&out, certificate->at, certificate->len);
	end_message(&out, start, DTLS_CERTIFICATE, sequence++);
	start = begin_message(&out);
	dtls_server_key_exchange_write(&out, point, signature);
	end_message(&out, start, DTLS_SERVER_KEY_EXCHANGE, sequence++);
	start = begin_message(&out);
	dtls_certificate_request_write(&out);
	end_message(&out, start, DTLS_CERTIFICATE_REQUEST, sequence++);
	start = begin_message(&out);
	end_message(&out, start, DTLS_SERVER_HELLO_DONE, sequence);
	if (!writer_ok(&out))
		return false;
	job->flight_len = (uint16_t)writer_len(&out);
	crypto_sha256_update(job->ops, &job->transcript, job->bytes, job->flight_len);
	return true;
}

/* Bytes of a message's body that a record may hold at this place; 0: not here. */
static size_t
fragment_room(const struct dtls_handshake *hs, const struct writer *out, size_t wanted)
{
	enum { WORTH = 64 }; /* a shorter piece goes into the next datagram */
	const size_t headers = DTLS_RECORD_HEADER + DTLS_HANDSHAKE_HEADER;
	size_t room = writer_left(out), most = dtls_fragment_max(hs->max_fragment);

	/* RFC 6347 4.1.1.1: when it does not get through, the path may be narrower than we know. */
	if (hs->retransmissions > 1 && writer_len(out) + room > DTLS_CAUTIOUS_DATAGRAM)
		room = writer_len(out) < DTLS_CAUTIOUS_DATAGRAM
			       ? DTLS_CAUTIOUS_DATAGRAM - writer_len(out)
			       : 0;
	if (room <= headers)
		return 0;
	room -= headers;
	if (room > most - DTLS_HANDSHAKE_HEADER)
		room = most - DTLS_HANDSHAKE_HEADER;
	if (room < wanted && room < WORTH)
		return 0;
	return room < wanted ? room : wanted;
}

/* One record with the next fragment; false: the writer takes no more. */
static bool
send_fragment(struct dtls_handshake *hs, struct writer *out)
{
	struct dtls_ec *ec = hs->ec;
	const uint8_t *message = ec->job.bytes + ec->sent_message;
	size_t length = cursor_load(message + 1, 3), left = length - ec->sent_bytes;
	size_t len = fragment_room(hs, out, left);
	struct writer_mark mark;

	if (len == 0 &&
	    (left != 0 || writer_left(out) < DTLS_RECORD_HEADER + DTLS_HANDSHAKE_HEADER))
		return false;
	mark = dtls_write_record(out, DTLS_HANDSHAKE, DTLS_1_2, hs->sequence++);
	writer_bytes(out, message, 6); /* type, length and message_seq */
	writer_u24(out, ec->sent_bytes);
	writer_u24(out, (uint32_t)len);
	writer_bytes(out, message + DTLS_HANDSHAKE_HEADER + ec->sent_bytes, len);
	writer_close(out, mark);
	ec->sent_bytes = (uint16_t)(ec->sent_bytes + len);
	if (ec->sent_bytes == length) {
		ec->sent_message = (uint16_t)(ec->sent_message + DTLS_HANDSHAKE_HEADER + length);
		ec->sent_bytes = 0;
	}
	return true;
}

void
dtls_flight_send(struct dtls_handshake *hs, struct writer *out)
{
	while (hs->ec->sent_message < hs->ec->flight_len && send_fragment(hs, out))
		;
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
