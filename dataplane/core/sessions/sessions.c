#include "dataplane/core/sessions/sessions.h"

#include "dataplane/core/sessions/association.h"

/* A copy of a request for a pack that is gone is a new request: there is nothing to repeat. */
void
session_drop_batch(struct session *session)
{
	if (!session->batch)
		return;
	if (session->batch->pack)
		session->request = (struct exchange_request){ 0 };
	batch_release(session->batch);
	session->batch = NULL;
}

void
session_settled(struct stack *stack, struct session *session)
{
	if (!bootstrap_running(session->state))
		session_table_unpin(stack->table, &session->node);
}

void
session_close(struct stack *stack, struct session *session)
{
	association_forget(stack, session);
	session_drop_batch(session);
	timer_wheel_cancel(&stack->wheel, session_slot(stack, session));
	session_table_close(stack->table, &session->node);
	stack->membership++;
	atomic_store_explicit(&stack->gauge_sessions, session_table_count(stack->table),
			      memory_order_relaxed);
	count(&stack->counters, COUNTER_sessions_closed);
}

/* The pool is full: the session that finished longest ago goes, if there is one. */
static bool
make_room(struct stack *stack)
{
	struct session_node *oldest = session_table_oldest_unpinned(stack->table);

	if (!oldest)
		return false;
	session_close(stack, (struct session *)oldest);
	count(&stack->counters, COUNTER_sessions_evicted);
	return true;
}

struct session *
session_open(struct stack *stack, const struct sender *from)
{
	struct session *session;
	uint8_t mid[2];

	if (session_table_full(stack->table) && !make_room(stack)) {
		count(&stack->counters, COUNTER_sessions_full);
		return NULL;
	}
	session = (struct session *)session_table_open(stack->table, from->hash, from->peer);
	rng_fill(&stack->config.rng, mid, sizeof mid);
	exchange_open(&session->exchange, (uint16_t)(mid[0] << 8 | mid[1]));
	stack->membership++;
	atomic_store_explicit(&stack->gauge_sessions, session_table_count(stack->table),
			      memory_order_relaxed);
	count(&stack->counters, COUNTER_sessions_opened);
	return session;
}
