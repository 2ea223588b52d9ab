/*
 * server_uri.h - the address of an LwM2M server as an operator writes it, made whole.
 *
 * OMA TS Core E.1 wants a whole CoAP URI (RFC 7252 section 6, RFC 8323 section 8) in /0/x/0. Scheme
 * and port may be left out; the security mode and the transport give them. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	SERVER_URI_MAX = 255, /* OMA TS Core E.1 */
	SERVER_URI_ERROR_MAX = 320,
};

struct server_uri {
	bool secured, tcp;             /* of the scheme */
	char text[SERVER_URI_MAX + 1]; /* whole */
};

/*
 * 0, or -EINVAL and one sentence. `secured` and `tcp` are what the security mode and the binding
 * ask for where `said` has no scheme.
 */
int server_uri_complete(const char *said, bool secured, bool tcp, struct server_uri *uri,
			char error[SERVER_URI_ERROR_MAX]) __attribute__((warn_unused_result));
