#include "tools/web/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/log.h"
#include "tools/web/client_certificate.h"
#include "tools/web/http_internal.h"
#include "tools/web/listen_socket.h"
#include "tools/web/metrics.h"
#include "tools/web/tls_files.h"
#include "tools/web/url.h"

/* Of a connection: until when it must have sent its request, or read its answer. Ordered by deadline, all have one time. */
struct http_connection {
	struct http_server *server;
	int fd;
	uint64_t deadline_ms;
	bool waits; /* for the appliance: it is not the client that is slow */
	struct http_connection *next, *previous;
};

struct http_server {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_source *source, *timer_source;
	int timer;
	uint64_t timeout_ms;
	const struct http_route *routes;
	void *ctx;
	struct tls_files tls;
	struct http_connection *first, *last;
	unsigned n_connections;
	size_t bodies_len, bodies_max;
	uint64_t requests[6];
};

/* --- time --- */

static void
unlink_connection(struct http_connection *connection)
{
	struct http_server *server = connection->server;

	*(connection->previous ? &connection->previous->next : &server->first) = connection->next;
	*(connection->next ? &connection->next->previous : &server->last) = connection->previous;
}

/* Its time begins anew: to the end of the list. */
static void
append_connection(struct http_connection *connection)
{
	struct http_server *server = connection->server;

	connection->deadline_ms = clock_now_us() / 1000 + server->timeout_ms;
	connection->previous = server->last;
	connection->next = NULL;
	*(server->last ? &server->last->next : &server->first) = connection;
	server->last = connection;
}

void
http_internal_restart_time(struct MHD_Connection *connection, bool waits)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_connection *own = info ? info->socket_context : NULL;

	if (!own)
		return;
	own->waits = waits;
	unlink_connection(own);
	append_connection(own);
}

void
http_server_tick(struct http_server *server, uint64_t now_ms)
{
	struct http_connection *connection;

	while ((connection = server->first) && connection->deadline_ms <= now_ms) {
		/* The library sees the end and closes; until it does, the connection is not looked at again. */
		if (!connection->waits) {
			shutdown(connection->fd, SHUT_RDWR);
			server->requests[0]++;
		}
		unlink_connection(connection);
		append_connection(connection);
	}
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **context,
	      enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = cls;
	struct http_connection *own = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (own) {
			unlink_connection(own);
			server->n_connections--;
		}
		free(own);
		*context = NULL;
		return;
	}
	own = calloc(1, sizeof *own);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (!own) {
		/* Without a deadline it might stay for ever. */
		shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	own->server = server;
	own->fd = info->connect_fd;
	server->n_connections++;
	append_connection(own);
	*context = own;
}

void
http_internal_run_soon(struct http_server *server)
{
	const struct itimerspec at = { .it_value.tv_nsec = 1 };

	timerfd_settime(server->timer, 0, &at, NULL);
}

/* --- requests --- */

static enum MHD_Result
queue_reply(struct http_request *request)
{
	return MHD_queue_response(request->connection, request->status, request->response);
}

/* What browsers are to make of every answer: nothing but this program's own files is loaded, nobody frames it. */
void
http_internal_headers(struct MHD_Response *response, const struct http_answer *answer)
{
	static const struct http_header always[] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri "
					     "'none'; form-action 'self'; object-src 'none'" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};
	bool cache = false;

	if (answer->content_type)
		MHD_add_response_header(response, "Content-Type", answer->content_type);
	for (unsigned i = 0; i < sizeof always / sizeof always[0]; i++)
		MHD_add_response_header(response, always[i].name, always[i].value);
	for (unsigned i = 0; i < answer->n_headers; i++) {
		MHD_add_response_header(response, answer->headers[i].name,
					answer->headers[i].value);
		cache |= strcmp(answer->headers[i].name, "Cache-Control") == 0;
	}
	if (!cache)
		MHD_add_response_header(response, "Cache-Control", "no-store");
}

void
http_internal_count(struct http_server *server, unsigned status)
{
	server->requests[status / 100 % 6]++;
}

struct loop *
http_internal_loop(const struct http_server *server)
{
	return server->loop;
}

static void
add_allow(struct MHD_Response *response, const struct http_request *request)
{
	static const char *const names[] = { "GET, HEAD", "POST", "PUT", "PATCH", "DELETE" };
	unsigned methods = request->route->methods ? request->route->methods : 1u << HTTP_GET;
	char allow[64] = "";

	for (unsigned i = 0; i < HTTP_METHODS; i++)
		if (methods & 1u << i)
			snprintf(allow + strlen(allow), sizeof allow - strlen(allow), "%s%s",
				 *allow ? ", " : "", names[i]);
	MHD_add_response_header(response, "Allow", allow);
}

static void
set_reply(struct http_request *request, const struct http_answer *answer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->len, (void *)answer->body,
		answer->lasting ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY);

	request->status = answer->status;
	request->response = response;
	if (!response)
		return; /* queueing nothing closes the connection */
	http_internal_headers(response, answer);
	http_internal_count(request->server, answer->status);
}

void
http_answer(struct http_request *request, const struct http_answer *answer)
{
	set_reply(request, answer);
	if (!request->suspended)
		return;
	request->suspended = false;
	http_internal_restart_time(request->connection, false);
	MHD_resume_connection(request->connection);
	http_internal_run_soon(request->server);
}

void
http_reply(struct http_request *request, unsigned status, const char *content_type,
	   const char *body, size_t len)
{
	http_answer(request, &(struct http_answer){ .status = status,
						    .content_type = content_type,
						    .body = body,
						    .len = len });
}

void
http_reply_error(struct http_request *request, unsigned status, const char *sentence)
{
	char body[256];
	int len = snprintf(body, sizeof body, "{\"error\":\"%s\"}\n", sentence);

	const struct http_header bearer = { "WWW-Authenticate", "Bearer" };

	if (len < 0 || (size_t)len >= sizeof body)
		len = 0;
	http_answer(request, &(struct http_answer){ .status = status,
						    .content_type = "application/json",
						    .body = body,
						    .len = (size_t)len,
						    .headers = &bearer,
						    .n_headers = status == MHD_HTTP_UNAUTHORIZED });
	if (request->response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		add_allow(request->response, request);
}

const char *
http_request_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const struct sockaddr *
http_request_peer(const struct http_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info ? info->client_addr : NULL;
}

bool
http_request_certificate_name(const struct http_request *request, char *out, size_t size)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return request->server->tls.authority && info && info->tls_session &&
	       client_certificate_name(info->tls_session, out, size);
}

enum http_method
http_request_method(const struct http_request *request)
{
	return request->method;
}

const char *
http_request_path(const struct http_request *request)
{
	return request->path;
}

bool
http_request_query(const struct http_request *request, const char *name, char *out, size_t size)
{
	const char *value =
		MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);

	return value && url_decode(value, strlen(value), out, size);
}

struct each_query {
	http_query_field *field;
	void *ctx;
};

static enum MHD_Result
each_field(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	const struct each_query *each = cls;

	each->field(each->ctx, name, value);
	return MHD_YES;
}

void
http_request_each_query(const struct http_request *request, http_query_field *field, void *ctx)
{
	struct each_query each = { field, ctx };

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, each_field, &each);
}

void
http_request_keep(struct http_request *request, void *kept, void (*release)(void *kept))
{
	request->kept = kept;
	request->release = release;
}

void *
http_request_kept(const struct http_request *request)
{
	return request->kept;
}

const char *
http_request_body(const struct http_request *request, size_t *len)
{
	*len = buffer_left(&request->body);
	return (const char *)buffer_front(&request->body);
}

bool
http_server_has_tls(const struct http_server *server)
{
	return server->tls.key != NULL;
}

static bool
matches(const struct http_route *route, const char *path)
{
	size_t len = strlen(route->path);

	if (len && route->path[len - 1] == '*')
		return strncmp(route->path, path, len - 1) == 0;
	return strcmp(route->path, path) == 0;
}

static const struct http_route *
find_route(const struct http_server *server, const char *path)
{
	const struct http_route *route = server->routes;

	while (route->path && !matches(route, path))
		route++;
	return route->path ? route : NULL;
}

static int
method_by_name(const char *name)
{
	static const char *const names[HTTP_METHODS] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

	for (int i = 0; i < HTTP_METHODS; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return strcmp(name, "HEAD") == 0 ? HTTP_GET : -1;
}

/* The length that the head announces into *len. False: it is no number, or the body comes without one. */
static bool
announced(const struct http_request *request, size_t *len)
{
	const char *length = http_request_header(request, "Content-Length");

	*len = 0;
	if (http_request_header(request, "Transfer-Encoding"))
		return false;
	if (!length)
		return true;
	if (!*length || strspn(length, "0123456789") != strlen(length) || strlen(length) > 12)
		return false;
	*len = strtoul(length, NULL, 10);
	return true;
}

/* What is refused by its head alone: 0 when nothing is. */
static unsigned
judge_head(struct http_request *request, const char *method)
{
	const struct http_route *route = request->route;
	int known = method_by_name(method);
	size_t max;

	if (!route)
		return MHD_HTTP_NOT_FOUND;
	if (known < 0 || !((route->methods ? route->methods : 1u << HTTP_GET) & 1u << known))
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	request->method = (enum http_method)known;
	if (!announced(request, &request->body_len)) {
		request->body_len = 0;
		return route->admit ? MHD_HTTP_LENGTH_REQUIRED : MHD_HTTP_CONTENT_TOO_LARGE;
	}
	max = route->admit ? route->admit(request->server->ctx, request) : 0;
	if (request->status)
		return 0;
	if (request->body_len > max) {
		request->body_len = 0;
		return MHD_HTTP_CONTENT_TOO_LARGE;
	}
	if (request->body_len > request->server->bodies_max - request->server->bodies_len) {
		request->body_len = 0;
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	request->server->bodies_len += request->body_len;
	return 0;
}

static const char *
sentence_of(const struct http_request *request, unsigned status)
{
	switch (status) {
	case MHD_HTTP_NOT_FOUND:
		return "there is nothing of this name";
	case MHD_HTTP_METHOD_NOT_ALLOWED:
		return "only the methods in Allow are allowed here";
	case MHD_HTTP_LENGTH_REQUIRED:
		return "a body comes with its Content-Length";
	case MHD_HTTP_SERVICE_UNAVAILABLE:
		return "too many bodies are on their way: try again later";
	default:
		return request->route->admit ? "the body is too long" : "no body is taken here";
	}
}

static enum MHD_Result
begin_request(struct http_server *server, struct MHD_Connection *connection, const char *path,
	      const char *method, void **context)
{
	struct http_request *request = calloc(1, sizeof *request);
	unsigned refusal;

	if (!request)
		return MHD_NO;
	*context = request;
	request->server = server;
	request->connection = connection;
	request->path = path;
	request->route = find_route(server, path);
	http_internal_restart_time(connection, false);
	refusal = judge_head(request, method);
	if (refusal)
		http_reply_error(request, refusal, sentence_of(request, refusal));
	else if (!request->status)
		return MHD_YES;
	request->body_len = 0;
	request->handled = true;
	return request->response ? queue_reply(request) : MHD_NO;
}

/* The library never hands out more than was announced. */
static enum MHD_Result
take_body(struct http_request *request, const char *bytes, size_t *len)
{
	if (request->handled || buffer_left(&request->body) + *len > request->body_len ||
	    buffer_put(&request->body, bytes, *len))
		return MHD_NO;
	*len = 0;
	return MHD_YES;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *upload, size_t *upload_size, void **context)
{
	struct http_server *server = cls;
	struct http_request *request = *context;

	if (!request)
		return begin_request(server, connection, url, method, context);
	if (*upload_size)
		return take_body(request, upload, upload_size);
	if (!request->handled) {
		request->handled = true;
		request->route->handler(server->ctx, request);
		if (!request->status) {
			request->suspended = true;
			http_internal_restart_time(connection, true);
			MHD_suspend_connection(connection);
			return MHD_YES;
		}
	}
	return request->response ? queue_reply(request) : MHD_NO;
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **context,
	     enum MHD_RequestTerminationCode code)
{
	struct http_request *request = *context;

	if (!request)
		return;
	if (request->response)
		MHD_destroy_response(request->response);
	if (request->release)
		request->release(request->kept);
	request->server->bodies_len -= request->body_len;
	buffer_fini(&request->body);
	free(request);
	*context = NULL;
	http_internal_restart_time(connection, false);
}

/* Paths and queries stay as they were sent: whoever splits them decodes them. */
static size_t
leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
	return strlen(text);
}

/* --- the loop --- */

/* The library says when it wants to run without any event; 0 is at once, but behind what else waits. */
static void
arm_timer(struct http_server *server)
{
	struct itimerspec at = { 0 };
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(server->daemon, &ms) == MHD_YES) {
		at.it_value.tv_sec = (time_t)(ms / 1000);
		at.it_value.tv_nsec = (long)(ms % 1000) * 1000000 + 1;
	}
	timerfd_settime(server->timer, 0, &at, NULL);
}

static void
run(void *ctx, uint32_t events)
{
	struct http_server *server = ctx;
	uint64_t expirations;

	(void)!read(server->timer, &expirations, sizeof expirations);
	MHD_run(server->daemon);
	arm_timer(server);
}

__attribute__((format(printf, 2, 0))) static void
log_library(void *cls, const char *format, va_list args)
{
	char line[256];

	vsnprintf(line, sizeof line, format, args);
	line[strcspn(line, "\n")] = '\0';
	log_event(SEVERITY_DEBUG, LOG_EVENT_http, NULL, "HTTP: %s", line);
}

/* --- life --- */

static bool
check_address(const char *text, struct sockaddr_storage *address, socklen_t *len,
	      struct diag_list *diags)
{
	const struct place place = { .tag = "listen" };

	if (listen_address_parse(text, address, len))
		return true;
	diag_error(diags, &place,
		   "\"%s\" is no address and port; write \"127.0.0.1:9684\" or \"[::1]:9684\"",
		   text);
	return false;
}

bool
http_server_check(const struct http_settings *settings, struct diag_list *diags)
{
	struct sockaddr_storage address;
	struct tls_files tls;
	socklen_t len;
	bool good = check_address(settings->listen, &address, &len, diags);

	good &= tls_files_load(&tls, settings->certificate, settings->key, settings->authority,
			       diags);
	tls_files_fini(&tls);
	return good;
}

static int
open_listener(const struct http_settings *settings, struct diag_list *diags)
{
	const struct place place = { .tag = "listen" };
	struct sockaddr_storage address;
	socklen_t len;
	int fd;

	if (!check_address(settings->listen, &address, &len, diags))
		return -1;
	fd = listen_socket_open(&address, len);
	if (fd >= 0)
		return fd;
	diag_error(diags, &place, "%s: %s", settings->listen, strerror(-fd));
	return -1;
}

static bool
start_daemon(struct http_server *server, const struct http_settings *settings, int listener)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
			 (server->tls.key ? MHD_USE_TLS : 0);
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, server->tls.certificate },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, server->tls.key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0,
		  (void *)"SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ server->tls.authority ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
		  server->tls.authority },
		{ MHD_OPTION_END, 0, NULL },
	};

	server->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, log_library,
		NULL, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)settings->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)settings->connections_per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)settings->request_bytes, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_ARRAY, server->tls.key ? tls : tls + 4, MHD_OPTION_END);
	return server->daemon != NULL;
}

static bool
join_loop(struct http_server *server)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	server->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (!info || server->timer < 0)
		return false;
	server->source = loop_add(server->loop, info->epoll_fd, EPOLLIN, run, server);
	server->timer_source = loop_add(server->loop, server->timer, EPOLLIN, run, server);
	return server->source && server->timer_source;
}

struct http_server *
http_server_new(struct loop *loop, const struct http_settings *settings, struct diag_list *diags)
{
	struct http_server *server = calloc(1, sizeof *server);
	const struct place place = { .tag = "listen" };
	int listener = -1;

	if (!server)
		return NULL;
	server->loop = loop;
	server->timer = -1;
	server->timeout_ms = settings->timeout_s * 1000ull;
	server->bodies_max = settings->bodies_bytes;
	server->routes = settings->routes;
	server->ctx = settings->ctx;
	if (!tls_files_load(&server->tls, settings->certificate, settings->key, settings->authority,
			    diags) ||
	    (listener = open_listener(settings, diags)) < 0)
		goto fail;
	if (!start_daemon(server, settings, listener)) {
		close(listener);
		diag_error(diags, &place, "the HTTP library does not start: %s", strerror(errno));
		goto fail;
	}
	if (join_loop(server)) {
		run(server, 0);
		return server;
	}
	diag_error(diags, &place, "cannot be watched: %s", strerror(errno));
fail:
	http_server_free(server);
	return NULL;
}

void
http_server_free(struct http_server *server)
{
	if (!server)
		return;
	loop_remove(server->loop, server->source);
	loop_remove(server->loop, server->timer_source);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	if (server->timer >= 0)
		close(server->timer);
	tls_files_fini(&server->tls);
	free(server);
}

void
http_server_stats(const struct http_server *server, struct web_stats *stats)
{
	memcpy(stats->requests, server->requests, sizeof stats->requests);
	stats->connections = server->n_connections;
	stats->certificate_expiry_s = server->tls.expiry_s;
}
