/*
 * The control socket from outside, whole: requests, watches and jobs of two clients against a daemon on a fake dataplane.
 * Whatever comes in, what goes out are frames of the protocol, and nothing of a client stays behind it.
 *
 * A line that begins with '{' goes out as a frame, '>' as the bytes behind it, '!' reads nothing more of that client; "-"
 * changes to the other client, "x" closes it. Between lines something happens that may be watched.
 */
#define PLAIN_NO_MAIN
#include "tests/unit/control_world.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "control/log.h"
#include "control/runs/traced.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 2, LINES_MAX = 16, BYTES = 65536 };

struct peer_client {
	int fd; /* -1: none */
	bool deaf;
	struct ctl_reader reader;
};

static struct world world;
static struct ctl_server *server;
static struct peer_client clients[CLIENTS];
static char path[100];

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
open_client(struct peer_client *client)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	*client = (struct peer_client){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0) };
	require(client->fd >= 0);
	require(connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0);
	ctl_reader_init(&client->reader);
}

static void
close_client(struct peer_client *client)
{
	if (client->fd < 0)
		return;
	close(client->fd);
	ctl_reader_fini(&client->reader);
	client->fd = -1;
}

/* Every frame is one that a client understands. */
static void
check_frame(const json_t *frame)
{
	require(json_object_get(frame, "exit") || json_object_get(frame, "event") ||
		json_object_get(frame, "text") || json_object_get(frame, "want") ||
		json_object_get(frame, "progress") || json_object_get(frame, "job"));
}

static void
read_client(struct peer_client *client)
{
	static uint8_t bytes[BYTES];
	json_t *frame;
	ssize_t n;
	int got;

	while (client->fd >= 0 && !client->deaf &&
	       (n = recv(client->fd, bytes, sizeof bytes, 0)) > 0) {
		require(ctl_reader_feed(&client->reader, bytes, (size_t)n) == 0);
		while ((got = ctl_reader_next(&client->reader, &frame)) == 1) {
			check_frame(frame);
			json_decref(frame);
		}
		require(got == 0);
	}
}

static void
run(void)
{
	for (int i = 0; i < 4; i++) {
		ctl_server_run(server);
		ctl_server_watch(server);
		for (unsigned k = 0; k < CLIENTS; k++)
			read_client(&clients[k]);
	}
}

static void
happen(unsigned i)
{
	feed_put(&world.service->feed, &(struct feed_event){ .kind = (enum feed_kind)(i % FEED_KINDS),
							     .device = i % 4,
							     .what = 0,
							     .name = "x" });
}

static void
send_bytes(struct peer_client *client, const void *bytes, size_t len)
{
	if (client->fd >= 0)
		(void)!send(client->fd, bytes, len, MSG_NOSIGNAL);
}

static void
send_frame(struct peer_client *client, const char *json)
{
	size_t len = strlen(json);
	const uint8_t header[4] = { 0, (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len };

	if (strstr(json, "\"stop\""))
		return; /* it ends the daemon's loop, which is not there */
	send_bytes(client, header, sizeof header);
	send_bytes(client, json, len);
}

static void
take_line(const char *line, struct peer_client **client)
{
	switch (line[0]) {
	case '{':
		send_frame(*client, line);
		break;
	case '>':
		send_bytes(*client, line + 1, strlen(line + 1));
		break;
	case '!':
		(*client)->deaf = true;
		break;
	case '-':
		*client = &clients[*client == &clients[0]];
		break;
	case 'x':
		close_client(*client);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = strndup((const char *)data, size), *at = copy, *line;
	struct peer_client *client = &clients[0];
	char error[CTL_ERROR_MAX];

	require(copy != NULL);
	log_set_level(SEVERITY_ERROR);
	world_start(&world);
	snprintf(path, sizeof path, "%s/sock", world.folder);
	server = ctl_server_new(path, NULL, commands_serve, &world.daemon, error);
	require(server != NULL);
	world.daemon.server = server;
	for (unsigned i = 0; i < CLIENTS; i++)
		open_client(&clients[i]);
	for (unsigned i = 0; i < LINES_MAX && (line = strsep(&at, "\n")); i++) {
		take_line(line, &client);
		happen(i);
		run();
	}
	ctl_server_end_watches(server, CTL_NOT_RUNNING, "the appliance stops");
	run();
	for (unsigned i = 0; i < CLIENTS; i++)
		close_client(&clients[i]);
	traced_fini(&world.service->traced);
	ctl_server_free(server);
	require(world.service->feed.readers == 0);
	world_stop(&world);
	free(copy);
	return 0;
}
