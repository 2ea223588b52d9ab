#include "dataplane/core/dtls_handshake.h"

#include <string.h>

#include "dataplane/core/dtls_flight.h"

enum { CID_PLACE = 4 }; /* of our connection id: worker and slot; the rest is random */

/* What can happen to a handshake. */
enum event {
	EVENT_HELLO,              /* a ClientHello or a fragment of one */
	EVENT_KEY_EXCHANGE,       /* ClientKeyExchange, in its turn */
	EVENT_MESSAGE,            /* any other handshake message in plaintext, in its turn */
	EVENT_CHANGE_CIPHER_SPEC, /* of epoch 0 */
	EVENT_ALERT,              /* of epoch 0 */
	EVENT_PROTECTED,          /* a record of epoch 1 */
	EVENTS,
};

/* One event on its way to its action. */
struct step {
	const struct dtls_server *server;
	struct dtls_handshake *hs;
	const struct dtls_record *record;
	const struct dtls_message *message; /* of events that are messages */
	struct dtls_turn *turn;
};

static enum dtls_progress run(struct step *step, enum event event);

/* ---- ends ---------------------------------------------------------------------------------------------------- */

static void
set_state(struct dtls_handshake *hs, enum dtls_state state)
{
	hs->state = (uint8_t)state;
}

/* Ends the handshake, with an alert unless DTLS_NO_ALERT. It is sent once: the peer's next try is another handshake. */
static enum dtls_progress
fail(struct step *step, enum dtls_alert alert, enum counter why)
{
	struct dtls_handshake *hs = step->hs;

	if (alert != DTLS_NO_ALERT) {
		dtls_flight_alert(hs->sequence++, alert, step->turn->out);
		count(step->server->counters, COUNTER_dtls_alert_sent);
	}
	count(step->server->counters, why);
	set_state(hs, DTLS_ENDED);
	return DTLS_FAILED;
}

static enum dtls_progress
ignore(struct step *step, enum counter why)
{
	count(step->server->counters, why);
	return DTLS_WAITING;
}

static enum dtls_progress
outdated(struct step *step)
{
	return ignore(step, COUNTER_dtls_message_outdated);
}

static enum dtls_progress
ahead(struct step *step)
{
	return ignore(step, COUNTER_dtls_message_ahead);
}

static enum dtls_progress
unexpected(struct step *step)
{
	return fail(step, DTLS_UNEXPECTED_MESSAGE, COUNTER_dtls_failed_message);
}

/* RFC 5246 7.2: a fatal alert or a closure ends it; warnings change nothing. */
static enum dtls_progress
judge_alert(struct step *step, const uint8_t *body, size_t len)
{
	if (len != DTLS_ALERT_BODY)
		return ignore(step, COUNTER_dtls_message_malformed);
	count(step->server->counters, COUNTER_dtls_alert_received);
	if (body[0] != DTLS_FATAL && body[1] != DTLS_CLOSE_NOTIFY)
		return DTLS_WAITING;
	return fail(step, DTLS_NO_ALERT, COUNTER_dtls_failed_alert);
}

static enum dtls_progress
take_alert(struct step *step)
{
	return judge_alert(step, step->record->fragment, step->record->length);
}

/* ---- ClientHello --------------------------------------------------------------------------------------------- */

static void
hash_message(struct step *step, uint8_t type, uint16_t sequence, const uint8_t *body, size_t len)
{
	const struct crypto_ops *ops = step->server->ops;
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	dtls_message_header(header, type, (uint32_t)len, sequence);
	crypto_sha256_update(ops, &step->hs->run.transcript, header, sizeof header);
	crypto_sha256_update(ops, &step->hs->run.transcript, body, len);
}

static void
take_offer(struct dtls_handshake *hs, const struct dtls_offer *offer)
{
	hs->extended_master_secret = offer->extended_master_secret;
	hs->secure_renegotiation = offer->secure_renegotiation;
	hs->max_fragment = offer->max_fragment;
	hs->has_cid = offer->has_cid;
	hs->peer_cid_len = offer->has_cid ? (uint8_t)offer->peer_cid.len : 0;
	if (hs->peer_cid_len)
		memcpy(hs->run.peer_cid, offer->peer_cid.at, hs->peer_cid_len);
}

/* The hello's memory turns into that of the run; `body` must not be in it. */
static void
start_transcript(struct step *step, const struct dtls_offer *offer, const uint8_t *body, size_t len)
{
	struct dtls_handshake *hs = step->hs;

	hs->assembly = (struct dtls_assembly){ 0 };
	hs->run.early_len = 0;
	memset(hs->run.exchange.seen, 0, sizeof hs->run.exchange.seen);
	take_offer(hs, offer);
	rng_fill(&step->server->rng, hs->run.server_random, DTLS_RANDOM);
	if (hs->has_cid)
		rng_fill(&step->server->rng, hs->cid + CID_PLACE, DTLS_CID - CID_PLACE);
	crypto_sha256_init(&hs->run.transcript);
	hash_message(step, DTLS_CLIENT_HELLO, hs->hello_message, body, len);
}

static enum dtls_progress
begin_flight(struct step *step)
{
	struct dtls_handshake *hs = step->hs;

	hs->sequence = step->record->sequence; /* RFC 6347 4.2.1 */
	hs->next_message = (uint16_t)(hs->hello_message + 1);
	dtls_flight_hello(step->server->ops, hs, &hs->run.transcript, step->turn->out);
	if (!writer_ok(step->turn->out))
		return fail(step, DTLS_NO_ALERT, COUNTER_dtls_tx_room);
	set_state(hs, DTLS_EXPECTING_KEY_EXCHANGE);
	return DTLS_WAITING;
}

static enum counter
refusal(enum dtls_alert alert)
{
	switch (alert) {
	case DTLS_PROTOCOL_VERSION:
		return COUNTER_dtls_failed_version;
	case DTLS_HANDSHAKE_FAILURE:
		return COUNTER_dtls_failed_suite;
	default:
		return COUNTER_dtls_failed_parameter;
	}
}

static enum dtls_progress
accept_hello(struct step *step, const uint8_t *body, size_t len)
{
	struct dtls_hello hello;
	struct dtls_offer offer;
	enum dtls_alert alert = DTLS_DECODE_ERROR;

	if (dtls_hello_parse(body, len, &hello))
		alert = dtls_hello_choose(&hello, &offer);
	if (alert != DTLS_NO_ALERT) {
		step->hs->sequence = step->record->sequence;
		return fail(step, alert, refusal(alert));
	}
	if (offer.slow_lane) {
		set_state(step->hs, DTLS_ENDED);
		count(step->server->counters, COUNTER_dtls_slow_lane);
		return DTLS_SLOW_LANE;
	}
	start_transcript(step, &offer, body, len);
	return begin_flight(step);
}

/* The first fragment, which dtls_greet() verified, names the run. */
static bool
note_first_fragment(struct dtls_handshake *hs, const struct dtls_message *message)
{
	struct dtls_hello hello;

	if (message->offset != 0 ||
	    !dtls_hello_parse_head(message->fragment, message->fragment_length, &hello))
		return false;
	memcpy(hs->client_random, hello.random, DTLS_RANDOM);
	hs->hello_message = message->sequence;
	return true;
}

static enum dtls_progress
gather_hello(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	const struct dtls_message *message = step->message;
	uint8_t body[DTLS_HELLO_MAX];

	if (hs->assembly.have == 0 && !note_first_fragment(hs, message))
		return ignore(step, COUNTER_dtls_hello_fragment);
	if (message->sequence != hs->hello_message)
		return outdated(step);
	if (dtls_message_is_whole(message))
		return accept_hello(step, message->fragment, message->length);
	switch (dtls_assembly_add(&hs->assembly, message, hs->hello.body, hs->hello.seen,
				  sizeof hs->hello.body)) {
	case DTLS_GATHER_MORE:
		return DTLS_WAITING;
	case DTLS_GATHER_REFUSED:
		hs->sequence = step->record->sequence;
		return fail(step, DTLS_HANDSHAKE_FAILURE, COUNTER_dtls_hello_size);
	case DTLS_GATHER_WHOLE:
		break;
	}
	memcpy(body, hs->hello.body, hs->assembly.length);
	return accept_hello(step, body, hs->assembly.length);
}

/* The hello came again, so the client may not have our flight. Of a fragmented one the first fragment tells. */
static enum dtls_progress
repeat_flight(struct step *step)
{
	struct dtls_handshake *hs = step->hs;

	if (step->message->offset != 0 || !dtls_handshake_is_of(hs, step->record))
		return outdated(step);
	dtls_flight_hello(step->server->ops, hs, NULL, step->turn->out);
	return ignore(step, writer_ok(step->turn->out) ? COUNTER_dtls_flight_again :
							 COUNTER_dtls_tx_room);
}

/* ---- ClientKeyExchange --------------------------------------------------------------------------------------- */

/* Who is unknown goes on with a key that nobody has, so that it learns nothing now (RFC 4279 2, 7.3). */
static void
find_key(struct step *step, const struct reader *identity, struct dtls_identity *found)
{
	const struct dtls_server *server = step->server;
	struct dtls_handshake *hs = step->hs;

	hs->is_known = server->find_identity(server->find_ctx, identity->at, reader_left(identity), found);
	hs->device = hs->is_known ? found->device : 0;
	hs->identity_hash = hs->is_known ? found->hash : 0;
	if (hs->is_known)
		return;
	found->key_len = sizeof server->decoy;
	memcpy(found->key, server->decoy, sizeof server->decoy);
}

static void
derive(struct step *step, const struct dtls_identity *identity)
{
	static const char *const labels[2] = { "master secret", "extended master secret" };
	const struct crypto_ops *ops = step->server->ops;
	struct dtls_handshake *hs = step->hs;
	bool extended = hs->extended_master_secret;
	uint8_t hash[DTLS_HASH];
	const struct crypto_piece psk = { identity->key, identity->key_len };
	const struct crypto_piece seeds[2][2] = {
		{ { hs->client_random, DTLS_RANDOM }, { hs->run.server_random, DTLS_RANDOM } },
		{ { hash, sizeof hash } },
	};
	struct crypto_prf finished;

	/* One hash serves twice: the session hash and what Finished covers end at the same message. */
	crypto_sha256_final(ops, &hs->run.transcript, hash);
	memset(&hs->run.keyed, 0, sizeof hs->run.keyed);
	dtls_schedule_master(ops, &psk, labels[extended], seeds[extended], &hs->run.keyed.master);
	finished = dtls_schedule_verify(&hs->run.keyed.master, "client finished", hash,
					hs->run.keyed.client_verify);
	dtls_schedule_keys(ops, &finished, hs->run.server_random, hs->client_random,
			   &hs->run.keyed.keys);
}

/* A Finished that came before its keys has waited as a record. */
static enum dtls_progress
enter_finished(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	uint8_t early[DTLS_EARLY_MAX];
	struct dtls_walk walk = { early, early + hs->run.early_len };
	struct dtls_record record;
	struct step again = *step;

	set_state(hs, DTLS_EXPECTING_FINISHED);
	if (hs->run.early_len == 0)
		return DTLS_WAITING;
	memcpy(early, hs->run.early, hs->run.early_len);
	hs->run.early_len = 0;
	if (!dtls_record_next(&walk, &record, step->server->counters))
		return DTLS_WAITING;
	again.record = &record;
	again.message = NULL;
	return run(&again, EVENT_PROTECTED);
}

static enum dtls_progress
accept_exchange(struct step *step, const uint8_t *body, size_t len)
{
	struct dtls_handshake *hs = step->hs;
	struct reader reader = reader_init(body, len);
	struct reader identity = reader_vector_u16(&reader);
	struct dtls_identity found;

	if (!reader_done(&reader))
		return fail(step, DTLS_DECODE_ERROR, COUNTER_dtls_failed_message);
	find_key(step, &identity, &found);
	hash_message(step, DTLS_CLIENT_KEY_EXCHANGE, hs->next_message, body, len);
	derive(step, &found); /* from here on `body` may be gone: it may be in the same memory */
	crypto_wipe(&found, sizeof found);
	hs->assembly = (struct dtls_assembly){ 0 };
	hs->next_message++;
	if (hs->changed_cipher_spec)
		return enter_finished(step);
	set_state(hs, DTLS_EXPECTING_CHANGE_CIPHER_SPEC);
	return DTLS_WAITING;
}

static enum dtls_progress
gather_exchange(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	const struct dtls_message *message = step->message;

	/* Longer than any identity that can be known: the answer of an unknown one, at once. */
	if (message->length > DTLS_EXCHANGE_MAX)
		return fail(step, DTLS_DECRYPT_ERROR, COUNTER_dtls_failed_identity);
	if (dtls_message_is_whole(message))
		return accept_exchange(step, message->fragment, message->length);
	switch (dtls_assembly_add(&hs->assembly, message, hs->run.exchange.body,
				  hs->run.exchange.seen, sizeof hs->run.exchange.body)) {
	case DTLS_GATHER_MORE:
		return DTLS_WAITING;
	case DTLS_GATHER_REFUSED:
		return ignore(step, COUNTER_dtls_message_malformed);
	case DTLS_GATHER_WHOLE:
		break;
	}
	return accept_exchange(step, hs->run.exchange.body, hs->assembly.length);
}

/* ---- ChangeCipherSpec and Finished --------------------------------------------------------------------------- */

static bool
is_change_cipher_spec(const struct dtls_record *record)
{
	return record->length == 1 && record->fragment[0] == 1;
}

/* It overtook the key exchange. Noted, no more: keys come from the key exchange alone. */
static enum dtls_progress
note_change_cipher_spec(struct step *step)
{
	if (!is_change_cipher_spec(step->record))
		return ignore(step, COUNTER_dtls_message_malformed);
	step->hs->changed_cipher_spec = true;
	return DTLS_WAITING;
}

static enum dtls_progress
take_change_cipher_spec(struct step *step)
{
	if (!is_change_cipher_spec(step->record))
		return ignore(step, COUNTER_dtls_message_malformed);
	return enter_finished(step);
}

static enum dtls_progress
keep_early(struct step *step)
{
	const struct dtls_record *record = step->record;
	size_t len = (size_t)(record->fragment + record->length - record->header);
	bool can_be_finished = record->type == DTLS_HANDSHAKE || record->type == DTLS_TLS12_CID;

	if (!can_be_finished || len > DTLS_EARLY_MAX)
		return ahead(step);
	memcpy(step->hs->run.early, record->header, len);
	step->hs->run.early_len = (uint8_t)len;
	return ignore(step, COUNTER_dtls_message_kept);
}

/* The association as it will be, should Finished be right. */
static void
make_session(const struct dtls_handshake *hs, struct dtls_session *session)
{
	memset(session, 0, sizeof *session);
	session->keys = hs->run.keyed.keys;
	session->window = hs->run.keyed.window;
	session->identity_hash = hs->identity_hash;
	session->device = hs->device;
	session->flight_message = (uint16_t)(hs->hello_message + 2);
	session->flight_sequence = hs->sequence;
	memcpy(session->cid, hs->cid, DTLS_CID);
	memcpy(session->peer_cid, hs->run.peer_cid, hs->peer_cid_len);
	session->peer_cid_len = hs->peer_cid_len;
	session->max_fragment = hs->max_fragment;
	session->has_cid = hs->has_cid;
}

static enum dtls_progress
establish(struct step *step, const uint8_t *verify_data)
{
	const struct crypto_ops *ops = step->server->ops;
	struct dtls_handshake *hs = step->hs;
	struct dtls_session *session = step->turn->session;
	uint8_t hash[DTLS_HASH];
	struct crypto_prf job;

	hash_message(step, DTLS_FINISHED, hs->next_message, verify_data, DTLS_VERIFY_DATA);
	crypto_sha256_final(ops, &hs->run.transcript, hash);
	make_session(hs, session);
	job = dtls_schedule_verify(&hs->run.keyed.master, "server finished", hash,
				   session->flight_verify);
	crypto_prf(ops, &job, 1);
	dtls_flight_finished(ops, session, step->turn->out);
	if (!writer_ok(step->turn->out)) /* as if lost: the client will ask again */
		count(step->server->counters, COUNTER_dtls_tx_room);
	count(step->server->counters, COUNTER_dtls_finished);
	set_state(hs, DTLS_ENDED);
	return DTLS_ESTABLISHED;
}

static enum counter
blame(const struct dtls_handshake *hs)
{
	return hs->is_known ? COUNTER_dtls_failed_key : COUNTER_dtls_failed_identity;
}

static enum dtls_progress
accept_finished(struct step *step, const uint8_t *verify_data)
{
	struct dtls_handshake *hs = step->hs;

	if (!crypto_equal(verify_data, hs->run.keyed.client_verify, DTLS_VERIFY_DATA))
		return fail(step, DTLS_DECRYPT_ERROR, blame(hs));
	return establish(step, verify_data);
}

static enum dtls_progress
gather_finished(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	const struct dtls_message *message = step->message;

	if (message->type != DTLS_FINISHED || message->length != DTLS_VERIFY_DATA)
		return unexpected(step);
	if (dtls_message_is_whole(message))
		return accept_finished(step, message->fragment);
	if (dtls_assembly_add(&hs->assembly, message, hs->run.keyed.body, hs->run.keyed.seen,
			      DTLS_VERIFY_DATA) != DTLS_GATHER_WHOLE)
		return DTLS_WAITING;
	return accept_finished(step, hs->run.keyed.body);
}

static enum dtls_progress
take_protected_message(struct step *step, const struct dtls_opening *opening)
{
	struct reader reader = reader_init(opening->content, opening->length);
	struct dtls_message message;

	if (!dtls_message_next(&reader, &message))
		return ignore(step, COUNTER_dtls_message_malformed);
	if (message.sequence < step->hs->next_message)
		return outdated(step);
	if (message.sequence > step->hs->next_message)
		return ahead(step);
	step->message = &message;
	return gather_finished(step);
}

/*
 * A client with another key cannot make a record that opens; its Finished tells itself by its size. Anything else that
 * does not open was never meant for these keys, and is dropped (RFC 6347 4.1.2.7).
 */
static bool
looks_like_finished(const struct dtls_record *record)
{
	size_t finished = DTLS_SEAL_OVERHEAD + DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA;

	if (record->type == DTLS_TLS12_CID)
		return record->length > finished; /* RFC 9146 4: a type byte, and padding perhaps */
	return record->type == DTLS_HANDSHAKE && record->length == finished;
}

static enum dtls_progress
take_protected(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	struct dtls_session pending;
	struct dtls_opening opening = { .session = &pending, .record = *step->record };

	make_session(hs, &pending);
	dtls_open(step->server->ops, &opening, 1);
	hs->run.keyed.window = pending.window;
	crypto_wipe(&pending, sizeof pending);
	if (opening.outcome == COUNTER_dtls_rx_bad_tag && looks_like_finished(step->record))
		return fail(step, DTLS_DECRYPT_ERROR, blame(hs));
	count(step->server->counters, opening.outcome);
	if (opening.outcome != COUNTER_dtls_rx_opened)
		return DTLS_WAITING;
	switch (opening.type) {
	case DTLS_HANDSHAKE:
		return take_protected_message(step, &opening);
	case DTLS_ALERT_RECORD:
		return judge_alert(step, opening.content, opening.length);
	default:
		return ignore(step, COUNTER_dtls_rx_type);
	}
}

/* ---- the machine --------------------------------------------------------------------------------------------- */

typedef enum dtls_progress action(struct step *step);

/*
 * unexpected(): RFC 5246 7.4, fatal. ahead(): the right message in the wrong order, which its sender repeats.
 * outdated(): a copy of what was taken already.
 */
static action *const actions[DTLS_STATES][EVENTS] = {
	[DTLS_EXPECTING_HELLO] = {
		[EVENT_HELLO] = gather_hello,
		[EVENT_KEY_EXCHANGE] = ahead,
		[EVENT_MESSAGE] = ahead,
		[EVENT_CHANGE_CIPHER_SPEC] = ahead,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = ahead,
	},
	[DTLS_EXPECTING_KEY_EXCHANGE] = {
		[EVENT_HELLO] = repeat_flight,
		[EVENT_KEY_EXCHANGE] = gather_exchange,
		[EVENT_MESSAGE] = unexpected,
		[EVENT_CHANGE_CIPHER_SPEC] = note_change_cipher_spec,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = keep_early,
	},
	[DTLS_EXPECTING_CHANGE_CIPHER_SPEC] = {
		[EVENT_HELLO] = repeat_flight,
		[EVENT_KEY_EXCHANGE] = unexpected, /* a second one, by its number */
		[EVENT_MESSAGE] = unexpected,      /* Finished in plaintext among them */
		[EVENT_CHANGE_CIPHER_SPEC] = take_change_cipher_spec,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = keep_early,
	},
	[DTLS_EXPECTING_FINISHED] = {
		[EVENT_HELLO] = repeat_flight,
		[EVENT_KEY_EXCHANGE] = unexpected,
		[EVENT_MESSAGE] = unexpected,
		[EVENT_CHANGE_CIPHER_SPEC] = outdated,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = take_protected,
	},
};

static enum dtls_progress
run(struct step *step, enum event event)
{
	if (step->hs->state >= DTLS_STATES)
		return outdated(step);
	return actions[step->hs->state][event](step);
}

static enum dtls_progress
dispatch_message(struct step *step)
{
	const struct dtls_message *message = step->message;
	const struct dtls_handshake *hs = step->hs;

	if (message->type == DTLS_CLIENT_HELLO)
		return run(step, EVENT_HELLO);
	if (hs->state == DTLS_EXPECTING_HELLO || message->sequence > hs->next_message)
		return ahead(step);
	if (message->sequence < hs->next_message)
		return outdated(step);
	return run(step, message->type == DTLS_CLIENT_KEY_EXCHANGE ? EVENT_KEY_EXCHANGE :
								     EVENT_MESSAGE);
}

/* RFC 6347 4.2.3: several messages may share a record. */
static enum dtls_progress
receive_messages(struct step *step)
{
	struct reader reader = reader_init(step->record->fragment, step->record->length);
	enum dtls_progress progress = DTLS_WAITING;
	struct dtls_message message;

	step->message = &message;
	while (reader_left(&reader) && progress == DTLS_WAITING) {
		if (!dtls_message_next(&reader, &message))
			return ignore(step, COUNTER_dtls_message_malformed);
		progress = dispatch_message(step);
	}
	return progress;
}

static enum dtls_progress
receive_plaintext(struct step *step)
{
	switch (step->record->type) {
	case DTLS_HANDSHAKE:
		return receive_messages(step);
	case DTLS_CHANGE_CIPHER_SPEC:
		return run(step, EVENT_CHANGE_CIPHER_SPEC);
	case DTLS_ALERT_RECORD:
		return run(step, EVENT_ALERT);
	default:
		return ignore(step, COUNTER_dtls_rx_type);
	}
}

enum dtls_progress
dtls_handshake_receive(const struct dtls_server *server, struct dtls_handshake *hs,
		       const struct dtls_record *record, struct dtls_turn *turn)
{
	struct step step = { .server = server, .hs = hs, .record = record, .turn = turn };

	if (record->epoch == 0)
		return receive_plaintext(&step);
	if (record->epoch == 1)
		return run(&step, EVENT_PROTECTED);
	return ignore(&step, COUNTER_dtls_rx_epoch);
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

void
dtls_handshake_init(struct dtls_handshake *hs, const struct dtls_server *server, uint32_t slot,
		    uint64_t now_us)
{
	struct writer cid = writer_init(hs->cid, DTLS_CID);

	memset(hs, 0, sizeof *hs);
	hs->started_us = now_us;
	hs->due_us = now_us + DTLS_RETRANSMIT_US;
	writer_u8(&cid, server->worker);
	writer_u24(&cid, slot);
	count(server->counters, COUNTER_dtls_started);
}

bool
dtls_handshake_is_of(const struct dtls_handshake *hs, const struct dtls_record *record)
{
	struct reader reader = reader_init(record->fragment, record->length);
	struct dtls_message message;
	struct dtls_hello hello;

	return dtls_message_next(&reader, &message) && message.offset == 0 &&
	       dtls_hello_parse_head(message.fragment, message.fragment_length, &hello) &&
	       message.sequence == hs->hello_message &&
	       memcmp(hello.random, hs->client_random, DTLS_RANDOM) == 0;
}

enum dtls_progress
dtls_handshake_tick(const struct dtls_server *server, struct dtls_handshake *hs,
		    struct dtls_turn *turn)
{
	struct step step = { .server = server, .hs = hs, .turn = turn };
	uint64_t end_us = hs->started_us + DTLS_HANDSHAKE_LIFE_US;

	if (turn->now_us >= end_us)
		return fail(&step, DTLS_NO_ALERT, COUNTER_dtls_failed_timeout);
	if (turn->now_us < hs->due_us)
		return DTLS_WAITING;
	hs->retransmissions++;
	hs->due_us = turn->now_us + ((uint64_t)DTLS_RETRANSMIT_US << hs->retransmissions);
	if (hs->due_us > end_us)
		hs->due_us = end_us;
	/* Later the client has our flight, and the next move is its own. */
	if (hs->state != DTLS_EXPECTING_KEY_EXCHANGE)
		return DTLS_WAITING;
	dtls_flight_hello(server->ops, hs, NULL, turn->out);
	return ignore(&step, writer_ok(turn->out) ? COUNTER_dtls_flight_again : COUNTER_dtls_tx_room);
}

void
dtls_session_handshake(const struct dtls_server *server, struct dtls_session *session,
		       const struct dtls_opening *opening, struct writer *out)
{
	static const uint8_t no_renegotiation[] = { DTLS_WARNING, DTLS_NO_RENEGOTIATION };
	struct reader reader = reader_init(opening->content, opening->length);
	struct dtls_message message;

	if (!dtls_message_next(&reader, &message)) {
		count(server->counters, COUNTER_dtls_message_malformed);
	} else if (message.type == DTLS_FINISHED) {
		count(server->counters, COUNTER_dtls_flight_again);
		dtls_flight_finished(server->ops, session, out);
	} else if (message.type == DTLS_CLIENT_HELLO) {
		count(server->counters, COUNTER_dtls_no_renegotiation);
		dtls_write_sealed(server->ops, session, DTLS_ALERT_RECORD, no_renegotiation,
				  sizeof no_renegotiation, out);
	} else {
		count(server->counters, COUNTER_dtls_message_outdated);
	}
}
