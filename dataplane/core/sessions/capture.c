#include "dataplane/core/sessions/capture.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/sessions/association.h"

enum {
	LINE = 64,
	RECORD_CID_AT = 11, /* RFC 9146 4: behind type, version, epoch and sequence */
};

/* A datagram in the ring; its bytes follow. */
struct held {
	uint64_t time_us;
	uint32_t size; /* in the ring, with this */
	uint16_t len, told;
	struct peer peer;
	bool sent, done;
};

/* ---- the ring ---- */

size_t
capture_size(const struct stack_config *config)
{
	return (config->capture_bytes + LINE - 1) / LINE * LINE;
}

void
capture_init(struct stack *stack, void *memory)
{
	stack->capture = (struct stack_capture){ .ring = memory,
						 .size = (uint32_t)capture_size(&stack->config) };
}

void
capture_fini(struct stack *stack)
{
	crypto_wipe(stack->capture.ring, stack->capture.size);
}

static struct held *
held_at(const struct stack_capture *capture, uint32_t at)
{
	return (struct held *)(void *)(capture->ring + at);
}

static void
forget_oldest(struct stack_capture *capture)
{
	struct held *held = held_at(capture, capture->first);

	capture->first += held->size;
	crypto_wipe(held, held->size);
	if (capture->first == capture->end) {
		capture->first = 0;
		capture->is_wrapped = false;
	}
}

/* A place of so many bytes; the oldest make way. NULL: no ring is so large. */
static struct held *
take_place(struct stack_capture *capture, uint32_t size)
{
	struct held *held;

	if (size > capture->size / 2)
		return NULL;
	if (!capture->is_wrapped && capture->size - capture->next < size) {
		capture->end = capture->next;
		capture->next = 0;
		capture->is_wrapped = true;
	}
	while (capture->is_wrapped && capture->first - capture->next < size)
		forget_oldest(capture);
	held = held_at(capture, capture->next);
	*held = (struct held){ .size = size };
	capture->next += size;
	return held;
}

static void
hold(struct stack *stack, const struct peer *peer, const uint8_t *data, uint16_t len, bool sent)
{
	uint32_t size = (uint32_t)(sizeof(struct held) + len + alignof(struct held) - 1) /
			alignof(struct held) * alignof(struct held);
	struct held *held = take_place(&stack->capture, size);

	if (!held) {
		count(&stack->counters, COUNTER_trace_full);
		return;
	}
	held->time_us = stack->now_us;
	held->len = len;
	held->peer = *peer;
	held->sent = sent;
	memcpy(held + 1, data, len);
}

/* ---- whose they are ---- */

static bool
is_wanted(const struct stack *stack, uint32_t device)
{
	for (unsigned i = 0; i < stack->capture.n; i++)
		if (stack->capture.devices[i] == device)
			return true;
	return false;
}

/* n_peers: none of those that captured devices speak from. */
static unsigned
index_of(const struct stack_capture *capture, const struct peer *peer)
{
	unsigned i = 0;

	while (i < capture->n_peers && !peer_equal(&capture->peers[i].peer, peer))
		i++;
	return i;
}

static bool
is_known(const struct stack_capture *capture, const struct peer *peer)
{
	return index_of(capture, peer) < capture->n_peers;
}

static void
remember(struct stack_capture *capture, const struct peer *peer, uint32_t device)
{
	unsigned at = index_of(capture, peer);

	if (at == CAPTURE_PEERS)
		at = capture->next_peer++ % CAPTURE_PEERS;
	else if (at == capture->n_peers)
		capture->n_peers++;
	capture->peers[at].peer = *peer;
	capture->peers[at].device = device;
}

static void
forget_peer(struct stack_capture *capture, unsigned at)
{
	capture->peers[at] = capture->peers[--capture->n_peers];
}

static bool
is_plain(const struct stack *stack, const struct peer *peer)
{
	return stack->config.listener_security[peer->listener] == LISTENER_NOSEC;
}

static const struct session *
session_of(struct stack *stack, const struct peer *peer, uint64_t hash)
{
	return (struct session *)session_table_find(stack->table, hash, peer);
}

/* Whether the peer shakes hands: who it is, or its secret, may be yet to come. */
static bool
shakes_hands(struct stack *stack, const struct peer *peer)
{
	const struct session *session =
		is_plain(stack, peer)
			? NULL
			: session_of(stack, peer, session_table_hash(stack->table, peer));
	const struct association *association = session ? association_at(stack, session) : NULL;

	return association && association->handshake;
}

/* The device whose association a record is of, by its connection id or where it came from; false:
 * of none. */
static bool
find_device(struct stack *stack, const struct dgram_in *in, uint64_t hash, uint32_t *device)
{
	const struct session *session = NULL;
	const struct dtls_session *association;

	if (in->len >= RECORD_CID_AT + DTLS_CID && in->data[0] == DTLS_TLS12_CID)
		session = association_session_of_cid(stack, in->data + RECORD_CID_AT);
	if (!session)
		session = session_of(stack, &in->peer, hash);
	association = association_of(stack, session);
	if (association)
		*device = association->device;
	return association != NULL;
}

/* ---- what comes and goes ---- */

void
capture_note_received(struct stack *stack, const struct dgram_in *in, uint64_t hash)
{
	struct stack_capture *capture = &stack->capture;
	uint32_t device;

	capture->now = in;
	if (!is_known(capture, &in->peer) && !is_plain(stack, &in->peer) &&
	    find_device(stack, in, hash, &device) && is_wanted(stack, device))
		remember(capture, &in->peer, device); /* it was there before the trace */
	if (is_known(capture, &in->peer))
		capture->is_due = true;
	else if (!shakes_hands(stack, &in->peer))
		return;
	hold(stack, &in->peer, in->data, in->len, false);
	capture->now = NULL; /* once */
}

void
capture_note_hello(struct stack *stack, const struct dgram_in *in)
{
	if (stack->capture.now != in)
		return;
	hold(stack, &in->peer, in->data, in->len, false);
	stack->capture.now = NULL;
}

void
capture_note_sent(struct stack *stack, const struct dgram_out *out)
{
	struct stack_capture *capture = &stack->capture;

	if (is_known(capture, &out->peer))
		capture->is_due = true;
	else if (!shakes_hands(stack, &out->peer))
		return;
	hold(stack, &out->peer, out->data, out->len, true);
}

void
capture_note_identified(struct stack *stack, const struct peer *peer, uint32_t device)
{
	struct stack_capture *capture = &stack->capture;
	const struct dgram_in *now = capture->now;

	if (!is_wanted(stack, device)) {
		if (is_known(capture, peer)) /* another device behind the same address */
			forget_peer(capture, index_of(capture, peer));
		return;
	}
	remember(capture, peer, device);
	capture->is_due = true;
	/* What came over DTLS may have been opened in place by now. */
	if (!now || !is_plain(stack, peer) || !peer_equal(&now->peer, peer))
		return;
	hold(stack, peer, now->data, now->len, false);
	capture->now = NULL;
}

/* ---- to the control side ---- */

static bool
post(struct stack *stack, struct trace_record *record)
{
	bool posted = stack->config.trace && stack->config.trace(stack->config.emit_ctx, record);

	crypto_wipe(record->bytes, sizeof record->bytes);
	return posted;
}

void
capture_secret(void *ctx, uint32_t device, const uint8_t *client_random, const uint8_t *master)
{
	struct stack *stack = ctx;
	struct trace_record record = { .kind = TRACE_SECRET,
				       .device = device,
				       .time_us = stack->now_us,
				       .len = TRACE_RANDOM_BYTES + TRACE_MASTER_BYTES };

	if (!is_wanted(stack, device))
		return;
	memcpy(record.bytes, client_random, TRACE_RANDOM_BYTES);
	memcpy(record.bytes + TRACE_RANDOM_BYTES, master, TRACE_MASTER_BYTES);
	if (!post(stack, &record))
		count(&stack->counters, COUNTER_trace_full);
}

/* The rest of a datagram, a piece a record; false: the control side's ring is full. */
static bool
tell(struct stack *stack, struct held *held, uint32_t device)
{
	const uint8_t *bytes = (const uint8_t *)(held + 1);

	while (!held->done) {
		size_t left = (size_t)held->len - held->told;
		size_t piece = left < TRACE_BYTES ? left : TRACE_BYTES;
		struct trace_record record = {
			.kind = held->sent ? TRACE_DATAGRAM_OUT : TRACE_DATAGRAM_IN,
			.device = device,
			.time_us = held->time_us,
			.step = held->told,
			.secured = !is_plain(stack, &held->peer),
			.peer = held->peer,
			.len = held->len,
		};

		memcpy(record.bytes, bytes + held->told, piece);
		if (!post(stack, &record))
			return false;
		held->told = (uint16_t)(held->told + piece);
		held->done = held->told == held->len;
	}
	crypto_wipe(held + 1, held->len);
	return true;
}

/* Of the peer, or, whatever its handshake does, of the device. */
static bool
may_tell(struct stack *stack, const struct held *held, const uint32_t *ending, uint32_t *device)
{
	const struct stack_capture *capture = &stack->capture;
	unsigned at = held->done ? capture->n_peers : index_of(capture, &held->peer);

	if (at == capture->n_peers)
		return false;
	*device = capture->peers[at].device;
	return ending ? *device == *ending : !shakes_hands(stack, &held->peer);
}

/* Where the ring's next datagram stands; false: that was the newest. */
static bool
step_on(const struct stack_capture *capture, uint32_t *at)
{
	*at += held_at(capture, *at)->size;
	if (!capture->is_wrapped || *at < capture->first)
		return *at != capture->next;
	if (*at == capture->end)
		*at = 0;
	return *at != capture->next;
}

static bool
tell_held(struct stack *stack, const uint32_t *ending)
{
	const struct stack_capture *capture = &stack->capture;
	uint32_t at = capture->first, device;

	if (!capture->is_wrapped && capture->next == 0)
		return true;
	do {
		struct held *held = held_at(capture, at);

		if (may_tell(stack, held, ending, &device) && !tell(stack, held, device))
			return false;
	} while (step_on(capture, &at));
	return true;
}

void
capture_flush(struct stack *stack)
{
	stack->capture.now = NULL;
	/* What finds no room is tried again. */
	stack->capture.is_due = !tell_held(stack, NULL);
}

void
capture_set(struct stack *stack, uint32_t device, bool on)
{
	struct stack_capture *capture = &stack->capture;

	if (on && !is_wanted(stack, device) && capture->n < TRACED_MAX && capture->size)
		capture->devices[capture->n++] = device;
	if (!on && is_wanted(stack, device) && !tell_held(stack, &device))
		count(&stack->counters, COUNTER_trace_full);
	for (unsigned i = 0; !on && i < capture->n; i++)
		if (capture->devices[i] == device)
			capture->devices[i] = capture->devices[--capture->n];
	for (unsigned i = 0; !on && i < capture->n_peers;)
		if (capture->peers[i].device == device)
			forget_peer(capture, i);
		else
			i++;
	capture->now = NULL;
	capture->is_due = capture->n != 0;
	if (!capture->n && capture->size) { /* what others' handshakes left */
		crypto_wipe(capture->ring, capture->size);
		capture->first = capture->next = 0;
		capture->is_wrapped = false;
	}
	if (stack->secured)
		stack->secured->server.key_log = capture->n ? capture_secret : NULL;
}
