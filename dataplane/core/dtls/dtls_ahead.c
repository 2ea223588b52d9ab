#include "dataplane/core/dtls/dtls_ahead.h"

#include <string.h>

/* ---- noting ---- */

/* The identity of a ClientKeyExchange (RFC 4279 2); false: malformed. */
static bool
read_identity(const uint8_t *exchange, size_t len, struct reader *identity)
{
	struct reader reader = reader_init(exchange, len);

	*identity = reader_vector_u16(&reader);
	return reader_done(&reader);
}

/* The first message of the datagram's first record; false: there is none in plaintext. */
static bool
first_message(const uint8_t *datagram, size_t len, struct dtls_message *message)
{
	struct reader reader = reader_init(datagram, len), record;
	uint8_t type = reader_u8(&reader);
	uint8_t major = reader_u8(&reader);
	uint16_t epoch;

	reader_skip(&reader, 1); /* the minor version */
	epoch = reader_u16(&reader);
	reader_skip(&reader, 6); /* sequence_number */
	record = reader_vector_u16(&reader);
	return type == DTLS_HANDSHAKE && major == DTLS_MAJOR && epoch == 0 &&
	       dtls_message_next(&record, message);
}

/* Whether the handshake's next state will be one with keys, made of this message alone. */
static bool
will_accept(const struct dtls_handshake *handshake, const struct dtls_message *message)
{
	struct reader identity;

	return handshake->state == DTLS_EXPECTING_KEY_EXCHANGE &&
	       handshake->run.exchange.assembly.have == 0 &&
	       message->type == DTLS_CLIENT_KEY_EXCHANGE && dtls_message_is_whole(message) &&
	       message->sequence == handshake->next_message &&
	       message->length <= DTLS_EXCHANGE_MAX &&
	       read_identity(message->fragment, message->length, &identity);
}

static bool
is_noted(const struct dtls_ahead *ahead, const struct dtls_handshake *handshake)
{
	for (unsigned i = 0; i < ahead->n_noted; i++) {
		if (ahead->schedules[i].handshake == handshake)
			return true;
	}
	return false;
}

void
dtls_ahead_note(struct dtls_ahead *ahead, const struct dtls_handshake *handshake,
		const uint8_t *datagram, size_t len)
{
	struct dtls_ahead_schedule *schedule = &ahead->schedules[ahead->n_noted];
	struct dtls_message message;

	if (ahead->n_noted == DTLS_AHEAD_MAX || !first_message(datagram, len, &message) ||
	    !will_accept(handshake, &message) || is_noted(ahead, handshake))
		return;
	schedule->handshake = handshake;
	schedule->exchange = message.fragment;
	schedule->exchange_len = (uint16_t)message.length;
	ahead->n_noted++;
}

/* ---- making ---- */

/* The transcript with the message, and the key that its identity has. */
static void
prepare(const struct dtls_server *server, struct dtls_ahead_schedule *schedule,
	struct dtls_identity *found)
{
	const struct dtls_handshake *handshake = schedule->handshake;
	uint8_t header[DTLS_HANDSHAKE_HEADER];
	struct reader identity;

	(void)read_identity(schedule->exchange, schedule->exchange_len, &identity);
	schedule->is_known = dtls_server_find(server, &identity, found);
	schedule->is_taken = false;
	schedule->device = found->device;
	schedule->identity_hash = found->hash;
	schedule->before = handshake->run.transcript;
	schedule->transcript = handshake->run.transcript;
	dtls_message_header(header, DTLS_CLIENT_KEY_EXCHANGE, schedule->exchange_len,
			    handshake->next_message);
	crypto_sha256_update(server->ops, &schedule->transcript, header, sizeof header);
	crypto_sha256_update(server->ops, &schedule->transcript, schedule->exchange,
			     schedule->exchange_len);
}

static void
make_two(const struct dtls_server *server, struct dtls_ahead_schedule schedules[DTLS_IN_STEP])
{
	struct dtls_psk_schedule keys[DTLS_IN_STEP];
	struct dtls_answering answers[DTLS_IN_STEP];
	struct dtls_identity found[DTLS_IN_STEP];

	for (unsigned i = 0; i < DTLS_IN_STEP; i++) {
		struct dtls_ahead_schedule *schedule = &schedules[i];
		const struct dtls_handshake *handshake = schedule->handshake;

		prepare(server, schedule, &found[i]);
		keys[i] = (struct dtls_psk_schedule){
			.psk = { found[i].key, found[i].key_len },
			.extended = handshake->extended_master_secret,
			.transcript = &schedule->transcript,
			.randoms = { { handshake->client_random, DTLS_RANDOM },
				     { handshake->run.server_random, DTLS_RANDOM } },
			.master = schedule->master,
			.derived = &schedule->derived,
		};
		answers[i] = (struct dtls_answering){
			.transcript = &schedule->transcript,
			.derived = &schedule->derived,
			.verify_data = schedule->answer,
			.message = (uint16_t)(handshake->next_message + 1),
		};
	}
	dtls_schedule_psk(server->ops, keys, DTLS_IN_STEP);
	dtls_schedule_answer(server->ops, answers, DTLS_IN_STEP);
	crypto_wipe(found, sizeof found);
}

void
dtls_ahead_make(struct dtls_ahead *ahead, const struct dtls_server *server)
{
	while (ahead->n_made + DTLS_IN_STEP <= ahead->n_noted) {
		make_two(server, &ahead->schedules[ahead->n_made]);
		ahead->n_made += DTLS_IN_STEP;
	}
}

/* ---- using ---- */

static bool
is_of(const struct dtls_ahead_schedule *schedule, const struct dtls_handshake *handshake)
{
	return schedule->handshake == handshake &&
	       schedule->exchange_len == handshake->run.exchange.assembly.length &&
	       memcmp(schedule->exchange, handshake->run.exchange.body, schedule->exchange_len) ==
		       0 &&
	       memcmp(&schedule->before, &handshake->run.before, sizeof schedule->before) == 0;
}

struct dtls_ahead_schedule *
dtls_ahead_find(struct dtls_ahead *ahead, const struct dtls_handshake *handshake)
{
	for (unsigned i = 0; i < ahead->n_made; i++) {
		if (is_of(&ahead->schedules[i], handshake))
			return &ahead->schedules[i];
	}
	return NULL;
}

const uint8_t *
dtls_ahead_answer(const struct dtls_ahead *ahead, const struct dtls_handshake *handshake)
{
	for (unsigned i = 0; i < ahead->n_made; i++) {
		const struct dtls_ahead_schedule *schedule = &ahead->schedules[i];

		if (schedule->is_taken && schedule->handshake == handshake &&
		    memcmp(&schedule->transcript, &handshake->run.transcript,
			   sizeof schedule->transcript) == 0)
			return schedule->answer;
	}
	return NULL;
}

void
dtls_ahead_forget(struct dtls_ahead *ahead)
{
	crypto_wipe(ahead->schedules, ahead->n_made * sizeof ahead->schedules[0]);
	ahead->n_noted = 0;
	ahead->n_made = 0;
}
