/*
 * Peers whose suite only the slow lane speaks: their datagrams go to its thread, its answers and keys come back (slow_lane.h).
 *
 * A session waits in the lane with `lane` set, pinned, under the idle timer. Each attempt has a serial of its own, so that
 * what comes back late for an attempt that ended is known and ignored.
 */
#include "dataplane/core/secured/secured_internal.h"

#include <string.h>

#include "dataplane/core/sessions/flight.h"
#include "dataplane/core/sessions/session_events.h"

enum {
	LANE_WAIT_US = 60 * 1000 * 1000,          /* longer than the lane's own patience */
	HELLO_RANDOM = DTLS_HANDSHAKE_HEADER + 2, /* behind the version */
};

/* ---- to the lane ---------------------------------------------------------------------------------------------- */

/*
 * The library ends a handshake for what anybody could have sent (RFC 6347 4.1.2.7): of plaintext it is
 * given what a client has to say, and nothing else.
 */
static bool
is_expected(const struct dtls_record *record)
{
	if (record->epoch != 0 || record->type == DTLS_CHANGE_CIPHER_SPEC)
		return true;
	return record->type == DTLS_HANDSHAKE && record->length != 0 &&
	       (record->fragment[0] == DTLS_CLIENT_HELLO ||
		record->fragment[0] == DTLS_CLIENT_KEY_EXCHANGE);
}

void
lane_record(struct stack *stack, struct session *session, const struct arrival *arrival)
{
	const struct dtls_record *record = &arrival->record;
	size_t len = DTLS_RECORD_HEADER + (size_t)record->length;
	struct slow_lane_item *item;

	/* mbedTLS knows no connection ids; and a longer record than an item is no handshake's. */
	if (record->cid_len || len > SLOW_LANE_DATAGRAM_MAX || !is_expected(record)) {
		count(&stack->counters, COUNTER_dtls_message_unexpected);
		return;
	}
	item = lane_item_for(stack, session, SLOW_LANE_DATAGRAM);
	if (!item)
		return;
	memcpy(item->datagram, record->header, len);
	item->len = (uint16_t)len;
	stack->config.lane_offer(stack->config.lane_ctx, item);
}

bool
lane_accepts(const struct stack *stack, const struct dtls_record *hello)
{
	struct reader reader = reader_init(hello->fragment, hello->length);
	uint32_t length;

	if (!stack->config.lane_item)
		return false;
	reader_u8(&reader);
	length = reader_u24(&reader);
	/* mbedTLS takes no hello in fragments. */
	return reader_ok(&reader) && hello->length == DTLS_HANDSHAKE_HEADER + length &&
	       hello->length > HELLO_RANDOM + DTLS_RANDOM;
}

void
lane_hello(struct stack *stack, struct session *session, const struct arrival *arrival)
{
	struct association *association = association_at(stack, session);
	uint32_t random;

	/* A repeated hello goes to its attempt, whose flight it calls for; another one is a new attempt. */
	memcpy(&random, arrival->record.fragment + HELLO_RANDOM, sizeof random);
	if (association->lane && association->lane_random != random)
		lane_leave(stack, session);
	if (!association->lane) {
		association->lane = true;
		association->lane_random = random;
		association->lane_serial = ++stack->secured->lane_serial;
	}
	if (session->state == BOOTSTRAP_IDLE)
		session_arm(stack, session, LANE_WAIT_US);
	lane_record(stack, session, arrival);
}

/* ---- from the lane -------------------------------------------------------------------------------------------- */

/* The session whose attempt this is, or NULL: it ended meanwhile. */
static struct session *
session_of(struct stack *stack, const struct slow_lane_item *item)
{
	struct session *session =
		item->slot < stack->config.sessions ? session_at(stack, item->slot) : NULL;
	const struct association *association = session ? association_at(stack, session) : NULL;

	return association && association->lane && association->lane_serial == item->serial
		       ? session
		       : NULL;
}

static void
send_datagram(struct stack *stack, const struct session *session, const struct slow_lane_item *item)
{
	struct flight flight = flight_begin(stack, &session->node.peer, &session->link);

	writer_bytes(&flight.writer, item->datagram, item->len);
	flight_end(stack, &flight);
}

static void
establish(struct stack *stack, struct session *session, const struct slow_lane_item *item)
{
	struct secured *secured = stack->secured;
	struct secured_cbc *cbc = cbc_pool_take(secured);
	struct dtls_session fresh;

	association_at(stack, session)->lane = false;
	if (!cbc) {
		count(&stack->counters, COUNTER_dtls_slow_lane_full);
		secured_abandon(stack, session);
		return;
	}
	count(&stack->counters, COUNTER_dtls_finished);
	dtls_cbc_establish(secured->server.ops, &item->keys, &cbc->keys, &fresh);
	secured_associate(stack, session, &session->link, &fresh);
	crypto_wipe(&fresh, sizeof fresh);
}

static void
end(struct stack *stack, struct session *session, const struct slow_lane_item *item)
{
	static const enum counter counters[] = {
		[SLOW_LANE_FAILED] = COUNTER_dtls_slow_lane_failed,
		[SLOW_LANE_WRONG_KEY] = COUNTER_dtls_failed_key,
		[SLOW_LANE_FULL] = COUNTER_dtls_slow_lane_full,
		[SLOW_LANE_TIMED_OUT] = COUNTER_dtls_failed_timeout,
		[SLOW_LANE_DISPLACED] = COUNTER_dtls_handshakes_displaced,
	};

	count(&stack->counters, counters[item->cause]);
	if (item->cause == SLOW_LANE_WRONG_KEY)
		events_report_rejected(stack, &session->node.peer, item->keys.device, CAUSE_KEY,
				       NULL, 0);
	association_at(stack, session)->lane = false;
	secured_abandon(stack, session);
}

void
secured_lane(struct stack *stack, const struct slow_lane_item *item)
{
	struct session *session = stack->secured ? session_of(stack, item) : NULL;

	if (!session)
		return;
	switch ((enum slow_lane_kind)item->kind) {
	case SLOW_LANE_DATAGRAM:
		send_datagram(stack, session, item);
		return;
	case SLOW_LANE_ESTABLISHED:
		establish(stack, session, item);
		return;
	case SLOW_LANE_END:
		end(stack, session, item);
		return;
	}
}
