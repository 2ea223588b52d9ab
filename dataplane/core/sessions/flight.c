#include "dataplane/core/sessions/flight.h"

#include "dataplane/core/sessions/capture.h"
#include "dataplane/core/sessions/secured_state.h"

/* ---- sealing ---- */

void
seal_later(struct stack *stack, struct dtls_session *association, struct dgram_out *slot,
	   uint8_t type, uint16_t content_len)
{
	struct secured *secured = stack->secured;
	struct dtls_sealing *sealing;

	if (secured->n_sealings == DTLS_BURST)
		seal_all(stack);
	secured->sealed[secured->n_sealings] = slot;
	sealing = &secured->sealings[secured->n_sealings++];
	sealing->session = association;
	sealing->record = slot->data;
	sealing->length = content_len;
	sealing->type = type;
}

void
seal_detach(struct stack *stack, const struct dtls_session *association)
{
	struct secured *secured = stack->secured;
	struct dtls_session *copy = NULL;

	for (unsigned i = 0; i < secured->n_sealings; i++) {
		if (secured->sealings[i].session != association)
			continue;
		if (association->protection == DTLS_CBC) { /* whose keys lie elsewhere, and go */
			seal_all(stack);
			return;
		}
		/* There are no more copies than records that wait. */
		if (!copy) {
			copy = &secured->detached[secured->n_detached++];
			*copy = *association;
			copy->kept = NULL; /* which may be another's by then */
		}
		secured->sealings[i].session = copy;
	}
}

void
seal_all(struct stack *stack)
{
	struct secured *secured = stack->secured;

	if (!secured || !secured->n_sealings)
		return;
	dtls_seal(secured->server.ops, secured->sealings, secured->n_sealings);
	for (unsigned i = 0; i < secured->n_sealings; i++) {
		secured->sealed[i]->len = secured->sealings[i].length;
		capture_sent(stack, secured->sealed[i]);
	}
	secured->n_sealings = 0;
	crypto_wipe(secured->detached, secured->n_detached * sizeof secured->detached[0]);
	secured->n_detached = 0;
}

/* ---- slots and flights ---- */

struct dgram_out *
outbox_slot(struct stack *stack)
{
	struct outbox *out = stack->out;

	if (!out)
		return NULL;
	if (out->used == out->size && out->flush) {
		seal_all(stack);
		out->flush(out);
	}
	return out->used < out->size ? &out->slots[out->used] : NULL;
}

struct flight
flight_begin(struct stack *stack, const struct peer *peer, const struct link *link)
{
	struct flight flight = { .slot = outbox_slot(stack), .writer = writer_init(NULL, 0) };

	if (!flight.slot)
		return flight;
	flight.slot->peer = *peer;
	flight.slot->link = *link;
	flight.writer = writer_init(flight.slot->data, flight.slot->cap);
	return flight;
}

void
flight_end(struct stack *stack, struct flight *flight)
{
	size_t len = writer_finish(&flight->writer);

	if (!len)
		return;
	flight->slot->len = (uint16_t)len;
	capture_sent(stack, flight->slot);
	stack->out->used++;
}
