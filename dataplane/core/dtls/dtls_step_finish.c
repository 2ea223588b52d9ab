/*
 * From ClientKeyExchange to the association.
 */
#include "dataplane/core/dtls/dtls_step.h"

#include <string.h>

#include "dataplane/core/dtls/dtls_ahead.h"
#include "dataplane/core/dtls/dtls_flight.h"

/* ---- ClientKeyExchange ---- */

/* Whose handshake it is by its identity. */
static void
identify(struct step *step, const struct reader *identity, bool is_known, uint32_t device,
	 uint64_t hash)
{
	const struct dtls_server *server = step->server;
	struct dtls_handshake *hs = step->hs;

	hs->is_known = is_known;
	hs->device = device;
	hs->identity_hash = hash;
	if (server->identified)
		server->identified(server->find_ctx, identity->at, reader_left(identity), is_known,
				   device);
}

static void
log_key(const struct step *step, const uint8_t master[DTLS_MASTER_SECRET])
{
	const struct dtls_server *server = step->server;
	const struct dtls_handshake *hs = step->hs;

	if (server->key_log && hs->is_known)
		server->key_log(server->find_ctx, hs->device, hs->client_random, master);
}

/* The transcript ends before the client's Finished. */
static void
derive(struct step *step, const struct crypto_piece *psk)
{
	struct dtls_handshake *hs = step->hs;
	uint8_t master[DTLS_MASTER_SECRET];
	const struct dtls_psk_schedule schedule = {
		.psk = *psk,
		.extended = hs->extended_master_secret,
		.transcript = &hs->run.transcript,
		.randoms = { { hs->client_random, DTLS_RANDOM },
			     { hs->run.server_random, DTLS_RANDOM } },
		.master = master,
		.derived = &hs->run.keyed.derived,
	};

	memset(&hs->run.keyed, 0, sizeof hs->run.keyed);
	dtls_schedule_psk(step->server->ops, &schedule, 1);
	log_key(step, master);
	crypto_wipe(master, sizeof master);
}

/* The identity's key, and all that follows from it. */
static void
make_keys(struct step *step, const struct reader *identity)
{
	const struct crypto_ops *ops = step->server->ops;
	struct dtls_handshake *hs = step->hs;
	uint16_t len = hs->run.exchange.assembly.length;
	uint8_t header[DTLS_HANDSHAKE_HEADER];
	struct dtls_identity found;
	bool is_known = dtls_server_find(step->server, identity, &found);

	identify(step, identity, is_known, found.device, found.hash);
	dtls_message_header(header, DTLS_CLIENT_KEY_EXCHANGE, len,
			    (uint16_t)(hs->next_message - 1));
	hs->run.transcript = hs->run.before;
	crypto_sha256_update(ops, &hs->run.transcript, header, sizeof header);
	crypto_sha256_update(ops, &hs->run.transcript, hs->run.exchange.body, len);
	derive(step, &(struct crypto_piece){ found.key, found.key_len });
	crypto_wipe(&found, sizeof found);
}

/* The same where it was made ahead. */
static void
use_keys(struct step *step, const struct reader *identity, struct dtls_ahead_schedule *made)
{
	struct dtls_handshake *hs = step->hs;

	identify(step, identity, made->is_known, made->device, made->identity_hash);
	hs->run.transcript = made->transcript;
	memset(&hs->run.keyed, 0, sizeof hs->run.keyed);
	hs->run.keyed.derived = made->derived;
	made->is_taken = true;
	count(step->server->counters, COUNTER_dtls_in_step);
	log_key(step, made->master);
}

/* The keys that follow from the key exchange at hand; false: it is malformed, and nothing changed. */
static bool
take_keys(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	struct reader reader = reader_init(hs->run.exchange.body, hs->run.exchange.assembly.length);
	struct reader identity = reader_vector_u16(&reader);
	struct dtls_ahead_schedule *made = NULL;

	if (!reader_done(&reader))
		return false;
	if (step->server->ahead)
		made = dtls_ahead_take(step->server, hs);
	if (made)
		use_keys(step, &identity, made);
	else
		make_keys(step, &identity);
	return true;
}

/* There are keys: a Finished that came before them has waited as a record. */
static enum dtls_progress
enter_keyed(struct step *step, struct dtls_early *early)
{
	struct dtls_handshake *hs = step->hs;
	struct dtls_walk walk = { early->bytes, early->bytes + early->len };
	struct dtls_record record;
	struct step again = *step;

	hs->assembly = (struct dtls_assembly){ 0 };
	step_set_state(hs, hs->changed_cipher_spec ? DTLS_EXPECTING_FINISHED
						   : DTLS_EXPECTING_CHANGE_CIPHER_SPEC);
	if (early->len == 0 || !dtls_record_next(&walk, &record, step->server->counters))
		return DTLS_WAITING;
	again.record = &record;
	again.message = NULL;
	return step_take_protected(&again);
}

/* The first whole key exchange. */
static enum dtls_progress
accept_exchange(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	struct dtls_early early = hs->run.early; /* its place is that of the keys */

	hs->run.before = hs->run.transcript;
	hs->next_message++;
	if (!take_keys(step)) {
		hs->next_message--;
		return step_doubt(step, DTLS_DOUBT_MESSAGE, COUNTER_dtls_message_malformed);
	}
	return enter_keyed(step, &early);
}

enum dtls_progress
step_take_secrets(struct step *step, const struct ec_secrets *secrets)
{
	struct dtls_handshake *hs = step->hs;
	struct dtls_early early = hs->run.early; /* its place is that of the keys */

	memset(&hs->run.keyed, 0, sizeof hs->run.keyed);
	hs->run.keyed.derived = secrets->derived;
	memcpy(hs->run.exchange.answer, secrets->answer, DTLS_VERIFY_DATA);
	hs->has_answer = true;
	log_key(step, secrets->master);
	dtls_handshake_leave(step->server, hs);
	return enter_keyed(step, &early);
}

static bool
has_keys(const struct dtls_handshake *hs)
{
	return hs->state != DTLS_EXPECTING_KEY_EXCHANGE;
}

static bool
is_whole(const struct dtls_assembly *assembly)
{
	return assembly->have != 0 && assembly->have == assembly->length;
}

/* Of the key exchange at hand, whole or a part of it. */
static bool
is_copy(const struct dtls_handshake *hs, const struct dtls_message *message)
{
	return is_whole(&hs->run.exchange.assembly) &&
	       message->length == hs->run.exchange.assembly.length &&
	       memcmp(hs->run.exchange.body + message->offset, message->fragment,
		      message->fragment_length) == 0;
}

/* It is longer than any that can be known. Told once a handshake: clients repeat their flight. */
static enum dtls_progress
doubt_identity(struct step *step)
{
	enum { LENGTH = 2 }; /* of the identity, in front of it (RFC 4279 2) */
	const struct dtls_message *message = step->message;

	if (!step->hs->told_identity && !message->offset && message->fragment_length > LENGTH) {
		step->hs->told_identity = true;
		step_tell_unserved(step, DTLS_UNSERVED_IDENTITY, message->fragment + LENGTH,
				   message->fragment_length - LENGTH, message->length - LENGTH);
	}
	return step_doubt(step, DTLS_DOUBT_IDENTITY, COUNTER_dtls_identity_long);
}

enum dtls_progress
step_gather_exchange(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	const struct dtls_message *message = step->message;

	if (message->length > DTLS_EXCHANGE_MAX)
		return doubt_identity(step);
	/* With certificates there was none of these. */
	if (is_copy(hs, message) || (has_keys(hs) && hs->run.exchange.assembly.have == 0))
		return step_outdated(step);
	hs->has_rival = false;
	if (dtls_assembly_add(&hs->run.exchange.assembly, message, hs->run.exchange.body,
			      hs->run.exchange.seen,
			      sizeof hs->run.exchange.body) != DTLS_GATHER_WHOLE)
		return DTLS_WAITING;
	if (!has_keys(hs))
		return accept_exchange(step);
	hs->has_rival = true;
	return step_ignore(step, COUNTER_dtls_exchange_rival);
}

/* ---- ChangeCipherSpec and Finished ---- */

static bool
is_change_cipher_spec(const struct dtls_record *record)
{
	return record->length == 1 && record->fragment[0] == 1;
}

enum dtls_progress
step_note_change_cipher_spec(struct step *step)
{
	if (!is_change_cipher_spec(step->record))
		return step_ignore(step, COUNTER_dtls_message_malformed);
	step->hs->changed_cipher_spec = true;
	return DTLS_WAITING;
}

enum dtls_progress
step_take_change_cipher_spec(struct step *step)
{
	if (!is_change_cipher_spec(step->record))
		return step_ignore(step, COUNTER_dtls_message_malformed);
	step_set_state(step->hs, DTLS_EXPECTING_FINISHED);
	return DTLS_WAITING;
}

enum dtls_progress
step_keep_early(struct step *step)
{
	const struct dtls_record *record = step->record;
	size_t len = (size_t)(record->fragment + record->length - record->header);
	bool can_be_finished = record->type == DTLS_HANDSHAKE || record->type == DTLS_TLS12_CID;

	if (!can_be_finished || len > DTLS_EARLY_MAX)
		return step_ahead(step);
	memcpy(step->hs->run.early.bytes, record->header, len);
	step->hs->run.early.len = (uint8_t)len;
	return step_ignore(step, COUNTER_dtls_message_kept);
}

/* Its keys are derived when they are needed, so that no handshake has room for them. */
static void
derive_cbc(const struct crypto_ops *ops, const struct dtls_handshake *hs, struct dtls_cbc *cbc)
{
	uint8_t block[DTLS_CBC_KEY_BLOCK];

	dtls_schedule_cbc(ops, &hs->run.keyed.derived.master, hs->run.server_random,
			  hs->client_random, block);
	dtls_cbc_init(ops, cbc, block, hs->encrypt_then_mac);
	crypto_wipe(block, sizeof block);
}

/* The association as it will be, should Finished be right; under DTLS_CBC without its keys. */
static void
make_session(const struct dtls_handshake *hs, struct dtls_session *session)
{
	memset(session, 0, sizeof *session);
	session->keys = hs->run.keyed.derived.keys;
	session->window = hs->run.keyed.window;
	session->identity_hash = hs->identity_hash;
	session->device = hs->device;
	session->flight_message = (uint16_t)(hs->hello_message + hs->flight_messages);
	session->flight_sequence = hs->sequence;
	memcpy(session->cid, hs->cid, DTLS_CID);
	memcpy(session->peer_cid, hs->run.peer_cid, hs->peer_cid_len);
	session->peer_cid_len = hs->peer_cid_len;
	session->max_fragment = hs->max_fragment;
	session->suite = hs->suite;
	session->protection = hs->protection;
	session->has_cid = hs->has_cid;
}

static bool
place_cbc(const struct dtls_server *server, const struct dtls_handshake *hs,
	  struct dtls_session *session)
{
	session->cbc = server->take_cbc(server->find_ctx);
	if (session->cbc)
		derive_cbc(server->ops, hs, session->cbc);
	return session->cbc;
}

/* What our Finished says, unless it was made with the keys. */
static void
put_answer(const struct step *step, uint8_t verify_data[DTLS_VERIFY_DATA])
{
	const struct dtls_server *server = step->server;
	const struct dtls_handshake *hs = step->hs;
	const uint8_t *made = hs->has_answer ? hs->run.exchange.answer : NULL;
	const struct dtls_answering answering = {
		.transcript = &hs->run.transcript,
		.derived = &hs->run.keyed.derived,
		.verify_data = verify_data,
		.message = step->message->sequence,
	};

	if (!made && server->ahead)
		made = dtls_ahead_answer(server->ahead, hs);
	if (made)
		memcpy(verify_data, made, DTLS_VERIFY_DATA);
	else
		dtls_schedule_answer(server->ops, &answering, 1);
}

static enum dtls_progress
establish(struct step *step)
{
	const struct crypto_ops *ops = step->server->ops;
	struct dtls_handshake *hs = step->hs;
	struct dtls_session *session = step->turn->session;

	if (hs->trust && step_trust_is_old(step, hs->trust))
		return step_judge_anew(step);
	make_session(hs, session);
	/* No room for its keys: as if lost, so the client says it again (RFC 6347 4.2.4). */
	if (hs->protection == DTLS_CBC && !place_cbc(step->server, hs, session))
		return step_ignore(step, COUNTER_dtls_cbc_full);
	put_answer(step, session->flight_verify);
	dtls_flight_finished(ops, session, step->turn->out);
	if (!writer_ok(step->turn->out)) /* as if lost: the client will ask again */
		count(step->server->counters, COUNTER_dtls_tx_room);
	count(step->server->counters, COUNTER_dtls_finished);
	step_set_state(hs, DTLS_ENDED);
	return DTLS_ESTABLISHED;
}

static enum dtls_progress
accept_finished(struct step *step, const uint8_t *verify_data)
{
	struct dtls_handshake *hs = step->hs;

	/* Authentic, so the verdict needs no waiting. */
	if (!crypto_equal(verify_data, hs->run.keyed.derived.client_verify, DTLS_VERIFY_DATA))
		return step_refuse_key(step);
	return establish(step);
}

static enum dtls_progress
gather_finished(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	const struct dtls_message *message = step->message;

	if (message->type != DTLS_FINISHED || message->length != DTLS_VERIFY_DATA)
		return step_fail(step, DTLS_UNEXPECTED_MESSAGE, COUNTER_dtls_failed_message);
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
		return step_ignore(step, COUNTER_dtls_message_malformed);
	if (message.sequence < step->hs->next_message)
		return step_outdated(step);
	if (message.sequence > step->hs->next_message)
		return step_ahead(step);
	step->message = &message;
	return gather_finished(step);
}

/*
 * A client with another key cannot make a record that opens; its Finished shows by its size.
 * Anything else that does not open was never meant for these keys.
 */
static bool
looks_like_finished(const struct dtls_handshake *hs, const struct dtls_record *record)
{
	const size_t finished = DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA;

	if (record->type == DTLS_TLS12_CID) /* RFC 9146 4: a type byte, and padding perhaps */
		return record->length >= dtls_sealed_len(hs->protection, finished + 1);
	if (record->type != DTLS_HANDSHAKE)
		return false;
	if (hs->protection == DTLS_CBC) /* RFC 5246 6.2.3.2: padding is the sender's choice */
		return record->length >= dtls_sealed_len(hs->protection, finished);
	return record->length == dtls_sealed_len(hs->protection, finished);
}

static void
open_record(struct step *step, struct dtls_opening *opening)
{
	struct dtls_handshake *hs = step->hs;
	struct dtls_session pending;
	struct dtls_cbc cbc;

	make_session(hs, &pending);
	if (hs->protection == DTLS_CBC) {
		derive_cbc(step->server->ops, hs, &cbc);
		pending.cbc = &cbc;
	}
	*opening = (struct dtls_opening){ .session = &pending, .record = *step->record };
	dtls_open(step->server->ops, opening, 1);
	opening->session = NULL;
	hs->run.keyed.window = pending.window;
	if (hs->protection == DTLS_CBC)
		crypto_wipe(&cbc, sizeof cbc);
	crypto_wipe(&pending, sizeof pending);
}

/* Derivations are bounded, so that forged key exchanges cost no more than others do. */
static bool
try_rival(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	uint64_t seconds = (step->turn->now_us - hs->started_us) / 1000000;

	if (!hs->has_rival || hs->rivals >= DTLS_RIVALS + seconds)
		return false;
	hs->has_rival = false;
	hs->rivals++;
	return take_keys(step);
}

static bool
is_refused(const struct dtls_handshake *hs, const struct dtls_opening *opening)
{
	return opening->outcome == COUNTER_dtls_rx_bad_tag &&
	       looks_like_finished(hs, &opening->record);
}

enum dtls_progress
step_take_protected(struct step *step)
{
	struct dtls_opening opening;

	open_record(step, &opening);
	if (is_refused(step->hs, &opening) && try_rival(step))
		open_record(step, &opening);
	if (is_refused(step->hs, &opening))
		return step_doubt(step, DTLS_DOUBT_KEY, COUNTER_dtls_rx_bad_tag);
	count(step->server->counters, opening.outcome);
	if (opening.outcome != COUNTER_dtls_rx_opened)
		return DTLS_WAITING;
	switch (opening.type) {
	case DTLS_HANDSHAKE:
		return take_protected_message(step, &opening);
	case DTLS_ALERT_RECORD:
		return step_judge_alert(step, opening.content, opening.length);
	default:
		return step_ignore(step, COUNTER_dtls_rx_type);
	}
}
