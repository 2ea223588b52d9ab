#include "control/socket/ctl_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/socket/ctl_out.h"

void
ctl_watch_begin(struct ctl_client *client, struct ctl_answer *answer)
{
	struct ctl_server *server = client->server;

	if (!answer->source.fill)
		return;
	if (server->watches == CTL_WATCHES_MAX && answer->source.ready &&
	    answer->source.answers_later) {
		/* It was done: that is said at once. */
		answer->source.free(answer->source.ctx);
		answer->source = (struct ctl_source){ 0 };
		return;
	}
	if (server->watches == CTL_WATCHES_MAX) {
		ctl_clients_free_answer(answer);
		*answer = (struct ctl_answer){ .exit = CTL_REFUSED };
		if (asprintf(&answer->error, "%d clients watch already: end one", CTL_WATCHES_MAX) <
		    0)
			answer->error = NULL;
		return;
	}
	server->watches++;
	client->source = answer->source;
	answer->source.fill = NULL; /* taken over */
}

/* The answer that was held. */
static int
answer_held(struct ctl_client *client)
{
	struct ctl_answer answer = client->later;
	int result;

	client->later = (struct ctl_answer){ 0 };
	client->source.ready = NULL;
	if (client->source.answers_later)
		ctl_clients_end_source(client);
	result = ctl_out_answer(client, &answer);
	ctl_clients_free_answer(&answer);
	return result;
}

int
ctl_watch_stop(struct ctl_client *client)
{
	struct ctl_answer end = { .exit = client->source.answers_later ? CTL_REFUSED : CTL_DONE };
	int result;

	if (client->source.ready && client->source.answers_later)
		return answer_held(client);
	if (client->source.answers_later)
		end.error = strdup("no longer waited for: another request came");
	ctl_clients_end_source(client);
	result = ctl_out_answer(client, &end);
	ctl_clients_free_answer(&end);
	return result;
}

bool
ctl_watch_takes(const struct ctl_client *client)
{
	return !client->gone && ctl_clients_backlog(client) < CTL_WATCH_BACKLOG;
}

void
ctl_watch_send(struct ctl_client *client, const struct ctl_news *news)
{
	json_t *frame = json_pack("{s:i, s:o*, s:s*, s:o*}", "v", CTL_VERSION, "event", news->event,
				  "text", news->text, "missed",
				  news->missed ? json_integer((json_int_t)news->missed) : NULL);

	/* It takes 16 MiB more at least: what cannot be sent cannot be encoded, and nobody would read it. */
	(void)ctl_out_frame(client, frame);
}

void
ctl_watch_progress(struct ctl_client *client, const char *line)
{
	(void)ctl_out_progress(client, line);
}

/* False: the client is to be dropped. */
static bool
fill(struct ctl_client *client)
{
	struct ctl_answer end = { .exit = CTL_DONE };
	bool good = true;

	if (client->source.ready) {
		if (!client->source.ready(client->source.ctx))
			return true;
		good = answer_held(client) == 0;
	} else if (!client->source.fill(client->source.ctx, client, &end)) {
		ctl_clients_end_source(client);
		good = ctl_out_answer(client, &end) == 0;
	}
	ctl_clients_free_answer(&end);
	return good && ctl_out_flush(client) == 0 && !ctl_clients_is_through(client);
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
			ctl_clients_drop(client);
		if (clock_now_us() >= until_us)
			return;
	}
}

unsigned
ctl_server_watches(const struct ctl_server *server)
{
	unsigned n = 0;

	for (unsigned i = 0; server->watches && i < CTL_CLIENTS_MAX; i++)
		n += server->clients[i].fd >= 0 && server->clients[i].source.fill &&
		     !server->clients[i].source.ready;
	return n;
}

void
ctl_server_end_watches(struct ctl_server *server, int exit, const char *sentence)
{
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_client *client = &server->clients[i];
		struct ctl_answer end = { .exit = exit };

		if (client->fd < 0 || !client->source.fill)
			continue;
		ctl_clients_end_source(client);
		end.error = strdup(sentence);
		if (ctl_out_answer(client, &end) < 0 || ctl_out_flush(client) < 0)
			ctl_clients_drop(client);
		ctl_clients_free_answer(&end);
	}
}
