#include "dataplane/core/stack.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/bootstrap/dialogue.h"
#include "dataplane/core/bootstrap/intake.h"
#include "dataplane/core/secured/secured.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/capture.h"
#include "dataplane/core/sessions/flight.h"
#include "dataplane/core/sessions/look_ahead.h"
#include "dataplane/core/sessions/session_events.h"
#include "dataplane/core/sessions/sessions.h"
#include "dataplane/core/sessions/stack_state.h"
#include "dataplane/core/sessions/trace.h"

enum {
	LINE = 64,
	HEADS_PER_SESSION = 4, /* session_table.h: between two and four 32-bit heads a session */
	SESSION_BYTES = (sizeof(struct session) + LINE - 1) / LINE * LINE +
			HEADS_PER_SESSION * sizeof(uint32_t),
	/* Operators look for unknown devices by name; a thousand at once and a hundred a second are more
	 * than anybody reads, and little beside what a ring takes. */
	UNKNOWN_PER_S = 100,
	UNKNOWN_BURST = 1000,
	/* Most tasks ask nothing, and an answer is kept for a second or so: one session in eight
	 * is generous, and 32 MiB a worker is what that may cost at most. A Discover of a dozen
	 * objects with their servers takes 500 bytes. */
	SESSIONS_PER_ANSWER = 8,
	ANSWERS_MAX = 4096,
	ANSWER_BYTES = 8192,
};

static_assert(SESSION_BYTES <= 512, "a session with its share of the tables");

/* ---- life ---- */

static struct session_table_config
table_config(const struct stack_config *config)
{
	struct session_table_config table = { .capacity = config->sessions,
					      .element_size = sizeof(struct session) };

	memcpy(table.seed, config->hash_seed, sizeof table.seed);
	return table;
}

static uint32_t
count_answers(const struct stack_config *config)
{
	unsigned count = (config->sessions + SESSIONS_PER_ANSWER - 1) / SESSIONS_PER_ANSWER;

	if (config->answers)
		return config->answers;
	return count < ANSWERS_MAX ? count : ANSWERS_MAX;
}

static uint32_t
answer_bytes(const struct stack_config *config)
{
	return config->answer_bytes ? config->answer_bytes : ANSWER_BYTES;
}

static size_t
head_size(void)
{
	return (sizeof(struct stack) + LINE - 1) / LINE * LINE;
}

size_t
stack_size(const struct stack_config *config)
{
	const struct session_table_config table = table_config(config);

	return head_size() + session_table_size(&table) +
	       answer_pool_size(count_answers(config), answer_bytes(config)) + capture_size(config) + secured_size(config);
}

unsigned
stack_certificates(const struct stack_config *config)
{
	return secured_certificates(config);
}

size_t
stack_session_bytes(void)
{
	return SESSION_BYTES + secured_association_bytes();
}

size_t
stack_handshake_bytes(void)
{
	return secured_handshake_bytes();
}

static void
init_secrets(struct stack *stack)
{
	uint8_t key[16], mid[sizeof stack->non_mid];

	rng_fill(&stack->config.rng, key, sizeof key);
	stack->digest_key = siphash_key(key);
	rng_fill(&stack->config.rng, mid, sizeof mid);
	memcpy(&stack->non_mid, mid, sizeof mid);
	explicit_bzero(key, sizeof key);
}

struct stack *
stack_init(void *memory, const struct stack_config *config, uint64_t now_us)
{
	const struct session_table_config table = table_config(config);
	const struct ratelimit_rate unknown = { .per_s = UNKNOWN_PER_S, .burst = UNKNOWN_BURST };
	uint32_t answers = count_answers(config);
	uint8_t *at = (uint8_t *)memory + head_size();
	struct stack *stack = memory;
	struct session *first;
	size_t stride;

	stack->config = *config;
	stack->now_us = now_us;
	stack->serial = config->serial_base - 1;
	stack->pending_head = NO_SLOT;
	stack->pending_tail = NO_SLOT;
	stack->table = session_table_init(at, &table);
	at += session_table_size(&table);
	first = session_table_elements(stack->table, &stride);
	timer_wheel_init(&stack->wheel, &first->timer, stride, now_us);
	ratelimit_init(&stack->unknown_rate, unknown, now_us);
	ratelimit_init(&stack->rejected_rate, unknown, now_us);
	ratelimit_init(&stack->unserved_rate, unknown, now_us);
	init_secrets(stack);
	answer_pool_init(&stack->answers, at, answers, answer_bytes(config));
	at += answer_pool_size(answers, answer_bytes(config));
	capture_init(stack, at);
	at += capture_size(config);
	secured_init(stack, at);
	return stack;
}

/* A burst on its way through the stages. */
struct burst {
	struct dgram_in *in;
	unsigned n;
	uint64_t membership; /* of the stack when the sessions were looked up */
	uint64_t hash[STACK_BURST];
	struct session *session[STACK_BURST];
};

static void
stack_begin(struct stack *stack, uint64_t now_us, struct outbox *out)
{
	stack->now_us = now_us;
	stack->out = out;
	stack->limits = atomic_load_explicit(stack->config.limits, memory_order_acquire);
	stack->directory = atomic_load_explicit(stack->config.directory, memory_order_acquire);
	secured_begin(stack);
}

void
stack_fini(struct stack *stack)
{
	stack_begin(stack, stack->now_us, NULL);
	for (uint32_t slot = 0; slot < stack->config.sessions; slot++) {
		struct session *session = session_at(stack, slot);

		if (session)
			dialogue_abandon(stack, session);
	}
	capture_fini(stack);
	secured_fini(stack);
	answer_pool_fini(&stack->answers);
	session_table_fini(stack->table);
	explicit_bzero(stack, sizeof *stack);
}

/* True: the outbox is full before all associations were told. */
static bool
say_farewell(struct stack *stack)
{
	for (; stack->farewell < stack->config.sessions; stack->farewell++) {
		struct session *session = session_at(stack, stack->farewell);

		if (!session || !association_of(stack, session))
			continue;
		if (stack->out->used == stack->out->size)
			return true;
		association_close(stack, session);
	}
	return false;
}

bool
stack_farewell(struct stack *stack, uint64_t now_us, struct outbox *out)
{
	bool more;

	stack_begin(stack, now_us, out);
	more = say_farewell(stack);
	seal_all(stack);
	return more;
}

/* ---- receiving, stage by stage ---- */

static void
hash_peers(struct stack *stack, struct burst *burst)
{
	for (unsigned i = 0; i < burst->n; i++) {
		burst->hash[i] = session_table_hash(stack->table, &burst->in[i].peer);
		session_table_prefetch(stack->table, burst->hash[i]);
	}
}

/* The lines behind the one that the look-up fetched. */
static void
prefetch_run(const struct stack *stack, const struct session *session)
{
	association_prefetch(stack, session);
	__builtin_prefetch(&session->exchange);
	__builtin_prefetch(&session->link);
	if (session->batch)
		__builtin_prefetch(session->batch);
}

static void
prefetch_sessions(struct stack *stack, struct burst *burst)
{
	for (unsigned i = 0; i < burst->n; i++)
		session_table_prefetch_session(stack->table, burst->hash[i]);
}

static void
find_sessions(struct stack *stack, struct burst *burst)
{
	burst->membership = stack->membership;
	for (unsigned i = 0; i < burst->n; i++) {
		burst->session[i] = (struct session *)session_table_find(
			stack->table, burst->hash[i], &burst->in[i].peer);
		if (burst->session[i])
			prefetch_run(stack, burst->session[i]);
	}
}

/* What arrives over DTLS is dealt with here, whole: handshakes at once, records in bursts. */
static void
open_records(struct stack *stack, struct burst *burst)
{
	secured_prepare(stack, burst->in, burst->session, burst->n);
	for (unsigned i = 0; i < burst->n; i++) {
		struct dgram_in *in = &burst->in[i];
		uint8_t security = stack->config.listener_security[in->peer.listener];

		if (security == LISTENER_NOSEC)
			continue;
		if (security == LISTENER_FORWARD) {
			secured_receive_forwarded(stack, in);
		} else {
			capture_received(stack, in, burst->hash[i]);
			secured_receive(stack, in, burst->hash[i]);
		}
		in->len = 0;
	}
	secured_open(stack);
	secured_end(stack);
}

/* The sessions were looked up before the burst's first message was processed; since then one may
 * have been opened by an earlier message of the same peer, or evicted. */
static struct session *
session_now(struct stack *stack, const struct burst *burst, unsigned i)
{
	if (stack->membership == burst->membership)
		return burst->session[i];
	return (struct session *)session_table_find(stack->table, burst->hash[i],
						    &burst->in[i].peer);
}

static void
take_messages(struct stack *stack, struct burst *burst)
{
	for (unsigned i = 0; i < burst->n; i++) {
		struct dgram_in *in = &burst->in[i];
		struct sender from = { .peer = &in->peer,
				       .link = &in->link,
				       .hash = burst->hash[i] };

		if (!in->len)
			continue;
		capture_received(stack, in, burst->hash[i]);
		from.session = session_now(stack, burst, i);
		intake_message(stack, &from, in->data, in->len);
	}
}

void
stack_receive(struct stack *stack, uint64_t now_us, struct dgram_in *in, unsigned n,
	      struct outbox *out)
{
	struct burst burst;

	assert(n <= STACK_BURST);
	/* By hand: an initialiser would clear the arrays, 500 bytes a call. */
	burst.in = in;
	burst.n = n;
	stack_begin(stack, now_us, out);
	hash_peers(stack, &burst);
	prefetch_sessions(stack, &burst);
	find_sessions(stack, &burst);
	look_ahead(stack, in, burst.session, n);
	open_records(stack, &burst);
	take_messages(stack, &burst);
	seal_all(stack);
	capture_end(stack);
}

/* ---- time and commands ---- */

static void
tick_session(struct stack *stack, struct session *session)
{
	/* Without a run only an association waits there. */
	if (session->state == BOOTSTRAP_IDLE && !session->pending)
		secured_idle(stack, session);
	else
		dialogue_timer(stack, session);
}

void
stack_tick(struct stack *stack, uint64_t now_us, struct outbox *out)
{
	uint32_t slot;

	if (now_us < stack->wheel.next_us && now_us < secured_due_us(stack) &&
	    stack->pending_head == NO_SLOT && !stack->capture.is_due)
		return;
	stack_begin(stack, now_us, out);
	events_retry(stack);
	/* A timer sends one datagram at most. */
	while (out->used < out->size && timer_wheel_pop(&stack->wheel, now_us, &slot))
		tick_session(stack, session_at(stack, slot));
	secured_tick(stack);
	seal_all(stack);
	capture_end(stack);
}

void
stack_command(struct stack *stack, uint64_t now_us, const struct stack_command *command,
	      struct outbox *out)
{
	stack_begin(stack, now_us, out);
	switch ((enum stack_command_kind)command->kind) {
	case STACK_BATCH:
		dialogue_batch(stack, command);
		break;
	case STACK_CANCEL:
		dialogue_cancel(stack, command->session);
		break;
	case STACK_DRAIN:
		stack->draining = command->on;
		break;
	case STACK_TRACE:
		trace_set(stack, command->device, command->on, command->datagrams);
		break;
	}
	seal_all(stack);
	capture_end(stack);
}

void
stack_ec(struct stack *stack, uint64_t now_us, struct ec_job *job, struct outbox *out)
{
	stack_begin(stack, now_us, out);
	secured_ec(stack, job);
	seal_all(stack);
	capture_end(stack);
}

bool
stack_is_settled(const struct stack *stack)
{
	return stack->pending_head == NO_SLOT;
}

/* ---- being watched ---- */

const struct delays *
stack_delays(const struct stack *stack)
{
	return stack->delays;
}

const struct counters *
stack_counters(const struct stack *stack)
{
	return &stack->counters;
}

struct counters *
stack_counters_writable(struct stack *stack)
{
	return &stack->counters;
}

bool
stack_progress(const struct stack *stack, struct session_ref ref, uint64_t now_us,
	       struct session_progress *progress)
{
	const struct session *session = session_at(stack, ref.slot);
	uint32_t heard_ms;

	if (!session || __atomic_load_n(&session->serial, __ATOMIC_RELAXED) != ref.serial)
		return false;
	heard_ms = __atomic_load_n(&session->watch.heard_ms, __ATOMIC_RELAXED);
	*progress = (struct session_progress){
		.running = bootstrap_running(__atomic_load_n(&session->state, __ATOMIC_RELAXED)),
		.phase = __atomic_load_n(&session->phase, __ATOMIC_RELAXED),
		.step = __atomic_load_n(&session->step, __ATOMIC_RELAXED),
		.received = __atomic_load_n(&session->watch.received, __ATOMIC_RELAXED),
		.sent = __atomic_load_n(&session->watch.sent, __ATOMIC_RELAXED),
		.retransmitted = __atomic_load_n(&session->watch.retransmitted, __ATOMIC_RELAXED),
		.silent_ms = (uint32_t)(now_us / 1000) - heard_ms,
	};
	return __atomic_load_n(&session->serial, __ATOMIC_RELAXED) == ref.serial;
}

struct stack_gauges
stack_gauges(const struct stack *stack)
{
	uint32_t sessions = atomic_load_explicit(&stack->gauge_sessions, memory_order_relaxed);
	uint32_t running = atomic_load_explicit(&stack->gauge_running, memory_order_relaxed);

	return (struct stack_gauges){
		.sessions = sessions,
		.running = running,
		.lingering = sessions > running ? sessions - running : 0,
		.capacity = stack->config.sessions,
	};
}
