#include "control/socket/ctl_clients.h"

#include <assert.h>
#include <sys/epoll.h>
#include <unistd.h>

int
ctl_clients_poll(struct ctl_server *server, int op, int fd, uint32_t events, uint64_t about)
{
	struct epoll_event event = { .events = events, .data.u64 = about };

	return epoll_ctl(server->epoll, op, fd, &event);
}

uint64_t
ctl_clients_about(const struct ctl_client *client)
{
	assert((size_t)(client - client->server->clients) < CTL_CLIENTS_MAX);
	return client->serial << 8 | (uint64_t)(client - client->server->clients);
}

void
ctl_clients_drop_passed(struct ctl_client *client)
{
	if (client->passed >= 0)
		close(client->passed);
	client->passed = -1;
}

void
ctl_clients_drop_out(struct ctl_client *client)
{
	assert(client->server->backlog >= ctl_clients_backlog(client));
	client->server->backlog -= ctl_clients_backlog(client);
	buffer_fini(&client->out);
}

void
ctl_clients_free_answer(struct ctl_answer *answer)
{
	free(answer->text);
	free(answer->error);
	free(answer->next);
	json_decref(answer->result);
	if (answer->source.fill)
		answer->source.free(answer->source.ctx);
}

bool
ctl_clients_is_through(const struct ctl_client *client)
{
	return client->ended && !client->ready && !client->source.answers_later &&
	       !client->source.ready && !ctl_clients_backlog(client);
}

void
ctl_clients_end_source(struct ctl_client *client)
{
	struct ctl_source source = client->source;

	if (!source.fill)
		return;
	client->source = (struct ctl_source){ 0 };
	ctl_clients_free_answer(&client->later);
	client->later = (struct ctl_answer){ 0 };
	client->server->watches--;
	source.free(source.ctx);
}

void
ctl_clients_drop(struct ctl_client *client)
{
	if (client->fd < 0)
		return;
	/* Its handler still has it. */
	if (client->serving) {
		client->gone = true;
		return;
	}
	ctl_clients_end_source(client);
	close(client->fd); /* leaves the epoll set with it */
	client->fd = -1;
	ctl_reader_fini(&client->reader);
	json_decref(client->held);
	client->held = NULL;
	ctl_clients_drop_passed(client);
	ctl_clients_drop_out(client);
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
 * One that watches, or whose request waits, runs, or is being answered does not. So nobody who
 * connects and stays keeps others out.
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
		    ctl_clients_backlog(client))
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
		ctl_clients_drop(idle);
	return idle;
}

void
ctl_clients_accept(struct ctl_server *server)
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
		    ctl_clients_poll(server, EPOLL_CTL_ADD, fd, EPOLLIN,
				     ctl_clients_about(client))) {
			close(fd);
			if (client)
				client->fd = -1;
			continue;
		}
		ctl_reader_init(&client->reader);
		client->reader.frame_max = CTL_REQUEST_MAX;
	}
}
