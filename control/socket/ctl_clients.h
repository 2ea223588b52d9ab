/*
 * ctl_clients.h - the control socket's clients: their places, how they come and go. Of control/socket/ alone.
 *
 * A server has CTL_CLIENTS_MAX places; a client that leaves, or has to, gives its place back with all that it holds.
 * Owner: the server. One thread. Allocates; does not block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <jansson.h>

#include "control/buffer.h"
#include "control/socket/ctl_proto.h"
#include "control/socket/ctl_socket.h"

/* When a run, or a look at watches, has taken so long, what other clients ask for waits for the next. */
enum { CTL_RUN_US = 1500 };

/* What an event is about: a place in the low byte with the client's serial above, or one of these. */
#define EVENT_LISTENER UINT64_MAX
#define EVENT_WAKE     (UINT64_MAX - 1)

struct ctl_client {
	struct ctl_server *server;
	int fd;          /* -1: the place is free */
	uint64_t serial; /* tells an event of a former client of this place */
	struct ucred peer;
	struct ctl_reader reader;
	int passed;        /* the descriptor that came with a request not yet served; -1: none */
	struct buffer out; /* answers; taken: sent */
	json_t *held;      /* a request that waits for the one that runs; NULL: none */
	bool serving;      /* its request runs */
	bool waits;        /* its held request waits for another client's, and it was told so */
	uint32_t job;      /* the number of the request that runs; 0: it has none */
	bool ready;        /* the reader may hold a whole request, or one is held */
	bool ended;        /* it sends no more; what it asked for is still answered */
	bool gone;         /* found out while a handler ran */
	struct ctl_source source; /* of its watch; without `fill` it has none */
	struct ctl_answer later;  /* held until the source is ready */
	uint64_t heard;           /* when it last sent something, or came: by the server's count */
	uint32_t partial_ms;      /* for how long a part of a request waits for its rest */
};

struct ctl_server {
	int epoll, listener, wake;
	char *path;
	bool path_is_foreign; /* another process has it: it stays */
	ctl_handler *handler;
	void *ctx;
	bool running;                    /* ctl_server_run() does not nest */
	bool while_busy;                 /* nor does ctl_server_run_while_busy() */
	char progress[CTL_PROGRESS_MAX]; /* of the request that runs */
	uint32_t job;                    /* ... and its number; 0: it has none */
	uid_t console;                   /* 0: there is none */
	uint64_t serial, heard;
	unsigned next; /* the client that a run begins with */
	unsigned next_watch, watches;
	uint64_t tick_ms; /* of the last ctl_server_tick(); 0: there was none */
	size_t backlog;   /* bytes in all clients' `out` */
	struct ctl_client clients[CTL_CLIENTS_MAX];
};

/* Bytes of answers that the client has not taken yet. */
static inline size_t
ctl_clients_backlog(const struct ctl_client *client)
{
	return buffer_left(&client->out);
}

/* epoll_ctl() of the server's own epoll, which says `about`. 0 or -1 and errno. */
int ctl_clients_poll(struct ctl_server *server, int op, int fd, uint32_t events, uint64_t about);
/* What events of the client are about. */
uint64_t ctl_clients_about(const struct ctl_client *client);
/* Whoever waits at the listener gets a place, if there is one or an idle client makes way. */
void ctl_clients_accept(struct ctl_server *server);
/* Its place is free. One whose handler runs is only marked as gone. */
void ctl_clients_drop(struct ctl_client *client);
void ctl_clients_drop_passed(struct ctl_client *client);
void ctl_clients_drop_out(struct ctl_client *client);
/* All that it holds. */
void ctl_clients_free_answer(struct ctl_answer *answer);
/* It sends no more, and has got all that it asked for. */
bool ctl_clients_is_through(const struct ctl_client *client);
/* Its watch is over, if it has one: the source is told so. */
void ctl_clients_end_source(struct ctl_client *client);
