/*
 * The pool of handshakes, and who gets one.
 */
#include "dataplane/core/secured/secured_internal.h"

#include <string.h>

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/sessions/capture.h"
#include "dataplane/core/sessions/flight.h"
#include "dataplane/core/sessions/session_events.h"
#include "dataplane/core/sessions/trace.h"

enum {
	CID_SLOTS = 0xffffff, /* of the connection id; sessions beyond share numbers, not ids */
	/* Of a full pool so many of the oldest handshakes, and so many others, are looked at for who makes
	 * way. */
	CANDIDATES = 16,
	GRACE_US = 4 * 1000 * 1000, /* a round trip of a slow network, or a repeated flight */
	MANY_TIMES = 2,
	MANY = 4 * PREFIX_DEBT_UNIT,
	LIFE_MIN_US = 10 * 1000 * 1000,
};

static void report_failure(struct stack *stack, const struct session *session,
			   enum dtls_progress progress);

/* ---- beginning ---- */

static bool
refuse(struct stack *stack, enum counter why)
{
	count(&stack->counters, why);
	return false;
}

/* It is there for its handshake alone. */
static bool
ends_with_handshake(const struct stack *stack, const struct session *session)
{
	return session->state == BOOTSTRAP_IDLE && !session->pending &&
	       !association_at(stack, session)->established;
}

/* Who makes way, while candidates are gone through. */
struct choice {
	uint32_t victim; /* as index + 1; 0: nobody yet */
	uint32_t most;   /* what the victim's prefix owes */
	uint32_t many;   /* who owes as much need not have had its time */
	bool for_session;
};

static void
consider(const struct stack *stack, struct choice *choice, uint32_t at)
{
	const struct secured *secured = stack->secured;
	const struct secured_handshake *handshake = &secured->handshakes[at - 1];
	uint32_t debt = prefix_debts_of(&secured->debts, &handshake->charge.places);
	bool had_time = stack->now_us - handshake->dtls.started_us >= GRACE_US;

	if (choice->victim && debt <= choice->most)
		return;
	if (!had_time && debt < choice->many)
		return;
	if (choice->for_session && !ends_with_handshake(stack, session_at(stack, handshake->slot)))
		return;
	choice->victim = at;
	choice->most = debt;
}

/*
 * Who makes way for a client of a prefix that owes `debt`, as index + 1; 0: nobody. Every handshake is of
 * a client that has not shown its key. One that had time for that is given up for any other; one that
 * began just now only if its prefix owes many times as much as the newcomer's. It is the debt that
 * decides, not the places that a prefix holds: devices of one network that all come at once hold more
 * than each of a hundred prefixes of a flood, but they finish. Who is refused repeats its hello within
 * seconds; who is displaced has the flight of a dead handshake to repeat for a minute, so devices that
 * come back all at once do not displace each other.
 *
 * The oldest few are looked at, and as many places spread over the pool, others each time: slow devices that
 * owe little, and so stay, gather among the oldest, and in neighbouring places when they came together.
 */
static uint32_t
choose_victim(struct stack *stack, uint32_t debt, bool for_session)
{
	struct secured *secured = stack->secured;
	struct choice choice = { .many = MANY_TIMES * debt + MANY, .for_session = for_session };
	uint32_t at = secured->oldest_handshake;

	for (unsigned i = 0; at && i < CANDIDATES; i++) {
		consider(stack, &choice, at);
		at = secured->handshakes[at - 1].newer;
	}
	for (unsigned i = 0; i < CANDIDATES; i++) {
		uint32_t apart = secured->n_handshakes / CANDIDATES;
		uint32_t index = (secured->next_candidate + i * apart) % secured->n_handshakes;

		if (secured->handshakes[index].in_use)
			consider(stack, &choice, index + 1);
	}
	secured->next_candidate = (secured->next_candidate + 1) % secured->n_handshakes;
	return choice.victim;
}

static bool
displace(struct stack *stack, const struct peer *newcomer, bool for_session)
{
	struct secured *secured = stack->secured;
	struct prefix_places places = prefix_debts_find(&secured->debts, newcomer->addr);
	uint32_t victim =
		choose_victim(stack, prefix_debts_of(&secured->debts, &places), for_session);
	struct secured_handshake *handshake;
	struct session *session;

	if (!victim)
		return false;
	handshake = &secured->handshakes[victim - 1];
	session = session_at(stack, handshake->slot);
	count(&stack->counters, COUNTER_dtls_handshakes_displaced);
	if (handshake->dtls.doubt == DTLS_DOUBT_KEY)
		report_failure(stack, session, DTLS_WRONG_KEY);
	handshake_pool_release(stack, association_at(stack, session));
	secured_abandon(stack, session);
	return true;
}

/* Room for a handshake, and for its session where there is none. */
static bool
make_room(struct stack *stack, const struct peer *peer, const struct session *session)
{
	struct session_table *table = stack->table;

	if (!stack->secured->free_handshake && !displace(stack, peer, false))
		return refuse(stack, COUNTER_dtls_handshakes_full);
	/* Where there is nobody to displace either, opening the session fails and is counted. */
	if (!session && session_table_full(table) && !session_table_oldest_unpinned(table))
		(void)displace(stack, peer, true);
	return true;
}

/* A peer that proved its address may have a handshake. One with a session is no new peer. */
static bool
may_start(struct stack *stack, const struct arrival *arrival, const struct session *session)
{
	struct secured *secured = stack->secured;

	if (session)
		return make_room(stack, &arrival->in->peer, session);
	if (stack->draining)
		return refuse(stack, COUNTER_dtls_start_draining);
	if (!ratelimit_prefixes_take(&secured->prefixes, arrival->in->peer.addr, stack->now_us) ||
	    !ratelimit_take(&secured->starts, stack->now_us))
		return refuse(stack, COUNTER_dtls_start_limited);
	return make_room(stack, &arrival->in->peer, NULL);
}

/* Whole as long as half of the pool is free; then in proportion to what is left. */
static uint64_t
life_us(const struct secured *secured)
{
	uint64_t left = secured->n_handshakes - secured->n_in_use;
	uint64_t life = DTLS_HANDSHAKE_LIFE_US * 2 * left / secured->n_handshakes;

	if (life > DTLS_HANDSHAKE_LIFE_US)
		return DTLS_HANDSHAKE_LIFE_US;
	return life < LIFE_MIN_US ? LIFE_MIN_US : life;
}

/* (Re)starts the session's handshake for a verified hello. */
static void
begin(struct stack *stack, struct session *session)
{
	struct secured *secured = stack->secured;
	struct association *association = association_at(stack, session);
	struct dtls_handshake *dtls = &handshake_of(secured, association)->dtls;

	dtls_handshake_leave(&secured->server, dtls);
	dtls_handshake_init(dtls, &secured->server, session_slot(stack, session) & CID_SLOTS,
			    stack->now_us);
	dtls->end_us = stack->now_us + life_us(secured);
	timer_wheel_arm(&secured->wheel, association->handshake - 1, dtls->due_us);
}

/* The session whose handshake takes this verified hello; NULL: none may. */
static struct session *
session_for(struct stack *stack, struct arrival *arrival)
{
	const struct sender from = { .peer = &arrival->in->peer,
				     .link = &arrival->in->link,
				     .hash = arrival->hash };
	struct session *session = session_of_arrival(stack, arrival);
	struct association *association = session ? association_at(stack, session) : NULL;

	if (association && association->handshake) {
		if (!dtls_handshake_is_of(&handshake_of(stack->secured, association)->dtls,
					  &arrival->record))
			begin(stack, session); /* the client began anew */
		return session;
	}
	if (!may_start(stack, arrival, session))
		return NULL;
	if (!session)
		session = session_open(stack, &from);
	if (!session)
		return NULL;
	handshake_pool_take(stack, session);
	begin(stack, session);
	return session;
}

static void
report_failure(struct stack *stack, const struct session *session, enum dtls_progress progress)
{
	const struct association *association = association_at(stack, session);
	const struct dtls_handshake *dtls =
		association->handshake ? &handshake_of(stack->secured, association)->dtls : NULL;

	if (!dtls || !dtls->is_known)
		return;
	if (progress != DTLS_WRONG_CERTIFICATE) /* of that the true reason was traced */
		trace_milestone(stack, session, dtls->device, TRACE_HANDSHAKE_FAILED);
	if (progress == DTLS_WRONG_KEY)
		events_report_rejected(stack, &session->node.peer, dtls->device, CAUSE_KEY, NULL,
				       0);
}

static void
settle_success(struct stack *stack, const struct session *session)
{
	struct secured *secured = stack->secured;
	const struct secured_handshake *handshake =
		handshake_of(secured, association_at(stack, session));

	prefix_debts_pay(&secured->debts, &handshake->charge);
	delays_add(&stack->delays[RUN_PHASE_HANDSHAKE], stack->now_us - handshake->dtls.started_us);
}

static void
settle(struct stack *stack, struct session *session, const struct link *link,
       enum dtls_progress progress, const struct dtls_session *fresh)
{
	if (progress == DTLS_WAITING)
		return;
	if (progress != DTLS_ESTABLISHED)
		report_failure(stack, session, progress);
	else
		settle_success(stack, session);
	handshake_pool_release(stack, association_at(stack, session));
	if (progress == DTLS_ESTABLISHED)
		secured_associate(stack, session, link, fresh);
	else
		secured_abandon(stack, session);
}

/* The further datagrams of a flight that needs several; those that find no room go at the next
 * tick. */
static void
send_rest(struct stack *stack, const struct session *session, const struct link *link)
{
	struct secured *secured = stack->secured;
	const struct association *association = association_at(stack, session);
	struct dtls_handshake *dtls = &handshake_of(secured, association)->dtls;

	while (dtls_handshake_is_sending(dtls)) {
		struct flight flight = flight_begin(stack, &session->node.peer, link);

		if (!flight.slot) {
			timer_wheel_arm(&secured->wheel, association->handshake - 1, stack->now_us);
			return;
		}
		dtls_handshake_send(&secured->server, dtls, &flight.writer);
		flight_end(stack, &flight);
	}
}

void
handshakes_advance(struct stack *stack, struct session *session, struct arrival *arrival)
{
	struct secured *secured = stack->secured;
	const struct dgram_in *in = arrival->in;
	struct flight flight = flight_begin(stack, &in->peer, &in->link);
	struct dtls_session fresh;
	struct dtls_turn turn = { stack->now_us, &flight.writer, &fresh };
	struct association *association = association_at(stack, session);
	struct dtls_handshake *dtls = &handshake_of(secured, association)->dtls;
	uint64_t due_us = dtls->due_us;
	enum dtls_progress progress;

	secured->asking = &in->peer;
	progress = dtls_handshake_receive(&secured->server, dtls, &arrival->record, &turn);
	if (progress == DTLS_WAITING && dtls->due_us != due_us)
		timer_wheel_arm(&secured->wheel, association->handshake - 1, dtls->due_us);
	flight_end(stack, &flight);
	send_rest(stack, session, &in->link);
	settle(stack, session, &in->link, progress, &fresh);
	if (progress == DTLS_ESTABLISHED)
		crypto_wipe(&fresh, sizeof fresh);
}

/* ---- ClientHello ---- */

/* New peers share what the worker spends on HelloVerifyRequests. */
static bool
may_greet(struct stack *stack, const struct arrival *arrival)
{
	return session_of_arrival(stack, arrival) ||
	       ratelimit_take(&stack->secured->hellos, stack->now_us) ||
	       refuse(stack, COUNTER_dtls_hello_limited);
}

enum dtls_greeting
handshakes_greet(struct stack *stack, const struct arrival *arrival)
{
	const struct dgram_in *in = arrival->in;
	struct flight flight;
	enum dtls_greeting greeting;

	if (!may_greet(stack, arrival))
		return DTLS_GREETING_DROPPED;
	flight = flight_begin(stack, &in->peer, &in->link);
	greeting = dtls_greet(&stack->secured->server, &in->peer, &arrival->record, &flight.writer);
	flight_end(stack, &flight);
	return greeting;
}

/* Adds what the record holds to the fragments that are kept; `begin`: even if there are none of its
 * hello. */
static bool
join(struct stack *stack, struct arrival *arrival, bool begin)
{
	struct dtls_hello_store *store = &stack->secured->hello_store;
	const struct peer *peer = &arrival->in->peer;
	struct reader reader = reader_init(arrival->record.fragment, arrival->record.length);
	struct dtls_message message;

	while (reader_left(&reader) && dtls_message_next(&reader, &message)) {
		if (message.type != DTLS_CLIENT_HELLO || dtls_message_is_whole(&message))
			return false;
		if (!begin && !dtls_hello_store_has(store, peer, &message, stack->now_us))
			return false;
		if (dtls_hello_store_add(store, peer, &message, stack->now_us, &arrival->record))
			return true;
	}
	return false;
}

bool
handshakes_on_fragment(struct stack *stack, struct arrival *arrival)
{
	struct session *session = session_of_arrival(stack, arrival);

	if (session && association_at(stack, session)->handshake) {
		handshakes_advance(stack, session, arrival);
		return false;
	}
	count(&stack->counters, COUNTER_dtls_hello_fragment);
	return join(stack, arrival, true);
}

bool
handshakes_join(struct stack *stack, struct arrival *arrival)
{
	return join(stack, arrival, false);
}

void
handshakes_on_hello(struct stack *stack, struct arrival *arrival)
{
	struct session *session = session_for(stack, arrival);

	if (!session)
		return;
	capture_hello(stack, arrival->in);
	if (session->state == BOOTSTRAP_IDLE && !association_at(stack, session)->established)
		session->link = arrival->in->link;
	handshakes_advance(stack, session, arrival);
}

/* What the certificate of a refused device says of it is the operator's clue; without a name its
 * address is. */
static void
report_refusal(struct stack *stack, const struct session *session, uint8_t verdict,
	       const uint8_t *name, size_t name_len)
{
	const struct dtls_handshake *dtls =
		&handshake_of(stack->secured, association_at(stack, session))->dtls;
	const struct device_entry *entry = NULL;
	uint32_t device = dtls->device;

	if (!dtls->is_known && stack->directory && name_len)
		entry = directory_find(stack->directory, name, name_len);
	if (entry)
		device = entry->id;
	if (dtls->is_known || entry) {
		capture_identified(stack, &session->node.peer, device);
		events_report_certificate(stack, &session->node.peer, device, verdict, name,
					  name_len);
	} else if (name_len) {
		events_report_unknown(stack, &session->node.peer, UNKNOWN_OVER_CERTIFICATE, name,
				      name_len);
	} else {
		events_report_unserved(
			stack, &session->node.peer,
			&(struct unserved){ .cause = CAUSE_CERTIFICATE, .reason = verdict });
	}
}

/* The same of one whose proof was waited for in vain. */
static void
report_doubt(struct stack *stack, const struct session *session)
{
	const struct dtls_ec *ec =
		handshake_of(stack->secured, association_at(stack, session))->dtls.ec;

	report_refusal(stack, session, ec->doubt.verdict, ec->doubt.name, ec->doubt.name_len);
}

/* ---- time ---- */

uint64_t
secured_due_us(const struct stack *stack)
{
	return stack->secured ? stack->secured->wheel.next_us : UINT64_MAX;
}

static void
tick_one(struct stack *stack, uint32_t index)
{
	struct secured *secured = stack->secured;
	struct secured_handshake *handshake = &secured->handshakes[index];
	struct session *session = session_at(stack, handshake->slot);
	struct flight flight = flight_begin(stack, &session->node.peer, &session->link);
	struct dtls_turn turn = { stack->now_us, &flight.writer, NULL };
	enum dtls_progress progress =
		dtls_handshake_tick(&secured->server, &handshake->dtls, &turn);

	flight_end(stack, &flight);
	send_rest(stack, session, &session->link);
	if (progress == DTLS_WAITING && !dtls_handshake_is_sending(&handshake->dtls))
		timer_wheel_arm(&secured->wheel, index, handshake->dtls.due_us);
	else if (progress != DTLS_WAITING) {
		if (progress == DTLS_WRONG_CERTIFICATE)
			report_doubt(stack, session);
		settle(stack, session, &session->link, progress, NULL);
	}
}

void
secured_tick(struct stack *stack)
{
	uint32_t index;

	if (!stack->secured)
		return;
	while (stack->out->used < stack->out->size &&
	       timer_wheel_pop(&stack->secured->wheel, stack->now_us, &index))
		tick_one(stack, index);
}

/* ---- helpers' answers ---- */

static bool
is_unknown_key(const struct ec_job *job)
{
	return job->type == DTLS_RAW_PUBLIC_KEY && job->verdict == EC_NOT_PINNED;
}

void
secured_ec(struct stack *stack, struct ec_job *job)
{
	struct secured *secured = stack->secured;
	const struct secured_ec *ec = ec_take_back(stack, job);
	struct secured_handshake *handshake;
	struct session *session;
	struct dtls_session fresh;
	struct flight flight;
	struct dtls_turn turn;
	enum dtls_progress progress;

	if (!ec)
		return;
	handshake = &secured->handshakes[ec->handshake - 1];
	session = session_at(stack, handshake->slot);
	flight = flight_begin(stack, &session->node.peer, &session->link);
	turn = (struct dtls_turn){ stack->now_us, &flight.writer, &fresh };
	secured->asking = &session->node.peer;
	progress = dtls_handshake_answered(&secured->server, &handshake->dtls, &turn);
	flight_end(stack, &flight);
	send_rest(stack, session, &session->link);
	if (progress == DTLS_WRONG_CERTIFICATE && is_unknown_key(job))
		ec_report_unknown_key(stack, &session->node.peer, job);
	else if (progress == DTLS_WRONG_CERTIFICATE)
		report_refusal(stack, session, job->verdict, job->finish.name,
			       job->finish.name_len);
	settle(stack, session, &session->link, progress, &fresh);
	if (progress == DTLS_ESTABLISHED)
		crypto_wipe(&fresh, sizeof fresh);
}
