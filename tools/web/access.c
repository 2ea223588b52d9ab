#include "tools/web/access.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/log.h"

void
access_refresh(struct access *access)
{
	struct diag_list diags;
	struct stat st;
	char line[512];

	if (stat(access->users_file, &st))
		memset(&st, 0, sizeof st);
	if (st.st_ino == access->stamp.st_ino && st.st_size == access->stamp.st_size &&
	    st.st_mtim.tv_sec == access->stamp.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == access->stamp.st_mtim.tv_nsec)
		return;
	access->stamp = st;
	users_fini(&access->users);
	diag_list_init(&diags);
	if (!users_load(&access->users, access->users_file, &diags))
		for (size_t i = 0; i < diags.count; i++) {
			diag_format(&diags.items[i], line, sizeof line);
			log_error("nobody can log in: %s", line);
		}
	diag_list_fini(&diags);
}

void
access_fini(struct access *access)
{
	users_fini(&access->users);
	web_sessions_fini(&access->sessions);
}

static const char *
cookie_name(const struct access *access)
{
	return access->secure ? "__Host-cradle" : "cradle";
}

void
access_cookie(const struct access *access, const char *id, char *out, size_t size)
{
	snprintf(out, size, "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s", cookie_name(access),
		 id ? id : "", id ? "" : "; Max-Age=0", access->secure ? "; Secure" : "");
}

/* The value of our cookie (RFC 6265 4.2). */
static bool
find_cookie(const struct access *access, const char *header, char id[WEB_SESSION_ID + 1])
{
	const char *name = cookie_name(access);
	size_t name_len = strlen(name);

	while (header && *header) {
		size_t len;

		header += strspn(header, " ;");
		len = strcspn(header, ";");
		if (len == name_len + 1 + WEB_SESSION_ID && strncmp(header, name, name_len) == 0 &&
		    header[name_len] == '=') {
			memcpy(id, header + name_len + 1, WEB_SESSION_ID);
			id[WEB_SESSION_ID] = '\0';
			return true;
		}
		header += len;
	}
	return false;
}

static bool
take_user(struct identity *identity, const struct web_user *user)
{
	if (!user)
		return false;
	memcpy(identity->name, user->name, sizeof identity->name);
	identity->role = user->role;
	return true;
}

/* Who logged in by a password loses the session with it, or with the name. */
static bool
still_stands(struct access *access, const struct web_session *session, struct identity *identity)
{
	const struct web_user *user = users_find(&access->users, session->name);

	if (!*session->credential) {
		memcpy(identity->name, session->name, sizeof identity->name);
		identity->role = session->role;
		return true;
	}
	return user && strlen(user->hash) > WEB_SESSION_CREDENTIAL &&
	       strcmp(user->hash + strlen(user->hash) - WEB_SESSION_CREDENTIAL,
		      session->credential) == 0 &&
	       take_user(identity, user);
}

static bool
by_cookie(struct access *access, const struct http_request *request, uint64_t now_ms,
	  struct identity *identity)
{
	char id[WEB_SESSION_ID + 1];
	struct web_session *session;

	if (!find_cookie(access, http_request_header(request, "Cookie"), id))
		return false;
	session = web_sessions_find(&access->sessions, id, now_ms);
	if (session && !still_stands(access, session, identity)) {
		web_sessions_end(&access->sessions, session);
		session = NULL;
	}
	identity->session = session;
	return session != NULL;
}

static bool
by_token(struct access *access, const char *authorization, struct identity *identity)
{
	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return false;
	identity->bearer = true;
	return take_user(
		identity,
		users_by_token(&access->users, authorization + 7 + strspn(authorization + 7, " ")));
}

/* Only whoever is of kind "other": a proxy does not lend the names of those who have passwords. */
static bool
by_name(struct access *access, const char *name, struct identity *identity)
{
	const struct web_user *user = name ? users_find(&access->users, name) : NULL;

	return user && user->kind == USER_OTHER && take_user(identity, user);
}

static struct guard_claims
claims_of(const struct http_request *request)
{
	return (struct guard_claims){
		.peer = http_request_peer(request),
		.forwarded_for = http_request_header(request, "X-Forwarded-For"),
	};
}

bool
access_identify(struct access *access, const struct http_request *request, uint64_t now_ms,
		struct identity *identity)
{
	const char *authorization = http_request_header(request, "Authorization");
	struct guard_claims claims = claims_of(request);
	char name[USER_NAME_MAX + 1];

	*identity = (struct identity){ .role = ROLE_VIEWER };
	access_refresh(access);
	if (authorization)
		return by_token(access, authorization, identity);
	if (by_cookie(access, request, now_ms, identity))
		return true;
	if (access->certificates && http_request_certificate_name(request, name, sizeof name))
		return by_name(access, name, identity);
	return access->proxy_header && guard_is_proxy(access->guard, claims.peer) &&
	       by_name(access, http_request_header(request, access->proxy_header), identity);
}

bool
access_is_cross_site(const struct http_request *request)
{
	const char *site = http_request_header(request, "Sec-Fetch-Site");
	const char *origin = http_request_header(request, "Origin");
	const char *host = http_request_header(request, "Host");
	const char *authority;

	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return true;
	if (!origin)
		return false;
	authority = strstr(origin, "://");
	return !authority || !host || strcasecmp(authority + 3, host) != 0;
}

bool
access_is_meant(const struct identity *identity, const struct http_request *request)
{
	if (identity->bearer)
		return true;
	if (access_is_cross_site(request))
		return false;
	return !identity->session ||
	       web_session_csrf_is(identity->session, http_request_header(request, "X-CSRF-Token"));
}

void
access_client(const struct access *access, const struct http_request *request,
	      struct ip_address *address)
{
	struct guard_claims claims = claims_of(request);

	guard_client(access->guard, &claims, address);
}
