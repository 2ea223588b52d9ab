/*
 * http_internal.h - a request and its connection, as http_server.c and http_stream.c share them. Of the two alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "control/buffer.h"
#include "tools/web/http_server.h"

struct http_request {
	struct http_server *server;
	struct MHD_Connection *connection;
	const struct http_route *route;
	const char *path; /* the library's, as long as the request */
	enum http_method method;
	struct MHD_Response *response;
	unsigned status;
	bool handled, suspended;
	size_t body_len; /* announced; counts in bodies_len of the server */
	struct buffer body;
	void *kept;
	void (*release)(void *kept);
};

/* The answer's headers, and those that every answer has. */
void http_internal_headers(struct MHD_Response *response, const struct http_answer *answer);
/* Counts the answer. */
void http_internal_count(struct http_server *server, unsigned status);
/* The client's time begins anew; it does not run while it `waits` for us. */
void http_internal_restart_time(struct MHD_Connection *connection, bool waits);
/* The library runs after what else waits in the loop: it does not notice by itself that a request goes on. */
void http_internal_run_soon(struct http_server *server);
struct loop *http_internal_loop(const struct http_server *server);
