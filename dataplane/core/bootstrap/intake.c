#include "dataplane/core/bootstrap/intake.h"

#include "dataplane/core/bootstrap/admission.h"
#include "dataplane/core/bootstrap/dialogue.h"
#include "dataplane/core/sessions/outgoing.h"
#include "dataplane/core/sessions/trace.h"

void
intake_message(struct stack *stack, struct sender *from, const uint8_t *data, size_t len)
{
	struct coap_msg msg;
	enum coap_parsed parsed = coap_parse(data, len, &msg);

	trace_received(stack, from, data, len);
	count(&stack->counters, COUNTER_coap_rx);
	if (from->session)
		session_note_received(from->session, stack->now_us);
	switch (parsed) {
	case COAP_IS_REQUEST:
		admission_request(stack, from, &msg, data, len);
		return;
	case COAP_IS_RESPONSE:
	case COAP_IS_ACK:
	case COAP_IS_RESET:
		dialogue_reply(stack, from, parsed, &msg);
		return;
	case COAP_IS_PING:
		count(&stack->counters, COUNTER_coap_rx_ping);
		break;
	case COAP_IS_OTHER_VERSION:
		count(&stack->counters, COUNTER_coap_rx_version);
		break;
	default:
		count(&stack->counters, COUNTER_coap_rx_malformed);
		break;
	}
	if (coap_wants_reset(parsed, &msg))
		outgoing_empty(stack, from, COAP_RST, msg.header.mid);
}
