/*
 * web_sessions.h - who is logged in: sessions of the console, in memory.
 *
 * A session has a random id that only its cookie holds (here is its hash, so that nothing that leaks from this table logs
 * anybody in), and a token against forged requests that pages send back in a header. A login always makes a new session: an
 * id that a browser brings is found or is nothing, never taken over. Idle ones and old ones end. A fixed table: of one user
 * the longest idle session makes way, else nobody's. Time is injected. One thread. No allocation after web_sessions_init().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tools/web/users.h"

enum {
	WEB_SESSIONS_MAX = 1024,
	WEB_SESSIONS_OF_USER = 16,
	WEB_SESSION_ID = 64, /* hex digits */
	WEB_SESSION_CREDENTIAL = 16,
};

struct web_session {
	char name[USER_NAME_MAX + 1]; /* "": the place is free */
	enum web_role role;
	char credential[WEB_SESSION_CREDENTIAL + 1]; /* the end of the user's hash then; "": none is compared */
	unsigned char hash[32];
	char csrf[WEB_SESSION_ID + 1];
	uint64_t begun_ms, seen_ms;
};

struct web_sessions {
	struct web_session items[WEB_SESSIONS_MAX];
	uint64_t idle_ms, whole_ms;
};

void web_sessions_init(struct web_sessions *sessions, uint64_t idle_ms, uint64_t whole_ms);
void web_sessions_fini(struct web_sessions *sessions);
/* A new one, with its id. NULL: all places are taken. */
struct web_session *web_sessions_begin(struct web_sessions *sessions, const char *name, enum web_role role,
				       uint64_t now_ms, char id[WEB_SESSION_ID + 1]);
/* By the id of a cookie: it is seen now. NULL: there is none, or it has ended. */
struct web_session *web_sessions_find(struct web_sessions *sessions, const char *id, uint64_t now_ms);
void web_sessions_end(struct web_sessions *sessions, struct web_session *session);
/* In constant time. */
bool web_session_csrf_is(const struct web_session *session, const char *token);
