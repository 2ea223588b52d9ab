#include "dataplane/core/dtls/dtls_server.h"

#include <string.h>

void
dtls_server_init(struct dtls_server *server, uint64_t now_us)
{
	dtls_cookies_init(&server->cookies, &server->rng, now_us);
	rng_fill(&server->rng, server->decoy, sizeof server->decoy);
}

bool
dtls_server_find(const struct dtls_server *server, const struct reader *identity,
		 struct dtls_identity *found)
{
	if (server->find_identity(server->find_ctx, identity->at, reader_left(identity), found))
		return true;
	found->device = 0;
	found->hash = 0;
	found->key_len = sizeof server->decoy;
	memcpy(found->key, server->decoy, sizeof server->decoy);
	return false;
}

bool
dtls_is_hello(const struct dtls_record *record)
{
	return record->epoch == 0 && record->type == DTLS_HANDSHAKE && record->length != 0 &&
	       record->fragment[0] == DTLS_CLIENT_HELLO;
}

/* The parts of a hello that a cookie needs; false when they are malformed or not there. */
static bool
parse_greeting(const struct dtls_message *message, struct dtls_hello *hello)
{
	if (dtls_message_is_whole(message))
		return dtls_hello_parse(message->fragment, message->length, hello);
	return dtls_hello_parse_head(message->fragment, message->fragment_length, hello);
}

static enum dtls_greeting
drop(const struct dtls_server *server, enum counter why)
{
	count(server->counters, why);
	return DTLS_GREETING_DROPPED;
}

enum dtls_greeting
dtls_greet(const struct dtls_server *server, const struct peer *peer,
	   const struct dtls_record *record, struct writer *out)
{
	struct reader reader = reader_init(record->fragment, record->length);
	struct dtls_message message;
	struct dtls_hello hello;
	uint8_t cookie[DTLS_COOKIE];
	bool whole;

	if (!dtls_message_next(&reader, &message))
		return drop(server, COUNTER_dtls_hello_malformed);
	if (message.offset != 0)
		return DTLS_GREETING_FRAGMENT;
	if (!parse_greeting(&message, &hello)) {
		/* Perhaps it is only cut before its cookie ends. */
		if (!dtls_message_is_whole(&message))
			return DTLS_GREETING_FRAGMENT;
		return drop(server, COUNTER_dtls_hello_malformed);
	}
	whole = dtls_message_is_whole(&message);
	if (dtls_cookie_check(&server->cookies, peer, &hello, whole))
		return DTLS_GREETING_VERIFIED;
	if (hello.cookie.len)
		count(server->counters, COUNTER_dtls_hello_cookie);
	dtls_cookie_make(&server->cookies, peer, &hello, whole, cookie);
	dtls_cookie_write_verify(out, record, &message, cookie);
	if (!writer_ok(out))
		return drop(server, COUNTER_dtls_tx_room);
	count(server->counters, COUNTER_dtls_hello_verify);
	return DTLS_GREETING_ANSWERED;
}
