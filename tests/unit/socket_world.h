/*
 * socket_world.h - a control world that listens, and clients of its socket: what tests of answers that come in parts, late
 * or while something else runs share.
 */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/control_world.h"

enum { SOCKET_TURNS = 20 };

struct socket_world {
	struct ctl_server *server;
	char path[96];
};

struct socket_client {
	int fd;
	struct ctl_reader reader;
};

static inline void
socket_world_open(struct socket_world *sockets, struct world *world)
{
	char error[CTL_ERROR_MAX];

	snprintf(sockets->path, sizeof sockets->path, "%s/sock", world->folder);
	sockets->server =
		ctl_server_new(sockets->path, NULL, commands_serve, &world->daemon, error);
	cr_assert_not_null(sockets->server, "%s", error);
}

static inline void
socket_world_close(struct socket_world *sockets)
{
	ctl_server_free(sockets->server);
}

/* Some turns of the loop. */
static inline void
socket_world_run(const struct socket_world *sockets)
{
	for (int i = 0; i < SOCKET_TURNS; i++) {
		ctl_server_run(sockets->server);
		ctl_server_watch(sockets->server);
	}
}

static inline struct socket_client
socket_client_open(const struct socket_world *sockets)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct socket_client client = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0) };

	snprintf(address.sun_path, sizeof address.sun_path, "%s", sockets->path);
	cr_assert_eq(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
	ctl_reader_init(&client.reader);
	return client;
}

static inline void
socket_client_close(struct socket_client *client)
{
	close(client->fd);
	ctl_reader_fini(&client->reader);
}

/* `line` in words, with a file; -1: without. */
static inline void
socket_client_ask(const struct socket_client *client, const char *line, bool json, int file)
{
	json_t *argv = json_array(), *frame;
	char copy[256], *at = copy, *word;
	uint8_t *bytes;
	size_t len;

	snprintf(copy, sizeof copy, "%s", line);
	while ((word = strsep(&at, " ")))
		json_array_append_new(argv, json_string(word));
	frame = json_pack("{s:i, s:o, s:b, s:b}", "v", CTL_VERSION, "argv", argv, "json", json,
			  "fd", file >= 0);
	bytes = ctl_frame_encode(frame, &len);
	cr_assert_eq(ctl_send(client->fd, bytes, len, file), (ssize_t)len);
	free(bytes);
	json_decref(frame);
}

/* The next frame that there is; NULL: none. */
static inline json_t *
socket_client_next(const struct socket_world *sockets, struct socket_client *client)
{
	uint8_t bytes[16384];
	json_t *frame = NULL;
	ssize_t n;

	socket_world_run(sockets);
	while (ctl_reader_next(&client->reader, &frame) == 0 &&
	       (n = recv(client->fd, bytes, sizeof bytes, 0)) > 0) {
		cr_assert_eq(ctl_reader_feed(&client->reader, bytes, (size_t)n), 0);
		socket_world_run(sockets);
	}
	return frame;
}
