#include "tools/web/web_sessions.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

_Static_assert(crypto_generichash_BYTES == sizeof((struct web_session *)0)->hash, "the id's hash");

void
web_sessions_init(struct web_sessions *sessions, uint64_t idle_ms, uint64_t whole_ms)
{
	memset(sessions, 0, sizeof *sessions);
	sessions->idle_ms = idle_ms;
	sessions->whole_ms = whole_ms;
}

void
web_sessions_fini(struct web_sessions *sessions)
{
	explicit_bzero(sessions, sizeof *sessions);
}

static bool
has_ended(const struct web_sessions *sessions, const struct web_session *session, uint64_t now_ms)
{
	return now_ms - session->seen_ms >= sessions->idle_ms ||
	       now_ms - session->begun_ms >= sessions->whole_ms;
}

void
web_sessions_end(struct web_sessions *sessions, struct web_session *session)
{
	explicit_bzero(session, sizeof *session);
}

/* A free place; else, of a user with many, the place that was idle longest. */
static struct web_session *
find_place(struct web_sessions *sessions, const char *name, uint64_t now_ms)
{
	struct web_session *free_place = NULL, *oldest = NULL;
	unsigned own = 0;

	for (unsigned i = 0; i < WEB_SESSIONS_MAX; i++) {
		struct web_session *session = &sessions->items[i];

		if (*session->name && has_ended(sessions, session, now_ms))
			web_sessions_end(sessions, session);
		if (!*session->name) {
			free_place = free_place ? free_place : session;
		} else if (strcmp(session->name, name) == 0) {
			own++;
			oldest = !oldest || session->seen_ms < oldest->seen_ms ? session : oldest;
		}
	}
	return own >= WEB_SESSIONS_OF_USER || !free_place ? oldest : free_place;
}

static void
random_hex(char hex[WEB_SESSION_ID + 1])
{
	unsigned char bytes[WEB_SESSION_ID / 2];

	randombytes_buf(bytes, sizeof bytes);
	sodium_bin2hex(hex, WEB_SESSION_ID + 1, bytes, sizeof bytes);
	explicit_bzero(bytes, sizeof bytes);
}

static void
hash_id(unsigned char hash[32], const char *id)
{
	crypto_generichash(hash, 32, (const unsigned char *)id, WEB_SESSION_ID, NULL, 0);
}

struct web_session *
web_sessions_begin(struct web_sessions *sessions, const char *name, enum web_role role,
		   uint64_t now_ms, char id[WEB_SESSION_ID + 1])
{
	struct web_session *session = find_place(sessions, name, now_ms);

	assert(strlen(name) <= USER_NAME_MAX);
	if (!session)
		return NULL;
	*session = (struct web_session){ .role = role, .begun_ms = now_ms, .seen_ms = now_ms };
	memcpy(session->name, name, strlen(name) + 1);
	random_hex(id);
	random_hex(session->csrf);
	hash_id(session->hash, id);
	return session;
}

struct web_session *
web_sessions_find(struct web_sessions *sessions, const char *id, uint64_t now_ms)
{
	struct web_session *found = NULL;
	unsigned char hash[32];

	if (strlen(id) != WEB_SESSION_ID)
		return NULL;
	hash_id(hash, id);
	for (unsigned i = 0; i < WEB_SESSIONS_MAX; i++)
		if (*sessions->items[i].name &&
		    sodium_memcmp(sessions->items[i].hash, hash, 32) == 0)
			found = &sessions->items[i];
	if (!found)
		return NULL;
	if (has_ended(sessions, found, now_ms)) {
		web_sessions_end(sessions, found);
		return NULL;
	}
	found->seen_ms = now_ms;
	return found;
}

bool
web_session_csrf_is(const struct web_session *session, const char *token)
{
	return token && strlen(token) == WEB_SESSION_ID &&
	       sodium_memcmp(session->csrf, token, WEB_SESSION_ID) == 0;
}
