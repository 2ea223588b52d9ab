#include "tools/storm/storm_dtls_client.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/dtls/dtls_message.h"
#include "dataplane/core/dtls/dtls_schedule.h"

enum {
	BODY_MAX = 512,
	CLOSING_MAX = 128, /* ChangeCipherSpec and Finished, with a connection id of 32 */
};

static bool
has_keys(const struct storm_dtls *dtls)
{
	return dtls->step == STORM_DTLS_DONE || dtls->step == STORM_DTLS_KEYED;
}

/* The session is the server's view turned round: what we open is under the client's keys there. */
static struct storm_dtls_former
former_of(const struct dtls_session *session)
{
	struct storm_dtls_former former = { .is_there = true };

	memcpy(former.key, session->keys.client_key, sizeof former.key);
	memcpy(former.iv, session->keys.client_iv, sizeof former.iv);
	return former;
}

void
storm_dtls_start(struct storm_dtls *dtls, const struct rng *rng, bool offer_cid,
		 struct storm_cert *cert)
{
	struct storm_dtls_former former = dtls->former;

	if (has_keys(dtls))
		former = former_of(&dtls->at.keyed.session);
	memset(dtls, 0, sizeof *dtls);
	dtls->former = former;
	dtls->offer_cid = offer_cid;
	dtls->cert = cert;
	rng_fill(rng, dtls->at.hello.random, sizeof dtls->at.hello.random);
}

/* ---- writing ---- */

static void
write_extensions(const struct storm_dtls *dtls, struct writer *out)
{
	struct writer_mark mark = writer_reserve_u16(out);

	writer_u16(out, DTLS_EXT_EXTENDED_MASTER_SECRET);
	writer_u16(out, 0);
	if (dtls->offer_cid) {
		/* RFC 9146 3: an empty id says that we need none and would send the server's. */
		writer_u16(out, DTLS_EXT_CONNECTION_ID);
		writer_u16(out, 1);
		writer_u8(out, 0);
	}
	if (dtls->cert)
		storm_cert_write_extensions(dtls->cert, out);
	writer_close(out, mark);
}

static uint16_t
suite_of(const struct storm_dtls *dtls)
{
	return dtls->cert ? DTLS_ECDHE_ECDSA_AES_128_CCM_8 : DTLS_PSK_AES_128_CCM_8;
}

/* RFC 6347 4.2.1. Returns its length. */
static size_t
hello_body(const struct storm_dtls *dtls, uint8_t body[BODY_MAX])
{
	const struct storm_dtls_hello *hello = &dtls->at.hello;
	struct writer out = writer_init(body, BODY_MAX);

	writer_u16(&out, DTLS_1_2);
	writer_bytes(&out, hello->random, sizeof hello->random);
	writer_u8(&out, 0); /* no session to resume */
	writer_u8(&out, hello->cookie_len);
	writer_bytes(&out, hello->cookie, hello->cookie_len);
	writer_u16(&out, 2);
	writer_u16(&out, suite_of(dtls));
	writer_u8(&out, 1);
	writer_u8(&out, 0); /* no compression */
	write_extensions(dtls, &out);
	return writer_finish(&out);
}

/* A whole message in a record of epoch 0; its header goes to `header` too, for the transcript. */
static void
write_message(struct storm_dtls *dtls, uint8_t type, const uint8_t *body, size_t len,
	      struct writer *out)
{
	struct writer_mark mark =
		dtls_write_record(out, DTLS_HANDSHAKE, DTLS_1_2, dtls->sequence++);
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	dtls_message_header(header, type, (uint32_t)len, dtls->message);
	writer_bytes(out, header, sizeof header);
	writer_bytes(out, body, len);
	writer_close(out, mark);
}

/* Handshake messages count without fragmentation (RFC 6347 4.2.6). */
static void
hash_message(const struct crypto_ops *ops, struct crypto_sha256 *transcript,
	     const struct dtls_message *message)
{
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	dtls_message_header(header, message->type, message->length, message->sequence);
	crypto_sha256_update(ops, transcript, header, sizeof header);
	crypto_sha256_update(ops, transcript, message->fragment, message->length);
}

void
storm_dtls_write_hello(struct storm_dtls *dtls, const struct storm_dtls_env *env,
		       struct writer *out)
{
	struct storm_dtls_hello *hello = &dtls->at.hello;
	uint8_t body[BODY_MAX];
	size_t len = hello_body(dtls, body);
	const struct dtls_message message = { .type = DTLS_CLIENT_HELLO,
					      .sequence = dtls->message,
					      .length = (uint32_t)len,
					      .fragment = body };

	write_message(dtls, DTLS_CLIENT_HELLO, body, len, out);
	/*
	 * The first hello and HelloVerifyRequest are not part of the transcript; a repeated one is
	 * the same.
	 */
	if (dtls->step == STORM_DTLS_HELLO || hello->server_hello)
		return;
	if (dtls->cert) {
		SHA256_Init(&dtls->cert->transcript);
		storm_cert_hash(dtls->cert, &message);
		return;
	}
	crypto_sha256_init(&hello->transcript);
	hash_message(env->ops, &hello->transcript, &message);
}

static size_t
exchange_body(const struct storm_dtls_who *who, uint8_t body[BODY_MAX])
{
	struct writer out = writer_init(body, BODY_MAX);

	writer_u16(&out, who->identity_len);
	writer_bytes(&out, who->identity, who->identity_len);
	return writer_finish(&out);
}

static void
write_change_cipher_spec(struct storm_dtls *dtls, struct writer *out)
{
	struct writer_mark mark =
		dtls_write_record(out, DTLS_CHANGE_CIPHER_SPEC, DTLS_1_2, dtls->sequence++);

	writer_u8(out, 1);
	writer_close(out, mark);
}

static size_t
finished_message(const uint8_t verify[DTLS_VERIFY_DATA], uint16_t sequence,
		 uint8_t message[DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA])
{
	dtls_message_header(message, DTLS_FINISHED, DTLS_VERIFY_DATA, sequence);
	memcpy(message + DTLS_HANDSHAKE_HEADER, verify, DTLS_VERIFY_DATA);
	return DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA;
}

static void
write_finished(struct storm_dtls *dtls, const struct storm_dtls_env *env, uint16_t sequence,
	       struct writer *out)
{
	struct storm_dtls_keyed *keyed = &dtls->at.keyed;
	uint8_t finished[DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA];
	size_t len = finished_message(keyed->verify, sequence, finished);

	dtls_write_sealed(env->ops, &keyed->session, DTLS_HANDSHAKE, finished, len, out);
}

void
storm_dtls_write_last(struct storm_dtls *dtls, const struct storm_dtls_env *env,
		      const struct storm_dtls_who *who, struct writer *out,
		      size_t parts[STORM_FLIGHT_PARTS])
{
	uint8_t body[BODY_MAX];

	write_message(dtls, DTLS_CLIENT_KEY_EXCHANGE, body, exchange_body(who, body), out);
	parts[0] = writer_len(out);
	write_change_cipher_spec(dtls, out);
	parts[1] = writer_len(out);
	write_finished(dtls, env, dtls->message + 1, out);
	parts[2] = writer_len(out);
}

bool
storm_dtls_write_last_part(struct storm_dtls *dtls, const struct storm_dtls_env *env,
			   const struct storm_cert_cut *cut, struct writer *out)
{
	bool begun = storm_cert_write_part(dtls->cert, cut, &dtls->sequence, out);

	/* What seals the flight goes along where it fits, else in a datagram of its own. */
	if (begun && (cut->apart || dtls->cert->sent < dtls->cert->flight_len ||
		      writer_left(out) < CLOSING_MAX))
		return true;
	write_change_cipher_spec(dtls, out);
	write_finished(dtls, env, (uint16_t)(dtls->cert->first_message + 3), out);
	return false;
}

void
storm_dtls_write_data(struct storm_dtls *dtls, const struct storm_dtls_env *env, const void *bytes,
		      size_t len, struct writer *out)
{
	dtls_write_sealed(env->ops, &dtls->at.keyed.session, DTLS_APPLICATION_DATA, bytes, len,
			  out);
}

/* ---- keys ---- */

static void
set_keys(struct dtls_session *session, const struct dtls_keys *keys)
{
	memcpy(session->keys.server_key, keys->client_key, DTLS_KEY);
	memcpy(session->keys.client_key, keys->server_key, DTLS_KEY);
	memcpy(session->keys.server_iv, keys->client_iv, DTLS_IMPLICIT_IV);
	memcpy(session->keys.client_iv, keys->server_iv, DTLS_IMPLICIT_IV);
}

/* What the server's Finished must say: it covers ours (RFC 5246 7.4.9). */
static void
derive_server_verify(const struct storm_dtls_env *env, const struct crypto_hmac_key *master,
		     struct crypto_sha256 *transcript, uint16_t sequence,
		     struct storm_dtls_keyed *keyed)
{
	uint8_t finished[DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA], hash[DTLS_HASH];
	size_t len = finished_message(keyed->verify, sequence, finished);
	struct crypto_prf job;

	crypto_sha256_update(env->ops, transcript, finished, len);
	crypto_sha256_final(env->ops, transcript, hash);
	job = dtls_schedule_verify(master, "server finished", hash, keyed->server_verify);
	crypto_prf(env->ops, &job, 1);
}

/*
 * From hello to keyed: everything that comes of the master secret is made now, and it is not kept.
 */
static void
derive(struct storm_dtls *dtls, const struct storm_dtls_env *env, const struct storm_dtls_who *who)
{
	struct storm_dtls_hello hello = dtls->at.hello;
	struct storm_dtls_keyed *keyed = &dtls->at.keyed;
	const struct crypto_piece psk = { who->key, who->key_len };
	const struct crypto_piece randoms[2] = { { hello.random, DTLS_RANDOM },
						 { hello.server_random, DTLS_RANDOM } };
	uint8_t body[BODY_MAX], hash[DTLS_HASH];
	const struct crypto_piece session_hash[2] = { { hash, sizeof hash } };
	const struct dtls_message exchange = { .type = DTLS_CLIENT_KEY_EXCHANGE,
					       .sequence = dtls->message,
					       .length = (uint32_t)exchange_body(who, body),
					       .fragment = body };
	uint8_t secret[DTLS_MASTER_SECRET];
	struct crypto_hmac_key master;
	struct crypto_prf finished;
	struct dtls_keys keys;

	hash_message(env->ops, &hello.transcript, &exchange);
	crypto_sha256_final(env->ops, &hello.transcript, hash);
	memset(keyed, 0, sizeof *keyed);
	dtls_schedule_master(env->ops, &psk,
			     hello.extended ? "extended master secret" : "master secret",
			     hello.extended ? session_hash : randoms, secret);
	crypto_hmac_key_init(env->ops, &master, secret, sizeof secret);
	crypto_wipe(secret, sizeof secret);
	finished = dtls_schedule_verify(&master, "client finished", hash, keyed->verify);
	dtls_schedule_keys(env->ops, &finished, hello.server_random, hello.random, &keys);
	set_keys(&keyed->session, &keys);
	keyed->session.peer_cid_len = hello.cid_len;
	memcpy(keyed->session.peer_cid, hello.cid, hello.cid_len);
	derive_server_verify(env, &master, &hello.transcript, dtls->message + 1, keyed);
	crypto_wipe(&master, sizeof master);
	crypto_wipe(&keys, sizeof keys);
}

/* ---- reading ---- */

/* RFC 6347 4.2.1: a new cookie begins the handshake anew, with the next message number. */
static enum storm_dtls_event
take_verify_request(struct storm_dtls *dtls, const struct dtls_message *message)
{
	struct storm_dtls_hello *hello = &dtls->at.hello;
	struct reader reader = reader_init(message->fragment, message->length);
	struct reader cookie;
	size_t len;

	assert(dtls_message_is_whole(message));
	if (dtls->step > STORM_DTLS_COOKIE || hello->server_hello)
		return STORM_DTLS_NOTHING;
	reader_skip(&reader, 2);
	cookie = reader_vector_u8(&reader);
	len = reader_left(&cookie);
	if (!reader_ok(&cookie) || len == 0 || len > STORM_COOKIE_MAX)
		return STORM_DTLS_WRONG;
	if (len == hello->cookie_len && memcmp(hello->cookie, cookie.at, len) == 0)
		return STORM_DTLS_NOTHING; /* a copy */
	hello->cookie_len = (uint8_t)len;
	memcpy(hello->cookie, cookie.at, len);
	dtls->message++;
	dtls->step = STORM_DTLS_COOKIE;
	return STORM_DTLS_VERIFY;
}

static bool
take_extensions(struct storm_dtls_hello *hello, struct reader *reader)
{
	struct reader extensions;

	if (reader_left(reader) == 0)
		return true;
	extensions = reader_vector_u16(reader);
	while (reader_left(&extensions)) {
		uint16_t type = reader_u16(&extensions);
		struct reader data = reader_vector_u16(&extensions);

		if (type == DTLS_EXT_EXTENDED_MASTER_SECRET)
			hello->extended = true;
		if (type != DTLS_EXT_CONNECTION_ID)
			continue;
		hello->cid_len = reader_u8(&data);
		if (hello->cid_len > sizeof hello->cid)
			return false;
		reader_copy(&data, hello->cid, hello->cid_len);
	}
	return reader_ok(&extensions) && reader_done(reader);
}

/* RFC 5246 7.4.1.3. */
static bool
take_server_hello(struct storm_dtls *dtls, const struct dtls_message *message)
{
	struct storm_dtls_hello *hello = &dtls->at.hello;
	struct reader reader = reader_init(message->fragment, message->length);
	uint16_t version = reader_u16(&reader), suite;

	reader_copy(&reader, hello->server_random, DTLS_RANDOM);
	reader_skip(&reader, reader_u8(&reader));
	suite = reader_u16(&reader);
	reader_skip(&reader, 1);
	hello->server_hello = true;
	return take_extensions(hello, &reader) && version == DTLS_1_2 && suite == suite_of(dtls);
}

static bool
is_in_turn(const struct storm_dtls_hello *hello, const struct dtls_message *message)
{
	return hello->server_hello ? message->sequence == hello->server_message
				   : message->type == DTLS_SERVER_HELLO;
}

/* A message of the server's flight, in its turn; what comes out of turn will be sent again. */
static enum storm_dtls_event
take_flight(struct storm_dtls *dtls, const struct storm_dtls_env *env,
	    const struct storm_dtls_who *who, const struct dtls_message *message)
{
	struct storm_dtls_hello *hello = &dtls->at.hello;

	if (dtls->step != STORM_DTLS_COOKIE)
		return STORM_DTLS_NOTHING;
	if (!is_in_turn(hello, message))
		return STORM_DTLS_NOTHING;
	assert(dtls_message_is_whole(message));
	hash_message(env->ops, &hello->transcript, message);
	hello->server_message = message->sequence + 1;
	if (message->type == DTLS_SERVER_HELLO)
		return take_server_hello(dtls, message) ? STORM_DTLS_NOTHING : STORM_DTLS_WRONG;
	if (message->type ==
	    DTLS_SERVER_KEY_EXCHANGE) /* an identity hint: ours does not depend on it */
		return STORM_DTLS_NOTHING;
	if (message->type != DTLS_SERVER_HELLO_DONE)
		return STORM_DTLS_WRONG;
	dtls->message++;
	derive(dtls, env, who);
	dtls->step = STORM_DTLS_DONE;
	return STORM_DTLS_GREETED;
}

/* The same with a certificate, where messages may come in fragments. */
static enum storm_dtls_event
take_certified_flight(struct storm_dtls *dtls, struct dtls_message *message)
{
	struct storm_dtls_hello *hello = &dtls->at.hello;
	struct storm_cert *cert = dtls->cert;

	if (dtls->step != STORM_DTLS_COOKIE || !is_in_turn(hello, message) ||
	    !storm_cert_gather(cert, message))
		return STORM_DTLS_NOTHING;
	hello->server_message = message->sequence + 1;
	if (!hello->server_hello) {
		storm_cert_hash(cert, message);
		if (!take_server_hello(dtls, message))
			return STORM_DTLS_WRONG;
		memcpy(cert->client_random, hello->random, DTLS_RANDOM);
		memcpy(cert->server_random, hello->server_random, DTLS_RANDOM);
		cert->extended = hello->extended;
		cert->first_message = dtls->message + 1;
		return STORM_DTLS_NOTHING;
	}
	switch (storm_cert_take(cert, message)) {
	case STORM_CERT_MORE:
		return STORM_DTLS_NOTHING;
	case STORM_CERT_WRONG:
		return STORM_DTLS_WRONG;
	case STORM_CERT_WHOLE:
		break;
	}
	dtls->step = STORM_DTLS_COMPUTING;
	return STORM_DTLS_ASKED;
}

enum storm_dtls_event
storm_dtls_take_computed(struct storm_dtls *dtls)
{
	const struct storm_dtls_hello hello = dtls->at.hello;
	struct storm_dtls_keyed *keyed = &dtls->at.keyed;

	assert(dtls->step == STORM_DTLS_COMPUTING);
	if (!dtls->cert->good)
		return STORM_DTLS_WRONG;
	memset(keyed, 0, sizeof *keyed);
	set_keys(&keyed->session, &dtls->cert->keys);
	keyed->session.peer_cid_len = hello.cid_len;
	memcpy(keyed->session.peer_cid, hello.cid, hello.cid_len);
	memcpy(keyed->verify, dtls->cert->verify, DTLS_VERIFY_DATA);
	memcpy(keyed->server_verify, dtls->cert->server_verify, DTLS_VERIFY_DATA);
	dtls->step = STORM_DTLS_DONE;
	return STORM_DTLS_GREETED;
}

struct storm_cert *
storm_dtls_part_with_cert(struct storm_dtls *dtls)
{
	struct storm_cert *cert = dtls->cert;

	dtls->cert = NULL;
	if (dtls->step != STORM_DTLS_KEYED)
		dtls->step = STORM_DTLS_OVER;
	return cert;
}

/*
 * With pre-shared keys fragments are not gathered: the appliance sends none in these flights, and
 * what lies behind one of them is not the rest of its message. What is ignored will be sent again.
 */
static enum storm_dtls_event
take_plain_handshake(struct storm_dtls *dtls, const struct storm_dtls_env *env,
		     const struct storm_dtls_who *who, const struct dtls_record *record)
{
	struct reader reader = reader_init(record->fragment, record->length);
	enum storm_dtls_event event = STORM_DTLS_NOTHING;
	struct dtls_message message;

	while (reader_left(&reader) && event == STORM_DTLS_NOTHING &&
	       dtls_message_next(&reader, &message)) {
		bool whole = dtls_message_is_whole(&message);

		if (message.type == DTLS_HELLO_VERIFY_REQUEST)
			event = whole ? take_verify_request(dtls, &message) : event;
		else if (dtls->cert)
			event = take_certified_flight(dtls, &message);
		else if (whole)
			event = take_flight(dtls, env, who, &message);
	}
	return event;
}

static enum storm_dtls_event
take_finished(struct storm_dtls *dtls, const uint8_t *content, size_t len)
{
	struct reader reader = reader_init(content, len);
	struct dtls_message message;

	if (dtls->step != STORM_DTLS_DONE)
		return STORM_DTLS_NOTHING;
	if (!dtls_message_next(&reader, &message) || message.type != DTLS_FINISHED ||
	    message.length != DTLS_VERIFY_DATA || !dtls_message_is_whole(&message) ||
	    !crypto_equal(message.fragment, dtls->at.keyed.server_verify, DTLS_VERIFY_DATA))
		return STORM_DTLS_WRONG;
	dtls->step = STORM_DTLS_KEYED;
	return STORM_DTLS_SECURED;
}

/*
 * Whether the association before sent it: a server repeats what it waits for until it learns that
 * the device has begun anew. Nothing is wrong with such a record, and nothing comes of it.
 */
static bool
take_stale(struct storm_dtls *dtls, const struct storm_dtls_env *env,
	   const struct dtls_record *record)
{
	struct dtls_session former = { 0 };
	struct dtls_opening opening = { .session = &former, .record = *record };

	if (!dtls->former.is_there)
		return false;
	memcpy(former.keys.client_key, dtls->former.key, sizeof dtls->former.key);
	memcpy(former.keys.client_iv, dtls->former.iv, sizeof dtls->former.iv);
	dtls_open(env->ops, &opening, 1);
	if (opening.outcome != COUNTER_dtls_rx_opened)
		return false;
	if (env->stale)
		++*env->stale;
	return true;
}

static void
take_sealed(struct storm_dtls *dtls, const struct storm_dtls_env *env,
	    const struct dtls_record *record, struct storm_dtls_taken *taken)
{
	struct dtls_opening opening = { .session = &dtls->at.keyed.session, .record = *record };

	if (!has_keys(dtls)) {
		(void)take_stale(dtls, env, record);
		return;
	}
	dtls_open(env->ops, &opening, 1);
	/* Its number may have been seen of the present association as well. */
	if (opening.outcome != COUNTER_dtls_rx_opened && take_stale(dtls, env, record))
		return;
	count(env->counters, opening.outcome);
	if (opening.outcome != COUNTER_dtls_rx_opened)
		return;
	taken->content = opening.content;
	taken->len = opening.length;
	if (opening.type == DTLS_HANDSHAKE)
		taken->event = take_finished(dtls, opening.content, opening.length);
	else if (opening.type == DTLS_ALERT_RECORD && opening.length == DTLS_ALERT_BODY)
		taken->event = STORM_DTLS_ALERT;
	else if (opening.type == DTLS_APPLICATION_DATA && dtls->step == STORM_DTLS_KEYED)
		taken->event = STORM_DTLS_DATA;
}

bool
storm_dtls_take(struct storm_dtls *dtls, const struct storm_dtls_env *env,
		const struct storm_dtls_who *who, struct dtls_walk *walk,
		struct storm_dtls_taken *taken)
{
	struct dtls_record record;

	if (dtls->step == STORM_DTLS_OVER || !dtls_record_next(walk, &record, env->counters))
		return false;
	*taken = (struct storm_dtls_taken){ .event = STORM_DTLS_NOTHING };
	if (record.epoch != 0) {
		take_sealed(dtls, env, &record, taken);
		return true;
	}
	if (record.type == DTLS_HANDSHAKE && dtls->step <= STORM_DTLS_COOKIE)
		taken->event = take_plain_handshake(dtls, env, who, &record);
	/*
	 * An alert in the clear counts only while there are no keys: anyone could send it (RFC 6347
	 * 4.1.2.7).
	 */
	if (record.type == DTLS_ALERT_RECORD && record.length == DTLS_ALERT_BODY &&
	    dtls->step != STORM_DTLS_KEYED) {
		taken->event = STORM_DTLS_ALERT;
		taken->content = record.fragment;
		taken->len = record.length;
	}
	return true;
}
