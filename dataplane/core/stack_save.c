#include "dataplane/core/stack_pass.h"

#include "dataplane/core/dtls/dtls_ec_pass.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/bootstrap_state.h"
#include "dataplane/core/stack_fields.h"

enum {
	/* All fields of a session, with its association and CBC keys: 94 heads of 8 bytes and what they
	 * hold; and of a handshake. Answers come on top. */
	SESSION_BYTES = 2048,
	HANDSHAKE_BYTES = 2048,
	WORKER_BYTES = 4096,
};

const char *
stack_loss_name(enum stack_loss loss)
{
	static const char *const names[STACK_LOSSES] = {
		[STACK_LOST_CERTIFICATE] = "handshakes with certificates",
		[STACK_LOST_LISTENER] = "sessions of a listener that is no more",
		[STACK_LOST_ROOM] = "sessions for want of room",
		[STACK_LOST_BATCH] = "runs for want of memory",
	};

	return names[loss];
}

size_t
stack_save_size(const struct stack *stack)
{
	const struct secured *secured = stack->secured;
	size_t session = SESSION_BYTES + sizeof(uint32_t);

	return WORKER_BYTES + session_table_count(stack->table) * session +
	       (secured ? secured->n_in_use : 0) * (size_t)HANDSHAKE_BYTES +
	       (secured ? secured->n_ecs : 0) * (size_t)DTLS_EC_BYTES +
	       stack->answers.count * (size_t)stack->answers.capacity;
}

/* ---- the worker's own ---- */

static void
save_worker(const struct stack *stack, struct record_writer *writer)
{
	record_begin(writer, PASSED_WORKER);
	record_put_number(writer, WORKER_INDEX, stack->config.worker);
	record_put_number(writer, WORKER_DRAINING, stack->draining);
	record_put_fields(writer, FIELDS_OF(worker_fields), stack);
	if (stack->secured) {
		record_put_number(writer, WORKER_HAS_COOKIES, 1);
		record_put_fields(writer, FIELDS_OF(cookie_fields),
				  &stack->secured->server.cookies);
	}
	record_end(writer);
}

/* ---- sessions ---- */

/* Hashes differ from process to process: the name that was hashed passes instead. */
static void
save_owner(const struct stack *stack, struct record_writer *writer, uint8_t field, uint64_t hash,
	   uint32_t device)
{
	size_t len;
	const uint8_t *name =
		stack->directory ? directory_owner_name(stack->directory, hash, device, &len) : NULL;

	if (name)
		record_put_bytes(writer, field, name, len);
}

static void
save_association(const struct stack *stack, const struct session *session,
		 struct record_writer *writer)
{
	const struct association *association = association_at(stack, session);

	record_put_number(writer, SESSION_ASSOCIATED, 1);
	record_put_fields(writer, FIELDS_OF(association_fields), association);
	if (association->dtls.cbc)
		record_put_fields(writer, FIELDS_OF(cbc_fields), association->dtls.cbc);
	save_owner(stack, writer, SESSION_OWNER, association->dtls.identity_hash,
		   association->dtls.device);
}

static void
save_answer(const struct stack *stack, const struct session *session, struct record_writer *writer)
{
	const struct answer *answer = answer_pool_at(&stack->answers, session->answer);

	record_put_number(writer, SESSION_HAS_ANSWER, 1);
	record_put_bytes(writer, SESSION_ANSWER, answer->bytes, answer->len);
	record_put_number(writer, SESSION_ANSWER_FORMAT, answer->format);
	record_put_bytes(writer, SESSION_ANSWER_ETAG, answer->etag, answer->etag_len);
}

static void
save_session(struct stack *stack, const struct session *session, struct record_writer *writer,
	     uint32_t batch)
{
	uint32_t slot = session_slot(stack, session);
	uint64_t due_us;

	record_begin(writer, PASSED_SESSION);
	record_put_number(writer, SESSION_SLOT, slot);
	record_put_number(writer, SESSION_NODE_SERIAL, session->node.serial);
	record_put_fields(writer, FIELDS_OF(session_fields), session);
	record_put_number(writer, SESSION_HOLDS, session->holds);
	record_put_number(writer, SESSION_STRAY_RESETS, session->stray_resets);
	record_put_number(writer, SESSION_PROGRESSED, session->progressed);
	record_put_number(writer, SESSION_HEARD_AGO,
			  (uint32_t)(stack->now_us / 1000) - session->watch.heard_ms);
	record_put_number(writer, SESSION_BATCH, batch);
	if (timer_wheel_due(&stack->wheel, slot, &due_us))
		record_put_number(writer, SESSION_DUE, due_us);
	if (session->answer)
		save_answer(stack, session, writer);
	if (association_of(stack, session))
		save_association(stack, session, writer);
	record_end(writer);
}

/* It is of another kind, as who does not know what it has beside must not take it for one without. */
static bool
is_certified(const struct dtls_handshake *hs)
{
	return hs->ec || hs->has_answer || hs->trust;
}

static void
save_certified(const struct stack *stack, const struct dtls_handshake *hs,
	       struct record_writer *writer)
{
	const struct stack_limits *limits =
		atomic_load_explicit(stack->config.limits, memory_order_acquire);
	enum passed_trust trust = PASSED_TRUST_NONE;

	if (hs->trust)
		trust = hs->trust < limits->trust ? PASSED_TRUST_FORMER : PASSED_TRUST_NEWEST;
	record_put_number(writer, HANDSHAKE_HAS_ANSWER, hs->has_answer);
	record_put_number(writer, HANDSHAKE_TRUST, trust);
	if (hs->ec)
		dtls_ec_put(hs, writer);
}

static void
save_handshake(const struct stack *stack, uint32_t slot, const struct dtls_handshake *hs,
	       struct record_writer *writer)
{
	record_begin(writer, is_certified(hs) ? PASSED_CERTIFIED : PASSED_HANDSHAKE);
	record_put_number(writer, HANDSHAKE_SLOT, slot);
	record_put_fields(writer, FIELDS_OF(handshake_fields), hs);
	if (hs->state == DTLS_EXPECTING_HELLO)
		record_put_fields(writer, FIELDS_OF(hello_fields), hs);
	else
		record_put_fields(writer, FIELDS_OF(run_fields), hs);
	if (handshake_is_keyed(hs))
		record_put_fields(writer, FIELDS_OF(keyed_fields), hs);
	else if (hs->state != DTLS_EXPECTING_HELLO)
		record_put_fields(writer, FIELDS_OF(early_fields), hs);
	save_owner(stack, writer, HANDSHAKE_OWNER, hs->identity_hash, hs->device);
	if (is_certified(hs))
		save_certified(stack, hs, writer);
	record_end(writer);
}

static const struct dtls_handshake *
handshake_in_progress(const struct stack *stack, const struct session *session)
{
	const struct association *association =
		stack->secured ? association_at(stack, session) : NULL;

	return association && association->handshake
		       ? &handshake_of(stack->secured, association)->dtls
		       : NULL;
}

static void
pass_session(struct stack *stack, const struct session *session, struct record_writer *writer,
	     const struct stack_saving *saving, struct stack_passed *passed)
{
	const struct dtls_handshake *hs = handshake_in_progress(stack, session);
	uint32_t batch = session->batch ? saving->batch(saving->ctx, session->batch) : 0;

	if (session->batch && !batch) {
		passed->lost[STACK_LOST_BATCH]++;
		return;
	}
	save_session(stack, session, writer, batch);
	if (hs)
		save_handshake(stack, session_slot(stack, session), hs, writer);
	passed->sessions++;
	passed->running += bootstrap_running(session->state);
	passed->associations += association_of(stack, session) != NULL;
	passed->handshakes += hs != NULL;
}

/* They are found from the oldest to the newest; a file has them so, too. */
static void
save_unpinned(const struct stack *stack, struct record_writer *writer)
{
	const struct session_node *node = session_table_oldest_unpinned(stack->table);

	for (; node; node = session_table_newer(stack->table, node)) {
		uint32_t slot = session_table_slot(stack->table, node);

		record_begin(writer, PASSED_UNPINNED);
		record_put_number(writer, UNPINNED_SLOT, (uint64_t)slot + 1);
		record_end(writer);
	}
}

void
stack_save(struct stack *stack, struct record_writer *writer, const struct stack_saving *saving,
	   struct stack_passed *passed)
{
	stack->directory = atomic_load_explicit(stack->config.directory, memory_order_acquire);
	save_worker(stack, writer);
	for (uint32_t slot = 0; slot < stack->config.sessions; slot++) {
		const struct session *session = session_at(stack, slot);

		if (session)
			pass_session(stack, session, writer, saving, passed);
	}
	save_unpinned(stack, writer);
}
