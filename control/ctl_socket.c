#include "control/ctl_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CTL_EVENTS = 16, CTL_READ = 65536 };

struct ctl_client {
	struct ctl_server *server;
	int fd; /* -1: the place is free */
	struct ucred peer;
	struct ctl_reader reader;
	uint8_t *out; /* answers not yet sent */
	size_t out_len, out_sent;
	bool ending; /* close once `out` is sent */
};

struct ctl_server {
	int epoll, listener;
	char *path;
	ctl_handler *handler;
	void *ctx;
	struct ctl_client clients[CTL_CLIENTS_MAX];
};

/* --- set-up --- */

static bool
fill_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address->sun_path)
		return false;
	memcpy(address->sun_path, path, strlen(path));
	return true;
}

/* Removes what a dead server left; an error sentence when somebody lives there or it is no socket. */
static int
clear_path(const char *path, const struct sockaddr_un *address, char error[CTL_ERROR_MAX])
{
	struct stat st;
	int fd, result;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(error, CTL_ERROR_MAX, "%s exists and is no socket; move it away", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		snprintf(error, CTL_ERROR_MAX, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	result = connect(fd, (const struct sockaddr *)address, sizeof *address);
	close(fd);
	/* EAGAIN: alive, with a full backlog. */
	if (result == 0 || errno == EAGAIN) {
		snprintf(
			error, CTL_ERROR_MAX,
			"%s: another cradled answers there; stop it, or set another control.socket",
			path);
		return -1;
	}
	unlink(path);
	return 0;
}

static int
own_path(const char *path, const char *group, char error[CTL_ERROR_MAX])
{
	const struct group *entry = group ? getgrnam(group) : NULL;

	if (group && !entry) {
		snprintf(error, CTL_ERROR_MAX,
			 "there is no group %s; make it, or change control.group", group);
		return -1;
	}
	if ((entry && chown(path, (uid_t)-1, entry->gr_gid)) || chmod(path, 0660)) {
		snprintf(error, CTL_ERROR_MAX, "%s: cannot set owner and mode: %s", path,
			 strerror(errno));
		return -1;
	}
	return 0;
}

/* The folder of the socket, one level: /run/cradle does not outlive a boot. */
static void
make_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof folder)
		return;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	mkdir(folder, 0755);
}

static int
open_listener(struct ctl_server *server, const char *group, char error[CTL_ERROR_MAX])
{
	struct sockaddr_un address;
	mode_t mask;
	int bound;

	if (!fill_address(&address, server->path)) {
		snprintf(error, CTL_ERROR_MAX, "%s: longer than a socket's path may be (%zu bytes)",
			 server->path, sizeof address.sun_path - 1);
		return -1;
	}
	make_folder(server->path);
	if (clear_path(server->path, &address, error))
		return -1;
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody but us may connect between bind() and chmod(). */
	mask = umask(0177);
	bound = server->listener < 0
			? -1
			: bind(server->listener, (struct sockaddr *)&address, sizeof address);
	umask(mask);
	if (bound || listen(server->listener, CTL_CLIENTS_MAX)) {
		snprintf(error, CTL_ERROR_MAX, "%s: cannot listen: %s", server->path,
			 strerror(errno));
		return -1;
	}
	return own_path(server->path, group, error);
}

static int
watch(struct ctl_server *server, int op, int fd, uint32_t events, void *who)
{
	struct epoll_event event = { .events = events, .data.ptr = who };

	return epoll_ctl(server->epoll, op, fd, &event);
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
	server->listener = -1;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll < 0) {
		snprintf(error, CTL_ERROR_MAX, "epoll: %s", strerror(errno));
		goto free_server;
	}
	if (open_listener(server, group, error))
		goto close_listener;
	if (watch(server, EPOLL_CTL_ADD, server->listener, EPOLLIN, server)) {
		snprintf(error, CTL_ERROR_MAX, "epoll: %s", strerror(errno));
		unlink(server->path);
		goto close_listener;
	}
	return server;

close_listener:
	if (server->listener >= 0)
		close(server->listener);
	close(server->epoll);
free_server:
	free(server->path);
	free(server);
	return NULL;
}

int
ctl_server_fd(const struct ctl_server *server)
{
	return server->epoll;
}

/* --- clients --- */

static void
drop(struct ctl_client *client)
{
	close(client->fd); /* leaves the epoll set with it */
	client->fd = -1;
	ctl_reader_fini(&client->reader);
	if (client->out)
		explicit_bzero(client->out, client->out_len);
	free(client->out);
	client->out = NULL;
	client->out_len = client->out_sent = 0;
	client->ending = false;
}

static struct ctl_client *
free_place(struct ctl_server *server)
{
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	return NULL;
}

static void
accept_clients(struct ctl_server *server)
{
	int fd;

	while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct ctl_client *client = free_place(server);
		socklen_t len = sizeof client->peer;

		if (!client || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &client->peer, &len) ||
		    watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, client)) {
			close(fd);
			continue;
		}
		client->server = server;
		client->fd = fd;
		ctl_reader_init(&client->reader);
	}
}

/* Queues bytes behind what is not sent yet; -1 when the client is too far behind. */
static int
queue(struct ctl_client *client, const uint8_t *bytes, size_t len)
{
	size_t pending = client->out_len - client->out_sent;
	uint8_t *out;

	if (pending + len > CTL_BACKLOG_MAX)
		return -1;
	out = malloc(pending + len);
	if (!out)
		return -1;
	if (pending)
		memcpy(out, client->out + client->out_sent, pending);
	memcpy(out + pending, bytes, len);
	if (client->out)
		explicit_bzero(client->out, client->out_len);
	free(client->out);
	client->out = out;
	client->out_len = pending + len;
	client->out_sent = 0;
	return 0;
}

/* Sends what the client takes now; -1 when it is gone or done. */
static int
flush(struct ctl_client *client)
{
	while (client->out_sent < client->out_len) {
		ssize_t n = send(client->fd, client->out + client->out_sent,
				 client->out_len - client->out_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return watch(client->server, EPOLL_CTL_MOD, client->fd, EPOLLIN | EPOLLOUT,
				     client);
		if (n < 0)
			return -1;
		client->out_sent += (size_t)n;
	}
	if (client->ending)
		return -1;
	return watch(client->server, EPOLL_CTL_MOD, client->fd, EPOLLIN, client);
}

static int
send_answer(struct ctl_client *client, const struct ctl_answer *answer)
{
	json_t *frame =
		json_pack("{s:i, s:i, s:s?, s:s?, s:O?}", "v", CTL_VERSION, "exit", answer->exit,
			  "text", answer->text, "error", answer->error, "result", answer->result);
	size_t len;
	uint8_t *bytes = frame ? ctl_frame_encode(frame, &len) : NULL;
	int result = bytes ? queue(client, bytes, len) : -1;

	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
	json_decref(frame);
	return result;
}

/* The frame's fields, checked: 0 or -1 and a sentence. */
static int
read_request(const json_t *frame, struct ctl_request *request, const char **argv,
	     const char **complaint)
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
	request->data = json_string_value(data);
	request->data_len = json_string_length(data);
	return 0;
}

static int
serve_frame(struct ctl_client *client, const json_t *frame)
{
	struct ctl_server *server = client->server;
	struct ctl_request request = { .peer = client->peer };
	struct ctl_answer answer = { .exit = CTL_USAGE };
	const char *argv[CTL_ARGUMENTS_MAX + 1] = { NULL };
	const char *complaint;
	int result;

	if (read_request(frame, &request, argv, &complaint))
		answer.error = strdup(complaint);
	else
		server->handler(server->ctx, &request, &answer);
	result = send_answer(client, &answer);
	free(answer.text);
	free(answer.error);
	json_decref(answer.result);
	return result;
}

static int
serve_frames(struct ctl_client *client)
{
	json_t *frame;
	int got;

	while ((got = ctl_reader_next(&client->reader, &frame)) == 1) {
		int result = serve_frame(client, frame);

		json_decref(frame);
		if (result)
			return -1;
	}
	return got;
}

static int
read_client(struct ctl_client *client)
{
	uint8_t bytes[CTL_READ];
	ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0) {
		/* It may have closed its sending side alone: what is queued still goes out. */
		client->ending = true;
		return client->out_sent == client->out_len ? -1 : 0;
	}
	if (ctl_reader_feed(&client->reader, bytes, (size_t)n))
		return -1;
	explicit_bzero(bytes, (size_t)n);
	return serve_frames(client);
}

static void
serve_client(struct ctl_client *client, uint32_t events)
{
	if ((events & EPOLLIN) && read_client(client) < 0)
		drop(client);
	else if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN))
		drop(client);
	else if (flush(client) < 0)
		drop(client);
}

void
ctl_server_run(struct ctl_server *server)
{
	struct epoll_event events[CTL_EVENTS];
	int n = epoll_wait(server->epoll, events, CTL_EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct ctl_client *client = events[i].data.ptr;

		if (events[i].data.ptr == server)
			accept_clients(server);
		else if (client->fd >= 0)
			serve_client(client, events[i].events);
	}
}

void
ctl_server_free(struct ctl_server *server)
{
	if (!server)
		return;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		if (server->clients[i].fd < 0)
			continue;
		flush(&server->clients[i]);
		drop(&server->clients[i]);
	}
	close(server->listener);
	close(server->epoll);
	unlink(server->path);
	free(server->path);
	free(server);
}
