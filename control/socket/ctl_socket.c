#include "control/socket/ctl_socket.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/socket/ctl_listen.h"
#include "tasks/show.h"

enum {
	CTL_EVENTS = 16,
	CTL_READ = 65536,
	CTL_PARTIAL_MS = 10000, /* the rest of a request follows within this, or its client goes */
	CTL_TICK_MS = 1000,     /* counted between two ticks at most */
	CTL_RUN_US =
		1500, /* when a run has taken so long, what other clients ask for waits for the next */
	/* Of all clients. The one furthest behind goes when another answer would exceed it. */
	CTL_BACKLOG_TOTAL = 128 * 1024 * 1024,
};

/* What an event is about: a place in the low byte with the client's serial above, or one of these. */
#define EVENT_LISTENER UINT64_MAX
#define EVENT_WAKE     (UINT64_MAX - 1)

struct ctl_client {
	struct ctl_server *server;
	int fd;          /* -1: the place is free */
	uint64_t serial; /* tells an event of a former client of this place */
	struct ucred peer;
	struct ctl_reader reader;
	int passed;          /* the descriptor that came with a request not yet served; -1: none */
	struct buffer out;   /* answers; taken: sent */
	json_t *held;        /* a request that waits for the one that runs; NULL: none */
	bool serving;        /* its request runs */
	bool waits;          /* its held request waits for another client's, and it was told so */
	uint32_t job;        /* the number of the request that runs; 0: it has none */
	bool ready;          /* the reader may hold a whole request, or one is held */
	bool ended;          /* it sends no more; what it asked for is still answered */
	bool gone;           /* found out while a handler ran */
	struct ctl_source source; /* of its watch; without `fill` it has none */
	uint64_t heard;      /* when it last sent something, or came: by the server's count */
	uint32_t partial_ms; /* for how long a part of a request waits for its rest */
};

struct ctl_server {
	int epoll, listener, wake;
	char *path;
	ctl_handler *handler;
	void *ctx;
	bool running;                    /* ctl_server_run() does not nest */
	bool while_busy;                 /* nor does ctl_server_run_while_busy() */
	char progress[CTL_PROGRESS_MAX]; /* of the request that runs */
	uint32_t job;                    /* ... and its number; 0: it has none */
	uid_t console; /* 0: there is none */
	uint64_t serial, heard;
	unsigned next;    /* the client that a run begins with */
	unsigned next_watch, watches;
	uint64_t tick_ms; /* of the last ctl_server_tick(); 0: there was none */
	size_t backlog;   /* bytes in all clients' `out` */
	struct ctl_client clients[CTL_CLIENTS_MAX];
};

/* --- set-up --- */

static int
watch(struct ctl_server *server, int op, int fd, uint32_t events, uint64_t about)
{
	struct epoll_event event = { .events = events, .data.u64 = about };

	return epoll_ctl(server->epoll, op, fd, &event);
}

static int
watch_own(struct ctl_server *server, char error[CTL_ERROR_MAX])
{
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->epoll >= 0 && server->wake >= 0 &&
	    watch(server, EPOLL_CTL_ADD, server->wake, EPOLLIN, EVENT_WAKE) == 0 &&
	    watch(server, EPOLL_CTL_ADD, server->listener, EPOLLIN, EVENT_LISTENER) == 0)
		return 0;
	snprintf(error, CTL_ERROR_MAX, "epoll: %s", strerror(errno));
	return -1;
}

struct ctl_server *
ctl_server_new(const char *path, const char *group, ctl_handler *handler, void *ctx,
	       char error[CTL_ERROR_MAX])
{
	struct ctl_server *server = calloc(1, sizeof *server);

	if (!server || !(server->path = strdup(path))) {
		free(server);
		snprintf(error, CTL_ERROR_MAX, "out of memory");
		return NULL;
	}
	server->handler = handler;
	server->ctx = ctx;
	server->epoll = server->wake = -1;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	server->listener = ctl_listen(path, group, error);
	if (server->listener < 0) {
		free(server->path);
		free(server);
		return NULL;
	}
	if (watch_own(server, error)) {
		ctl_server_free(server);
		return NULL;
	}
	return server;
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

/* --- clients --- */

static size_t
backlog(const struct ctl_client *client)
{
	return buffer_left(&client->out);
}

static void
drop_passed(struct ctl_client *client)
{
	if (client->passed >= 0)
		close(client->passed);
	client->passed = -1;
}

static void
drop_out(struct ctl_client *client)
{
	assert(client->server->backlog >= backlog(client));
	client->server->backlog -= backlog(client);
	buffer_fini(&client->out);
}

/* Its source is told so. */
static void
end_watch(struct ctl_client *client)
{
	struct ctl_source source = client->source;

	if (!source.fill)
		return;
	client->source = (struct ctl_source){ 0 };
	client->server->watches--;
	source.free(source.ctx);
}

static void
drop(struct ctl_client *client)
{
	if (client->fd < 0)
		return;
	/* Its handler still has it. */
	if (client->serving) {
		client->gone = true;
		return;
	}
	end_watch(client);
	close(client->fd); /* leaves the epoll set with it */
	client->fd = -1;
	ctl_reader_fini(&client->reader);
	json_decref(client->held);
	client->held = NULL;
	drop_passed(client);
	drop_out(client);
}

static unsigned
clients_of(const struct ctl_server *server, uid_t uid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		n += server->clients[i].fd >= 0 && server->clients[i].peer.uid == uid;
	return n;
}

/*
 * Who makes way when all places are taken: of the user with the most connections the one that has been silent longest.
 * One that watches, or whose request waits, runs, or is being answered does not. So nobody who connects and stays keeps others out.
 */
static struct ctl_client *
find_idle(struct ctl_server *server)
{
	struct ctl_client *idle = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[i];
		unsigned n = clients_of(server, client->peer.uid);

		assert(n); /* all places are taken */
		if (client->serving || client->ready || client->held || client->source.fill ||
		    backlog(client))
			continue;
		if (n > most || (n == most && client->heard < idle->heard)) {
			idle = client;
			most = n;
		}
	}
	return idle;
}

static struct ctl_client *
free_place(struct ctl_server *server)
{
	struct ctl_client *idle;

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	idle = find_idle(server);
	if (idle)
		drop(idle);
	return idle;
}

static uint64_t
about(const struct ctl_client *client)
{
	assert((size_t)(client - client->server->clients) < CTL_CLIENTS_MAX);
	return client->serial << 8 | (uint64_t)(client - client->server->clients);
}

static void
accept_clients(struct ctl_server *server)
{
	int fd;

	while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct ctl_client *client = free_place(server);
		socklen_t len = sizeof client->peer;

		if (client)
			*client = (struct ctl_client){ .server = server,
						       .fd = fd,
						       .serial = ++server->serial,
						       .passed = -1,
						       .heard = ++server->heard };
		if (!client || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &client->peer, &len) ||
		    watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, about(client))) {
			close(fd);
			if (client)
				client->fd = -1;
			continue;
		}
		ctl_reader_init(&client->reader);
		client->reader.frame_max = CTL_REQUEST_MAX;
	}
}

/* --- out --- */

/* Of those that can be dropped; NULL: nobody is behind. */
static struct ctl_client *
furthest_behind(struct ctl_server *server)
{
	struct ctl_client *worst = NULL;

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[i];

		if (!client->serving && backlog(client) > (worst ? backlog(worst) : 0))
			worst = client;
	}
	return worst;
}

/* Queues bytes behind what is not sent yet; -1 when the client is too far behind. */
static int
queue(struct ctl_client *client, const uint8_t *bytes, size_t len)
{
	struct ctl_server *server = client->server;

	if (backlog(client) + len > CTL_BACKLOG_MAX)
		return -1;
	while (server->backlog + len > CTL_BACKLOG_TOTAL) {
		struct ctl_client *worst = furthest_behind(server);

		if (!worst || worst == client)
			return -1;
		drop(worst);
	}
	if (buffer_put(&client->out, bytes, len))
		return -1;
	server->backlog += len;
	return 0;
}

/* Sends what the client takes now; -1 when it is gone. */
static int
flush(struct ctl_client *client)
{
	uint32_t events = client->ended ? 0 : EPOLLIN;

	while (backlog(client)) {
		ssize_t n = ctl_send(client->fd, buffer_front(&client->out), backlog(client), -1);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return -1;
		buffer_take(&client->out, (size_t)n);
		client->server->backlog -= (size_t)n;
	}
	if (backlog(client))
		events |= EPOLLOUT;
	else
		drop_out(client);
	return watch(client->server, EPOLL_CTL_MOD, client->fd, events, about(client));
}

/*
 * Takes the frame. 0; -1 when the client is too far behind; -EMSGSIZE when it is too large for one; -EILSEQ when it could
 * not be made, because a text in it is no UTF-8 or there is no memory.
 */
static int
send_frame(struct ctl_client *client, json_t *frame)
{
	size_t len;
	uint8_t *bytes = frame ? ctl_frame_encode(frame, &len) : NULL;
	int result = bytes ? queue(client, bytes, len) : frame ? -EMSGSIZE : -EILSEQ;

	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
	json_decref(frame);
	return result;
}

static int
send_answer(struct ctl_client *client, const struct ctl_answer *answer)
{
	static const char too_large[] =
		"the answer does not fit in a frame of 16 MiB: ask for less";
	static const char no_text[] = "the answer cannot be encoded: a text in it is no UTF-8";
	static const char *const wants[] = { [CTL_WANT_READ] = "read",
					     [CTL_WANT_WRITE] = "write",
					     [CTL_WANT_FOLDER] = "folder",
					     [CTL_WANT_CREATE] = "create" };
	int result;

	if (answer->want != CTL_WANT_NOTHING)
		return send_frame(client,
				  json_pack("{s:i, s:s, s:i}", "v", CTL_VERSION, "want",
					    wants[answer->want], "word", answer->want_word));
	result = send_frame(
		client, json_pack("{s:i, s:i, s:s?, s:s?, s:O?, s:s*, s:o*, s:s*, s:o*}", "v", CTL_VERSION,
				  "exit", answer->exit, "text", answer->text, "error", answer->error,
				  "result", answer->result, "next", answer->next, "watch",
				  client->source.fill ? json_true() : NULL, "generation",
				  *answer->generation ? answer->generation : NULL, "stale",
				  answer->stale ? json_true() : NULL));
	if (result == -EMSGSIZE || result == -EILSEQ)
		result = send_frame(client, json_pack("{s:i, s:i, s:s}", "v", CTL_VERSION, "exit",
						      CTL_REFUSED, "error",
						      result == -EMSGSIZE ? too_large : no_text));
	return result;
}

static int
send_progress(struct ctl_client *client, const char *line)
{
	json_t *job = client->job ? json_integer(client->job) : NULL;

	return send_frame(client,
			  json_pack("{s:i, s:s, s:o*, s:o*}", "v", CTL_VERSION, "progress", line,
				    "job", job, "waits", client->waits ? json_true() : NULL));
}

void
ctl_job(const struct ctl_request *request, uint32_t number)
{
	struct ctl_client *client = request->client;

	if (!client)
		return;
	client->server->job = client->job = number;
	if (!client->gone && send_progress(client, "") < 0)
		client->gone = true;
}

bool
ctl_progress(const struct ctl_request *request, const char *format, ...)
{
	struct ctl_client *client = request->client;
	char text[CTL_PROGRESS_MAX];
	va_list args;

	if (!client)
		return true;
	va_start(args, format);
	show_into_v(text, sizeof text, format, args);
	va_end(args);
	memcpy(client->server->progress, text, sizeof text);
	if (!client->gone && flush(client) < 0)
		client->gone = true;
	/* Who is behind with the last line gets the next one, or the one after. */
	if (!client->gone && !backlog(client) && (send_progress(client, text) || flush(client) < 0))
		client->gone = true;
	return !client->gone;
}

/* --- in --- */

/* The file that came with the request, or a complaint. */
static int
take_file(struct ctl_client *client, struct ctl_request *request, const char **complaint)
{
	struct stat st;

	request->fd = client->passed;
	client->passed = -1;
	if (request->fd < 0)
		*complaint = "a request with \"fd\" carries a descriptor; this one has none";
	else if (fstat(request->fd, &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		*complaint = "a command's file must be a regular one or a folder; spool pipes and terminals";
	else
		return 0;
	return -1;
}

/* For whom it is asked, and what it is meant for: only the console speaks for others. */
static int
read_actor(const struct ctl_client *client, const json_t *frame, struct ctl_request *request,
	   const char **complaint)
{
	const json_t *actor = json_object_get(frame, "actor");

	request->console = client->server->console && client->peer.uid == client->server->console;
	/* Where no console is configured nobody speaks for others: what is said of it counts for nothing. */
	request->actor = client->server->console ? json_string_value(actor) : NULL;
	request->expect = json_string_value(json_object_get(frame, "expect"));
	if (!actor || !client->server->console || (request->console && json_is_string(actor)))
		return 0;
	*complaint = "an actor is taken from the user of control.console_user alone, as text";
	return -1;
}

/* The frame's fields, checked: 0 or -1 and a sentence. */
static int
read_request(struct ctl_client *client, const json_t *frame, struct ctl_request *request,
	     const char **argv, const char **complaint)
{
	const json_t *words = json_object_get(frame, "argv");
	const json_t *data = json_object_get(frame, "data");

	if (!json_is_array(words) || !json_array_size(words) ||
	    json_array_size(words) > CTL_ARGUMENTS_MAX) {
		*complaint = "a request needs argv, an array of 1 to 64 strings";
		return -1;
	}
	for (size_t i = 0; i < json_array_size(words); i++) {
		argv[i] = json_string_value(json_array_get(words, i));
		if (!argv[i]) {
			*complaint = "a request's argv holds strings only";
			return -1;
		}
	}
	request->argc = (int)json_array_size(words);
	request->argv = argv;
	request->json = json_is_true(json_object_get(frame, "json"));
	request->width = (unsigned)json_integer_value(json_object_get(frame, "width")) % 65536;
	request->page = json_string_value(json_object_get(frame, "page"));
	request->columns = json_string_value(json_object_get(frame, "columns"));
	request->sort = json_string_value(json_object_get(frame, "sort"));
	request->data = json_string_value(data);
	request->data_len = json_string_length(data);
	if (read_actor(client, frame, request, complaint))
		return -1;
	return json_is_true(json_object_get(frame, "fd")) ? take_file(client, request, complaint)
							  : 0;
}

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

static void
free_answer(struct ctl_answer *answer)
{
	free(answer->text);
	free(answer->error);
	free(answer->next);
	json_decref(answer->result);
	if (answer->source.fill)
		answer->source.free(answer->source.ctx);
}

/* The client watches from now on, if there is room for one more. */
static void
begin_watch(struct ctl_client *client, struct ctl_answer *answer)
{
	struct ctl_server *server = client->server;

	if (!answer->source.fill)
		return;
	if (server->watches == CTL_WATCHES_MAX) {
		free_answer(answer);
		*answer = (struct ctl_answer){ .exit = CTL_REFUSED };
		if (asprintf(&answer->error, "%d clients watch already: end one",
			     CTL_WATCHES_MAX) < 0)
			answer->error = NULL;
		return;
	}
	server->watches++;
	client->source = answer->source;
	answer->source.fill = NULL; /* taken over */
}

static int
serve_frame(struct ctl_client *client, const json_t *frame)
{
	struct ctl_request request = { .peer = client->peer, .fd = -1, .client = client };
	struct ctl_answer answer = { .exit = CTL_USAGE };
	const char *argv[CTL_ARGUMENTS_MAX + 1] = { NULL };
	const char *complaint;
	int result;

	if (read_request(client, frame, &request, argv, &complaint))
		answer.error = strdup(complaint);
	else
		handle(client, &request, &answer);
	if (request.fd >= 0)
		close(request.fd);
	drop_passed(client); /* unasked for */
	if (!client->gone)
		begin_watch(client, &answer);
	if (client->gone)
		result = -1;
	else if (client->source.answers_later)
		result = 0;
	else
		result = send_answer(client, &answer);
	free_answer(&answer);
	return result;
}

/* The client's next request into `held`. 1; 0: there is none; -1: garbage. */
static int
hold_next(struct ctl_client *client)
{
	return client->held ? 1 : ctl_reader_next(&client->reader, &client->held);
}

/* The client wants something else. */
static int
stop_watch(struct ctl_client *client)
{
	struct ctl_answer end = { .exit = client->source.answers_later ? CTL_REFUSED : CTL_DONE };
	int result;

	if (client->source.answers_later)
		end.error = strdup("no longer waited for: another request came");
	end_watch(client);
	result = send_answer(client, &end);
	free_answer(&end);
	return result;
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
		got = stop_watch(client) < 0 ? -1 : 1;
	}
	if (got == 1) {
		got = serve_frame(client, frame);
		json_decref(frame);
	} else {
		client->ready = false;
	}
	if (got < 0 || flush(client) < 0)
		return -1;
	return client->ended && !client->ready && !backlog(client) ? -1 : 0;
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
		drop(client);
		return;
	}
	/* What it asked for already comes first. */
	if ((events & EPOLLIN) && !client->ready && !client->ended) {
		if (read_client(client) < 0)
			drop(client);
		return;
	}
	if (((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN) && !client->ready) ||
	    flush(client) < 0 || (client->ended && !client->ready && !backlog(client)))
		drop(client);
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
			accept_clients(server);
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
			drop(client);
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
			drop(client);
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
	if (send_progress(client, line) || flush(client) < 0)
		drop(client);
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
			drop(client);
	}
	server->while_busy = false;
}

/* --- watches --- */

bool
ctl_watch_takes(const struct ctl_client *client)
{
	return !client->gone && backlog(client) < CTL_WATCH_BACKLOG;
}

void
ctl_watch_send(struct ctl_client *client, const struct ctl_news *news)
{
	json_t *frame = json_pack("{s:i, s:o*, s:s*, s:o*}", "v", CTL_VERSION, "event", news->event,
				  "text", news->text, "missed",
				  news->missed ? json_integer((json_int_t)news->missed) : NULL);

	/* It takes 16 MiB more at least: what cannot be sent cannot be encoded, and nobody would read it. */
	(void)send_frame(client, frame);
}

void
ctl_watch_progress(struct ctl_client *client, const char *line)
{
	(void)send_progress(client, line);
}

/* False: the client is to be dropped. */
static bool
fill(struct ctl_client *client)
{
	struct ctl_answer end = { .exit = CTL_DONE };
	bool good = true;

	if (!client->source.fill(client->source.ctx, client, &end)) {
		end_watch(client);
		good = send_answer(client, &end) == 0;
	}
	free_answer(&end);
	return good && flush(client) == 0;
}

void
ctl_server_watch(struct ctl_server *server)
{
	uint64_t until_us = clock_now_us() + CTL_RUN_US;

	for (unsigned i = 0; server->watches && i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[server->next_watch];

		server->next_watch = (server->next_watch + 1) % CTL_CLIENTS_MAX;
		if (client->fd < 0 || !client->source.fill || !ctl_watch_takes(client))
			continue;
		if (!fill(client))
			drop(client);
		if (clock_now_us() >= until_us)
			return;
	}
}

unsigned
ctl_server_watches(const struct ctl_server *server)
{
	return server->watches;
}

void
ctl_server_end_watches(struct ctl_server *server, int exit, const char *sentence)
{
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[i];
		struct ctl_answer end = { .exit = exit };

		if (client->fd < 0 || !client->source.fill)
			continue;
		end_watch(client);
		end.error = strdup(sentence);
		if (send_answer(client, &end) < 0 || flush(client) < 0)
			drop(client);
		free_answer(&end);
	}
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
		(void)flush(&server->clients[i]);
		drop(&server->clients[i]);
	}
	if (server->epoll >= 0)
		close(server->epoll);
	if (server->wake >= 0)
		close(server->wake);
	close(server->listener);
	unlink(server->path);
	free(server->path);
	free(server);
}
