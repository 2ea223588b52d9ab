#include "control/commands/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/cluster/cluster_pass.h"
#include "control/handover/channel.h"
#include "control/handover/passed_file.h"
#include "control/log.h"
#include "control/notify.h"
#include "control/runs/deliveries.h"
#include "control/runs/events.h"
#include "control/runs/pass.h"
#include "control/service_files.h"
#include "dataplane/ec/ec_threads.h"

enum {
	INHERITED = 3,         /* the channel's number in the new process */
	LOOK_MS = 1,           /* the pump runs so often while it is waited for */
	READY_MS = 600 * 1000, /* ten million devices take 20 s */
	SWITCH_MS = 10 * 1000, /* an answer while devices wait */
	SETTLE_TURNS = 10000,
	REST_MS = 2000, /* for what helper threads are at: a token may be slow */
};

struct upgrade {
	struct call *call;
	struct daemon *daemon;
	const struct upgrade_wish *wish;
	pid_t pid; /* 0: it was not started */
	int fd;
	bool left_store, helpers_rest, paused;
	uint64_t began_us, paused_us;
	struct passed_file files[1 + DATAPLANE_WORKERS_MAX];
	unsigned n_files;
	struct pass_totals totals;
	char reason[2048];
};

static bool __attribute__((format(printf, 2, 3)))
fail(struct upgrade *upgrade, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(upgrade->reason, sizeof upgrade->reason, format, args);
	va_end(args);
	return false;
}

/* ---- the new process ---- */

/* Of it nothing is ours but the channel and what it says. */
static int
prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int channel)
{
	sigset_t none;

	sigemptyset(&none);
	if (posix_spawn_file_actions_init(actions) || posix_spawnattr_init(attributes))
		return -ENOMEM;
	if (posix_spawn_file_actions_adddup2(actions, channel, INHERITED) ||
	    posix_spawn_file_actions_addclosefrom_np(actions, INHERITED + 1) ||
	    posix_spawnattr_setsigmask(attributes, &none) ||
	    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK))
		return -ENOMEM;
	return 0;
}

/* 0 or an errno. On the CPUs that we were started with: this thread is on one of them. */
static int
spawn(struct upgrade *upgrade, int channel)
{
	struct daemon *daemon = upgrade->daemon;
	const char *config =
		upgrade->wish->config ? upgrade->wish->config : daemon->service.config->file;
	const char *const argv[] = { daemon->program, "--standby", "3", "--config", config, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	cpu_set_t own;
	int result = -prepare(&actions, &attributes, channel);

	if (result)
		return result;
	(void)sched_getaffinity(0, sizeof own, &own);
	(void)sched_setaffinity(0, sizeof daemon->cpus, &daemon->cpus);
	result = posix_spawn(&upgrade->pid, daemon->program, &actions, &attributes,
			     (char *const *)(uintptr_t)argv, environ);
	(void)sched_setaffinity(0, sizeof own, &own);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (result)
		upgrade->pid = 0;
	return result;
}

static bool
start(struct upgrade *upgrade)
{
	int ends[2], high, result;

	if (channel_pair(ends) < 0)
		return fail(upgrade, "no sockets: %s", strerror(errno));
	/* Above the number that it gets: a duplicate of itself would stay closed on exec. */
	high = fcntl(ends[1], F_DUPFD_CLOEXEC, INHERITED + 1);
	close(ends[1]);
	upgrade->fd = ends[0];
	result = high < 0 ? errno : spawn(upgrade, high);
	if (high >= 0)
		close(high);
	if (!result)
		return true;
	return fail(upgrade, "%s cannot be run: %s",
		    *upgrade->daemon->program ? upgrade->daemon->program : "the program",
		    strerror(result));
}

/* ---- talking ---- */

static bool
say(struct upgrade *upgrade, const char *word, json_t *words, const int *fds, unsigned n)
{
	int result = channel_send(upgrade->fd, word, words, fds, n);

	return result == 0 || fail(upgrade, "the new process has gone: the log says why");
}

/* What came instead of the word that was waited for. */
static bool
judge(struct upgrade *upgrade, const struct channel_message *message, const char *word)
{
	if (strcmp(message->say, "refused") == 0)
		return fail(upgrade, "the new process refuses: %s",
			    channel_text(message, "reason"));
	return fail(upgrade, "the new process says \"%s\" where \"%s\" was expected", message->say,
		    word);
}

static bool
is_over(struct upgrade *upgrade, uint64_t until_us)
{
	if (call_cancelled(upgrade->call))
		return !fail(upgrade, "it was cancelled");
	if (clock_now_us() >= until_us)
		return !fail(upgrade, "the new process does not answer");
	return false;
}

/* Waits for the word, serving meanwhile where `pumped`; what was said is told on the way. */
static bool
await(struct upgrade *upgrade, const char *word, unsigned timeout_ms, bool pumped,
      struct channel_message *message)
{
	uint64_t until_us = clock_now_us() + (uint64_t)timeout_ms * 1000;

	for (;;) {
		int result =
			channel_receive(upgrade->fd, pumped ? LOOK_MS : (int)timeout_ms, message);

		if (result < 0)
			return fail(upgrade, "the new process has ended: the log says why");
		if (result > 0 && strcmp(message->say, word) == 0)
			return true;
		if (result > 0 && strcmp(message->say, "progress") != 0) {
			judge(upgrade, message, word);
			channel_message_fini(message);
			return false;
		}
		if (result > 0) {
			call_tell(upgrade->call, "%s", channel_text(message, "text"));
			channel_message_fini(message);
		}
		if (is_over(upgrade, until_us))
			return false;
		if (pumped)
			pump_run(&upgrade->daemon->service.pump);
	}
}

/* ---- before the switch ---- */

/* Where the next process must not compute while this one's workers poll. */
static json_t *
polled_cpus(const struct dataplane *dp)
{
	struct dataplane_worker_info info;
	json_t *cpus = json_array();

	for (unsigned i = 0; dataplane_worker_info(dp, i, &info) == 0; i++)
		if (info.cpu >= 0)
			json_array_append_new(cpus, json_integer(info.cpu));
	return cpus;
}

static json_t *
begin_words(const struct upgrade *upgrade)
{
	const struct daemon *daemon = upgrade->daemon;
	const struct ctl_request *request = upgrade->call->request;
	json_t *words =
		json_pack("{s:i, s:s, s:I, s:s, s:s, s:i, s:b, s:I, s:I}", "format", CHANNEL_FORMAT,
			  "version", CRADLE_VERSION_TEXT, "process", (json_int_t)getpid(), "prefix",
			  daemon_prefix(daemon), "store", daemon->service.config->store,
			  "log_level", (int)log_level(), "draining", daemon->health.draining, "uid",
			  (json_int_t)request->peer.uid, "pid", (json_int_t)request->peer.pid);
	json_t *command = json_array();

	for (int i = 0; i < request->argc; i++)
		json_array_append_new(command, json_string(request->argv[i]));
	json_object_set_new(words, "command", command);
	json_object_set_new(words, "polled", polled_cpus(daemon->service.dp));
	if (daemon->service.config->cluster_name) {
		json_object_set_new(words, "cluster",
				    json_string(daemon->service.config->cluster_name));
		json_object_set_new(words, "member",
				    json_integer(daemon->service.config->cluster_member));
	}
	if (request->actor)
		json_object_set_new(words, "actor", json_string(request->actor));
	return words;
}

static bool
reads_our_format(const struct channel_message *found)
{
	const json_t *formats = json_object_get(found->words, "formats");

	for (size_t i = 0; i < json_array_size(formats); i++)
		if (json_integer_value(json_array_get(formats, i)) == RECORD_FORMAT)
			return true;
	return false;
}

static bool
fits(struct upgrade *upgrade, const struct channel_message *found)
{
	struct dataplane_info info;
	json_int_t workers = json_integer_value(json_object_get(found->words, "workers"));

	dataplane_info(upgrade->daemon->service.dp, &info);
	if (!reads_our_format(found))
		return fail(
			upgrade,
			"%s does not know the format of what passes (%d): drain, stop and start",
			channel_text(found, "version"), RECORD_FORMAT);
	if (workers != (json_int_t)info.workers)
		return fail(upgrade,
			    "`workers` changes from %u to %d, and sessions belong to their "
			    "workers: drain, "
			    "stop and start",
			    info.workers, (int)workers);
	return true;
}

static bool
learn(struct upgrade *upgrade)
{
	struct channel_message found;
	bool good;

	if (!say(upgrade, "begin", begin_words(upgrade), NULL, 0) ||
	    !await(upgrade, "found", READY_MS, true, &found))
		return false;
	good = fits(upgrade, &found);
	if (good) {
		call_tell(upgrade->call, "%s: %s", channel_text(&found, "version"),
			  channel_text(&found, "text"));
		text_show(&upgrade->call->text, "%s: %s\n", channel_text(&found, "version"),
			  channel_text(&found, "text"));
	}
	channel_message_fini(&found);
	return good;
}

static bool
let_it_load(struct upgrade *upgrade)
{
	struct channel_message ready;
	char error[STORE_ERROR_MAX];

	deliveries_rest(&upgrade->daemon->service);
	if (replica_rest(&upgrade->daemon->service, error) < 0 ||
	    service_files_leave(&upgrade->daemon->service, &upgrade->daemon->audit, error) < 0)
		return fail(upgrade, "%s", error);
	upgrade->left_store = true;
	if (!say(upgrade, "store", NULL, NULL, 0) ||
	    !await(upgrade, "ready", READY_MS, true, &ready))
		return false;
	call_tell(upgrade->call, "%s", channel_text(&ready, "text"));
	text_show(&upgrade->call->text, "%s\n", channel_text(&ready, "text"));
	channel_message_fini(&ready);
	return true;
}

/* ---- the switch ---- */

/* What workers and control side have for each other finds its way before anything is saved. */
static bool
settle(struct upgrade *upgrade)
{
	struct service *service = &upgrade->daemon->service;

	for (unsigned i = 0; i < SETTLE_TURNS; i++) {
		bool more;

		worker_commands_flush(&service->worker_commands, service->dp);
		more = dataplane_settle(service->dp);
		more |= events_take(service) > 0;
		if (!more && !service->worker_commands.count && !service->events_left)
			return true;
	}
	return fail(upgrade, "workers and control side do not come to rest");
}

static bool
make_file(struct upgrade *upgrade, size_t size, struct record_writer *writer)
{
	struct passed_file *file = &upgrade->files[upgrade->n_files];
	int result = passed_file_make(file, size);

	if (result < 0)
		return fail(upgrade, "no memory for what passes: %s", strerror(-result));
	upgrade->n_files++;
	record_file_begin(writer, file->memory, file->size);
	return true;
}

static bool
seal_file(struct upgrade *upgrade, unsigned i, struct record_writer *writer)
{
	size_t used = record_file_end(writer);
	int result = used ? passed_file_seal(&upgrade->files[i], used) : -ENOSPC;

	return result == 0 || fail(upgrade, "what passes cannot be written: %s", strerror(-result));
}

static bool
save_workers(struct upgrade *upgrade, struct pass_save *save)
{
	struct dataplane *dp = upgrade->daemon->service.dp;
	const struct stack_saving saving = { pass_save_batch, save };
	struct dataplane_info info;

	dataplane_info(dp, &info);
	for (unsigned i = 0; i < info.workers; i++) {
		struct stack_passed passed = { 0 };
		struct record_writer writer;

		if (!make_file(upgrade, dataplane_save_size(dp, i), &writer))
			return false;
		dataplane_save(dp, i, &writer, &saving, &passed);
		pass_add(&upgrade->totals.stacks, &passed);
		if (!seal_file(upgrade, upgrade->n_files - 1, &writer))
			return false;
	}
	return true;
}

/* The control side's file grows with the workers': batches that sessions have are in it. */
static bool
save(struct upgrade *upgrade)
{
	struct service *service = &upgrade->daemon->service;
	struct record_writer writer;
	struct pass_save *save;
	bool good;

	/* What is saved now and then passes as it is now: the next process has loaded what was there before. */
	unknown_devices_save(service->unknowns, service->store, UINT64_MAX);
	version_counts_save(service, UINT64_MAX);
	if (!make_file(upgrade, pass_save_size(service), &writer))
		return false;
	save = pass_save_begin(service, &writer);
	if (!save)
		return fail(upgrade, "out of memory");
	good = save_workers(upgrade, save);
	pass_save_end(save, &upgrade->totals);
	return good && seal_file(upgrade, 0, &writer);
}

static bool
send_state(struct upgrade *upgrade)
{
	struct daemon *daemon = upgrade->daemon;
	int fds[2 + DATAPLANE_WORKERS_MAX] = { ctl_server_listener(daemon->server) };
	json_t *alone = policy_share_pass(&daemon->service);
	json_t *words = json_pack("{s:s, s:I}", "socket", daemon->service.config->socket,
				  "paused_us", (json_int_t)upgrade->paused_us);

	for (unsigned i = 0; i < upgrade->n_files; i++)
		fds[1 + i] = upgrade->files[i].fd;
	if (alone)
		json_object_set_new(words, "alone", alone);
	return say(upgrade, "state", words, fds, upgrade->n_files + 1);
}

/* Both processes' numbers: what was not saved, and what found no place there. */
static void
put_lost(struct upgrade *upgrade, const json_t *loaded, json_t *result)
{
	struct text *text = &upgrade->call->text;
	json_t *lost = json_object();
	const json_t *theirs = json_object_get(loaded, "lost");

	for (unsigned i = 0; i < STACK_LOSSES; i++) {
		const char *name = stack_loss_name((enum stack_loss)i);
		json_int_t n = upgrade->totals.stacks.lost[i] +
			       json_integer_value(json_object_get(theirs, name));

		if (!n)
			continue;
		text_show(text, "not passed: %lld %s\n", (long long)n, name);
		json_object_set_new(lost, name, json_integer(n));
	}
	json_object_set_new(result, "lost", lost);
}

static void
put_passed(struct upgrade *upgrade, const struct channel_message *loaded)
{
	struct text *text = &upgrade->call->text;
	json_t *result = json_object();
	static const char *const words[] = { "sessions",   "running", "associations",
					     "handshakes", "entries", "ended" };
	long n[6];

	for (unsigned i = 0; i < 6; i++) {
		n[i] = (long)json_integer_value(json_object_get(loaded->words, words[i]));
		json_object_set_new(result, words[i], json_integer(n[i]));
	}
	text_show(text,
		  "passed: %ld session%s, %ld of them running; %ld association%s, %ld handshake%s; "
		  "%ld entr%s for the store\n",
		  n[0], PLURAL(n[0]), n[1], n[2], PLURAL(n[2]), n[3], PLURAL(n[3]), n[4],
		  n[4] == 1 ? "y" : "ies");
	put_lost(upgrade, loaded->words, result);
	json_object_set_new(result, "pid", json_integer(upgrade->pid));
	upgrade->call->result = result;
}

/* What they work on cannot pass, what waits for them does; devices are served meanwhile. */
static bool
let_helpers_rest(struct upgrade *upgrade)
{
	struct ec_threads *curves = upgrade->daemon->service.curves;

	upgrade->helpers_rest = !curves || ec_threads_rest(curves, REST_MS);
	return upgrade->helpers_rest ||
	       fail(upgrade,
		    "a thread of `curve_threads` is at one signature for longer than %d s: is a "
		    "token slow?",
		    REST_MS / 1000);
}

/* What is not in the cluster's database then passes. */
static bool
let_sending_rest(struct upgrade *upgrade)
{
	struct service *service = &upgrade->daemon->service;
	char error[CLUSTER_ERROR_MAX];

	if (cluster_rest_sending(service->cluster, &service->pump, error) < 0)
		return fail(upgrade, "%s", error);
	replica_end_sending(service);
	return true;
}

static bool
pass_state(struct upgrade *upgrade)
{
	struct channel_message message;

	if (!let_sending_rest(upgrade) || !let_helpers_rest(upgrade) ||
	    !say(upgrade, "stopping", NULL, NULL, 0) ||
	    !await(upgrade, "emptied", SWITCH_MS, true, &message))
		return false;
	channel_message_fini(&message);
	upgrade->paused_us = clock_now_us();
	upgrade->paused = true;
	dataplane_pause(upgrade->daemon->service.dp);
	if (!settle(upgrade) || !save(upgrade) || !send_state(upgrade) ||
	    !await(upgrade, "loaded", SWITCH_MS, false, &message))
		return false;
	put_passed(upgrade, &message);
	channel_message_fini(&message);
	dataplane_give_ports(upgrade->daemon->service.dp);
	if (!say(upgrade, "ports", NULL, NULL, 0) ||
	    !await(upgrade, "opened", SWITCH_MS, false, &message))
		return false;
	channel_message_fini(&message);
	return true;
}

/* From here on nothing leads back: two that send under the same keys would give them away. */
static void
commit(struct upgrade *upgrade)
{
	struct daemon *daemon = upgrade->daemon;
	struct channel_message serving;
	struct text *text = &upgrade->call->text;
	double pause_ms;
	bool serves;

	kept_file_unstore(&daemon->kept); /* our last word: the manager hears the other one alone then */
	notify_successor(upgrade->pid);
	daemon->passed_on = true;
	ctl_server_leave(daemon->server);
	serves = channel_send(upgrade->fd, "go", NULL, NULL, 0) == 0 &&
		 await(upgrade, "serving", SWITCH_MS, false, &serving);
	pause_ms = (double)(clock_now_us() - upgrade->paused_us) / 1000;
	if (!serves) {
		call_refuse(upgrade->call, CTL_REFUSED,
			    "the new process has ended after it took over: %s", upgrade->reason);
		return;
	}
	channel_message_fini(&serving);
	text_show(text, "process %ld serves; devices waited for %.0f ms, the upgrade took %.2f s\n",
		  (long)upgrade->pid, pause_ms, (double)(clock_now_us() - upgrade->began_us) / 1e6);
	json_object_set_new(upgrade->call->result, "pause_ms", json_real(pause_ms));
	json_object_set_new(upgrade->call->result, "seconds",
			    json_real((double)(clock_now_us() - upgrade->began_us) / 1e6));
	log_event(SEVERITY_NOTICE, LOG_EVENT_passed_on, NULL,
		  "process %ld serves from here on; devices waited for %.0f ms", (long)upgrade->pid,
		  pause_ms);
}

/* ---- all ---- */

/* A process that its inherited list of system calls has ended could log nothing. */
static void
end_process(struct upgrade *upgrade)
{
	int status = 0;

	(void)kill(upgrade->pid, SIGKILL);
	if (waitpid(upgrade->pid, &status, 0) == upgrade->pid && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGSYS)
		fail(upgrade,
		     "the new process needs a system call that this one's list does not have, "
		     "and lists are inherited: stop and start");
}

/* First it is gone, with all that it opened; then what was let go of is ours again. */
static void
go_on(struct upgrade *upgrade)
{
	struct daemon *daemon = upgrade->daemon;
	char error[DATAPLANE_ERROR_MAX];

	if (upgrade->pid)
		end_process(upgrade);
	if (upgrade->paused && dataplane_resume(daemon->service.dp, error) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_upgrade_failed, NULL, "%s", error);
	if (upgrade->helpers_rest && daemon->service.curves)
		ec_threads_go_on(daemon->service.curves);
	if (!upgrade->left_store || service_files_return(&daemon->service, &daemon->audit) == 0)
		deliveries_go_on(&daemon->service);
	cluster_go_on(daemon->service.cluster);
	json_decref(upgrade->call->result);
	upgrade->call->result = NULL;
	log_event(SEVERITY_WARNING, LOG_EVENT_upgrade_failed, NULL, "not upgraded: %s",
		  upgrade->reason);
	call_refuse(upgrade->call, CTL_REFUSED, "not upgraded, this process goes on: %s",
		    upgrade->reason);
}

static bool
prepare_and_pass(struct upgrade *upgrade)
{
	call_may_cancel(upgrade->call);
	if (!start(upgrade) || !learn(upgrade) || !let_it_load(upgrade))
		return false;
	call_must_end(upgrade->call, "sessions are passing to the new process");
	return pass_state(upgrade);
}

void
upgrade_run(struct call *call, const struct upgrade_wish *wish)
{
	struct upgrade *upgrade = calloc(1, sizeof *upgrade);
	char why[DATAPLANE_ERROR_MAX];

	if (!upgrade) {
		call_refuse(call, CTL_REFUSED, "out of memory");
		return;
	}
	upgrade->call = call;
	upgrade->daemon = call->daemon;
	upgrade->wish = wish;
	upgrade->fd = -1;
	upgrade->began_us = clock_now_us();
	if (!dataplane_can_pass(call->service->dp, why))
		call_refuse(call, CTL_REFUSED, "not upgraded, this process goes on: %s", why);
	else if (prepare_and_pass(upgrade))
		commit(upgrade);
	else
		go_on(upgrade);
	for (unsigned i = 0; i < upgrade->n_files; i++)
		passed_file_wipe(&upgrade->files[i]);
	if (upgrade->fd >= 0)
		close(upgrade->fd);
	if (call->daemon->passed_on)
		loop_stop(call->daemon->loop);
	free(upgrade);
}

/* The file that runs keeps its inode for as long as it does, so no other has its number. */
bool
upgrade_is_installed(const struct daemon *daemon)
{
	struct stat program;

	if (!daemon->program_inode || stat(daemon->program, &program) < 0)
		return false;
	return program.st_dev != daemon->program_device || program.st_ino != daemon->program_inode;
}
