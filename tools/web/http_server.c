#include "tools/web/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <microhttpd.h>

#include "control/clock.h"
#include "control/log.h"
#include "tools/web/listen_socket.h"
#include "tools/web/metrics.h"
#include "tools/web/tls_files.h"

/* Of a connection: until when it must have sent its request, or read its answer. Ordered by deadline, all have one time. */
struct http_connection {
	struct http_server *server;
	int fd;
	uint64_t deadline_ms;
	struct http_connection *next, *previous;
};

struct http_request {
	struct http_server *server;
	struct MHD_Connection *connection;
	const struct http_route *route;
	struct MHD_Response *response;
	unsigned status;
	bool handled, suspended;
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

static void
restart_time(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_connection *own = info ? info->socket_context : NULL;

	if (!own)
		return;
	unlink_connection(own);
	append_connection(own);
}

void
http_server_tick(struct http_server *server, uint64_t now_ms)
{
	struct http_connection *connection;

	while ((connection = server->first) && connection->deadline_ms <= now_ms) {
		/* The library sees the end and closes; until it does, the connection is not looked at again. */
		shutdown(connection->fd, SHUT_RDWR);
		server->requests[0]++;
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

/* The library runs after what else waits in the loop: it does not notice by itself that a request goes on. */
static void
run_soon(struct http_server *server)
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

static void
set_reply(struct http_request *request, unsigned status, const char *content_type, const char *body,
	  size_t len)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, (void *)body, MHD_RESPMEM_MUST_COPY);

	request->status = status;
	request->response = response;
	if (!response)
		return; /* queueing nothing closes the connection */
	MHD_add_response_header(response, "Content-Type", content_type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	if (status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	request->server->requests[status / 100 % 6]++;
}

void
http_reply(struct http_request *request, unsigned status, const char *content_type,
	   const char *body, size_t len)
{
	set_reply(request, status, content_type, body, len);
	if (!request->suspended)
		return;
	request->suspended = false;
	restart_time(request->connection);
	MHD_resume_connection(request->connection);
	run_soon(request->server);
}

void
http_reply_error(struct http_request *request, unsigned status, const char *sentence)
{
	char body[256];
	int len = snprintf(body, sizeof body, "{\"error\":\"%s\"}\n", sentence);

	if (len < 0 || (size_t)len >= sizeof body)
		len = 0;
	http_reply(request, status, "application/json", body, (size_t)len);
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

static const struct http_route *
find_route(const struct http_server *server, const char *path)
{
	const struct http_route *route = server->routes;

	while (route->path && strcmp(route->path, path) != 0)
		route++;
	return route->path ? route : NULL;
}

/* What is refused by its head alone: 0 when nothing is. */
static unsigned
judge_head(const struct http_request *request, const char *method)
{
	const char *length = http_request_header(request, "Content-Length");

	if (!request->route)
		return MHD_HTTP_NOT_FOUND;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	if ((length && strspn(length, "0") != strlen(length)) ||
	    http_request_header(request, "Transfer-Encoding"))
		return MHD_HTTP_CONTENT_TOO_LARGE;
	return 0;
}

static const char *
sentence_of(unsigned status)
{
	switch (status) {
	case MHD_HTTP_NOT_FOUND:
		return "there is nothing of this name";
	case MHD_HTTP_METHOD_NOT_ALLOWED:
		return "only GET and HEAD are allowed here";
	default:
		return "no body is taken here";
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
	request->route = find_route(server, path);
	restart_time(connection);
	refusal = judge_head(request, method);
	if (!refusal)
		return MHD_YES;
	request->handled = true;
	http_reply_error(request, refusal, sentence_of(refusal));
	return request->response ? queue_reply(request) : MHD_NO;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *upload, size_t *upload_size, void **context)
{
	struct http_server *server = cls;
	struct http_request *request = *context;

	if (!request)
		return begin_request(server, connection, url, method, context);
	*upload_size = 0;
	if (!request->handled) {
		request->handled = true;
		request->route->handler(server->ctx, request);
		if (!request->status) {
			request->suspended = true;
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
	free(request);
	*context = NULL;
	restart_time(connection);
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
	log_debug("HTTP: %s", line);
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

	good &= tls_files_load(&tls, settings->certificate, settings->key, diags);
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
		{ MHD_OPTION_END, 0, NULL },
	};

	server->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, log_library,
		NULL, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)settings->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)settings->connections_per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)settings->request_bytes, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_ARRAY, server->tls.key ? tls : tls + 3, MHD_OPTION_END);
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
	server->routes = settings->routes;
	server->ctx = settings->ctx;
	if (!tls_files_load(&server->tls, settings->certificate, settings->key, diags) ||
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
