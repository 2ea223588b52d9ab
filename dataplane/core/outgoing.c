#include "dataplane/core/outgoing.h"

#include "dataplane/core/coap_exchange.h"

struct outgoing
outgoing_begin(struct stack *stack, const struct sender *to)
{
	struct outbox *out = stack->out;
	struct outgoing outgoing = { .slot = NULL };

	if (!out || out->used == out->size) {
		outgoing.writer = writer_init(NULL, 0);
		return outgoing;
	}
	outgoing.slot = &out->slots[out->used];
	outgoing.slot->peer = *to->peer;
	outgoing.slot->link = *to->link;
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
	outgoing->slot->len = (uint16_t)len;
	stack->out->used++;
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
}
