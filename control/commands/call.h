/*
 * call.h - one request being served, and what its command says of itself.
 *
 * A command's function gets its words checked against its declaration and fills text for people and
 * a result for machines; what it refuses, it refuses through here. Owner: the dispatcher. Control
 * thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/daemon.h"
#include "control/socket/ctl_socket.h"
#include "control/table.h"
#include "control/text.h"

enum {
	COMMAND_OPTIONS_MAX = 20,
	COMMAND_ARGUMENTS_MAX = 4,
	COMMANDS_MAX = 128,
};

struct command_option {
	const char *name;     /* "--worker" */
	const char *argument; /* "N"; NULL: a flag */
	const char *help;
	bool secret; /* its value is not logged */
	enum ctl_want file; /* its value names a file that the client opens so: call->fd */
	bool reveals; /* secrets are in the answer: never towards the console */
};

struct call;

struct command {
	const char *words;     /* "task list" */
	const char *arguments; /* as help shows them: "[GLOB]" */
	unsigned min, max;     /* how many */
	const struct command_option *options;
	unsigned n_options;       /* at most COMMAND_OPTIONS_MAX */
	bool changes;             /* something, or gives keys away: logged and audited with who asked */
	bool at_once;             /* changes something, and does not take long: no job (jobs.h) */
	bool takes_long;          /* changes nothing, and is a job all the same */
	bool reveals;             /* secrets are in what it makes: never towards the console */
	bool while_busy;          /* looks, and quickly: also while another command takes long */
	unsigned secret_argument; /* which argument is not logged, from 1; 0: none */
	/* The first argument is a FILE that the client opens, "-" where it is missing; the function
	 * finds it in call->fd. */
	enum ctl_want file;
	bool file_optional; /* without the argument there is no file */
	void (*run)(struct call *call);
	const char *help;  /* one sentence */
	const char *alias; /* its former words, understood for a release; NULL: none */
};

/* One request being served. */
struct call {
	struct daemon *daemon;   /* NULL: offline, for what needs none */
	struct service *service; /* the daemon's */
	const struct command *command;
	const char *arguments[COMMAND_ARGUMENTS_MAX]; /* NULL where missing */
	const char *options
		[COMMAND_OPTIONS_MAX]; /* as in the command; "" for a flag, NULL where missing */
	struct text text, error;
	struct table_view view; /* of tables in `text` */
	bool in_slices;         /* a list: the client gets the form that it shows */
	char *next;             /* malloc'ed: where a list goes on (page.h); NULL: it is whole */
	json_t *result;
	json_t *before, *after;            /* of what it changed (call_audit.h); NULL: not told */
	struct ctl_source source; /* `fill`: the answer goes on (watch.h) */
	int exit;                          /* enum ctl_exit */
	const struct ctl_request *request; /* for ctl_progress(); NULL: offline */
	int fd;                            /* of a command with `file`; closed after its function */
	struct job *job;                   /* NULL: the command has none */
	bool client_gone;                  /* nobody waits for the answer any more */
	uint64_t told_us;                  /* when call_tell_live() and others last did */
};

/* Marks the call as refused, with a sentence. */
void call_refuse(struct call *call, int exit, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The value of an option by name, or NULL. */
const char *call_option(const struct call *call, const char *name);
/*
 * A number option; preset where missing; refuses and returns -1 where it is no number of this
 * range.
 */
long call_number(struct call *call, const char *name, long preset, long max);

/*
 * A span of time as an option gives it, in seconds: "300", "30s", "5m", "2h", "1d", "1w"; -1: it is none, of at
 * most nine digits.
 */
long long call_parse_seconds(const char *value);
/* Such an option; preset where missing; refuses and returns -1 where it is none from 1 to max. */
long call_seconds(struct call *call, const char *name, long preset, long max);

/* How far it is: for the client, and for whoever asks for the job. */
void call_tell(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* From now on the job may be cancelled: call_cancelled() is to be looked at. */
void call_may_cancel(struct call *call);
/* From now on it may not, and why: what is done already, as a sentence without its end. */
void call_must_end(struct call *call, const char *why);
/* Whether somebody wants it to end, or the program ends. */
bool call_cancelled(const struct call *call);

/* A `tell` of publish.h, of a job that has said whether it must end: the call's client sees how far it is, now and then. */
void call_tell_live(void *call, uint32_t done, uint32_t total);
/* A reload_pump that tells the call's client, now and then. */
void call_tell_reload(void *call, uint32_t done, uint32_t total);

/* A `tell` and a `cancelled` of reload_plan.h: the call's client sees how far it is, and the job may be called off. */
void call_tell_plan(void *call, uint32_t done, uint32_t total);
bool call_plan_cancelled(void *call);

/* Refused: there is no such group, or task; with the nearest. */
void call_refuse_group(struct call *call, const char *name);
void call_refuse_task(struct call *call, const char *id);

/*
 * The whole file that came with the request, malloc'ed; NULL, and the call refused, where it has
 * more than `max` bytes or cannot be read. To be wiped and freed.
 */
char *call_read_file(struct call *call, size_t max, size_t *len);
