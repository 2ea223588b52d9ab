#include "dataplane/core/stack_pass.h"

#include <string.h>

#include "dataplane/core/coap/coap_block.h"
#include "dataplane/core/dtls/dtls_ec_pass.h"
#include "dataplane/core/secured/secured.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/bootstrap_state.h"
#include "dataplane/core/sessions/sessions.h"
#include "dataplane/core/stack_fields.h"

enum { RETRANSMISSIONS_MAX = 8, SEQUENCE_BITS = 48 };

/* What the records of one worker are taken with. */
struct load {
	struct stack *stack;
	struct record_reader *reader;
	const struct stack_loading *loading;
	struct stack_passed *passed;
};

/* ---- the worker's own ---- */

static bool
load_worker(struct load *load)
{
	struct stack *stack = load->stack;
	struct record_reader *reader = load->reader;

	stack->draining = record_number(reader, WORKER_DRAINING) != 0;
	record_fields(reader, FIELDS_OF(worker_fields), stack);
	if (stack->secured && record_number(reader, WORKER_HAS_COOKIES)) {
		record_fields(reader, FIELDS_OF(cookie_fields), &stack->secured->server.cookies);
		stack->secured->server.cookies.newest &= 1;
	}
	return !reader->malformed;
}

/* ---- is it one that a stack could have? ---- */

/* Where a step stands in what it sends, or in what is answered. */
static bool
is_step_place(const struct session *session, size_t answer_len)
{
	const struct batch *batch = session->batch;
	uint32_t offset = session->exchange.block.offset;

	if (!batch || batch->pack || session->step >= batch->n_steps)
		return false;
	return offset == 0 || offset < session_step(session)->payload_len ||
	       (!session_step(session)->payload_len && offset <= answer_len);
}

static bool
is_pack_place(const struct session *session)
{
	const struct batch *batch = session->batch;

	return batch && batch->pack && batch->n_steps == 1 &&
	       session->exchange.block.offset < batch->steps[0]->payload_len;
}

static bool
has_right_batch(const struct session *session, size_t answer_len)
{
	switch ((enum bootstrap_state)session->state) {
	case BOOTSTRAP_IDLE:
	case BOOTSTRAP_FAILED:
	case BOOTSTRAP_WAIT_BATCH:
	case BOOTSTRAP_WAIT_PACK:
		return !session->batch;
	case BOOTSTRAP_STEP:
	case BOOTSTRAP_STEP_ACKED:
	case BOOTSTRAP_STEP_HELD:
	case BOOTSTRAP_WAIT_REST:
		return is_step_place(session, answer_len);
	case BOOTSTRAP_PACK:
		return is_pack_place(session);
	case BOOTSTRAP_DONE:
		return !session->batch || is_pack_place(session);
	case BOOTSTRAP_STATES:
		break;
	}
	return false;
}

static bool
is_session(const struct session *session, size_t answer_len)
{
	const struct exchange *exchange = &session->exchange;

	return exchange->n_acked <= EXCHANGE_ACKED && exchange->block.szx <= COAP_SZX_MAX &&
	       exchange->block.answer_szx <= COAP_SZX_MAX &&
	       session->request.token_len <= COAP_TOKEN_MAX && session->cause < CAUSES &&
	       session->phase < RUN_PHASES && has_right_batch(session, answer_len);
}

static bool
is_association(const struct dtls_session *dtls)
{
	return dtls->peer_cid_len <= DTLS_PEER_CID_MAX && dtls->protection <= DTLS_CBC &&
	       dtls->max_fragment <= DTLS_MAX_FRAGMENT_4096 &&
	       dtls->write_sequence >> SEQUENCE_BITS == 0 &&
	       dtls->flight_sequence >> SEQUENCE_BITS == 0;
}

static bool
is_assembly(const struct dtls_assembly *assembly, size_t capacity)
{
	return assembly->length <= capacity && assembly->have <= assembly->length;
}

/* What is put together in each state. */
static bool
is_run(const struct dtls_handshake *hs)
{
	const struct dtls_assembly *assembly = &hs->assembly;

	if (!is_assembly(&hs->run.exchange.assembly, DTLS_EXCHANGE_MAX))
		return false;
	if (handshake_is_keyed(hs))
		return is_assembly(assembly, DTLS_VERIFY_DATA);
	if (hs->run.early.len > DTLS_EARLY_MAX)
		return false;
	switch ((enum dtls_state)hs->state) {
	case DTLS_EXPECTING_KEY_EXCHANGE:
	case DTLS_EXPECTING_KEY_SHARE:
	case DTLS_EXPECTING_CERTIFICATE_VERIFY:
		return is_assembly(assembly, DTLS_EXCHANGE_MAX);
	case DTLS_EXPECTING_CERTIFICATE:
		return is_assembly(assembly, EC_MESSAGE_MAX);
	case DTLS_AWAITING_OWN:
	case DTLS_AWAITING_VERDICT:
		return assembly->have == 0;
	default:
		return false;
	}
}

/* `certified`: of PASSED_CERTIFIED. A doubt about a certificate is told of by what is beside. */
static bool
is_handshake(const struct dtls_handshake *hs, bool certified)
{
	if (hs->doubt > DTLS_DOUBT_KEY || hs->protection > DTLS_CBC ||
	    hs->peer_cid_len > DTLS_PEER_CID_MAX || hs->max_fragment > DTLS_MAX_FRAGMENT_4096 ||
	    hs->retransmissions > RETRANSMISSIONS_MAX || hs->sequence >> SEQUENCE_BITS != 0)
		return false;
	if (hs->state == DTLS_EXPECTING_HELLO)
		return !certified && hs->doubt != DTLS_DOUBT_CERTIFICATE &&
		       is_assembly(&hs->assembly, DTLS_HELLO_MAX);
	if (dtls_state_has_ec(hs->state))
		return certified && is_run(hs);
	return hs->doubt != DTLS_DOUBT_CERTIFICATE && is_run(hs) &&
	       certified == (hs->has_answer || hs->trust);
}

/* ---- sessions ---- */

/* Its hash in our directory; 0: there is none, and so nobody is found by it. */
static uint64_t
owner_hash(const struct load *load, uint8_t field)
{
	const struct directory *directory = load->stack->directory;
	size_t len;
	const uint8_t *name = record_bytes(load->reader, field, &len);

	return directory && name ? directory_hash(directory, name, len) : 0;
}

static bool
load_association(struct load *load, struct session *session)
{
	struct association *association = association_at(load->stack, session);
	struct dtls_session *dtls = &association->dtls;

	record_fields(load->reader, FIELDS_OF(association_fields), association);
	dtls->identity_hash = owner_hash(load, SESSION_OWNER);
	if (load->reader->malformed || !is_association(dtls))
		return false;
	if (dtls->protection == DTLS_CBC) {
		struct secured_cbc *cbc = cbc_pool_take(load->stack->secured);

		if (!cbc) {
			load->passed->lost[STACK_LOST_ROOM]++;
			crypto_wipe(association, sizeof *association);
			return true;
		}
		record_fields(load->reader, FIELDS_OF(cbc_fields), &cbc->keys);
		dtls->cbc = &cbc->keys;
	}
	association->established = true;
	load->passed->associations++;
	return !load->reader->malformed;
}

/* True: it is there, or there is no room, which ends the run as it would have without us. */
static bool
load_answer(struct load *load, struct session *session, const uint8_t *bytes, size_t len)
{
	struct answer_pool *pool = &load->stack->answers;
	struct answer *answer;
	size_t etag_len;
	const uint8_t *etag = record_bytes(load->reader, SESSION_ANSWER_ETAG, &etag_len);

	if (len > pool->capacity || etag_len > ANSWER_ETAG_MAX)
		return false;
	session->answer = answer_pool_take(pool);
	if (!session->answer)
		return false;
	answer = answer_pool_at(pool, session->answer);
	memset(answer, 0, sizeof *answer);
	if (len)
		memcpy(answer->bytes, bytes, len);
	answer->len = (uint32_t)len;
	answer->format = (uint16_t)record_number(load->reader, SESSION_ANSWER_FORMAT);
	answer->etag_len = (uint8_t)etag_len;
	if (etag_len)
		memcpy(answer->etag, etag, etag_len);
	return true;
}

/* What a table cannot name. */
static void
load_rest(struct load *load, struct session *session)
{
	struct record_reader *reader = load->reader;

	session->holds = record_number(reader, SESSION_HOLDS) & 3;
	session->stray_resets = record_number(reader, SESSION_STRAY_RESETS) & 7;
	session->progressed = record_number(reader, SESSION_PROGRESSED) & 1;
	session->watch.heard_ms = (uint32_t)(load->loading->now_us / 1000) -
				  (uint32_t)record_number(reader, SESSION_HEARD_AGO);
	session->plan = session->batch ? session->batch->plan : 0;
}

static void
arm(struct load *load, struct session *session)
{
	uint64_t due_us = record_number(load->reader, SESSION_DUE);

	if (due_us)
		timer_wheel_arm(&load->stack->wheel, session_slot(load->stack, session),
				due_us + load->reader->shift_us);
}

/* In its slot; NULL: there is no room for it, or somebody has it. */
static struct session *
open_session(struct load *load, const struct peer *peer)
{
	struct session_table *table = load->stack->table;
	struct session *session = (struct session *)session_table_open_at(
		table, (uint32_t)record_number(load->reader, SESSION_SLOT),
		session_table_hash(table, peer), peer);

	if (session)
		session->node.serial = (uint32_t)record_number(load->reader, SESSION_NODE_SERIAL);
	else
		load->passed->lost[STACK_LOST_ROOM]++;
	return session;
}

/* Everything behind the node. The batch is held from here on. */
static void
copy_run(struct session *session, const struct session *from)
{
	session->exchange = from->exchange;
	session->batch = from->batch;
	if (session->batch)
		batch_hold(session->batch);
	session->step = from->step;
	session->state = from->state;
	session->cause = from->cause;
	session->code = from->code;
	session->format = from->format;
	session->link = from->link;
	session->watch = from->watch;
	session->request = from->request;
	session->started_us = from->started_us;
	session->since_us = from->since_us;
	session->serial = from->serial;
	session->device = from->device;
	session->plan = from->plan;
	session->pack_digest = from->pack_digest;
	session->refused_steps = from->refused_steps;
	session->refused_step = from->refused_step;
	session->refused_code = from->refused_code;
	session->phase = from->phase;
	session->holds = from->holds;
	session->stray_resets = from->stray_resets;
	session->progressed = from->progressed;
}

static bool
place_session(struct load *load, const struct session *from)
{
	struct stack *stack = load->stack;
	struct record_reader *reader = load->reader;
	bool secured = stack->config.listener_security[from->node.peer.listener] != LISTENER_NOSEC;
	struct session *session;
	size_t len;
	const uint8_t *answer = record_bytes(reader, SESSION_ANSWER, &len);

	if (record_number(reader, SESSION_ASSOCIATED) && !secured)
		return false;
	session = open_session(load, &from->node.peer);
	if (!session)
		return true;
	copy_run(session, from);
	arm(load, session);
	load->passed->sessions++;
	load->passed->running += bootstrap_running(session->state);
	if (record_number(reader, SESSION_HAS_ANSWER) && !load_answer(load, session, answer, len))
		return false;
	return !record_number(reader, SESSION_ASSOCIATED) || load_association(load, session);
}

static bool
load_session(struct load *load)
{
	struct record_reader *reader = load->reader;
	uint32_t number = (uint32_t)record_number(reader, SESSION_BATCH);
	struct session from = { 0 };
	size_t len;

	record_fields(reader, FIELDS_OF(session_fields), &from);
	(void)record_bytes(reader, SESSION_ANSWER, &len);
	if (reader->malformed || from.node.peer.listener >= LISTENERS_MAX)
		return false;
	from.node.peer.listener = load->loading->listeners[from.node.peer.listener];
	if (from.node.peer.listener == STACK_NO_LISTENER) {
		load->passed->lost[STACK_LOST_LISTENER]++;
		return true;
	}
	if (number)
		from.batch = load->loading->batch(load->loading->ctx, number);
	if (number && !from.batch) {
		load->passed->lost[STACK_LOST_BATCH]++;
		return true;
	}
	load_rest(load, &from);
	return is_session(&from, len) && place_session(load, &from) && !reader->malformed;
}

/* ---- handshakes ---- */

static void
read_handshake(struct load *load, struct dtls_handshake *hs)
{
	record_fields(load->reader, FIELDS_OF(handshake_fields), hs);
	if (hs->state == DTLS_EXPECTING_HELLO)
		record_fields(load->reader, FIELDS_OF(hello_fields), hs);
	else
		record_fields(load->reader, FIELDS_OF(run_fields), hs);
	if (handshake_is_keyed(hs))
		record_fields(load->reader, FIELDS_OF(keyed_fields), hs);
	else if (hs->state != DTLS_EXPECTING_HELLO)
		record_fields(load->reader, FIELDS_OF(early_fields), hs);
	hs->identity_hash = owner_hash(load, HANDSHAKE_OWNER);
}

/* NULL: it was left out, or has one. */
static struct session *
session_of_handshake(const struct load *load)
{
	struct stack *stack = load->stack;
	uint32_t slot = (uint32_t)record_number(load->reader, HANDSHAKE_SLOT);
	struct session *session = session_at(stack, slot);

	return session && stack->secured && !association_at(stack, session)->handshake &&
			       stack->config.listener_security[session->node.peer.listener] !=
				       LISTENER_NOSEC
		       ? session
		       : NULL;
}

/* Who judged it by what the control side had last then, did so by what it has now, if that is the same. */
static void
read_certified(const struct load *load, struct dtls_handshake *hs)
{
	uint64_t trust = record_number(load->reader, HANDSHAKE_TRUST);

	hs->has_answer = record_number(load->reader, HANDSHAKE_HAS_ANSWER) != 0;
	if (trust == PASSED_TRUST_NEWEST)
		hs->trust = load->loading->trust;
	else if (trust != PASSED_TRUST_NONE)
		hs->trust = EC_TRUST_FORMER;
}

/* What nobody has begun is asked for anew. */
static bool
ask_helper(struct secured *secured, struct dtls_handshake *hs)
{
	hs->ec->job.ops = secured->server.ops;
	return !dtls_state_awaits_ec(hs->state) ||
	       secured->server.ec.offer(secured->server.ec_ctx, hs->ec);
}

enum placed { PLACED, PLACED_NOT, PLACED_MALFORMED };

/* With what it has of certificates. */
static enum placed
place_certified(struct load *load, struct secured_handshake *handshake)
{
	struct stack *stack = load->stack;
	struct dtls_handshake *hs = &handshake->dtls;

	if (!dtls_state_has_ec(hs->state))
		return PLACED;
	hs->ec = secured_ec_restore(stack, handshake);
	if (!hs->ec)
		return PLACED_NOT;
	if (!dtls_ec_take(load->reader, hs, hs->ec))
		return PLACED_MALFORMED;
	return ask_helper(stack->secured, hs) ? PLACED : PLACED_NOT;
}

static enum placed
place_handshake(struct load *load, struct session *session, const struct dtls_handshake *hs)
{
	struct stack *stack = load->stack;
	struct secured *secured = stack->secured;
	struct association *association = association_at(stack, session);
	struct secured_handshake *handshake;
	enum placed placed;

	if (!secured->free_handshake)
		return PLACED_NOT;
	handshake_pool_take(stack, session);
	handshake = handshake_of(secured, association);
	handshake->dtls = *hs;
	placed = place_certified(load, handshake);
	if (placed != PLACED) {
		handshake_pool_release(stack, association);
		return placed;
	}
	timer_wheel_arm(&secured->wheel, association->handshake - 1,
			dtls_handshake_is_sending(&handshake->dtls) ? stack->now_us : hs->due_us);
	load->passed->handshakes++;
	return PLACED;
}

/* Its client begins anew; a session that was there for it alone goes with it. */
static void
lose_handshake(struct load *load, struct session *session, bool certified)
{
	load->passed->lost[certified ? STACK_LOST_CERTIFICATE : STACK_LOST_ROOM]++;
	if (!session)
		return;
	if (session->state == BOOTSTRAP_IDLE && !association_at(load->stack, session)->established)
		load->passed->sessions--;
	secured_abandon(load->stack, session);
}

static bool
load_handshake(struct load *load)
{
	bool certified = load->reader->kind == PASSED_CERTIFIED;
	struct session *session = session_of_handshake(load);
	struct dtls_handshake hs = { 0 };
	enum placed placed = PLACED_MALFORMED;

	read_handshake(load, &hs);
	if (certified)
		read_certified(load, &hs);
	if (!load->reader->malformed && is_handshake(&hs, certified))
		placed = session ? place_handshake(load, session, &hs) : PLACED_NOT;
	if (placed == PLACED_NOT)
		lose_handshake(load, session, certified);
	crypto_wipe(&hs, sizeof hs);
	return placed != PLACED_MALFORMED;
}

/* ---- all ---- */

static bool
load_unpinned(struct load *load)
{
	uint64_t slot = record_number(load->reader, UNPINNED_SLOT) - 1;
	struct session *session = slot < load->stack->config.sessions
					  ? session_at(load->stack, (uint32_t)slot)
					  : NULL;

	if (!session)
		return !load->reader->malformed; /* it was left out */
	if (bootstrap_running(session->state) ||
	    (load->stack->secured && association_at(load->stack, session)->handshake))
		return false;
	session_table_unpin(load->stack->table, &session->node);
	return !load->reader->malformed;
}

bool
stack_load(struct stack *stack, struct record_reader *reader, const struct stack_loading *loading,
	   struct stack_passed *passed)
{
	struct load load = { stack, reader, loading, passed };
	bool good = true;

	stack->now_us = loading->now_us;
	stack->directory = atomic_load_explicit(stack->config.directory, memory_order_acquire);
	switch (reader->kind) {
	case PASSED_WORKER:
		good = load_worker(&load);
		break;
	case PASSED_SESSION:
		good = load_session(&load);
		break;
	case PASSED_HANDSHAKE:
	case PASSED_CERTIFIED:
		good = load_handshake(&load);
		break;
	case PASSED_UNPINNED:
		good = load_unpinned(&load);
		break;
	default:
		break; /* of a kind that came later */
	}
	stack->membership++;
	atomic_store_explicit(&stack->gauge_sessions, session_table_count(stack->table),
			      memory_order_relaxed);
	atomic_store_explicit(&stack->gauge_running, passed->running, memory_order_relaxed);
	return good;
}
