/*
 * From the verified ClientHello to ServerHelloDone.
 */
#include "dataplane/core/dtls/dtls_step.h"

#include <string.h>

#include "dataplane/core/dtls/dtls_flight.h"

enum { CID_PLACE = 4 }; /* of our connection id: worker and slot; the rest is random */

static void
take_offer(struct dtls_handshake *hs, const struct dtls_offer *offer)
{
	hs->extended_master_secret = offer->extended_master_secret;
	hs->secure_renegotiation = offer->secure_renegotiation;
	hs->protection = (uint8_t)dtls_suite_protection(offer->suite);
	/* RFC 7366 3: never with another kind of suite. */
	hs->encrypt_then_mac = offer->encrypt_then_mac && hs->protection == DTLS_CBC;
	hs->max_fragment = offer->max_fragment;
	hs->has_cid = offer->has_cid;
	hs->peer_cid_len = offer->has_cid ? (uint8_t)offer->peer_cid.len : 0;
	if (hs->peer_cid_len)
		memcpy(hs->run.peer_cid, offer->peer_cid.at, hs->peer_cid_len);
}

static void
complete_cid(const struct dtls_server *server, uint8_t cid[DTLS_CID])
{
	rng_fill(&server->rng, cid + CID_PLACE, DTLS_CID - CID_PLACE);
	if (server->members.on)
		dtls_members_mark(&server->members, cid);
}

/* The hello's memory turns into that of the run; `body` must not be in it. */
static void
start_transcript(struct step *step, const struct dtls_offer *offer, const uint8_t *body, size_t len)
{
	struct dtls_handshake *hs = step->hs;

	hs->assembly = (struct dtls_assembly){ 0 };
	hs->run.early.len = 0;
	hs->run.exchange.assembly = (struct dtls_assembly){ 0 };
	memset(hs->run.exchange.seen, 0, sizeof hs->run.exchange.seen);
	take_offer(hs, offer);
	rng_fill(&step->server->rng, hs->run.server_random, DTLS_RANDOM);
	if (hs->has_cid)
		complete_cid(step->server, hs->cid);
	crypto_sha256_init(&hs->run.transcript);
	step_hash_message(step, body);
}

static enum dtls_progress
begin_flight(struct step *step)
{
	struct dtls_handshake *hs = step->hs;

	hs->sequence = step->record->sequence; /* RFC 6347 4.2.1 */
	hs->next_message = (uint16_t)(hs->hello_message + 1);
	hs->flight_messages = 2;
	dtls_flight_hello(step->server->ops, hs, &hs->run.transcript, step->turn->out);
	if (!writer_ok(step->turn->out))
		return step_fail(step, DTLS_NO_ALERT, COUNTER_dtls_tx_room);
	step_set_state(hs, DTLS_EXPECTING_KEY_EXCHANGE);
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

enum dtls_progress
step_refuse_hello(struct step *step, enum dtls_alert alert)
{
	return step_fail(step, alert, refusal(alert));
}

static void
gather_hello_again(struct dtls_handshake *hs)
{
	hs->assembly = (struct dtls_assembly){ 0 };
	memset(hs->hello.seen, 0, sizeof hs->hello.seen);
}

/*
 * A whole hello has a cookie that covers all of it, so it is the client's. Of one that was put together
 * the cookie covers the first fragment alone, and another may be forged: the client repeats it.
 */
static enum dtls_progress
judge_hello(struct step *step, enum dtls_alert alert, const struct dtls_hello *hello)
{
	struct dtls_handshake *hs = step->hs;

	hs->sequence = step->record->sequence;
	if (alert == DTLS_HANDSHAKE_FAILURE && hs->doubt != DTLS_DOUBT_HELLO)
		step_tell_unserved(step, DTLS_UNSERVED_SUITES, hello->suites.at, hello->suites.len,
				   hello->suites.len);
	if (dtls_message_is_whole(step->message))
		return step_refuse_hello(step, alert);
	hs->refusal = (uint8_t)alert;
	gather_hello_again(hs);
	return step_doubt(step, DTLS_DOUBT_HELLO, COUNTER_dtls_message_malformed);
}

static enum dtls_progress
accept_hello(struct step *step, const uint8_t *body, size_t len)
{
	struct dtls_hello hello;
	struct dtls_offer offer;
	enum dtls_alert alert = DTLS_DECODE_ERROR;

	if (dtls_hello_parse(body, len, &hello))
		alert = dtls_hello_choose(&hello, step->server->abilities, &offer);
	if (alert != DTLS_NO_ALERT)
		return judge_hello(step, alert, &hello);
	step_clear_doubt(step->hs, DTLS_DOUBT_HELLO);
	step->hs->suite = offer.suite;
	start_transcript(step, &offer, body, len);
	if (step->hs->protection == DTLS_CBC)
		count(step->server->counters, COUNTER_dtls_cbc);
	if (dtls_suite_has_certificates(offer.suite))
		return step_ask_own(step, &offer);
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

enum dtls_progress
step_gather_hello(struct step *step)
{
	struct dtls_handshake *hs = step->hs;
	const struct dtls_message *message = step->message;
	uint8_t body[DTLS_HELLO_MAX];

	if (hs->assembly.have == 0 && !note_first_fragment(hs, message))
		return step_ignore(step, COUNTER_dtls_hello_fragment);
	if (message->sequence != hs->hello_message)
		return step_outdated(step);
	if (dtls_message_is_whole(message))
		return accept_hello(step, message->fragment, message->length);
	/* The first fragment is the client's. */
	if (hs->assembly.have != 0 && message->length != hs->assembly.length)
		return step_ignore(step, COUNTER_dtls_message_malformed);
	switch (dtls_assembly_add(&hs->assembly, message, hs->hello.body, hs->hello.seen,
				  sizeof hs->hello.body)) {
	case DTLS_GATHER_MORE:
		return DTLS_WAITING;
	case DTLS_GATHER_REFUSED:
		hs->sequence = step->record->sequence;
		return step_fail(step, DTLS_HANDSHAKE_FAILURE, COUNTER_dtls_hello_size);
	case DTLS_GATHER_WHOLE:
		break;
	}
	memcpy(body, hs->hello.body, hs->assembly.length);
	return accept_hello(step, body, hs->assembly.length);
}

enum dtls_progress
step_repeat_flight(struct step *step)
{
	struct dtls_handshake *hs = step->hs;

	if (step->message->offset != 0 || !dtls_handshake_is_of(hs, step->record))
		return step_outdated(step);
	return step_send_flight_again(step);
}

enum dtls_progress
step_send_flight_again(struct step *step)
{
	struct dtls_handshake *hs = step->hs;

	if (hs->ec) {
		if (!hs->ec->flight_len)
			return step_outdated(step); /* its place was needed */
		hs->ec->sent_message = 0;
		hs->ec->sent_bytes = 0;
		dtls_flight_send(hs, step->turn->out);
		return step_ignore(step, COUNTER_dtls_flight_again);
	}
	if (hs->flight_messages != 2)
		return step_outdated(step);
	dtls_flight_hello(step->server->ops, hs, NULL, step->turn->out);
	return step_ignore(step, writer_ok(step->turn->out) ? COUNTER_dtls_flight_again
							    : COUNTER_dtls_tx_room);
}
