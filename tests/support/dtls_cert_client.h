/*
 * dtls_cert_client.h - a DTLS 1.2 client with a certificate or a raw public key for tests, written
 * from RFC 5246, 8422 and 7250, around the client of dtls_client.h: hello, cookie and records are
 * that one's.
 *
 * It hands out each message of its flight on its own and as often as it is asked to, so that a test
 * may lose, repeat, reorder and cut them. mbedTLS, OpenSSL and GnuTLS judge the server elsewhere.
 */
#pragma once

#include <openssl/ec.h>
#include <openssl/ecdsa.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "dataplane/core/dtls/ec_job.h"
#include "tests/support/dtls_client.h"
#include "tests/support/ec_certs.h"

enum { CERT_FLIGHT = 3 }; /* Certificate, ClientKeyExchange, CertificateVerify */

struct cert_client {
	struct test_client dtls;
	const struct cert *cert;
	bool raw_key;
	uint8_t extensions[64];
	/* The server's flight, message by message. */
	struct dtls_assembly assembly;
	uint8_t body[EC_MESSAGE_MAX], seen[EC_MESSAGE_MAX / 8];
	uint16_t server_message; /* message_seq expected */
	uint8_t server_point[DTLS_POINT];
	bool server_done;
	/* Ours. */
	struct {
		uint8_t type;
		size_t len;
		uint8_t body[EC_MESSAGE_MAX];
	} flight[CERT_FLIGHT];
	uint16_t first_message; /* message_seq of Certificate */
};

static inline void
cert_client_init(struct cert_client *client, const struct cert *cert, bool raw_key)
{
	static const uint8_t suites[2] = { 0xc0, 0xae };
	static const struct dtls_world_credential none = { "", 0, "", 0 };
	const uint8_t raw[1] = { DTLS_RAW_PUBLIC_KEY };
	struct writer out = writer_init(client->extensions, sizeof client->extensions);

	memset(client, 0, sizeof *client);
	client_init(&client->dtls, crypto_select(), &none);
	client->cert = cert;
	client->raw_key = raw_key;
	client->dtls.suites = suites;
	client->dtls.suites_len = sizeof suites;
	client_write_extension(&out, DTLS_EXT_SUPPORTED_GROUPS, "\0\2\0\x17", 4);
	client_write_extension(&out, DTLS_EXT_EC_POINT_FORMATS, "\1\0", 2);
	client_write_extension(&out, DTLS_EXT_SIGNATURE_ALGORITHMS, "\0\2\4\3", 4);
	if (raw_key) {
		client_write_extension(&out, DTLS_EXT_CLIENT_CERTIFICATE_TYPE,
				       (uint8_t[]){ 1, raw[0] }, 2);
		client_write_extension(&out, DTLS_EXT_SERVER_CERTIFICATE_TYPE,
				       (uint8_t[]){ 1, raw[0] }, 2);
	}
	client->dtls.extra = client->extensions;
	client->dtls.extra_len = writer_finish(&out);
}

/* ---- our flight ---- */

static inline void
cert_client_point(const EC_KEY *key, uint8_t point[DTLS_POINT])
{
	if (EC_POINT_point2oct(EC_KEY_get0_group(key), EC_KEY_get0_public_key(key),
			       POINT_CONVERSION_UNCOMPRESSED, point, DTLS_POINT,
			       NULL) != DTLS_POINT)
		abort();
}

static inline void
cert_client_put_certificate(struct cert_client *client)
{
	struct writer out = writer_init(client->flight[0].body, sizeof client->flight[0].body);
	struct dtls_chain chain = { .n = 1 };
	uint8_t spki[DTLS_SPKI], point[DTLS_POINT];
	struct writer key = writer_init(spki, sizeof spki);

	cert_client_point(EVP_PKEY_get0_EC_KEY(client->cert->key), point);
	dtls_spki_write(&key, point);
	if (client->raw_key)
		chain.certificates[0] = (struct dtls_bytes){ spki, sizeof spki };
	else
		chain.certificates[0] =
			(struct dtls_bytes){ client->cert->der, client->cert->der_len };
	dtls_certificate_write(&out, client->raw_key ? DTLS_RAW_PUBLIC_KEY : DTLS_X509, &chain);
	client->flight[0].type = DTLS_CERTIFICATE;
	client->flight[0].len = writer_finish(&out);
}

/* ClientKeyExchange, and the premaster secret that follows from it. */
static inline void
cert_client_put_share(struct cert_client *client, uint8_t premaster[EC_SCALAR_LEN])
{
	EC_KEY *share = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *theirs = EC_POINT_new(EC_KEY_get0_group(share));
	struct writer out = writer_init(client->flight[1].body, sizeof client->flight[1].body);
	uint8_t point[DTLS_POINT];

	if (EC_KEY_generate_key(share) != 1 ||
	    EC_POINT_oct2point(EC_KEY_get0_group(share), theirs, client->server_point, DTLS_POINT,
			       NULL) != 1 ||
	    ECDH_compute_key(premaster, EC_SCALAR_LEN, theirs, share, NULL) != EC_SCALAR_LEN)
		abort();
	cert_client_point(share, point);
	dtls_client_key_exchange_write(&out, point);
	client->flight[1].type = DTLS_CLIENT_KEY_EXCHANGE;
	client->flight[1].len = writer_finish(&out);
	EC_POINT_free(theirs);
	EC_KEY_free(share);
}

static inline void
cert_client_put_verify(struct cert_client *client, const uint8_t hash[DTLS_HASH])
{
	struct writer out = writer_init(client->flight[2].body, sizeof client->flight[2].body);
	EC_KEY *key = EVP_PKEY_get1_EC_KEY(client->cert->key);
	uint8_t signature[128];
	unsigned len = sizeof signature;

	if (ECDSA_sign(0, hash, DTLS_HASH, signature, &len, key) != 1)
		abort();
	dtls_certificate_verify_write(&out, &(struct dtls_bytes){ signature, len });
	client->flight[2].type = DTLS_CERTIFICATE_VERIFY;
	client->flight[2].len = writer_finish(&out);
	EC_KEY_free(key);
}

static inline void
cert_client_hash(struct cert_client *client, unsigned i)
{
	client_hash(&client->dtls, client->flight[i].type, (uint16_t)(client->first_message + i),
		    client->flight[i].body, client->flight[i].len);
}

static inline void
cert_client_derive(struct cert_client *client, const uint8_t premaster[EC_SCALAR_LEN],
		   const uint8_t session_hash[DTLS_HASH])
{
	struct test_client *dtls = &client->dtls;
	const struct crypto_piece secret = { premaster, EC_SCALAR_LEN };
	const struct crypto_piece randoms[2] = { { dtls->random, DTLS_RANDOM },
						 { dtls->server_random, DTLS_RANDOM } };
	const struct crypto_piece extended[2] = { { session_hash, DTLS_HASH } };
	uint8_t master[DTLS_MASTER_SECRET];

	dtls_schedule_master_of(dtls->ops, &secret,
				dtls->server_extended ? "extended master secret" : "master secret",
				dtls->server_extended ? extended : randoms, master);
	client_take_keys(dtls, master);
}

/* All of the server's flight is there. */
static inline void
cert_client_make_flight(struct cert_client *client)
{
	uint8_t premaster[EC_SCALAR_LEN], hash[DTLS_HASH];

	client->first_message = client->dtls.message;
	cert_client_put_certificate(client);
	cert_client_put_share(client, premaster);
	cert_client_hash(client, 0);
	cert_client_hash(client, 1);
	crypto_sha256_final(client->dtls.ops, &client->dtls.transcript, hash);
	cert_client_put_verify(client, hash);
	cert_client_hash(client, 2);
	cert_client_derive(client, premaster, hash);
	client->dtls.message = (uint16_t)(client->first_message + CERT_FLIGHT);
}

/* One record with the bytes [from, to) of message i of the flight; `to` 0: up to its end. */
static inline size_t
cert_client_part(struct cert_client *client, unsigned i, size_t from, size_t to, uint8_t *datagram)
{
	uint16_t next = client->dtls.message;
	size_t len = client->flight[i].len;

	client->dtls.message = (uint16_t)(client->first_message + i);
	len = client_fragment(&client->dtls, client->flight[i].type, client->flight[i].body, len,
			      from, to ? to : len, datagram);
	client->dtls.message = next;
	return len;
}

/* ---- the server's flight ---- */

static inline void
cert_client_take_whole(struct cert_client *client, uint8_t type)
{
	struct test_client *dtls = &client->dtls;
	size_t len = client->assembly.length;
	struct reader reader = reader_init(client->body, len);
	struct dtls_bytes signature;
	const uint8_t *point;

	client_hash(dtls, type, client->server_message++, client->body, len);
	switch (type) {
	case DTLS_SERVER_HELLO:
		client_take_server_hello(dtls, &reader);
		return;
	case DTLS_SERVER_KEY_EXCHANGE:
		if (!dtls_server_key_exchange_parse(client->body, len, &point, &signature))
			abort();
		memcpy(client->server_point, point, DTLS_POINT);
		return;
	case DTLS_SERVER_HELLO_DONE:
		client->server_done = true;
		cert_client_make_flight(client);
		return;
	}
}

static inline void
cert_client_gather(struct cert_client *client, const struct dtls_message *message)
{
	enum dtls_gather gathered;

	if (client->server_done || message->sequence != client->server_message)
		return;
	if (client->assembly.have == 0)
		memset(client->seen, 0, sizeof client->seen);
	gathered = dtls_assembly_add(&client->assembly, message, client->body, client->seen,
				     sizeof client->body);
	if (gathered == DTLS_GATHER_REFUSED)
		abort();
	if (gathered == DTLS_GATHER_MORE)
		return;
	cert_client_take_whole(client, message->type);
	client->assembly = (struct dtls_assembly){ 0 };
}

/* Reads a datagram of the server, which is opened in place. */
static inline void
cert_client_take(struct cert_client *client, uint8_t *datagram, size_t len)
{
	struct dtls_walk walk = { datagram, datagram + len };
	struct counters counters = { 0 };
	struct dtls_record record;

	while (dtls_record_next(&walk, &record, &counters)) {
		struct reader reader = reader_init(record.fragment, record.length);
		struct dtls_message message;

		if (record.epoch != 0 || record.type != DTLS_HANDSHAKE) {
			client_take(&client->dtls, record.header,
				    (size_t)(record.fragment + record.length - record.header));
			continue;
		}
		while (reader_left(&reader)) {
			if (!dtls_message_next(&reader, &message))
				abort();
			if (message.type == DTLS_HELLO_VERIFY_REQUEST) {
				client_take_message(&client->dtls, &record, &message);
				client->server_message = (uint16_t)(message.sequence + 1);
			} else {
				cert_client_gather(client, &message);
			}
		}
	}
}
