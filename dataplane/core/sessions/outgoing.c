#include "dataplane/core/sessions/outgoing.h"

#include "dataplane/core/coap/coap_exchange.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/capture.h"
#include "dataplane/core/sessions/flight.h"
#include "dataplane/core/sessions/trace.h"

/* The content's place in a record: behind its prefix, and no longer than the peer takes. */
static struct writer
write_inside(const struct dtls_session *association, const struct dgram_out *slot)
{
	size_t prefix = dtls_seal_prefix(association);
	size_t room = slot->cap - prefix - dtls_seal_suffix(association);
	size_t most = dtls_session_plaintext_max(association);

	return writer_init(slot->data + prefix, room < most ? room : most);
}

static bool
is_secured(const struct stack *stack, const struct peer *peer)
{
	return stack->config.listener_security[peer->listener] != LISTENER_NOSEC;
}

struct outgoing
outgoing_begin(struct stack *stack, const struct sender *to)
{
	struct outgoing outgoing = { .slot = outbox_slot(stack), .session = to->session };

	if (!outgoing.slot) {
		outgoing.writer = writer_init(NULL, 0);
		return outgoing;
	}
	outgoing.slot->peer = *to->peer;
	outgoing.slot->link = *to->link;
	outgoing.association = association_of(stack, to->session);
	if (outgoing.association)
		outgoing.writer = write_inside(outgoing.association, outgoing.slot);
	else if (is_secured(stack, to->peer)) /* its association has ended: never in plaintext */
		outgoing.writer = writer_init(NULL, 0);
	else
		outgoing.writer = writer_init(outgoing.slot->data, outgoing.slot->cap);
	return outgoing;
}

void
outgoing_end(struct stack *stack, struct outgoing *outgoing)
{
	size_t len = writer_finish(&outgoing->writer);

	if (!len) {
		count(&stack->counters, COUNTER_coap_tx_no_room);
		return;
	}
	trace_sent(stack, outgoing, len);
	outgoing->slot->len = (uint16_t)len;
	if (outgoing->association)
		seal_later(stack, outgoing->association, outgoing->slot, DTLS_APPLICATION_DATA,
			   (uint16_t)len);
	else
		capture_sent(stack, outgoing->slot);
	stack->out->used++;
	if (outgoing->session)
		session_note_sent(outgoing->session);
	count(&stack->counters, COUNTER_coap_tx);
}

void
outgoing_empty(struct stack *stack, const struct sender *to, enum coap_type type, uint16_t mid)
{
	struct outgoing outgoing = outgoing_begin(stack, to);

	coap_write_empty(&outgoing.writer, type, mid);
	outgoing_end(stack, &outgoing);
	if (type == COAP_RST)
		count(&stack->counters, COUNTER_coap_tx_reset);
}

void
outgoing_reply(struct stack *stack, const struct sender *to, const struct coap_header *request,
	       uint8_t code)
{
	struct outgoing outgoing = outgoing_begin(stack, to);

	exchange_write_reply(&outgoing.writer, request, code, stack->limits->busy_max_age_s,
			     stack->non_mid);
	if (request->type != COAP_CON)
		stack->non_mid++;
	outgoing_end(stack, &outgoing);
	if (code == COAP_SERVICE_UNAVAILABLE)
		association_keep(stack, to->session);
}
