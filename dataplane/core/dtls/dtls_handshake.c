#include "dataplane/core/dtls/dtls_handshake.h"

#include <string.h>

#include "dataplane/core/dtls/dtls_flight.h"
#include "dataplane/core/dtls/dtls_step.h"

/* ---- the machine ---- */

/* What can happen to a handshake. */
enum dtls_event {
	EVENT_HELLO,              /* a ClientHello or a fragment of one */
	EVENT_KEY_EXCHANGE,       /* ClientKeyExchange, in its turn */
	EVENT_CERTIFICATE,        /* Certificate, in its turn */
	EVENT_VERIFY,             /* CertificateVerify, in its turn */
	EVENT_MESSAGE,            /* any other handshake message in plaintext, in its turn */
	EVENT_CHANGE_CIPHER_SPEC, /* of epoch 0 */
	EVENT_ALERT,              /* of epoch 0 */
	EVENT_PROTECTED,          /* a record of epoch 1 */
	EVENTS,
};

/* Anybody can send one: it ends nothing (RFC 6347 4.1.2.7). */
static enum dtls_progress
take_alert(struct step *step)
{
	const struct dtls_record *record = step->record;

	if (record->length != DTLS_ALERT_BODY)
		return step_ignore(step, COUNTER_dtls_message_malformed);
	if (record->fragment[0] != DTLS_FATAL && record->fragment[1] != DTLS_CLOSE_NOTIFY)
		return step_ignore(step, COUNTER_dtls_alert_received);
	return step_doubt(step, DTLS_DOUBT_ALERT, COUNTER_dtls_alert_received);
}

typedef enum dtls_progress action(struct step *step);

/*
 * step_unexpected(): no message of this place, perhaps not the client's. step_ahead(): the right
 * message in the wrong order, which its sender repeats. step_outdated(): a copy of what was taken
 * already.
 */
static action *const actions[DTLS_STATES][EVENTS] = {
	[DTLS_EXPECTING_HELLO] = {
		[EVENT_HELLO] = step_gather_hello,
		[EVENT_KEY_EXCHANGE] = step_ahead,
		[EVENT_CERTIFICATE] = step_ahead,
		[EVENT_VERIFY] = step_ahead,
		[EVENT_MESSAGE] = step_ahead,
		[EVENT_CHANGE_CIPHER_SPEC] = step_ahead,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_ahead,
	},
	[DTLS_EXPECTING_KEY_EXCHANGE] = {
		[EVENT_HELLO] = step_repeat_flight,
		[EVENT_KEY_EXCHANGE] = step_gather_exchange,
		[EVENT_CERTIFICATE] = step_unexpected,
		[EVENT_VERIFY] = step_unexpected,
		[EVENT_MESSAGE] = step_unexpected,
		[EVENT_CHANGE_CIPHER_SPEC] = step_note_change_cipher_spec,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_keep_early,
	},
	[DTLS_EXPECTING_CHANGE_CIPHER_SPEC] = {
		[EVENT_HELLO] = step_repeat_flight,
		[EVENT_KEY_EXCHANGE] = step_gather_exchange, /* a second one */
		[EVENT_CERTIFICATE] = step_unexpected,
		[EVENT_VERIFY] = step_unexpected,
		[EVENT_MESSAGE] = step_unexpected, /* Finished in plaintext among them */
		[EVENT_CHANGE_CIPHER_SPEC] = step_take_change_cipher_spec,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_take_protected, /* it overtook ChangeCipherSpec */
	},
	[DTLS_EXPECTING_FINISHED] = {
		[EVENT_HELLO] = step_repeat_flight,
		[EVENT_KEY_EXCHANGE] = step_gather_exchange,
		[EVENT_CERTIFICATE] = step_unexpected,
		[EVENT_VERIFY] = step_unexpected,
		[EVENT_MESSAGE] = step_unexpected,
		[EVENT_CHANGE_CIPHER_SPEC] = step_outdated,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_take_protected,
	},
	[DTLS_AWAITING_OWN] = {
		[EVENT_HELLO] = step_outdated,
		[EVENT_KEY_EXCHANGE] = step_ahead,
		[EVENT_CERTIFICATE] = step_ahead,
		[EVENT_VERIFY] = step_ahead,
		[EVENT_MESSAGE] = step_ahead,
		[EVENT_CHANGE_CIPHER_SPEC] = step_ahead,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_ahead,
	},
	[DTLS_EXPECTING_CERTIFICATE] = {
		[EVENT_HELLO] = step_repeat_flight,
		[EVENT_KEY_EXCHANGE] = step_unexpected,
		[EVENT_CERTIFICATE] = step_gather_certificate,
		[EVENT_VERIFY] = step_unexpected,
		[EVENT_MESSAGE] = step_unexpected,
		[EVENT_CHANGE_CIPHER_SPEC] = step_note_change_cipher_spec,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_keep_early,
	},
	[DTLS_EXPECTING_KEY_SHARE] = {
		[EVENT_HELLO] = step_repeat_flight,
		[EVENT_KEY_EXCHANGE] = step_gather_key_share,
		[EVENT_CERTIFICATE] = step_unexpected,
		[EVENT_VERIFY] = step_unexpected,
		[EVENT_MESSAGE] = step_unexpected,
		[EVENT_CHANGE_CIPHER_SPEC] = step_note_change_cipher_spec,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_keep_early,
	},
	[DTLS_EXPECTING_CERTIFICATE_VERIFY] = {
		[EVENT_HELLO] = step_repeat_flight,
		[EVENT_KEY_EXCHANGE] = step_unexpected,
		[EVENT_CERTIFICATE] = step_unexpected,
		[EVENT_VERIFY] = step_gather_certificate_verify,
		[EVENT_MESSAGE] = step_unexpected,
		[EVENT_CHANGE_CIPHER_SPEC] = step_note_change_cipher_spec,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_keep_early,
	},
	[DTLS_AWAITING_VERDICT] = {
		[EVENT_HELLO] = step_repeat_flight,
		[EVENT_KEY_EXCHANGE] = step_unexpected,
		[EVENT_CERTIFICATE] = step_unexpected,
		[EVENT_VERIFY] = step_unexpected,
		[EVENT_MESSAGE] = step_unexpected,
		[EVENT_CHANGE_CIPHER_SPEC] = step_note_change_cipher_spec,
		[EVENT_ALERT] = take_alert,
		[EVENT_PROTECTED] = step_keep_early,
	},
};

/* Runs the action of this event in the present state. */
static enum dtls_progress
step_run(struct step *step, enum dtls_event event)
{
	if (step->hs->state >= DTLS_STATES)
		return step_outdated(step);
	return actions[step->hs->state][event](step);
}

static enum dtls_event
event_of(uint8_t type)
{
	switch (type) {
	case DTLS_CLIENT_KEY_EXCHANGE:
		return EVENT_KEY_EXCHANGE;
	case DTLS_CERTIFICATE:
		return EVENT_CERTIFICATE;
	case DTLS_CERTIFICATE_VERIFY:
		return EVENT_VERIFY;
	default:
		return EVENT_MESSAGE;
	}
}

static enum dtls_progress
dispatch_message(struct step *step)
{
	const struct dtls_message *message = step->message;
	const struct dtls_handshake *hs = step->hs;

	if (message->type == DTLS_CLIENT_HELLO)
		return step_run(step, EVENT_HELLO);
	if (hs->state == DTLS_EXPECTING_HELLO || message->sequence > hs->next_message)
		return step_ahead(step);
	/* The key exchange comes again until a Finished opens. */
	if (message->sequence + 1 == hs->next_message && message->type == DTLS_CLIENT_KEY_EXCHANGE)
		return step_run(step, EVENT_KEY_EXCHANGE);
	if (message->sequence < hs->next_message)
		return step_outdated(step);
	return step_run(step, event_of(message->type));
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
			return step_ignore(step, COUNTER_dtls_message_malformed);
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
		return step_run(step, EVENT_CHANGE_CIPHER_SPEC);
	case DTLS_ALERT_RECORD:
		return step_run(step, EVENT_ALERT);
	default:
		return step_ignore(step, COUNTER_dtls_rx_type);
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
		return step_run(&step, EVENT_PROTECTED);
	return step_ignore(&step, COUNTER_dtls_rx_epoch);
}

enum dtls_progress
dtls_handshake_answered(const struct dtls_server *server, struct dtls_handshake *hs,
			struct dtls_turn *turn)
{
	struct step step = { .server = server, .hs = hs, .turn = turn };

	switch (hs->state) {
	case DTLS_AWAITING_OWN:
		return step_take_own(&step);
	case DTLS_AWAITING_VERDICT:
		return step_take_verdict(&step);
	default:
		return step_outdated(&step);
	}
}

bool
dtls_handshake_is_sending(const struct dtls_handshake *hs)
{
	return hs->ec && hs->ec->sent_message < hs->ec->flight_len;
}

void
dtls_handshake_send(const struct dtls_server *server, struct dtls_handshake *hs, struct writer *out)
{
	if (dtls_handshake_is_sending(hs))
		dtls_flight_send(hs, out);
}

/* ---- life ---- */

void
dtls_handshake_init(struct dtls_handshake *hs, const struct dtls_server *server, uint32_t slot,
		    uint64_t now_us)
{
	struct writer cid = writer_init(hs->cid, DTLS_CID);

	memset(hs, 0, sizeof *hs);
	hs->started_us = now_us;
	hs->due_us = now_us + DTLS_RETRANSMIT_US;
	hs->end_us = now_us + DTLS_HANDSHAKE_LIFE_US;
	hs->judge_ms = UINT32_MAX;
	writer_u8(&cid, server->worker);
	writer_u24(&cid, slot);
	count(server->counters, COUNTER_dtls_started);
}

/* The life of the handshake is over: fails with the doubt that there is, or the silence. */
static enum dtls_progress
judge(struct step *step)
{
	switch ((enum dtls_doubt)step->hs->doubt) {
	case DTLS_NO_DOUBT:
		break;
	case DTLS_DOUBT_ALERT:
		return step_fail(step, DTLS_NO_ALERT, COUNTER_dtls_failed_alert);
	case DTLS_DOUBT_MESSAGE:
		/* Anybody can have said so; an alert would end the attempt of a client that is only slow. */
		return step_fail(step, DTLS_NO_ALERT, COUNTER_dtls_failed_message);
	case DTLS_DOUBT_IDENTITY:
		return step_fail(step, DTLS_DECRYPT_ERROR, COUNTER_dtls_failed_identity);
	case DTLS_DOUBT_HELLO:
		return step_refuse_hello(step, step->hs->refusal);
	case DTLS_DOUBT_CERTIFICATE:
		return step_judge_certificate(step);
	case DTLS_DOUBT_KEY:
		return step_refuse_key(step);
	}
	return step_fail(step, DTLS_NO_ALERT, COUNTER_dtls_failed_timeout);
}

enum dtls_progress
dtls_handshake_tick(const struct dtls_server *server, struct dtls_handshake *hs,
		    struct dtls_turn *turn)
{
	struct step step = { .server = server, .hs = hs, .turn = turn };

	if (turn->now_us >= step_last_us(hs))
		return judge(&step);
	if (turn->now_us < hs->due_us)
		return DTLS_WAITING;
	hs->retransmissions++;
	hs->due_us = turn->now_us + ((uint64_t)DTLS_RETRANSMIT_US << hs->retransmissions);
	if (hs->due_us > step_last_us(hs))
		hs->due_us = step_last_us(hs);
	/* Later the client has our flight, and the next move is its own. */
	if (hs->state != DTLS_EXPECTING_KEY_EXCHANGE && hs->state != DTLS_EXPECTING_CERTIFICATE)
		return DTLS_WAITING;
	return step_send_flight_again(&step);
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
