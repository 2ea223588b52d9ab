#include "dataplane/core/dtls/dtls_cbc.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_cid.h"
#include "dataplane/core/dtls/dtls_record.h"

enum { CBC_RECORD_MAX = 2048 }; /* more than one that we receive has */

void
dtls_cbc_init(const struct crypto_ops *ops, struct dtls_cbc *cbc,
	      const uint8_t block[DTLS_CBC_KEY_BLOCK], bool encrypt_then_mac)
{
	struct reader reader = reader_init(block, DTLS_CBC_KEY_BLOCK);

	crypto_hmac_key_init(ops, &cbc->client.mac, reader_bytes(&reader, DTLS_CBC_MAC_KEY),
			     DTLS_CBC_MAC_KEY);
	crypto_hmac_key_init(ops, &cbc->server.mac, reader_bytes(&reader, DTLS_CBC_MAC_KEY),
			     DTLS_CBC_MAC_KEY);
	memcpy(cbc->client.enc, reader_bytes(&reader, DTLS_KEY), DTLS_KEY);
	memcpy(cbc->server.enc, reader_bytes(&reader, DTLS_KEY), DTLS_KEY);
	cbc->client.encrypt_then_mac = encrypt_then_mac;
	cbc->server.encrypt_then_mac = encrypt_then_mac;
	assert(reader_done(&reader));
}

/*
 * What the MAC covers ahead of the data; its length at the end is the crypto code's to set. Without
 * an id RFC 5246 6.2.3.1: seq_num, type, version, length.
 */
static uint16_t
put_mac_header(uint8_t header[CRYPTO_CCM_AAD_MAX], const uint8_t *record, size_t cid_len)
{
	struct writer writer = writer_init(header, CRYPTO_CCM_AAD_MAX);

	if (cid_len)
		return dtls_cid_put_aad(header, record, cid_len, 0);
	writer_bytes(&writer, record + 3, 8); /* epoch and sequence number */
	writer_bytes(&writer, record, 3);     /* type and version */
	writer_u16(&writer, 0);
	return (uint16_t)writer_finish(&writer);
}

bool
dtls_cbc_open(const struct crypto_ops *ops, struct dtls_opening *opening)
{
	const struct dtls_record *record = &opening->record;
	uint8_t header[CRYPTO_CCM_AAD_MAX], came[CBC_RECORD_MAX];
	const struct crypto_cbc cbc = {
		.keys = &opening->session->cbc->client,
		.header = header,
		.header_len = put_mac_header(header, record->header, record->cid_len),
		.in = record->fragment,
		.out = record->fragment,
		.len = record->length,
	};
	const uint8_t *content;
	int length;

	if (record->length > sizeof came)
		return false;
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
make_iv(const struct crypto_ops *ops, const struct crypto_cbc_keys *keys, uint64_t number,
	uint8_t iv[CRYPTO_HASH_LEN])
{
	const struct crypto_piece piece = { &number, sizeof number };

	crypto_hmac(ops, &keys->mac, &piece, 1, iv);
}

static void
put_record_header(const struct dtls_sealing *sealing, uint64_t number, size_t sealed)
{
	const struct dtls_session *session = sealing->session;
	struct writer writer =
		writer_init(sealing->record, DTLS_RECORD_HEADER + session->peer_cid_len);

	writer_u8(&writer, session->peer_cid_len ? DTLS_TLS12_CID : sealing->type);
	writer_u16(&writer, DTLS_1_2);
	writer_u64(&writer, number);
	writer_bytes(&writer, session->peer_cid, session->peer_cid_len);
	writer_u16(&writer, (uint16_t)sealed);
	assert(writer_ok(&writer));
}

void
dtls_cbc_seal(const struct crypto_ops *ops, struct dtls_sealing *sealing, uint64_t number)
{
	const struct dtls_session *session = sealing->session;
	const struct crypto_cbc_keys *keys = &session->cbc->server;
	uint8_t header[CRYPTO_CCM_AAD_MAX], iv[CRYPTO_HASH_LEN];
	uint8_t *fragment = sealing->record + DTLS_RECORD_HEADER + session->peer_cid_len;
	struct crypto_cbc cbc = {
		.keys = keys,
		.header = header,
		.in = fragment + DTLS_CBC_IV,
		.out = fragment,
		.len = sealing->length,
	};
	size_t sealed;

	if (session->peer_cid_len) /* RFC 9146 4, without padding */
		fragment[DTLS_CBC_IV + cbc.len++] = sealing->type;
	sealed = crypto_cbc_sealed_len(cbc.len);
	put_record_header(sealing, number, sealed);
	cbc.header_len = put_mac_header(header, sealing->record, session->peer_cid_len);
	make_iv(ops, keys, number, iv);
	(void)crypto_cbc_seal(ops, &cbc, iv);
	sealing->length = (uint16_t)(DTLS_RECORD_HEADER + session->peer_cid_len + sealed);
}
