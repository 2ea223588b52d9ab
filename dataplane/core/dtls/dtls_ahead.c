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
expects(const struct dtls_handshake *handshake, uint16_t message)
{
	return handshake->state == DTLS_EXPECTING_KEY_EXCHANGE &&
	       handshake->run.exchange.assembly.have == 0 && handshake->next_message == message;
}

static bool
is_whole_exchange(const struct dtls_message *message)
{
	struct reader identity;

	return message->type == DTLS_CLIENT_KEY_EXCHANGE && dtls_message_is_whole(message) &&
	       message->length <= DTLS_EXCHANGE_MAX &&
	       read_identity(message->fragment, message->length, &identity);
}

void
dtls_ahead_note(struct dtls_ahead *ahead, const struct dtls_handshake *handshake,
		const uint8_t *datagram, size_t len)
{
	struct dtls_message message;

	if (ahead->n_notes == DTLS_AHEAD_MAX || !first_message(datagram, len, &message) ||
	    !is_whole_exchange(&message) || !expects(handshake, message.sequence))
		return;
	ahead->notes[ahead->n_notes++] = (struct dtls_ahead_note){
		.handshake = handshake,
		.exchange = message.fragment,
		.len = (uint16_t)message.length,
		.message = message.sequence,
	};
}

/* ---- making ---- */

/* The transcript with the message, and the key that its identity has. */
static void
prepare(const struct dtls_server *server, struct dtls_ahead_schedule *schedule,
	struct dtls_identity *found)
{
	const struct dtls_ahead_note *of = &schedule->of;
	uint8_t header[DTLS_HANDSHAKE_HEADER];
	struct reader identity;

	(void)read_identity(of->exchange, of->len, &identity);
	schedule->is_known = dtls_server_find(server, &identity, found);
	schedule->is_taken = false;
	schedule->device = found->device;
	schedule->identity_hash = found->hash;
	schedule->transcript = schedule->before;
	dtls_message_header(header, DTLS_CLIENT_KEY_EXCHANGE, of->len, of->message);
	crypto_sha256_update(server->ops, &schedule->transcript, header, sizeof header);
	crypto_sha256_update(server->ops, &schedule->transcript, of->exchange, of->len);
}

static void
make_two(const struct dtls_server *server, struct dtls_ahead_schedule schedules[DTLS_IN_STEP])
{
	struct dtls_psk_schedule keys[DTLS_IN_STEP];
	struct dtls_answering answers[DTLS_IN_STEP];
	struct dtls_identity found[DTLS_IN_STEP];

	for (unsigned i = 0; i < DTLS_IN_STEP; i++) {
		struct dtls_ahead_schedule *schedule = &schedules[i];
		const struct dtls_handshake *handshake = schedule->of.handshake;

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
			.message = (uint16_t)(schedule->of.message + 1),
		};
	}
	dtls_schedule_psk(server->ops, keys, DTLS_IN_STEP);
	dtls_schedule_answer(server->ops, answers, DTLS_IN_STEP);
	crypto_wipe(found, sizeof found);
}

/* ---- taking ---- */

static bool
is_of(const struct dtls_ahead_note *note, const struct dtls_handshake *handshake)
{
	return note->handshake == handshake &&
	       note->len == handshake->run.exchange.assembly.length &&
	       memcmp(note->exchange, handshake->run.exchange.body, note->len) == 0;
}

static bool
has_transcript(const struct crypto_sha256 *one, const struct crypto_sha256 *other)
{
	return memcmp(one, other, sizeof *one) == 0;
}

static struct dtls_ahead_schedule *
find_made(struct dtls_ahead *ahead, const struct dtls_handshake *handshake)
{
	for (unsigned i = 0; ahead->has_made && i < DTLS_IN_STEP; i++) {
		struct dtls_ahead_schedule *schedule = &ahead->made[i];

		if (is_of(&schedule->of, handshake) &&
		    has_transcript(&schedule->before, &handshake->run.before))
			return schedule;
	}
	return NULL;
}

/* Where the note of this key exchange stands; n_notes: nowhere. */
static unsigned
find_note(const struct dtls_ahead *ahead, const struct dtls_handshake *handshake)
{
	unsigned i = 0;

	while (i < ahead->n_notes && !is_of(&ahead->notes[i], handshake))
		i++;
	return i;
}

/* The next one behind it whose handshake still expects it: no copy of this one, which is at hand. */
static unsigned
find_other(const struct dtls_ahead *ahead, unsigned note)
{
	unsigned i = note + 1;

	while (i < ahead->n_notes && !expects(ahead->notes[i].handshake, ahead->notes[i].message))
		i++;
	return i;
}

struct dtls_ahead_schedule *
dtls_ahead_take(const struct dtls_server *server, const struct dtls_handshake *handshake)
{
	struct dtls_ahead *ahead = server->ahead;
	struct dtls_ahead_schedule *made;
	unsigned note, other;

	/* A rival's keys are made when a Finished asks for them: alone. */
	if (handshake->state != DTLS_EXPECTING_KEY_EXCHANGE)
		return NULL;
	made = find_made(ahead, handshake);
	if (made)
		return made;
	note = find_note(ahead, handshake);
	other = find_other(ahead, note);
	if (other >= ahead->n_notes)
		return NULL;
	ahead->made[0].of = ahead->notes[note];
	ahead->made[0].before = handshake->run.before;
	ahead->made[1].of = ahead->notes[other];
	ahead->made[1].before = ahead->notes[other].handshake->run.transcript;
	ahead->has_made = true;
	make_two(server, ahead->made);
	return &ahead->made[0];
}

const uint8_t *
dtls_ahead_answer(const struct dtls_ahead *ahead, const struct dtls_handshake *handshake)
{
	for (unsigned i = 0; ahead->has_made && i < DTLS_IN_STEP; i++) {
		const struct dtls_ahead_schedule *schedule = &ahead->made[i];

		if (schedule->is_taken && schedule->of.handshake == handshake &&
		    has_transcript(&schedule->transcript, &handshake->run.transcript))
			return schedule->answer;
	}
	return NULL;
}

void
dtls_ahead_forget(struct dtls_ahead *ahead)
{
	if (ahead->has_made)
		crypto_wipe(ahead->made, sizeof ahead->made);
	ahead->has_made = false;
	ahead->n_notes = 0;
}
