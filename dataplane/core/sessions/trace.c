#include "dataplane/core/sessions/trace.h"

#include <string.h>

#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/bootstrap_state.h"
#include "dataplane/core/sessions/capture.h"

static bool
is_traced(const struct stack *stack, uint32_t device)
{
	for (unsigned i = 0; i < stack->trace.n; i++)
		if (stack->trace.devices[i] == device)
			return true;
	return false;
}

void
trace_set(struct stack *stack, uint32_t device, bool on, bool datagrams)
{
	struct stack_trace *trace = &stack->trace;

	if (on && !is_traced(stack, device)) {
		if (trace->n == TRACED_MAX) {
			count(&stack->counters, COUNTER_trace_full);
			return;
		}
		trace->devices[trace->n++] = device;
	}
	for (unsigned i = 0; !on && i < trace->n; i++)
		if (trace->devices[i] == device)
			trace->devices[i] = trace->devices[--trace->n];
	trace->data = NULL;
	trace->is_known = false;
	capture_set(stack, device, on && datagrams);
}

/* Over DTLS the device that the association is of; over NoSec that of the run, and there is no
 * session without one. */
static uint32_t
device_of(const struct stack *stack, const struct session *session)
{
	const struct dtls_session *association = association_of(stack, session);

	return association ? association->device : session->device;
}

static void
emit(struct stack *stack, const struct session *session, struct trace_record *record,
     const uint8_t *data)
{
	size_t kept = record->len < TRACE_BYTES ? record->len : TRACE_BYTES;

	record->time_us = stack->now_us;
	record->step = session && bootstrap_running(session->state) ? session->step : TRACE_NO_STEP;
	record->secured = session && association_of(stack, session);
	if (kept)
		memcpy(record->bytes, data, kept);
	if (!stack->config.trace || !stack->config.trace(stack->config.emit_ctx, record))
		count(&stack->counters, COUNTER_trace_full);
	crypto_wipe(record->bytes, sizeof record->bytes);
}

void
trace_note_received(struct stack *stack, const struct sender *from, const uint8_t *data, size_t len)
{
	struct stack_trace *trace = &stack->trace;

	trace->data = data;
	trace->len = len;
	trace->is_known = false;
	if (from->session)
		trace_note_identified(stack, from, device_of(stack, from->session));
}

void
trace_note_identified(struct stack *stack, const struct sender *from, uint32_t device)
{
	struct stack_trace *trace = &stack->trace;
	struct trace_record record = { .kind = TRACE_RECEIVED,
				       .device = device,
				       .peer = *from->peer,
				       .len = (uint16_t)trace->len };

	trace->is_known = true;
	trace->device = device;
	if (!trace->data || !is_traced(stack, device))
		return;
	emit(stack, from->session, &record, trace->data);
	trace->data = NULL; /* once */
}

void
trace_note_sent(struct stack *stack, const struct outgoing *outgoing, size_t len)
{
	const struct session *session = outgoing->session;
	struct trace_record record = { .kind = TRACE_SENT,
				       .device = stack->trace.device,
				       .peer = outgoing->slot->peer,
				       .len = (uint16_t)len };

	/* Without a session it is an answer to the message that is being processed. */
	if (session)
		record.device = device_of(stack, session);
	else if (!stack->trace.is_known)
		return;
	if (is_traced(stack, record.device))
		emit(stack, session, &record, outgoing->writer.start);
}

void
trace_note_milestone(struct stack *stack, const struct session *session, uint32_t device,
		     enum trace_kind kind)
{
	const struct dtls_session *association = association_of(stack, session);
	struct trace_record record = { .kind = (uint8_t)kind,
				       .device = device,
				       .peer = session->node.peer };
	uint8_t suite[2] = { 0 };

	if (!is_traced(stack, device))
		return;
	if (kind == TRACE_ASSOCIATED && association) {
		cursor_store(suite, association->suite, sizeof suite);
		record.len = sizeof suite;
	}
	emit(stack, session, &record, suite);
}

void
trace_note_refused(struct stack *stack, const struct peer *peer, uint32_t device, uint8_t verdict)
{
	struct trace_record record = { .kind = TRACE_HANDSHAKE_REFUSED,
				       .device = device,
				       .peer = *peer,
				       .len = sizeof verdict };

	if (is_traced(stack, device))
		emit(stack, NULL, &record, &verdict);
}
