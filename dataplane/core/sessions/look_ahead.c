#include "dataplane/core/sessions/look_ahead.h"

#include <string.h>

#include "dataplane/core/coap/coap_defs.h"
#include "dataplane/core/coap/coap_msg.h"
#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_defs.h"
#include "dataplane/core/sessions/association.h"
#include "dataplane/core/sessions/bootstrap_state.h"

enum {
	LINE = 64,
	BATCH_LINES = 3, /* head, pointers and first step of a batch of an account */
};

/* What of the directory a message asks for. */
struct wish {
	uint64_t hash;
	bool by_identity;
};

static void
fetch_step(const struct batch_step *step)
{
	__builtin_prefetch(step);
	__builtin_prefetch((const uint8_t *)step + LINE);
}

/* A reply makes the next step go out. */
static void
fetch_next_step(const struct session *session)
{
	const struct batch *batch = session->batch;

	if (batch && session->step + 1u < batch->n_steps)
		fetch_step(batch->steps[session->step + 1]);
}

/*
 * The parameter ep of a request over NoSec, found without a check of anything else: the walk is bounded
 * by the datagram, and who processes the message checks it all.
 */
static bool
wish_endpoint(const struct stack *stack, const struct dgram_in *in, struct wish *wish)
{
	static const char key[] = { 'e', 'p', '=' };
	struct coap_option_iter iter = { .reader = reader_init(in->data, in->len) };
	struct coap_option option;
	unsigned token_len = reader_u8(&iter.reader) & 15;

	if (reader_u8(&iter.reader) != COAP_POST)
		return false;
	reader_skip(&iter.reader, COAP_HEADER_LEN - 2 + token_len);
	while (coap_option_next(&iter, &option) && option.number <= COAP_OPTION_URI_QUERY) {
		if (option.number != COAP_OPTION_URI_QUERY || option.len <= sizeof key ||
		    memcmp(option.value, key, sizeof key) != 0)
			continue;
		wish->hash = directory_hash(stack->directory, option.value + sizeof key,
					    option.len - sizeof key);
		wish->by_identity = false;
		return true;
	}
	return false;
}

/* The identity of a ClientKeyExchange that stands first in its datagram (RFC 4279 2). */
static bool
wish_identity(const struct stack *stack, const struct dgram_in *in, struct wish *wish)
{
	struct reader reader = reader_init(in->data, in->len);
	const uint8_t *identity;
	uint16_t len;

	if (reader_u8(&reader) != DTLS_HANDSHAKE)
		return false;
	reader_skip(&reader, DTLS_RECORD_HEADER - 1);
	if (reader_u8(&reader) != DTLS_CLIENT_KEY_EXCHANGE)
		return false;
	reader_skip(&reader, DTLS_HANDSHAKE_HEADER - 1);
	len = reader_u16(&reader);
	identity = reader_bytes(&reader, len);
	if (!reader_ok(&reader) || len > DTLS_IDENTITY_MAX)
		return false;
	*wish = (struct wish){ directory_hash(stack->directory, identity, len), true };
	return true;
}

/* Over DTLS: a handshake will look its identity up, a session without a run its owner. */
static bool
wish_secured(const struct stack *stack, const struct dgram_in *in, const struct session *session,
	     struct wish *wish)
{
	const struct dtls_session *dtls = association_of(stack, session);

	if (!session)
		return false;
	if (!dtls)
		return wish_identity(stack, in, wish);
	*wish = (struct wish){ dtls->identity_hash, true };
	return true;
}

static bool
wish_of(const struct stack *stack, const struct dgram_in *in, const struct session *session,
	struct wish *wish)
{
	if (session && bootstrap_running(session->state)) {
		fetch_next_step(session);
		return false;
	}
	return stack->config.listener_security[in->peer.listener] == LISTENER_NOSEC
		       ? wish_endpoint(stack, in, wish)
		       : wish_secured(stack, in, session, wish);
}

static void
fetch_batch(const struct device_entry *entry)
{
	/* Relaxed: nothing is read through it. */
	const uint8_t *batch =
		(const uint8_t *)atomic_load_explicit(&entry->batch, memory_order_relaxed);

	for (int i = 0; batch && i < BATCH_LINES; i++)
		__builtin_prefetch(batch + i * LINE);
}

void
look_ahead(const struct stack *stack, const struct dgram_in *in, struct session *const *sessions,
	   unsigned n)
{
	const struct directory *directory = stack->directory;
	const struct device_entry *entries[STACK_BURST];
	struct wish wishes[STACK_BURST];
	unsigned n_wishes = 0;

	if (!directory)
		return;
	for (unsigned i = 0; i < n; i++) {
		struct wish *wish = &wishes[n_wishes];

		if (!wish_of(stack, &in[i], sessions[i], wish))
			continue;
		if (wish->by_identity)
			directory_prefetch_identity(directory, wish->hash);
		else
			directory_prefetch(directory, wish->hash);
		n_wishes++;
	}
	for (unsigned i = 0; i < n_wishes; i++)
		entries[i] = directory_guess(directory, wishes[i].hash, wishes[i].by_identity);
	for (unsigned i = 0; i < n_wishes; i++)
		if (entries[i])
			fetch_batch(entries[i]);
}
