/*
 * guard.h - who may read: by address, or by a bearer token (RFC 6750 2.1).
 *
 * Behind a reverse proxy every connection comes from its address, often loopback. So a request that says it was forwarded
 * is judged by the client that a known proxy names; from anybody else such a request has no address that counts.
 * Tokens are compared in constant time and wiped at the end. One thread; allocates on guard_init() only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "tasks/diag.h"
#include "tools/web/address_list.h"

enum { GUARD_TOKENS_MAX = 16, GUARD_TOKEN_MIN = 16, GUARD_TOKEN_MAX = 256 };

struct guard {
	struct address_list allowed, proxies;
	char tokens[GUARD_TOKENS_MAX][GUARD_TOKEN_MAX + 1];
	unsigned n_tokens;
};

struct guard_settings {
	const char *allow, *proxies, *token_file; /* each may be NULL */
};

/* What a request tells of who it is; headers are NULL where missing. */
struct guard_claims {
	const struct sockaddr *peer;
	const char *authorization;
	const char *forwarded_for; /* X-Forwarded-For, the one header that is understood */
	bool forwarded;            /* any header of a proxy is there */
};

enum guard_verdict {
	GUARD_ALLOWED,
	GUARD_TOKEN_WANTED, /* none was shown, and there are some: 401 */
	GUARD_FORBIDDEN,    /* 403 */
};

/* False after adding errors. */
bool guard_init(struct guard *guard, const struct guard_settings *settings,
		struct diag_list *diags);
void guard_fini(struct guard *guard);
enum guard_verdict guard_judge(const struct guard *guard, const struct guard_claims *claims);
/* Whether the connection comes from a known proxy. */
bool guard_is_proxy(const struct guard *guard, const struct sockaddr *peer);
/* The client that a known proxy names, else the peer itself: to tell clients apart, not to trust them. */
void guard_client(const struct guard *guard, const struct guard_claims *claims,
		  struct ip_address *client);
