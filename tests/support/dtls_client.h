/*
 * dtls_client.h - a DTLS 1.2 PSK client for tests, written from RFC 6347, 5246, 4279, 7627 and
 * 9146.
 *
 * It hands out each message on its own, so that a test may reorder, split, repeat or spoil them,
 * and reads whatever the server sends. Independent clients judge the server elsewhere; this one
 * misbehaves.
 */
#pragma once

#include <stdlib.h>

#include "tests/support/dtls_world.h"

struct test_client {
	const struct crypto_ops *ops;
	struct dtls_world_credential who;
	/* Options of the ClientHello. */
	bool extended, offer_cid, signal_renegotiation, encrypt_then_mac;
	uint8_t own_cid[DTLS_CID], own_cid_len; /* 0 or DTLS_CID */
	uint8_t max_fragment;
	uint16_t version, record_version;
	const uint8_t *suites; /* NULL: ours alone */
	size_t suites_len;
	const uint8_t *extra; /* more extensions, encoded */
	size_t extra_len;
	/* State. */
	uint8_t random[DTLS_RANDOM], server_random[DTLS_RANDOM];
	uint8_t cookie[255], cookie_len;
	uint16_t message;  /* message_seq of the next message */
	uint64_t sequence; /* of the next record of epoch 0 */
	struct crypto_sha256 transcript;
	struct crypto_hmac_key master;
	struct dtls_session session; /* roles exchanged: it seals with the client's key */
	struct dtls_cbc cbc;         /* of `session`, the same */
	/* What came. */
	unsigned verify_requests, server_hellos, hellos_done, finished;
	int alert; /* -1: none */
	bool server_extended, server_cid, server_renegotiation, server_changed, server_etm;
	uint16_t server_suite;
	uint8_t server_max_fragment;
	uint16_t server_message;  /* message_seq of ServerHello */
	uint64_t server_sequence; /* record number of ServerHello or HelloVerifyRequest */
	uint16_t server_version;  /* of the record */
	uint8_t data[DTLS_WORLD_DATAGRAM];
	size_t data_len;
};

static inline void
client_init(struct test_client *client, const struct crypto_ops *ops,
	    const struct dtls_world_credential *who)
{
	memset(client, 0, sizeof *client);
	client->ops = ops;
	client->who = *who;
	client->extended = true;
	client->alert = -1;
	client->version = DTLS_1_2;
	client->record_version = DTLS_1_0;
	for (int i = 0; i < DTLS_RANDOM; i++)
		client->random[i] = (uint8_t)(i * 7 + 1);
}

/* ---- writing ---- */

static inline void
client_write_extension(struct writer *out, uint16_t type, const void *data, size_t len)
{
	writer_u16(out, type);
	writer_u16(out, (uint16_t)len);
	writer_bytes(out, data, len);
}

static inline void
client_write_extensions(const struct test_client *client, struct writer *out)
{
	uint8_t cid[1 + DTLS_CID] = { client->own_cid_len };

	memcpy(cid + 1, client->own_cid, DTLS_CID);
	if (client->extended)
		client_write_extension(out, DTLS_EXT_EXTENDED_MASTER_SECRET, NULL, 0);
	if (client->encrypt_then_mac)
		client_write_extension(out, DTLS_EXT_ENCRYPT_THEN_MAC, NULL, 0);
	if (client->offer_cid)
		client_write_extension(out, DTLS_EXT_CONNECTION_ID, cid, 1u + client->own_cid_len);
	if (client->signal_renegotiation)
		client_write_extension(out, DTLS_EXT_RENEGOTIATION_INFO, "", 1);
	if (client->max_fragment)
		client_write_extension(out, DTLS_EXT_MAX_FRAGMENT_LENGTH, &client->max_fragment, 1);
	writer_bytes(out, client->extra, client->extra_len);
}

/* The body of a ClientHello; returns its length. */
static inline size_t
client_hello_body(const struct test_client *client, uint8_t *body, size_t size)
{
	static const uint8_t ours[2] = { 0xc0, 0xa8 };
	struct writer out = writer_init(body, size);
	struct writer_mark mark;

	writer_u16(&out, client->version);
	writer_bytes(&out, client->random, DTLS_RANDOM);
	writer_u8(&out, 0);
	writer_u8(&out, client->cookie_len);
	writer_bytes(&out, client->cookie, client->cookie_len);
	mark = writer_reserve_u16(&out);
	if (client->suites)
		writer_bytes(&out, client->suites, client->suites_len);
	else
		writer_bytes(&out, ours, sizeof ours);
	writer_close(&out, mark);
	writer_u8(&out, 1);
	writer_u8(&out, 0);
	mark = writer_reserve_u16(&out);
	client_write_extensions(client, &out);
	if (writer_len(&out) == mark.offset + 2)
		out.at -= 2; /* no extensions: no field */
	else
		writer_close(&out, mark);
	return writer_finish(&out);
}

/* One record with the bytes [from, to) of a message. */
static inline size_t
client_fragment(struct test_client *client, uint8_t type, const uint8_t *body, size_t len,
		size_t from, size_t to, uint8_t *datagram)
{
	struct writer out = writer_init(datagram, DTLS_WORLD_DATAGRAM);
	struct writer_mark mark =
		dtls_write_record(&out, DTLS_HANDSHAKE, client->record_version, client->sequence++);

	writer_u8(&out, type);
	writer_u24(&out, (uint32_t)len);
	writer_u16(&out, client->message);
	writer_u24(&out, (uint32_t)from);
	writer_u24(&out, (uint32_t)(to - from));
	writer_bytes(&out, body + from, to - from);
	writer_close(&out, mark);
	return writer_finish(&out);
}

static inline void
client_hash(struct test_client *client, uint8_t type, uint16_t message, const uint8_t *body,
	    size_t len)
{
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	dtls_message_header(header, type, (uint32_t)len, message);
	crypto_sha256_update(client->ops, &client->transcript, header, sizeof header);
	crypto_sha256_update(client->ops, &client->transcript, body, len);
}

/* A whole ClientHello in one record, with the cookie there is; the transcript starts anew. */
static inline size_t
client_hello(struct test_client *client, uint8_t *datagram)
{
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len = client_hello_body(client, body, sizeof body);
	size_t n = client_fragment(client, DTLS_CLIENT_HELLO, body, len, 0, len, datagram);

	crypto_sha256_init(&client->transcript);
	client_hash(client, DTLS_CLIENT_HELLO, client->message++, body, len);
	return n;
}

/* The body of ClientKeyExchange. */
static inline size_t
client_exchange_body(const struct test_client *client, uint8_t *body, size_t size)
{
	struct writer out = writer_init(body, size);

	writer_u16(&out, (uint16_t)client->who.identity_len);
	writer_bytes(&out, client->who.identity, client->who.identity_len);
	return writer_finish(&out);
}

static inline void
client_derive_cbc(struct test_client *client)
{
	uint8_t block[DTLS_CBC_KEY_BLOCK];
	struct dtls_cbc cbc;

	dtls_schedule_cbc(client->ops, &client->master, client->server_random, client->random,
			  block);
	dtls_cbc_init(client->ops, &cbc, block, client->server_etm);
	client->cbc = (struct dtls_cbc){ .client = cbc.server, .server = cbc.client };
	client->session.cbc = &client->cbc;
}

/* Keys of the master secret; Finished covers what was said so far. */
static inline void
client_take_keys(struct test_client *client, const uint8_t secret[DTLS_MASTER_SECRET])
{
	uint8_t hash[DTLS_HASH], verify[DTLS_VERIFY_DATA];
	struct dtls_keys keys;
	struct crypto_prf job;

	crypto_hmac_key_init(client->ops, &client->master, secret, DTLS_MASTER_SECRET);
	crypto_sha256_final(client->ops, &client->transcript, hash);
	job = dtls_schedule_verify(&client->master, "client finished", hash, verify);
	dtls_schedule_keys(client->ops, &job, client->server_random, client->random, &keys);
	memcpy(client->session.flight_verify, verify, sizeof verify);
	memcpy(client->session.keys.server_key, keys.client_key, DTLS_KEY);
	memcpy(client->session.keys.client_key, keys.server_key, DTLS_KEY);
	memcpy(client->session.keys.server_iv, keys.client_iv, DTLS_IMPLICIT_IV);
	memcpy(client->session.keys.client_iv, keys.server_iv, DTLS_IMPLICIT_IV);
	client->session.protection = (uint8_t)dtls_suite_protection(client->server_suite);
	if (client->session.protection == DTLS_CBC)
		client_derive_cbc(client);
}

/* Keys from what was said so far, up to the key exchange. */
static inline void
client_derive(struct test_client *client)
{
	const struct crypto_piece psk = { client->who.key, client->who.key_len };
	uint8_t hash[DTLS_HASH], secret[DTLS_MASTER_SECRET];
	const struct crypto_piece randoms[2] = { { client->random, DTLS_RANDOM },
						 { client->server_random, DTLS_RANDOM } };
	const struct crypto_piece session_hash[2] = { { hash, sizeof hash } };

	crypto_sha256_final(client->ops, &client->transcript, hash);
	if (client->server_extended)
		dtls_schedule_master(client->ops, &psk, "extended master secret", session_hash,
				     secret);
	else
		dtls_schedule_master(client->ops, &psk, "master secret", randoms, secret);
	client_take_keys(client, secret);
}

static inline size_t
client_exchange(struct test_client *client, uint8_t *datagram)
{
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len = client_exchange_body(client, body, sizeof body);
	size_t n = client_fragment(client, DTLS_CLIENT_KEY_EXCHANGE, body, len, 0, len, datagram);

	client_hash(client, DTLS_CLIENT_KEY_EXCHANGE, client->message++, body, len);
	client_derive(client);
	return n;
}

static inline size_t
client_change_cipher_spec(struct test_client *client, uint8_t *datagram)
{
	struct writer out = writer_init(datagram, DTLS_WORLD_DATAGRAM);
	struct writer_mark mark =
		dtls_write_record(&out, DTLS_CHANGE_CIPHER_SPEC, DTLS_1_2, client->sequence++);

	writer_u8(&out, 1);
	writer_close(&out, mark);
	return writer_finish(&out);
}

static inline size_t
client_seal(struct test_client *client, uint8_t type, const void *content, size_t len,
	    uint8_t *datagram)
{
	struct writer out = writer_init(datagram, DTLS_WORLD_DATAGRAM);

	dtls_write_sealed(client->ops, &client->session, type, content, len, &out);
	return writer_finish(&out);
}

/* The bytes [from, to) of Finished's body in one record; its message number stays, so it may be
 * repeated. */
static inline size_t
client_finished_part(struct test_client *client, size_t from, size_t to, uint8_t *datagram)
{
	uint8_t message[DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA];
	struct writer out = writer_init(message, sizeof message);

	writer_u8(&out, DTLS_FINISHED);
	writer_u24(&out, DTLS_VERIFY_DATA);
	writer_u16(&out, client->message);
	writer_u24(&out, (uint32_t)from);
	writer_u24(&out, (uint32_t)(to - from));
	writer_bytes(&out, client->session.flight_verify + from, to - from);
	return client_seal(client, DTLS_HANDSHAKE, message, writer_len(&out), datagram);
}

static inline size_t
client_finished(struct test_client *client, uint8_t *datagram)
{
	return client_finished_part(client, 0, DTLS_VERIFY_DATA, datagram);
}

/* ---- reading ---- */

static inline void
client_take_server_extensions(struct test_client *client, struct reader *reader)
{
	struct reader extensions;

	if (reader_left(reader) == 0)
		return;
	extensions = reader_vector_u16(reader);
	while (reader_left(&extensions)) {
		uint16_t type = reader_u16(&extensions);
		struct reader data = reader_vector_u16(&extensions);

		if (type == DTLS_EXT_EXTENDED_MASTER_SECRET)
			client->server_extended = true;
		if (type == DTLS_EXT_ENCRYPT_THEN_MAC)
			client->server_etm = true;
		if (type == DTLS_EXT_RENEGOTIATION_INFO)
			client->server_renegotiation = true;
		if (type == DTLS_EXT_MAX_FRAGMENT_LENGTH)
			client->server_max_fragment = reader_u8(&data);
		if (type != DTLS_EXT_CONNECTION_ID)
			continue;
		client->server_cid = true;
		client->session.peer_cid_len = reader_u8(&data);
		reader_copy(&data, client->session.peer_cid, client->session.peer_cid_len);
		client->session.has_cid = client->own_cid_len != 0;
		memcpy(client->session.cid, client->own_cid, DTLS_CID);
	}
}

static inline void
client_take_server_hello(struct test_client *client, struct reader *reader)
{
	reader_skip(reader, 2);
	reader_copy(reader, client->server_random, DTLS_RANDOM);
	reader_skip(reader, 1);
	client->server_suite = reader_u16(reader);
	reader_skip(reader, 1);
	client_take_server_extensions(client, reader);
}

static inline void
client_take_message(struct test_client *client, const struct dtls_record *record,
		    const struct dtls_message *message)
{
	struct reader reader = reader_init(message->fragment, message->length);

	switch (message->type) {
	case DTLS_HELLO_VERIFY_REQUEST:
		client->verify_requests++;
		client->server_sequence = record->sequence;
		client->server_version = record->version;
		client->server_message = message->sequence;
		reader_skip(&reader, 2);
		client->cookie_len = reader_u8(&reader);
		reader_copy(&reader, client->cookie, client->cookie_len);
		return;
	case DTLS_SERVER_HELLO:
		if (client->server_hellos++)
			return;
		client->server_sequence = record->sequence;
		client->server_message = message->sequence;
		client_hash(client, message->type, message->sequence, message->fragment,
			    message->length);
		client_take_server_hello(client, &reader);
		return;
	case DTLS_SERVER_HELLO_DONE:
		if (client->hellos_done++)
			return;
		client_hash(client, message->type, message->sequence, message->fragment,
			    message->length);
		return;
	case DTLS_FINISHED:
		client->finished++;
		return;
	default:
		abort(); /* the server sends nothing else */
	}
}

static inline void
client_take_content(struct test_client *client, const struct dtls_record *record, uint8_t type,
		    const uint8_t *content, size_t len)
{
	struct reader reader = reader_init(content, len);
	struct dtls_message message;

	switch (type) {
	case DTLS_HANDSHAKE:
		while (reader_left(&reader)) {
			if (!dtls_message_next(&reader, &message))
				abort();
			client_take_message(client, record, &message);
		}
		return;
	case DTLS_ALERT_RECORD:
		client->alert = content[1];
		return;
	case DTLS_CHANGE_CIPHER_SPEC:
		client->server_changed = true;
		return;
	default:
		memcpy(client->data, content, len);
		client->data_len = len;
	}
}

/* Reads a datagram of the server, which is opened in place. */
static inline void
client_take(struct test_client *client, uint8_t *datagram, size_t len)
{
	struct dtls_walk walk = { datagram, datagram + len };
	struct counters counters = { 0 };
	struct dtls_record record;

	while (dtls_record_next(&walk, &record, &counters)) {
		struct dtls_opening opening = { .session = &client->session, .record = record };

		if (record.epoch == 0) {
			client_take_content(client, &record, record.type, record.fragment,
					    record.length);
			continue;
		}
		dtls_open(client->ops, &opening, 1);
		if (opening.outcome == COUNTER_dtls_rx_opened)
			client_take_content(client, &record, opening.type, opening.content,
					    opening.length);
	}
	if (counters.value[COUNTER_dtls_rx_truncated] || counters.value[COUNTER_dtls_rx_type])
		abort();
}

/* ---- together ---- */

/* One datagram to the server, and its answer read; returns the answer's length. */
static inline size_t
client_ask(struct test_client *client, struct dtls_world *world, const uint8_t *datagram,
	   size_t len)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM], *exact = malloc(len ? len : 1);
	size_t n;

	memcpy(exact, datagram, len);
	n = dtls_world_receive(world, exact, len, reply);
	free(exact);
	client_take(client, reply, n);
	return n;
}

/* Up to and with ServerHelloDone. */
static inline void
client_greet(struct test_client *client, struct dtls_world *world)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	client_ask(client, world, datagram, client_hello(client, datagram));
	if (client->verify_requests)
		client_ask(client, world, datagram, client_hello(client, datagram));
}

/* ClientKeyExchange, ChangeCipherSpec and Finished in one datagram. */
static inline size_t
client_last_flight(struct test_client *client, uint8_t *datagram)
{
	size_t len = client_exchange(client, datagram);

	len += client_change_cipher_spec(client, datagram + len);
	return len + client_finished(client, datagram + len);
}

static inline void
client_handshake(struct test_client *client, struct dtls_world *world)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	client_greet(client, world);
	client_ask(client, world, datagram, client_last_flight(client, datagram));
}
