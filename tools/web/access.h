/*
 * access.h - who sends a request, and what they may do.
 *
 * A bearer token (RFC 6750), the cookie of a session, a client certificate that the TLS library verified, or the name that
 * a trusted proxy vouches for. The users file is read again when it has changed: a role that is taken away is gone with the
 * next request. A browser sends all but tokens by itself, so what changes anything must also prove that one of our pages
 * sent it: by the session's token in X-CSRF-Token, and never from another site (Sec-Fetch-Site, Origin).
 * One thread. Allocates users.
 */
#pragma once

#include <sys/stat.h>

#include "tools/web/guard.h"
#include "tools/web/http_server.h"
#include "tools/web/users.h"
#include "tools/web/web_sessions.h"

struct access {
	const struct guard *guard;
	const char *users_file;
	const char *proxy_header; /* which names the user, from guard's proxies; NULL: none does */
	bool certificates;        /* of clients count */
	bool secure;              /* cookies go over TLS only */
	struct users users;
	struct stat stamp; /* of the file as it was read; st_ino 0: never */
	struct web_sessions sessions;
};

struct identity {
	char name[USER_NAME_MAX + 1];
	enum web_role role;
	struct web_session *session; /* NULL: not by a cookie */
	bool bearer;
};

/* Reads the users file when it has changed; one that cannot be read leaves nobody. */
void access_refresh(struct access *access);
void access_fini(struct access *access);

/* False: nobody that is known. */
bool access_identify(struct access *access, const struct http_request *request, uint64_t now_ms,
		     struct identity *identity);
/* Whether a request that changes something was meant by whom it comes from. */
bool access_is_meant(const struct identity *identity, const struct http_request *request);
/* Whether a browser says that another site caused it. */
bool access_is_cross_site(const struct http_request *request);
/* The client's address, by the word of a trusted proxy where there is one. */
void access_client(const struct access *access, const struct http_request *request,
		   struct ip_address *address);
/* Set-Cookie for a session's id; NULL: the cookie is to go. */
void access_cookie(const struct access *access, const char *id, char *out, size_t size);
