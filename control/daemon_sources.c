#include "control/daemon_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/commands/commands.h"
#include "control/daemon_turns.h"
#include "control/log.h"
#include "control/runs/reload.h"

static const char turn_signal[] = "reload by signal"; /* turns.h */

/* Who sent a signal is not known. */
static void
audit_reload(struct daemon *daemon, bool good, const char *said)
{
	json_t *words = json_pack("[s, s]", "reload", "(SIGHUP)");
	const struct audit_event event = {
		.time_ms = clock_now_ms(),
		.uid = -1,
		.pid = -1,
		.command = words,
		.done = good,
		.error = good ? NULL : said,
	};

	if (daemon->audit)
		audit_append(daemon->audit, &event);
	json_decref(words);
}

void
daemon_keep_version(struct daemon *daemon, const char *who, const char *what)
{
	const struct policy_note note = { .who = who, .what = what, .why = "" };
	char error[STORE_ERROR_MAX];
	int64_t number = policy_versions_record(&daemon->service, &note, error);

	if (number < 0)
		log_event(SEVERITY_WARNING, LOG_EVENT_policy_version, NULL,
			  "no version of the policy is kept: %s", error);
	else if (number > 0)
		log_event(SEVERITY_NOTICE, LOG_EVENT_policy_version, NULL,
			  "version %lld of the policy: %s", (long long)number, what);
}

static void
reload_by_signal(struct daemon *daemon)
{
	const struct policy_note note = { .who = "signal", .what = "reload (SIGHUP)", .why = "" };
	const struct reload_wish wish = { .note = &note };
	struct text text;
	json_t *result = NULL;
	bool good;

	text_init(&text);
	log_event(SEVERITY_NOTICE, LOG_EVENT_reload_asked, NULL, "reload asked for by signal");
	turns_begin(&daemon->turns, turn_signal);
	good = reload_run(&daemon->service, &wish, &text, &result) == 0;
	if (good)
		daemon_keep_version(daemon, "signal", "reload (SIGHUP)");
	turns_end(&daemon->turns);
	audit_reload(daemon, good, text_str(&text));
	text_fini(&text);
	json_decref(result);
}

static void
on_signal(void *ctx, uint32_t number)
{
	struct daemon *daemon = ctx;

	if (number == SIGHUP) {
		reload_by_signal(daemon);
		return;
	}
	log_event(SEVERITY_NOTICE, LOG_EVENT_stopping, NULL, "stopping: %s",
		  strsignal((int)number));
	loop_stop(daemon->loop);
}

static void
on_socket(void *ctx, uint32_t events)
{
	struct daemon *daemon = ctx;

	turns_begin(&daemon->turns, daemon_turn_socket);
	ctl_server_run(daemon->server);
	turns_end(&daemon->turns);
}

void
daemon_read_dpdk_log(struct daemon *daemon)
{
	char buffer[4096];
	ssize_t len;

	while ((len = read(daemon->log_pipe[0], buffer, sizeof buffer - 1)) > 0) {
		char *line = buffer, *end;

		buffer[len] = '\0';
		while ((end = strchr(line, '\n'))) {
			*end = '\0';
			if (*line)
				log_event(SEVERITY_WARNING, LOG_EVENT_dpdk, NULL, "dpdk: %s", line);
			line = end + 1;
		}
		if (*line)
			log_event(SEVERITY_WARNING, LOG_EVENT_dpdk, NULL, "dpdk: %s", line);
	}
}

static void
on_dpdk_log(void *ctx, uint32_t events)
{
	daemon_read_dpdk_log(ctx);
}

static int
open_dpdk_log(struct daemon *daemon)
{
	if (pipe2(daemon->log_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	daemon->log_source =
		loop_add(daemon->loop, daemon->log_pipe[0], EPOLLIN, on_dpdk_log, daemon);
	return daemon->log_source ? 0 : -1;
}

int
daemon_open_loop(struct daemon *daemon)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	daemon->loop = loop_new();
	if (daemon->loop && loop_signals(daemon->loop, signals, 3, on_signal, daemon) == 0 &&
	    open_dpdk_log(daemon) == 0)
		return 0;
	log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "cannot start: %s",
		  strerror(errno));
	return -1;
}

/* The configuration's check saw the user; one that went meanwhile is nobody's. */
static void
set_console(struct daemon *daemon)
{
	const char *name = daemon->service.config->console_user;
	const struct passwd *user = name ? getpwnam(name) : NULL;

	if (user && user->pw_uid)
		ctl_server_set_console(daemon->server, user->pw_uid);
}

static int
watch_socket(struct daemon *daemon)
{
	set_console(daemon);
	daemon->server_source =
		loop_add(daemon->loop, ctl_server_fd(daemon->server), EPOLLIN, on_socket, daemon);
	return daemon->server_source ? 0 : -1;
}

int
daemon_open_socket(struct daemon *daemon)
{
	char error[CTL_ERROR_MAX];

	daemon->server =
		ctl_server_new(daemon->service.config->socket, daemon->service.config->socket_group,
			       commands_serve, daemon, error);
	if (!daemon->server) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	return watch_socket(daemon);
}

int
daemon_adopt_socket(struct daemon *daemon)
{
	char error[CTL_ERROR_MAX];
	int listener = daemon->standby.listener;

	daemon->standby.listener = -1;
	if (listener < 0)
		return daemon_open_socket(daemon);
	daemon->server = ctl_server_adopt(listener, daemon->service.config->socket, commands_serve,
					  daemon, error);
	if (daemon->server)
		return watch_socket(daemon);
	log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
	return -1;
}
