#include "control/socket/ctl_socket.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/socket/ctl_clients.h"
#include "control/socket/ctl_listen.h"
#include "control/socket/ctl_out.h"
#include "control/socket/ctl_request.h"
#include "control/socket/ctl_watch.h"

enum {
	CTL_EVENTS = 16,
	CTL_READ = 65536,
	CTL_PARTIAL_MS = 10000, /* the rest of a request follows within this, or its client goes */
	CTL_TICK_MS = 1000,     /* counted between two ticks at most */
};

/* --- set-up --- */

static int
watch_own(struct ctl_server *server, char error[CTL_ERROR_MAX])
{
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->epoll >= 0 && server->wake >= 0 &&
	    ctl_clients_poll(server, EPOLL_CTL_ADD, server->wake, EPOLLIN, EVENT_WAKE) == 0 &&
	    ctl_clients_poll(server, EPOLL_CTL_ADD, server->listener, EPOLLIN, EVENT_LISTENER) == 0)
		return 0;
	snprintf(error, CTL_ERROR_MAX, "epoll: %s", strerror(errno));
	return -1;
}

/* Takes over the listener. The path is its former owner's until ctl_server_keep_path(). */
struct ctl_server *
ctl_server_adopt(int listener, const char *path, ctl_handler *handler, void *ctx,
		 char error[CTL_ERROR_MAX])
{
	struct ctl_server *server = calloc(1, sizeof *server);

	if (!server || !(server->path = strdup(path))) {
		free(server);
		close(listener);
		snprintf(error, CTL_ERROR_MAX, "out of memory");
		return NULL;
	}
	server->handler = handler;
	server->ctx = ctx;
	server->epoll = server->wake = -1;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	server->listener = listener;
	server->path_is_foreign = true;
	if (watch_own(server, error)) {
		ctl_server_free(server);
		return NULL;
	}
	return server;
}

struct ctl_server *
ctl_server_new(const char *path, const char *group, ctl_handler *handler, void *ctx,
	       char error[CTL_ERROR_MAX])
{
	int listener = ctl_listen(path, group, error);
	struct ctl_server *server;

	if (listener < 0)
		return NULL;
	server = ctl_server_adopt(listener, path, handler, ctx, error);
	if (server)
		ctl_server_keep_path(server);
	else
		unlink(path);
	return server;
}

void
ctl_server_keep_path(struct ctl_server *server)
{
	server->path_is_foreign = false;
}

int
ctl_server_listener(const struct ctl_server *server)
{
	return server->listener;
}

void
ctl_server_leave(struct ctl_server *server)
{
	server->path_is_foreign = true;
	(void)epoll_ctl(server->epoll, EPOLL_CTL_DEL, server->listener, NULL);
}

void
ctl_server_set_console(struct ctl_server *server, uid_t uid)
{
	assert(uid);
	server->console = uid;
}

int
ctl_server_fd(const struct ctl_server *server)
{
	return server->epoll;
}

/* --- in --- */

static void
handle(struct ctl_client *client, const struct ctl_request *request, struct ctl_answer *answer)
{
	struct ctl_server *server = client->server;

	assert(!client->serving);
	client->serving = true;
	server->handler(server->ctx, request, answer);
	client->serving = false;
	client->job = 0;
	if (server->while_busy)
		return;
	server->progress[0] = '\0';
	server->job = 0;
}

static int
serve_frame(struct ctl_client *client, const json_t *frame)
{
	struct ctl_request request = { .peer = client->peer, .fd = -1, .client = client };
	struct ctl_answer answer = { .exit = CTL_USAGE };
	const char *argv[CTL_ARGV] = { NULL };
	const char *complaint;
	int result;

	if (ctl_request_read(client, frame, &request, argv, &complaint))
		answer.error = strdup(complaint);
	else
		handle(client, &request, &answer);
	if (request.fd >= 0)
		close(request.fd);
	ctl_clients_drop_passed(client); /* unasked for */
	if (!client->gone)
		ctl_watch_begin(client, &answer);
	if (client->gone) {
		result = -1;
	} else if (client->source.ready) {
		client->later = answer;
		answer = (struct ctl_answer){ 0 };
		result = 0;
	} else if (client->source.answers_later) {
		result = 0;
	} else {
		result = ctl_out_answer(client, &answer);
	}
	ctl_clients_free_answer(&answer);
	return result;
}

/* The client's next request into `held`. 1; 0: there is none; -1: garbage. */
static int
hold_next(struct ctl_client *client)
{
	return client->held ? 1 : ctl_reader_next(&client->reader, &client->held);
}

/* One request: the others of a client that sent many wait for the other clients. */
static int
serve_next(struct ctl_client *client)
{
	int got = hold_next(client);
	json_t *frame = client->held;

	client->held = NULL;
	client->waits = false;
	if (got == 1 && client->source.fill) {
		got = ctl_watch_stop(client) < 0 ? -1 : 1;
	}
	if (got == 1) {
		got = serve_frame(client, frame);
		json_decref(frame);
	} else {
		client->ready = false;
	}
	if (got < 0 || ctl_out_flush(client) < 0)
		return -1;
	return ctl_clients_is_through(client) ? -1 : 0;
}

static int
read_client(struct ctl_client *client)
{
	uint8_t bytes[CTL_READ];
	int fd, result;
	ssize_t n = ctl_receive(client->fd, bytes, sizeof bytes, &fd);

	if (fd >= 0 && client->passed >= 0) {
		close(fd); /* one at a time, or a client could use up all that we may have */
		return -1;
	}
	if (fd >= 0)
		client->passed = fd;
	if (n < 0)
		return n == -EAGAIN ? 0 : -1;
	client->ready = true;
	client->heard = ++client->server->heard;
	client->ended = n == 0;
	result = ctl_reader_feed(&client->reader, bytes, (size_t)n);
	explicit_bzero(bytes, (size_t)n);
	return result;
}

static void
take_event(struct ctl_client *client, uint32_t events)
{
	/* Nobody wants what has not begun. */
	if ((events & (EPOLLERR | EPOLLHUP)) && client->waits) {
		ctl_clients_drop(client);
		return;
	}
	/* What it asked for already comes first. */
	if ((events & EPOLLIN) && !client->ready && !client->ended) {
		if (read_client(client) < 0)
			ctl_clients_drop(client);
		return;
	}
	if (((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN) && !client->ready) ||
	    ctl_out_flush(client) < 0 || ctl_clients_is_through(client))
		ctl_clients_drop(client);
}

static void
take_events(struct ctl_server *server)
{
	struct epoll_event events[CTL_EVENTS];
	int n = epoll_wait(server->epoll, events, CTL_EVENTS, 0);
	uint64_t woken;

	for (int i = 0; i < n; i++) {
		uint64_t what = events[i].data.u64;
		struct ctl_client *client = &server->clients[what % 256 % CTL_CLIENTS_MAX];

		if (what == EVENT_LISTENER)
			ctl_clients_accept(server);
		else if (what == EVENT_WAKE)
			(void)!read(server->wake, &woken, sizeof woken);
		else if (client->fd >= 0 && client->serial == what >> 8)
			take_event(client, events[i].events);
	}
}

static bool
has_work(const struct ctl_server *server)
{
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		if (server->clients[i].fd >= 0 && server->clients[i].ready)
			return true;
	return false;
}

void
ctl_server_run(struct ctl_server *server)
{
	static const uint64_t one = 1;
	uint64_t until_us = clock_now_us() + CTL_RUN_US;

	if (server->running)
		return;
	server->running = true;
	take_events(server);
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[server->next];

		server->next = (server->next + 1) % CTL_CLIENTS_MAX;
		if (client->fd < 0 || !client->ready)
			continue;
		if (serve_next(client) < 0)
			ctl_clients_drop(client);
		if (clock_now_us() >= until_us)
			break;
	}
	if (has_work(server))
		(void)!write(server->wake, &one, sizeof one);
	server->running = false;
}

/* Whether part of a request, or a descriptor without its request, is all that there is of it. */
static bool
is_partial(const struct ctl_client *client)
{
	return client->fd >= 0 && !client->serving && !client->ready &&
	       (buffer_left(&client->reader.buffer) || client->passed >= 0);
}

void
ctl_server_tick(struct ctl_server *server, uint64_t now_ms)
{
	/* A handler that took long is not the client's fault. */
	uint64_t passed = server->tick_ms ? now_ms - server->tick_ms : 0;

	server->tick_ms = now_ms;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[i];

		if (!is_partial(client)) {
			client->partial_ms = 0;
			continue;
		}
		client->partial_ms += (uint32_t)(passed < CTL_TICK_MS ? passed : CTL_TICK_MS);
		if (client->partial_ms >= CTL_PARTIAL_MS)
			ctl_clients_drop(client);
	}
}

/* Whether the held request may be served beside the one that runs. */
static bool
may_while_busy(const struct ctl_client *client, ctl_may *may)
{
	const json_t *words = json_object_get(client->held, "argv");
	const char *argv[CTL_ARGUMENTS_MAX];
	size_t n = json_array_size(words);

	assert(client->held);
	if (n > CTL_ARGUMENTS_MAX || json_is_true(json_object_get(client->held, "fd")))
		return false;
	for (size_t i = 0; i < n; i++) {
		argv[i] = json_string_value(json_array_get(words, i));
		if (!argv[i])
			return false;
	}
	return n && may(client->server->ctx, (int)n, argv);
}

/* The client hears what it waits for, once. */
static void
let_wait(struct ctl_client *client)
{
	struct ctl_server *server = client->server;
	char line[CTL_PROGRESS_MAX + 32];

	if (client->waits || !server->job)
		return;
	client->waits = true;
	snprintf(line, sizeof line, "waits for job %u%s%s", server->job,
		 *server->progress ? ": " : "", server->progress);
	if (ctl_out_progress(client, line) || ctl_out_flush(client) < 0)
		ctl_clients_drop(client);
}

void
ctl_server_run_while_busy(struct ctl_server *server, ctl_may *may)
{
	if (!server->running || server->while_busy)
		return;
	server->while_busy = true;
	take_events(server);
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[i];

		if (client->fd < 0 || !client->ready || client->serving)
			continue;
		if (hold_next(client) == 1 && !may_while_busy(client, may)) {
			let_wait(client);
			continue;
		}
		if (serve_next(client) < 0)
			ctl_clients_drop(client);
	}
	server->while_busy = false;
}

const char *
ctl_server_progress(const struct ctl_server *server)
{
	return server->progress;
}

void
ctl_server_free(struct ctl_server *server)
{
	if (!server)
		return;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		if (server->clients[i].fd < 0)
			continue;
		(void)ctl_out_flush(&server->clients[i]);
		ctl_clients_drop(&server->clients[i]);
	}
	if (server->epoll >= 0)
		close(server->epoll);
	if (server->wake >= 0)
		close(server->wake);
	close(server->listener);
	if (!server->path_is_foreign)
		unlink(server->path);
	free(server->path);
	free(server);
}
