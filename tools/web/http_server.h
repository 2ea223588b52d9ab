/*
 * http_server.h - HTTP/1.1 on one loop: routes, bounded clients, answers now or later.
 *
 * libmicrohttpd parses, with its own epoll inside the program's loop. GET and HEAD only, no bodies are taken. A client has
 * limits.timeout_s from connecting, or from its last answer, for a whole request and for reading the answer: who is idle,
 * slow or sends a byte now and then is closed alike. Headers beyond limits.request_bytes are answered 431.
 * One thread, the loop's. Allocates; never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "control/loop.h"
#include "tasks/diag.h"

struct http_server;
struct http_request;

/* Must call http_reply() or http_reply_error() exactly once, now or later; the request is gone after that. */
typedef void http_handler(void *ctx, struct http_request *request);

struct http_route {
	const char *path; /* exact */
	http_handler *handler;
};

struct http_settings {
	const char *listen, *certificate, *key; /* the latter NULL: plain HTTP */
	uint32_t connections, connections_per_address, timeout_s, request_bytes;
	const struct http_route *routes; /* borrowed, ended by a NULL path */
	void *ctx;                       /* of the handlers */
};

/* NULL after adding errors: an address that is none or is taken, files of TLS that cannot be used. */
struct http_server *http_server_new(struct loop *loop, const struct http_settings *settings,
				    struct diag_list *diags);
/* The same checks, without listening. */
bool http_server_check(const struct http_settings *settings, struct diag_list *diags);
/* Requests that wait for an answer must have got it. */
void http_server_free(struct http_server *server);
/* From the program's tick: closes who took too long. */
void http_server_tick(struct http_server *server, uint64_t now_ms);

/* NULL: missing. Valid until the reply. */
const char *http_request_header(const struct http_request *request, const char *name);
const struct sockaddr *http_request_peer(const struct http_request *request);

/* `body` is copied. */
void http_reply(struct http_request *request, unsigned status, const char *content_type,
		const char *body, size_t len);
/* {"error": "..."}; `sentence` is ASCII without quotes. 401 says that a bearer token is wanted. */
void http_reply_error(struct http_request *request, unsigned status, const char *sentence);

struct web_stats;
void http_server_stats(const struct http_server *server, struct web_stats *stats);
