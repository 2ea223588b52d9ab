/*
 * Key schedules of a burst made ahead (dtls_ahead.h): which of its datagrams belong to a handshake.
 */
#include "dataplane/core/secured/secured_internal.h"

static void
note(struct stack *stack, const struct dgram_in *in, const struct session *session)
{
	struct secured *secured = stack->secured;
	const struct association *association = association_at(stack, session);

	if (association->handshake &&
	    stack->config.listener_security[in->peer.listener] == LISTENER_PSK)
		dtls_ahead_note(&secured->ahead, &handshake_of(secured, association)->dtls,
				in->data, in->len);
}

void
secured_prepare(struct stack *stack, const struct dgram_in *in, struct session *const *sessions,
		unsigned n)
{
	struct secured *secured = stack->secured;

	/* One alone is made as it comes. */
	if (n < DTLS_IN_STEP || !secured || !secured->server.ahead)
		return;
	for (unsigned i = 0; i < n; i++) {
		if (sessions[i])
			note(stack, &in[i], sessions[i]);
	}
}

void
secured_end(struct stack *stack)
{
	if (stack->secured && stack->secured->ahead.n_notes)
		dtls_ahead_forget(&stack->secured->ahead);
}
