/*
 * What the actions share: ends, and what a message does to the transcript.
 */
#include "dataplane/core/dtls/dtls_step.h"

#include <string.h>

#include "dataplane/core/dtls/dtls_flight.h"

enum { MS = 1000 }; /* microseconds */

void
step_set_state(struct dtls_handshake *hs, enum dtls_state state)
{
	hs->state = (uint8_t)state;
}

enum dtls_progress
step_fail(struct step *step, enum dtls_alert alert, enum counter why)
{
	struct dtls_handshake *hs = step->hs;

	if (alert != DTLS_NO_ALERT) {
		dtls_flight_alert(hs->sequence++, alert, step->turn->out);
		count(step->server->counters, COUNTER_dtls_alert_sent);
	}
	count(step->server->counters, why);
	step_set_state(hs, DTLS_ENDED);
	return DTLS_FAILED;
}

enum dtls_progress
step_ignore(struct step *step, enum counter why)
{
	count(step->server->counters, why);
	return DTLS_WAITING;
}

enum dtls_progress
step_outdated(struct step *step)
{
	return step_ignore(step, COUNTER_dtls_message_outdated);
}

enum dtls_progress
step_ahead(struct step *step)
{
	return step_ignore(step, COUNTER_dtls_message_ahead);
}

uint64_t
step_last_us(const struct dtls_handshake *hs)
{
	uint64_t judge_us = hs->started_us + (uint64_t)hs->judge_ms * MS;

	return hs->judge_ms == UINT32_MAX || hs->end_us < judge_us ? hs->end_us : judge_us;
}

/* How long the client has to show that it did not say so. */
static uint64_t
patience_us(enum dtls_doubt doubt)
{
	switch (doubt) {
	case DTLS_DOUBT_IDENTITY:
	case DTLS_DOUBT_KEY:
		return DTLS_JUDGE_US;
	case DTLS_DOUBT_HELLO:
	case DTLS_DOUBT_CERTIFICATE:
		return DTLS_JUDGE_REPEATED_US;
	default:
		return UINT64_MAX;
	}
}

enum dtls_progress
step_doubt(struct step *step, enum dtls_doubt doubt, enum counter why)
{
	struct dtls_handshake *hs = step->hs;
	uint64_t patience = patience_us(doubt);
	uint64_t judge_ms = (step->turn->now_us - hs->started_us + patience) / MS;

	if (hs->doubt < doubt)
		hs->doubt = (uint8_t)doubt;
	/* Later ones never put it off. */
	if (patience != UINT64_MAX && judge_ms < hs->judge_ms)
		hs->judge_ms = (uint32_t)judge_ms;
	if (hs->due_us > step_last_us(hs))
		hs->due_us = step_last_us(hs);
	return step_ignore(step, why);
}

void
step_clear_doubt(struct dtls_handshake *hs, enum dtls_doubt doubt)
{
	if (hs->doubt != doubt)
		return;
	hs->doubt = DTLS_NO_DOUBT;
	hs->judge_ms = UINT32_MAX;
}

enum dtls_progress
step_unexpected(struct step *step)
{
	return step_doubt(step, DTLS_DOUBT_MESSAGE, COUNTER_dtls_message_unexpected);
}

void
step_tell_unserved(const struct step *step, enum dtls_unserved what, const uint8_t *offered,
		   size_t len, size_t whole_len)
{
	const struct dtls_server *server = step->server;

	if (server->unserved)
		server->unserved(server->find_ctx, what, offered, len, whole_len);
}

enum dtls_progress
step_refuse_key(struct step *step)
{
	if (!step->hs->is_known)
		return step_fail(step, DTLS_DECRYPT_ERROR, COUNTER_dtls_failed_identity);
	(void)step_fail(step, DTLS_DECRYPT_ERROR, COUNTER_dtls_failed_key);
	return DTLS_WRONG_KEY;
}

enum dtls_progress
step_judge_alert(struct step *step, const uint8_t *body, size_t len)
{
	if (len != DTLS_ALERT_BODY)
		return step_ignore(step, COUNTER_dtls_message_malformed);
	count(step->server->counters, COUNTER_dtls_alert_received);
	if (body[0] != DTLS_FATAL && body[1] != DTLS_CLOSE_NOTIFY)
		return DTLS_WAITING;
	return step_fail(step, DTLS_NO_ALERT, COUNTER_dtls_failed_alert);
}

void
step_hash_message(struct step *step, const uint8_t *body)
{
	const struct crypto_ops *ops = step->server->ops;
	const struct dtls_message *message = step->message;
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	if (dtls_message_is_whole(message)) {
		crypto_sha256_update(ops, &step->hs->run.transcript, message->header,
				     DTLS_HANDSHAKE_HEADER + message->length);
		return;
	}
	dtls_message_header(header, message->type, message->length, message->sequence);
	crypto_sha256_update(ops, &step->hs->run.transcript, header, sizeof header);
	crypto_sha256_update(ops, &step->hs->run.transcript, body, message->length);
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

void
dtls_handshake_leave(const struct dtls_server *server, struct dtls_handshake *hs)
{
	if (hs->ec)
		server->ec.release(server->ec_ctx, hs->ec);
	hs->ec = NULL;
}

bool
step_trust_is_old(const struct step *step, uint32_t trust)
{
	return trust < step->server->trust;
}

/* A list of revoked certificates may have come since: the device begins again, and is judged by it. */
enum dtls_progress
step_judge_anew(struct step *step)
{
	return step_fail(step, DTLS_HANDSHAKE_FAILURE, COUNTER_dtls_certificate_trust_changed);
}
