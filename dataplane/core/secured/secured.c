#include "dataplane/core/secured/secured.h"

#include <string.h>

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/bootstrap/dialogue.h"
#include "dataplane/core/secured/secured_internal.h"
#include "dataplane/core/sessions/capture.h"
#include "dataplane/core/sessions/kept_slots.h"
#include "dataplane/core/sessions/outgoing.h"
#include "dataplane/core/sessions/session_events.h"
#include "dataplane/core/sessions/trace.h"

enum {
	LINE = 64,
	SESSIONS_PER_CBC = 8, /* few devices speak such a suite alone */
	CBC_MIN = 64,
	HANDSHAKES_MIN = 64,
	HANDSHAKES_MAX = 65536,
	SESSIONS_PER_HANDSHAKE = 4,
	/* Where the published limits say 0. A million hellos take a fifth of a worker's time;
	 * carriers put many devices behind one prefix. */
	IDLE_US = 60 * 1000 * 1000,
	HELLOS_PER_S = 1000 * 1000,
	STARTS_PER_S = 50 * 1000,
	STARTS_PER_PREFIX_PER_S = 10 * 1000,
	FORWARDS_PER_S = 20 * 1000, /* routes that change move a few thousand devices */
	CERTIFICATES_PER_S = 10 * 1000,           /* more than one helper thread can do */
	CERTIFICATES_PER_PREFIX_PER_S = 2 * 1000, /* a quarter of what one can */
	SESSIONS_PER_CERTIFICATE = 16,
	CERTIFICATES_MIN = 64,
	CERTIFICATES_MAX = 4096, /* 33 MB */
};

/* ---- life ---- */

static bool
is_wanted(const struct stack_config *config)
{
	for (unsigned i = 0; i < config->n_listeners; i++) {
		if (config->listener_security[i] == LISTENER_PSK)
			return true;
	}
	return false;
}

static uint32_t
count_handshakes(const struct stack_config *config)
{
	uint32_t n = config->sessions / SESSIONS_PER_HANDSHAKE;

	if (config->handshakes)
		return config->handshakes;
	if (n > HANDSHAKES_MAX)
		return HANDSHAKES_MAX;
	return n < HANDSHAKES_MIN ? HANDSHAKES_MIN : n;
}

static uint32_t
count_cbc(const struct stack_config *config)
{
	uint32_t n = config->sessions / SESSIONS_PER_CBC;

	return n < CBC_MIN ? CBC_MIN : n;
}

static uint32_t
count_ecs(const struct stack_config *config)
{
	uint32_t n = config->sessions / SESSIONS_PER_CERTIFICATE;

	if (!config->ec_offer)
		return 0;
	if (config->certificates)
		return config->certificates;
	if (n > CERTIFICATES_MAX)
		return CERTIFICATES_MAX;
	return n < CERTIFICATES_MIN ? CERTIFICATES_MIN : n;
}

static size_t
lines(size_t bytes)
{
	return (bytes + LINE - 1) / LINE * LINE;
}

static size_t
associations_size(const struct stack_config *config)
{
	return config->sessions * sizeof(struct association);
}

size_t
secured_size(const struct stack_config *config)
{
	if (!is_wanted(config))
		return 0;
	return lines(sizeof(struct secured)) + associations_size(config) +
	       lines(count_handshakes(config) * sizeof(struct secured_handshake)) +
	       lines(count_cbc(config) * sizeof(struct secured_cbc)) +
	       count_ecs(config) * sizeof(struct secured_ec);
}

size_t
secured_association_bytes(void)
{
	return sizeof(struct association);
}

size_t
secured_handshake_bytes(void)
{
	return sizeof(struct secured_handshake);
}

unsigned
secured_certificates(const struct stack_config *config)
{
	return is_wanted(config) ? count_ecs(config) : 0;
}

/* The look-up of dtls_server.h: what follows from it is identified()'s. */
static bool
find_identity(void *ctx, const uint8_t *identity, size_t len, struct dtls_identity *found)
{
	const struct stack *stack = ctx;
	const struct device_entry *entry = NULL;

	if (stack->directory) {
		found->hash = directory_hash(stack->directory, identity, len);
		entry = directory_find_identity_hashed(stack->directory, found->hash, identity,
						       len);
	}
	if (!entry || !entry->key_len)
		return false;
	found->device = entry->id;
	found->key_len = entry->key_len;
	memcpy(found->key, device_entry_key(entry), entry->key_len);
	return true;
}

static void
identified(void *ctx, const uint8_t *identity, size_t len, bool is_known, uint32_t device)
{
	struct stack *stack = ctx;
	const struct peer *peer = stack->secured->asking;

	if (is_known)
		capture_identified(stack, peer, device);
	else
		events_report_unknown(stack, peer, UNKNOWN_OVER_PSK, identity, len);
}

static struct dtls_cbc *
take_cbc(void *ctx)
{
	struct secured_cbc *cbc = cbc_pool_take(((struct stack *)ctx)->secured);

	return cbc ? &cbc->keys : NULL;
}

static void
report_unserved(void *ctx, enum dtls_unserved what, const uint8_t *offered, size_t len,
		size_t whole_len)
{
	struct stack *stack = ctx;
	const struct unserved unserved = {
		.cause = what == DTLS_UNSERVED_SUITES ? CAUSE_SUITES : CAUSE_NAME,
		.offered = offered,
		.len = len,
		.whole_len = whole_len,
	};

	events_report_unserved(stack, stack->secured->asking, &unserved);
}

static struct ratelimit_rate
rate(uint32_t per_s, uint32_t otherwise)
{
	uint32_t value = per_s ? per_s : otherwise;

	return (struct ratelimit_rate){ .per_s = value, .burst = value };
}

static void
init_limits(struct stack *stack)
{
	const struct stack_limits *limits =
		atomic_load_explicit(stack->config.limits, memory_order_acquire);
	struct secured *secured = stack->secured;
	uint8_t seed[16];

	rng_fill(&stack->config.rng, seed, sizeof seed);
	ratelimit_init(&secured->hellos, rate(limits->hellos_per_s, HELLOS_PER_S), stack->now_us);
	ratelimit_init(&secured->starts, rate(limits->handshakes_per_s, STARTS_PER_S),
		       stack->now_us);
	ratelimit_init(&secured->certificates, rate(limits->certificates_per_s, CERTIFICATES_PER_S),
		       stack->now_us);
	ratelimit_init(&secured->forwards, rate(0, FORWARDS_PER_S), stack->now_us);
	ratelimit_prefixes_init(&secured->prefixes,
				rate(limits->handshakes_per_prefix_per_s, STARTS_PER_PREFIX_PER_S),
				seed, secured->buckets, SECURED_PREFIXES);
	ratelimit_prefixes_init(
		&secured->certificate_prefixes,
		rate(limits->certificates_per_prefix_per_s, CERTIFICATES_PER_PREFIX_PER_S), seed,
		secured->certificate_buckets, SECURED_PREFIXES);
	prefix_debts_init(&secured->debts, seed, stack->now_us);
	crypto_wipe(seed, sizeof seed);
}

void
secured_init(struct stack *stack, void *memory)
{
	struct secured *secured = memory;
	uint8_t *behind = (uint8_t *)memory + lines(sizeof *secured);

	stack->secured = secured_size(&stack->config) ? secured : NULL;
	if (!stack->secured)
		return;
	secured->associations = (struct association *)behind;
	secured->handshakes =
		(struct secured_handshake *)(behind + associations_size(&stack->config));
	secured->n_handshakes = count_handshakes(&stack->config);
	secured->n_cbc = count_cbc(&stack->config);
	secured->cbc = (struct secured_cbc *)((uint8_t *)secured->handshakes +
					      lines(secured->n_handshakes *
						    sizeof(struct secured_handshake)));
	secured->n_ecs = count_ecs(&stack->config);
	secured->ecs = (struct secured_ec *)((uint8_t *)secured->cbc +
					     lines(secured->n_cbc * sizeof(struct secured_cbc)));
	cbc_pool_init(secured);
	handshake_pool_init(stack);
	init_limits(stack);
	secured->server = (struct dtls_server){
		.ops = stack->config.crypto ? stack->config.crypto : crypto_select(),
		.rng = stack->config.rng,
		.counters = &stack->counters,
		.worker = stack->config.worker,
		.find_identity = find_identity,
		.identified = identified,
		.take_cbc = take_cbc,
		.unserved = report_unserved,
		.find_ctx = stack,
		.ahead = stack->config.handshakes_alone ? NULL : &secured->ahead,
	};
	ec_init(stack);
	dtls_server_init(&secured->server, stack->now_us);
}

void
secured_fini(struct stack *stack)
{
	if (stack->secured)
		crypto_wipe(stack->secured, secured_size(&stack->config));
}

static void
follow_rate(struct ratelimit *limit, struct ratelimit_rate now)
{
	if (limit->rate.per_s != now.per_s)
		ratelimit_change(limit, now);
}

void
secured_begin(struct stack *stack)
{
	struct secured *secured = stack->secured;
	const struct stack_limits *limits = stack->limits;

	if (!secured)
		return;
	dtls_cookies_follow(&secured->server.cookies, secured->server.ops, &secured->server.rng,
			    &limits->cookies, stack->now_us);
	dtls_members_follow(&secured->server.members, secured->server.ops, &limits->members,
			    stack->now_us);
	prefix_debts_advance(&secured->debts, stack->now_us);
	follow_rate(&secured->hellos, rate(limits->hellos_per_s, HELLOS_PER_S));
	follow_rate(&secured->starts, rate(limits->handshakes_per_s, STARTS_PER_S));
	follow_rate(&secured->certificates, rate(limits->certificates_per_s, CERTIFICATES_PER_S));
	secured->server.abilities = secured->n_ecs ? limits->abilities : 0;
	secured->server.trust = limits->trust;
	if (limits->certificates_cbc)
		secured->server.abilities |= DTLS_CERTIFICATES_CBC; /* of no use by itself */
	secured->prefixes.rate = rate(limits->handshakes_per_prefix_per_s, STARTS_PER_PREFIX_PER_S);
	secured->certificate_prefixes.rate =
		rate(limits->certificates_per_prefix_per_s, CERTIFICATES_PER_PREFIX_PER_S);
}

/* ---- associations ---- */

void
secured_wait_idle(struct stack *stack, struct session *session)
{
	uint32_t idle_us = stack->limits->idle_us;

	session_arm(stack, session,
		    association_wait_us(stack, session, idle_us ? idle_us : IDLE_US));
}

/* A run belongs to its association, and a copy of a request to the one it came over (RFC 7252
 * 9.1). */
void
secured_associate(struct stack *stack, struct session *session, const struct link *link,
		  const struct dtls_session *fresh)
{
	struct association *association = association_at(stack, session);

	if (association->established) {
		count(&stack->counters, COUNTER_dtls_replaced);
		dialogue_closed(stack, session);
		association_end(stack, association);
	}
	association->dtls = *fresh;
	association->established = true;
	association->keep_us = 0;
	capture_identified(stack, &session->node.peer, fresh->device);
	trace_milestone(stack, session, fresh->device, TRACE_ASSOCIATED);
	session->link = *link;
	session->request = (struct exchange_request){ 0 };
	kept_put(stack, session, &association->dtls);
	secured_wait_idle(stack, session);
}

/* The association is over; its session is too, unless an event is pending. */
void
secured_end_association(struct stack *stack, struct session *session, bool answer)
{
	struct association *association = association_at(stack, session);

	trace_milestone(stack, session, association->dtls.device, TRACE_ASSOCIATION_ENDED);
	dialogue_closed(stack, session);
	if (answer)
		association_close(stack, session);
	else
		association_end(stack, association);
	if (!association->handshake && !session->pending)
		session_close(stack, session);
}

/* A session without association and without a past is there for its handshake alone. */
void
secured_abandon(struct stack *stack, struct session *session)
{
	if (session->pending || bootstrap_running(session->state))
		return;
	if (session->state != BOOTSTRAP_IDLE)
		session_table_unpin(stack->table, &session->node);
	else if (!association_at(stack, session)->established)
		session_close(stack, session);
}

void
secured_idle(struct stack *stack, struct session *session)
{
	if (association_at(stack, session)->handshake) {
		secured_wait_idle(stack, session); /* the device is shaking hands anew */
		return;
	}
	count(&stack->counters, COUNTER_dtls_idle);
	session_close(stack, session);
}
