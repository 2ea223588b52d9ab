/*
 * Handshakes with certificates or raw public keys: from the chosen suite to the verdict. What comes
 * after it, ChangeCipherSpec and Finished, is the same for all (dtls_step_finish.c).
 *
 * What proves nothing ends nothing: see dtls_handshake.h.
 *
 * Every refusal of a certificate is answered handshake_failure or decrypt_error. Clients take the
 * alerts of certificates (42 to 46, 48, 49) as final (OMA TS Core E.2), so one of them for an
 * authority that an operator forgot would end a fleet; the true reason is for counters and events.
 */
#include "dataplane/core/dtls/dtls_step.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "dataplane/core/dtls/dtls_ec.h"
#include "dataplane/core/dtls/dtls_flight.h"

/* ---- the first job ---- */

static void
take_wishes(struct dtls_ec *ec, const struct dtls_offer *offer)
{
	ec->suite = offer->suite;
	ec->own_type = offer->own_type;
	ec->peer_type = offer->peer_type;
	ec->answers_own_type = offer->answers_own_type;
	ec->answers_peer_type = offer->answers_peer_type;
	ec->answers_name = offer->server_name.at;
	ec->answers_point_formats = offer->answers_point_formats;
}

static void
fill_begin(struct step *step, const struct dtls_offer *offer)
{
	struct dtls_handshake *hs = step->hs;
	struct ec_job *job = &hs->ec->job;

	job->kind = EC_BEGIN;
	job->type = offer->own_type;
	job->ops = step->server->ops;
	memcpy(job->client_random, hs->client_random, DTLS_RANDOM);
	memcpy(job->server_random, hs->run.server_random, DTLS_RANDOM);
	job->transcript = hs->run.transcript;
	job->begin.server_name_len = (uint8_t)offer->server_name.len;
	if (offer->server_name.len)
		memcpy(job->begin.server_name, offer->server_name.at, offer->server_name.len);
	dtls_flight_begin(hs);
}

enum dtls_progress
step_ask_own(struct step *step, const struct dtls_offer *offer)
{
	const struct dtls_server *server = step->server;
	struct dtls_handshake *hs = step->hs;

	hs->ec = server->ec.take(server->ec_ctx, hs);
	if (!hs->ec) { /* which was counted there */
		step_set_state(hs, DTLS_ENDED);
		return DTLS_FAILED;
	}
	take_wishes(hs->ec, offer);
	fill_begin(step, offer);
	if (!server->ec.offer(server->ec_ctx, hs->ec))
		return step_fail(step, DTLS_NO_ALERT, COUNTER_dtls_ec_full);
	hs->sequence = step->record->sequence; /* RFC 6347 4.2.1 */
	hs->next_message = (uint16_t)(hs->hello_message + 1);
	step_set_state(hs, DTLS_AWAITING_OWN);
	return DTLS_WAITING;
}

enum dtls_progress
step_take_own(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	const struct ec_job *job = &hs->ec->job;

	if (job->verdict != EC_GOOD)
		return step_fail(step, DTLS_HANDSHAKE_FAILURE,
				 job->verdict == EC_FAILED ? COUNTER_dtls_ec_failed
							   : COUNTER_dtls_certificate_none_of_ours);
	hs->ec->flight_len = job->flight_len;
	hs->flight_messages = 5;
	hs->due_us = step->turn->now_us + DTLS_RETRANSMIT_US;
	step_set_state(hs, DTLS_EXPECTING_CERTIFICATE);
	dtls_flight_send(hs, step->turn->out);
	return DTLS_WAITING;
}

/* ---- doubts ---- */

static enum counter
counter_of(uint8_t verdict)
{
	static const enum counter counters[EC_VERDICTS] = {
		[EC_NO_CREDENTIAL] = COUNTER_dtls_certificate_none_of_ours,
		[EC_MALFORMED] = COUNTER_dtls_certificate_malformed,
		[EC_UNKNOWN_ISSUER] = COUNTER_dtls_certificate_issuer,
		[EC_EXPIRED] = COUNTER_dtls_certificate_expired,
		[EC_NOT_YET_VALID] = COUNTER_dtls_certificate_not_yet,
		[EC_PURPOSE] = COUNTER_dtls_certificate_purpose,
		[EC_REVOKED] = COUNTER_dtls_certificate_revoked,
		[EC_DENIED] = COUNTER_dtls_certificate_denied,
		[EC_CHAIN] = COUNTER_dtls_certificate_chain,
		[EC_NO_NAME] = COUNTER_dtls_certificate_no_name,
		[EC_BAD_SIGNATURE] = COUNTER_dtls_certificate_signature,
		[EC_BAD_POINT] = COUNTER_dtls_certificate_point,
		[EC_NOT_PINNED] = COUNTER_dtls_certificate_unknown,
		[EC_NONE_SHOWN] = COUNTER_dtls_certificate_missing,
		[EC_TOO_LONG] = COUNTER_dtls_certificate_size,
		[EC_FAILED] = COUNTER_dtls_ec_failed,
	};

	assert(verdict != EC_GOOD && verdict < EC_VERDICTS);
	return counters[verdict];
}

/* What came would end the handshake, if it were proven that the client said it. */
static enum dtls_progress
doubt_certificate(struct step *step, enum ec_verdict verdict)
{
	step->hs->ec->doubt.verdict = (uint8_t)verdict;
	step->hs->ec->doubt.name_len = 0;
	step->hs->assembly = (struct dtls_assembly){ 0 };
	return step_doubt(step, DTLS_DOUBT_CERTIFICATE, COUNTER_dtls_certificate_unproven);
}

/* As if the client had said nothing yet: it repeats its flight. */
static void
expect_certificate_again(struct dtls_handshake *hs)
{
	hs->next_message = (uint16_t)(hs->hello_message + 1);
	hs->assembly = (struct dtls_assembly){ 0 };
	step_set_state(hs, DTLS_EXPECTING_CERTIFICATE);
}

static enum dtls_alert
alert_of(enum counter why)
{
	return why == COUNTER_dtls_certificate_signature || why == COUNTER_dtls_certificate_point
		       ? DTLS_DECRYPT_ERROR
		       : DTLS_HANDSHAKE_FAILURE;
}

enum dtls_progress
step_judge_certificate(struct step *step)
{
	const struct dtls_ec *ec = step->hs->ec;

	enum counter why = counter_of(ec->doubt.verdict);

	(void)step_fail(step, alert_of(why), why);
	return DTLS_WRONG_CERTIFICATE;
}

/* ---- Certificate ---- */

/* Inventory may know the key or certificate itself. */
static bool
find_pinned(struct step *step, const struct dtls_bytes *first)
{
	const struct dtls_server *server = step->server;
	struct dtls_handshake *hs = step->hs;
	struct dtls_identity found;

	hs->is_known = server->ec.find_pinned(server->ec_ctx, hs->ec->peer_type, first, &found);
	hs->device = hs->is_known ? found.device : 0;
	hs->identity_hash = hs->is_known ? found.hash : 0;
	return hs->is_known;
}

/* A raw public key of nobody is refused once the client showed that it has it, as it is listed then. */
static enum dtls_progress
accept_certificate(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	struct dtls_ec *ec = hs->ec;
	struct ec_job *job = &ec->job;
	struct dtls_chain chain;

	if (!dtls_certificate_parse(ec_job_chain(job), job->chain_len, ec->peer_type, &chain))
		return doubt_certificate(step, EC_MALFORMED);
	if (chain.n == 0)
		return doubt_certificate(step, EC_NONE_SHOWN);
	ec->is_pinned = find_pinned(step, &chain.certificates[0]);
	dtls_message_header(job->bytes + job->chain_at, DTLS_CERTIFICATE, job->chain_len,
			    hs->next_message);
	hs->assembly = (struct dtls_assembly){ 0 };
	hs->next_message++;
	step_set_state(hs, DTLS_EXPECTING_KEY_SHARE);
	return DTLS_WAITING;
}

static size_t
bits_of(size_t bytes)
{
	return (bytes + 7) / 8;
}

/* Room for the client's flight, behind ours or in its place. Returns where the body of its
 * Certificate goes; behind it are the bits of its bytes, and later the other messages. */
static uint8_t *
place_chain(struct dtls_ec *ec, size_t length)
{
	size_t behind = bits_of(length) > EC_SHARE + EC_VERIFY_MAX ? bits_of(length)
								   : EC_SHARE + EC_VERIFY_MAX;
	struct ec_job *job = &ec->job;

	if (ec->flight_len + DTLS_HANDSHAKE_HEADER + length + behind > sizeof job->bytes) {
		ec->flight_len = 0;
		ec->sent_message = 0;
	}
	job->chain_at = ec->flight_len;
	job->chain_len = (uint16_t)length;
	return job->bytes + job->chain_at + DTLS_HANDSHAKE_HEADER;
}

/* Puts fragments together; true: the message is whole. */
static bool
gather_chain(struct step *step)
{
	const struct dtls_message *message = step->message;
	struct dtls_handshake *hs = step->hs;
	struct ec_job *job = &hs->ec->job;
	uint8_t *body = job->bytes + job->chain_at + DTLS_HANDSHAKE_HEADER;

	if (hs->assembly.have == 0 || hs->assembly.length != message->length) {
		hs->assembly = (struct dtls_assembly){ 0 };
		body = place_chain(hs->ec, message->length);
		memset(body + message->length, 0, bits_of(message->length));
	}
	return dtls_assembly_add(&hs->assembly, message, body, body + message->length,
				 message->length) == DTLS_GATHER_WHOLE;
}

enum dtls_progress
step_gather_certificate(struct step *step)
{
	const struct dtls_message *message = step->message;
	struct dtls_ec *ec = step->hs->ec;

	if (message->length > EC_MESSAGE_MAX)
		return doubt_certificate(step, EC_TOO_LONG);
	if (dtls_message_is_whole(message))
		memcpy(place_chain(ec, message->length), message->fragment, message->length);
	else if (!gather_chain(step))
		return DTLS_WAITING;
	return accept_certificate(step);
}

/* ---- ClientKeyExchange and CertificateVerify ---- */

/* The body of a short message, whole or put together; NULL: more is to come, or it was ignored. */
static const uint8_t *
gather_short(struct step *step)
{
	const struct dtls_message *message = step->message;
	struct dtls_handshake *hs = step->hs;

	if (dtls_message_is_whole(message))
		return message->fragment;
	if (hs->assembly.have == 0)
		memset(hs->run.exchange.seen, 0, sizeof hs->run.exchange.seen);
	switch (dtls_assembly_add(&hs->assembly, message, hs->run.exchange.body,
				  hs->run.exchange.seen, sizeof hs->run.exchange.body)) {
	case DTLS_GATHER_MORE:
		return NULL;
	case DTLS_GATHER_REFUSED:
		(void)step_ignore(step, COUNTER_dtls_message_malformed);
		return NULL;
	case DTLS_GATHER_WHOLE:
		break;
	}
	return hs->run.exchange.body;
}

static enum dtls_progress
doubt_message(struct step *step)
{
	step->hs->assembly = (struct dtls_assembly){ 0 };
	return step_doubt(step, DTLS_DOUBT_MESSAGE, COUNTER_dtls_message_malformed);
}

/* Behind what came of the client's flight, as the transcript has it. */
static void
keep_message(struct step *step, const uint8_t *body, uint8_t *at)
{
	struct dtls_handshake *hs = step->hs;
	const struct dtls_message *message = step->message;

	dtls_message_header(at - DTLS_HANDSHAKE_HEADER, message->type, message->length,
			    hs->next_message);
	memcpy(at, body, message->length);
	hs->assembly = (struct dtls_assembly){ 0 };
	hs->next_message++;
}

enum dtls_progress
step_gather_key_share(struct step *step)
{
	const uint8_t *body = gather_short(step);
	struct dtls_handshake *hs = step->hs;
	struct ec_job *job = &hs->ec->job;

	if (!body)
		return DTLS_WAITING;
	if (!dtls_client_key_exchange_parse(body, step->message->length))
		return doubt_message(step);
	keep_message(step, body, job->bytes + (ec_job_share(job) - job->bytes));
	step_set_state(hs, DTLS_EXPECTING_CERTIFICATE_VERIFY);
	return DTLS_WAITING;
}

static bool
ask_verdict(struct step *step)
{
	const struct dtls_server *server = step->server;
	struct dtls_ec *ec = step->hs->ec;
	struct ec_job *job = &ec->job;

	job->kind = EC_FINISH;
	job->type = ec->peer_type;
	job->verify_len = (uint16_t)step->message->length;
	job->next_message = step->hs->next_message;
	job->finish.name_len = 0; /* of a job that nobody looks into */
	job->finish.extended_master_secret = step->hs->extended_master_secret;
	job->finish.is_pinned = ec->is_pinned;
	return server->ec.offer(server->ec_ctx, ec);
}

enum dtls_progress
step_gather_certificate_verify(struct step *step)
{
	const uint8_t *body = gather_short(step);
	struct dtls_handshake *hs = step->hs;
	struct ec_job *job = &hs->ec->job;
	struct dtls_bytes signature;

	if (!body)
		return DTLS_WAITING;
	if (!dtls_certificate_verify_parse(body, step->message->length, &signature))
		return doubt_certificate(step, EC_BAD_SIGNATURE);
	if (hs->rivals >= DTLS_UNPROVEN + (step->turn->now_us - hs->started_us) / 1000000) {
		hs->assembly = (struct dtls_assembly){ 0 };
		return step_ignore(step, COUNTER_dtls_certificate_unproven);
	}
	keep_message(step, body, job->bytes + (ec_job_verify(job) - job->bytes));
	if (!ask_verdict(step)) { /* as if lost: the client repeats its flight */
		hs->next_message--;
		return step_ignore(step, COUNTER_dtls_ec_full);
	}
	step_set_state(hs, DTLS_AWAITING_VERDICT);
	return DTLS_WAITING;
}

/* ---- the verdict ---- */

/* Whether the client showed that it has the key of the certificate that the verdict is about. */
static bool
is_proven(uint8_t verdict)
{
	switch (verdict) {
	case EC_MALFORMED:
	case EC_BAD_SIGNATURE:
	case EC_BAD_POINT:
	case EC_FAILED:
		return false;
	default:
		return true;
	}
}

/* Perhaps some of the client's flight was forged. */
static enum dtls_progress
doubt_verdict(struct step *step, const struct ec_job *job)
{
	struct dtls_handshake *hs = step->hs;
	struct dtls_ec *ec = hs->ec;
	enum dtls_progress progress;

	hs->rivals++;
	expect_certificate_again(hs);
	if (job->verdict == EC_FAILED) /* not for any fault of the client's */
		return step_ignore(step, COUNTER_dtls_ec_failed);
	progress = doubt_certificate(step, job->verdict);
	ec->doubt.name_len = job->finish.name_len;
	memcpy(ec->doubt.name, job->finish.name, job->finish.name_len);
	return progress;
}

static enum dtls_progress
refuse(struct step *step, const struct ec_job *job)
{
	bool raw_key = job->type == DTLS_RAW_PUBLIC_KEY && job->verdict == EC_NOT_PINNED;

	(void)step_fail(step, DTLS_HANDSHAKE_FAILURE,
			raw_key ? COUNTER_dtls_certificate_unknown_key : counter_of(job->verdict));
	return DTLS_WRONG_CERTIFICATE;
}

/* A certificate that an authority vouches for is of the device of its name. */
static bool
find_named(struct step *step, const struct ec_job *job)
{
	const struct dtls_server *server = step->server;
	struct dtls_handshake *hs = step->hs;
	struct dtls_identity found;

	if (hs->ec->is_pinned)
		return true;
	hs->is_known = server->ec.find_endpoint(server->ec_ctx, &job->finish, &found);
	hs->device = hs->is_known ? found.device : 0;
	hs->identity_hash = hs->is_known ? found.hash : 0;
	return hs->is_known;
}

enum dtls_progress
step_take_verdict(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	const struct ec_job *job = &hs->ec->job;

	if (!is_proven(job->verdict))
		return doubt_verdict(step, job);
	if (job->verdict != EC_GOOD)
		return refuse(step, job);
	if (step_trust_is_old(step, job->finish.trust))
		return step_judge_anew(step);
	hs->trust = job->finish.trust;
	if (!find_named(step, job))
		return step_fail(step, DTLS_HANDSHAKE_FAILURE, COUNTER_dtls_certificate_unknown);
	step_clear_doubt(hs, DTLS_DOUBT_CERTIFICATE);
	return step_take_secrets(step, &job->secrets);
}
