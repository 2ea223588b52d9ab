/*
 * http_server.h - HTTP/1.1 on one loop: routes, bounded clients, answers now or later.
 *
 * libmicrohttpd parses, with its own epoll inside the program's loop. Paths and queries come as they were sent, nothing in
 * them is decoded (url.h does). A client has limits.timeout_s from connecting, or from its last answer, for a whole request
 * and for reading the answer: who is idle, slow or sends a byte now and then is closed alike. Headers beyond
 * limits.request_bytes are answered 431. A body is read where its route admits it by the head alone, up to the length that
 * the head announces; of all clients together limits.bodies_bytes wait at most.
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

/*
 * Asked when the head is there: how long a body may be; 0: none is taken. May reply instead, what it returns does not matter
 * then.
 */
typedef size_t http_admit(void *ctx, struct http_request *request);

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHODS }; /* HEAD is GET */

struct http_route {
	const char *path; /* exact; or what a path begins with, and '*' */
	http_handler *handler;
	unsigned methods;  /* bits of enum http_method; 0: GET */
	http_admit *admit; /* NULL: no body is taken */
};

struct http_settings {
	const char *listen, *certificate, *key; /* the latter NULL: plain HTTP */
	const char *authority; /* whose certificates of clients name users; NULL: none is asked for */
	uint32_t connections, connections_per_address, timeout_s, request_bytes, bodies_bytes;
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
enum http_method http_request_method(const struct http_request *request);
/* Without the query, as it was sent. */
const char *http_request_path(const struct http_request *request);
/* A field of the query, decoded: false where it is missing, is no UTF-8, or does not fit. */
bool http_request_query(const struct http_request *request, const char *name, char *out, size_t size);
/* The fields of a query in turn, as they were sent; `value` is NULL where there is no "=". */
typedef void http_query_field(void *ctx, const char *name, const char *value);
void http_request_each_query(const struct http_request *request, http_query_field *field, void *ctx);
/* What admit() keeps for the handler, freed by `release` with the request. */
void http_request_keep(struct http_request *request, void *kept, void (*release)(void *kept));
void *http_request_kept(const struct http_request *request);
/* Wiped with the request. Not ended by a NUL. */
const char *http_request_body(const struct http_request *request, size_t *len);
bool http_server_has_tls(const struct http_server *server);
/* The common name of the client's certificate, which the settings' authority issued. False: it showed none, or no such. */
bool http_request_certificate_name(const struct http_request *request, char *out, size_t size);

struct http_header {
	const char *name, *value;
};

struct http_answer {
	unsigned status;
	const char *content_type;
	const void *body;
	size_t len;
	bool lasting; /* the body stays where it is as long as the server; else it is copied */
	const struct http_header *headers; /* a Cache-Control among them takes the place of "no-store" */
	unsigned n_headers;
};

void http_answer(struct http_request *request, const struct http_answer *answer);
/* `body` is copied. */
void http_reply(struct http_request *request, unsigned status, const char *content_type,
		const char *body, size_t len);
/* {"error": "..."}; `sentence` is ASCII without quotes. 401 says that a bearer token is wanted. */
void http_reply_error(struct http_request *request, unsigned status, const char *sentence);

struct web_stats;
void http_server_stats(const struct http_server *server, struct web_stats *stats);
