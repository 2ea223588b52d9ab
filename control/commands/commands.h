/*
 * commands.h - what cradlectl can ask for: one table makes the dispatcher, the help, the manual
 * and shell completion.
 *
 * A command's function gets its words checked against the table and fills text for people and a
 * result for machines. Control thread. Nothing here waits, and nothing a client asks can stall a
 * worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/daemon.h"
#include "control/socket/ctl_socket.h"
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
};

struct call;

struct command {
	const char *words;     /* "task list" */
	const char *arguments; /* as help shows them: "[GLOB]" */
	unsigned min, max;     /* how many */
	struct command_option options[COMMAND_OPTIONS_MAX];
	bool changes;             /* is logged with who asked */
	bool aside;               /* looks, and quickly: also while another command takes long */
	unsigned secret_argument; /* which argument is not logged, from 1; 0: none */
	/* The first argument is a FILE that the client opens, "-" where it is missing; the function
	 * finds it in call->fd. */
	enum ctl_want file;
	void (*run)(struct call *call);
	const char *help; /* one sentence */
};

/* One request being served. */
struct call {
	struct daemon *daemon; /* NULL: offline, for what needs none */
	const struct command *command;
	const char *arguments[COMMAND_ARGUMENTS_MAX]; /* NULL where missing */
	const char *options
		[COMMAND_OPTIONS_MAX]; /* as in the command; "" for a flag, NULL where missing */
	struct text text, error;
	json_t *result;
	int exit;                          /* enum ctl_exit */
	const struct ctl_request *request; /* for ctl_progress(); NULL: offline */
	int fd;                            /* of a command with `file`; closed after its function */
	uint64_t told_us;                  /* when call_tell_reload() last did */
};

/* A ctl_handler; ctx is the daemon. */
void commands_serve(void *ctx, const struct ctl_request *request, struct ctl_answer *answer);
/* A ctl_may: the same. */
bool commands_may_aside(void *ctx, int argc, const char *const *argv);

/* Help and completion without a daemon. Prints; returns the exit code. */
int commands_help_offline(const char *word);
int commands_completion_offline(const char *shell);

/* The table: requests are found in it, help and completion are made of it. */
extern const struct command commands[];
extern const unsigned n_commands;

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

/* A reload_pump that tells the call's client, now and then. */
void call_tell_reload(void *call, uint32_t done, uint32_t total);

/* Refused: there is no such group, or task; with the nearest. */
void call_refuse_group(struct call *call, const char *name);
void call_refuse_task(struct call *call, const char *id);

void command_status(struct call *call);
void command_stats(struct call *call);
void command_check(struct call *call);
void command_reload(struct call *call);
void command_stop(struct call *call);
void command_drain(struct call *call);
void command_undrain(struct call *call);
void command_log_level(struct call *call);
void command_help(struct call *call);
void command_completion(struct call *call);
void command_task_list(struct call *call);
void command_task_check(struct call *call);
void command_task_show(struct call *call);
void command_task_add(struct call *call);
void command_task_edit(struct call *call);
void command_task_copy(struct call *call);
void command_task_pause(struct call *call);
void command_task_resume(struct call *call);
void command_task_remove(struct call *call);
void command_server_list(struct call *call);
void command_server_show(struct call *call);
void command_server_add(struct call *call);
void command_server_edit(struct call *call);
void command_server_remove(struct call *call);
void command_group_list(struct call *call);
void command_group_show(struct call *call);
void command_group_add(struct call *call);
void command_group_edit(struct call *call);
void command_group_remove(struct call *call);
void command_group_value_set(struct call *call);
void command_group_value_unset(struct call *call);
void command_device_list(struct call *call);
void command_device_show(struct call *call);
void command_device_profile(struct call *call);
void command_device_add(struct call *call);
void command_device_edit(struct call *call);
void command_device_remove(struct call *call);
void command_device_value_set(struct call *call);
void command_device_value_unset(struct call *call);
void command_device_import(struct call *call);
void command_device_export(struct call *call);
void command_task_preview(struct call *call);
void command_trace_start(struct call *call);
void command_trace_show(struct call *call);
void command_trace_stop(struct call *call);
void command_device_turned_away(struct call *call);
void command_unknown_list(struct call *call);
void command_unknown_adopt(struct call *call);
void command_session_list(struct call *call);
void command_session_show(struct call *call);
void command_report_list(struct call *call);
void command_report_show(struct call *call);
void command_task_reports(struct call *call);
void command_task_rerun(struct call *call);
void command_task_rerun_failed(struct call *call);

/* From the loop: takes what workers recorded, ends traces that nobody looks at any more. */
void traces_look_after(struct daemon *daemon, uint64_t now_ms);
