#include "control/socket/ctl_out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "tasks/show.h"

enum {
	/* Of all clients. The one furthest behind goes when another answer would exceed it. */
	CTL_BACKLOG_TOTAL = 128 * 1024 * 1024,
};

/* Of those that can be dropped; NULL: nobody is behind. */
static struct ctl_client *
furthest_behind(struct ctl_server *server)
{
	struct ctl_client *worst = NULL;

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[i];

		if (!client->serving &&
		    ctl_clients_backlog(client) > (worst ? ctl_clients_backlog(worst) : 0))
			worst = client;
	}
	return worst;
}

/* Queues bytes behind what is not sent yet; -1 when the client is too far behind. */
static int
queue(struct ctl_client *client, const uint8_t *bytes, size_t len)
{
	struct ctl_server *server = client->server;

	if (ctl_clients_backlog(client) + len > CTL_BACKLOG_MAX)
		return -1;
	while (server->backlog + len > CTL_BACKLOG_TOTAL) {
		struct ctl_client *worst = furthest_behind(server);

		if (!worst || worst == client)
			return -1;
		ctl_clients_drop(worst);
	}
	if (buffer_put(&client->out, bytes, len))
		return -1;
	server->backlog += len;
	return 0;
}

int
ctl_out_flush(struct ctl_client *client)
{
	uint32_t events = client->ended ? 0 : EPOLLIN;

	while (ctl_clients_backlog(client)) {
		ssize_t n = ctl_send(client->fd, buffer_front(&client->out),
				     ctl_clients_backlog(client), -1);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return -1;
		buffer_take(&client->out, (size_t)n);
		client->server->backlog -= (size_t)n;
	}
	if (ctl_clients_backlog(client))
		events |= EPOLLOUT;
	else
		ctl_clients_drop_out(client);
	return ctl_clients_poll(client->server, EPOLL_CTL_MOD, client->fd, events,
				ctl_clients_about(client));
}

int
ctl_out_frame(struct ctl_client *client, json_t *frame)
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

int
ctl_out_answer(struct ctl_client *client, const struct ctl_answer *answer)
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
		return ctl_out_frame(client,
				     json_pack("{s:i, s:s, s:i}", "v", CTL_VERSION, "want",
					       wants[answer->want], "word", answer->want_word));
	result = ctl_out_frame(
		client, json_pack("{s:i, s:i, s:s?, s:s?, s:O?, s:s*, s:o*, s:s*, s:o*}", "v",
				  CTL_VERSION, "exit", answer->exit, "text", answer->text, "error",
				  answer->error, "result", answer->result, "next", answer->next,
				  "watch", client->source.fill ? json_true() : NULL, "generation",
				  *answer->generation ? answer->generation : NULL, "stale",
				  answer->stale ? json_true() : NULL));
	if (result == -EMSGSIZE || result == -EILSEQ)
		result = ctl_out_frame(
			client, json_pack("{s:i, s:i, s:s}", "v", CTL_VERSION, "exit", CTL_REFUSED,
					  "error", result == -EMSGSIZE ? too_large : no_text));
	return result;
}

int
ctl_out_progress(struct ctl_client *client, const char *line)
{
	json_t *job = client->job ? json_integer(client->job) : NULL;

	return ctl_out_frame(client,
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
	if (!client->gone && ctl_out_progress(client, "") < 0)
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
	if (!client->gone && ctl_out_flush(client) < 0)
		client->gone = true;
	/* Who is behind with the last line gets the next one, or the one after. */
	if (!client->gone && !ctl_clients_backlog(client) &&
	    (ctl_out_progress(client, text) || ctl_out_flush(client) < 0))
		client->gone = true;
	return !client->gone;
}
