#include "dataplane/core/dtls/dtls_cbc.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_record.h"

enum {
	CBC_MAC_HEADER = 13,
	CBC_CONTENT_MAX = 2048, /* more than a datagram of ours ever holds */
	CBC_RECORD_MAX = 2048,  /* and more than one that we receive does */
	/* Epoch 0 had ServerHello, ServerHelloDone and ChangeCipherSpec, each perhaps repeated by
	 * the library's timer: a number well above them keeps a repeated ChangeCipherSpec fresh for
	 * the client. */
	CBC_FLIGHT_SEQUENCE = 64,
};

static void
init_direction(const struct crypto_ops *ops, struct crypto_cbc_keys *keys, const uint8_t *enc,
	       const uint8_t *mac, bool encrypt_then_mac)
{
	memcpy(keys->enc, enc, sizeof keys->enc);
	crypto_hmac_key_init(ops, &keys->mac, mac, SLOW_LANE_MAC_KEY);
	keys->encrypt_then_mac = encrypt_then_mac;
}

void
dtls_cbc_establish(const struct crypto_ops *ops, const struct slow_lane_keys *keys,
		   struct dtls_cbc *cbc, struct dtls_session *session)
{
	init_direction(ops, &cbc->client, keys->client_key, keys->client_mac,
		       keys->encrypt_then_mac);
	init_direction(ops, &cbc->server, keys->server_key, keys->server_mac,
		       keys->encrypt_then_mac);
	*session = (struct dtls_session){
		.cbc = cbc,
		.write_sequence = keys->write_sequence,
		.window = { .top = keys->window_top, .seen = keys->window_seen },
		.identity_hash = keys->identity_hash,
		.device = keys->device,
		.flight_message = keys->flight_message,
		.flight_sequence = CBC_FLIGHT_SEQUENCE,
	};
	memcpy(session->flight_verify, keys->flight_verify, sizeof session->flight_verify);
}

/* RFC 5246 6.2.3.1: seq_num, type, version, length; the length is the crypto code's to set. */
static void
put_mac_header(uint8_t header[CRYPTO_CCM_AAD_MAX], uint64_t sequence, uint8_t type)
{
	struct writer writer = writer_init(header, CRYPTO_CCM_AAD_MAX);

	writer_u64(&writer, sequence);
	writer_u8(&writer, type);
	writer_u16(&writer, DTLS_1_2);
	writer_u16(&writer, 0);
	assert(writer_finish(&writer) == CBC_MAC_HEADER);
}

bool
dtls_cbc_open(const struct crypto_ops *ops, struct dtls_opening *opening)
{
	const struct dtls_record *record = &opening->record;
	uint8_t header[CRYPTO_CCM_AAD_MAX], came[CBC_RECORD_MAX];
	const struct crypto_cbc cbc = {
		.keys = &opening->session->cbc->client,
		.header = header,
		.header_len = CBC_MAC_HEADER,
		.in = record->fragment,
		.out = record->fragment,
		.len = record->length,
	};
	const uint8_t *content;
	int length;

	if (record->length > sizeof came)
		return false;
	put_mac_header(header, (uint64_t)record->epoch << 48 | record->sequence, record->type);
	/* The cipher wipes what it cannot verify; another handshake of the peer may have to try. */
	memcpy(came, record->fragment, record->length);
	length = crypto_cbc_open(ops, &cbc, &content);
	if (length < 0) {
		memcpy(record->fragment, came, record->length);
		return false;
	}
	opening->content = record->fragment + (content - record->fragment);
	opening->length = (uint16_t)length;
	opening->type = record->type;
	return true;
}

/*
 * An IV nobody can foretell (RFC 5246 6.2.3.2) without a generator at hand: a pseudo-random
 * function of the record's number, which never comes twice, under the MAC key. What is MACed
 * elsewhere has 13 bytes or more, so the inputs never meet.
 */
static void
make_iv(const struct crypto_ops *ops, const struct crypto_cbc_keys *keys, uint64_t sequence,
	uint8_t iv[CRYPTO_HASH_LEN])
{
	const struct crypto_piece number = { &sequence, sizeof sequence };

	crypto_hmac(ops, &keys->mac, &number, 1, iv);
}

static void
put_record_header(uint8_t *record, uint8_t type, uint64_t sequence, size_t length)
{
	struct writer writer = writer_init(record, DTLS_RECORD_HEADER + length);

	writer_u8(&writer, type);
	writer_u16(&writer, DTLS_1_2);
	writer_u64(&writer, sequence);
	writer_u16(&writer, (uint16_t)length);
	assert(writer_ok(&writer));
}

void
dtls_cbc_seal(const struct crypto_ops *ops, struct dtls_sealing *sealing, uint64_t sequence)
{
	const struct crypto_cbc_keys *keys = &sealing->session->cbc->server;
	uint8_t header[CRYPTO_CCM_AAD_MAX], iv[CRYPTO_HASH_LEN], content[CBC_CONTENT_MAX];
	uint8_t *fragment = sealing->record + DTLS_RECORD_HEADER;
	struct crypto_cbc cbc = {
		.keys = keys,
		.header = header,
		.header_len = CBC_MAC_HEADER,
		.in = content,
		.out = fragment,
		.len = sealing->length,
	};
	size_t sealed;

	assert(sealing->length <= sizeof content);
	memcpy(content, fragment + DTLS_CBC_IV, sealing->length);
	put_mac_header(header, sequence, sealing->type);
	make_iv(ops, keys, sequence, iv);
	sealed = crypto_cbc_seal(ops, &cbc, iv);
	put_record_header(sealing->record, sealing->type, sequence, sealed);
	crypto_wipe(content, sealing->length);
	sealing->length = (uint16_t)(DTLS_RECORD_HEADER + sealed);
}
