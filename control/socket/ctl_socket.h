/*
 * ctl_socket.h - the control socket: takes requests, gives answers, never waits.
 *
 * A server has an epoll of its own, so that a loop watches one descriptor: ctl_server_fd() is readable when
 * ctl_server_run() has work; it serves one request of a client a call, so that many of one do not keep the others waiting,
 * and ends after a millisecond or two, so that many clients do not keep the control thread. Clients are bounded
 * (CTL_CLIENTS_MAX); one that sends garbage, or does not read its answers, loses its connection and nobody else notices.
 *
 * Owner: the control loop. One thread. Allocates; does not block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <jansson.h>

#include "control/socket/ctl_proto.h"

enum { CTL_ERROR_MAX = 512, CTL_ARGUMENTS_MAX = 64, CTL_PROGRESS_MAX = 256 };

struct ctl_client;

/* Valid during the handler's call. */
struct ctl_request {
	int argc;
	const char *const *argv;
	bool json;        /* the client shows `result`, not `text` */
	const char *data; /* what the client read for the command, for example a file; NULL: none */
	size_t data_len;
	struct ucred peer; /* who asks: for the log */
	int fd; /* a regular file or folder that the client opened for the command, closed after the
		 * handler; -1: none */
	unsigned width;   /* of the client's terminal; 0: no limit */
	const char *page; /* where a list goes on, "" at its beginning; NULL: no pages are taken */
	const char *columns,
		*sort; /* of tables, as the client's user wants them; NULL: as they are */
	bool console;       /* it asks for people: no secret leaves towards it */
	const char *actor;  /* for whom the console asks; NULL: it does not say */
	const char *expect; /* the generation that a change is meant for; NULL: any */
	struct ctl_client *client; /* for ctl_progress(); NULL: nobody to tell */
};

/* The command needs a file: the client opens it and asks again (ctl_proto.h). */
enum ctl_want {
	CTL_WANT_NOTHING,
	CTL_WANT_READ,
	CTL_WANT_WRITE,
	CTL_WANT_FOLDER,
	CTL_WANT_CREATE,
};

struct ctl_answer;

/*
 * An answer that goes on: a watch. The server asks for what is new now and then, and only while the client has read what
 * was sent before, so a slow client costs nothing: what it did not get in time the source counts as missed.
 */
struct ctl_source {
	/*
	 * Says what is new by ctl_watch_send(), as long as ctl_watch_takes(). False: the watch is over, and `end` its last
	 * answer. Must not take long.
	 */
	bool (*fill)(void *ctx, struct ctl_client *client, struct ctl_answer *end);
	void (*free)(void *ctx); /* the watch is over, or its client has gone */
	void *ctx;
	bool answers_later; /* `end` is the only answer; until then there is progress, if any */
	/*
	 * NULL, or the answer is held until it says true. With answers_later that is all, and nothing is filled. Must
	 * not take long.
	 */
	bool (*ready)(void *ctx);
};

/* Filled by the handler; the server frees it. All pointers may stay NULL. */
struct ctl_answer {
	int exit;       /* enum ctl_exit */
	char *text;     /* malloc'ed, for people */
	char *error;    /* malloc'ed, for people, goes to standard error */
	json_t *result; /* a reference */
	char *next; /* malloc'ed: there is more of the list, to be had by asking again with it */
	enum ctl_want want;
	int want_word; /* which of argv names it; -1: standard input or output */
	struct ctl_source source; /* `fill`: the answer goes on; the source is taken over */
	char generation[24];      /* of the policy, for the console; "": not said */
	bool stale;               /* it is not the expected one: nothing was changed */
};

typedef void ctl_handler(void *ctx, const struct ctl_request *request, struct ctl_answer *answer);

struct ctl_server;

/*
 * Listens at `path` with mode 0660, owned by `group` when it is not NULL. A stale socket file is replaced; one that somebody
 * answers on, a path that is no socket, or an unknown group is an error: NULL and a sentence.
 */
struct ctl_server *ctl_server_new(const char *path, const char *group, ctl_handler *handler,
				  void *ctx, char error[CTL_ERROR_MAX]);

/*
 * The same on a socket that another process listens on at this path, and passed: takes the descriptor over. The path stays
 * when the server is freed before ctl_server_keep_path(), as the other may go on.
 */
struct ctl_server *ctl_server_adopt(int listener, const char *path, ctl_handler *handler, void *ctx,
				    char error[CTL_ERROR_MAX]);
/* Nobody else has the path any more. */
void ctl_server_keep_path(struct ctl_server *server);
/* To be passed on; it stays the server's. */
int ctl_server_listener(const struct ctl_server *server);
/* From now on the path is another process's: it stays when the server is freed. */
void ctl_server_leave(struct ctl_server *server);

/* Whose connections are the console's: its user, never root. */
void ctl_server_set_console(struct ctl_server *server, uid_t uid);
int ctl_server_fd(const struct ctl_server *server);
void ctl_server_run(struct ctl_server *server);
/*
 * Now and then, at least once a second: drops clients that sent part of a request and for ten seconds not the rest.
 * `now_ms` never goes back. Also when all places are taken, an idle client makes way for the next.
 */
void ctl_server_tick(struct ctl_server *server, uint64_t now_ms);

/*
 * For handlers that take long, called now and then: serves what other clients ask for meanwhile, where `may` says so; the
 * rest waits. What it lets in must not take long itself. Does nothing outside a handler.
 */
typedef bool ctl_may(void *ctx, int argc, const char *const *argv);
void ctl_server_run_while_busy(struct ctl_server *server, ctl_may *may);
/* How far the handler that takes long is, by its last ctl_progress(); "" before, and when none runs. */
const char *ctl_server_progress(const struct ctl_server *server);

/*
 * The request that is being served has a number, by which it can be asked for: its client is told, and may leave. Who waits
 * for it is told, too, and does not have to wait: one that leaves before its request has begun is not served.
 */
void ctl_job(const struct ctl_request *request, uint32_t number);

/*
 * Tells the client of the request that is being served how far it is: a line of up to CTL_PROGRESS_MAX - 1 bytes, UTF-8.
 * Never waits: a client that is behind misses lines. False: it has gone, so nobody waits for the answer; a handler may go
 * on all the same.
 */
bool ctl_progress(const struct ctl_request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Often: asks the sources of watches whose clients take more, some of them if it takes long. A watch ends when its client
 * leaves or sends anything, or by its source.
 */
void ctl_server_watch(struct ctl_server *server);
/* How many clients watch; one whose answer is held does not yet. */
unsigned ctl_server_watches(const struct ctl_server *server);
/* Ends every watch, with an exit code and a sentence as its last answer. */
void ctl_server_end_watches(struct ctl_server *server, int exit, const char *sentence);

/* Something new: `event` for machines (a reference that is taken over) or `text` for people. */
struct ctl_news {
	json_t *event;
	const char *text;
	uint64_t missed; /* how much was not sent since what was sent before */
};
/* A line of how far it is, for a source that answers later. */
void ctl_watch_progress(struct ctl_client *client, const char *line);
void ctl_watch_send(struct ctl_client *client, const struct ctl_news *news);
bool ctl_watch_takes(const struct ctl_client *client);

/* Sends what clients take at once, closes, and removes the socket. */
void ctl_server_free(struct ctl_server *server);
