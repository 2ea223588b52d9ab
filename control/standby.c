#include "control/standby.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/handover/channel.h"
#include "control/handover/passed_file.h"
#include "control/log.h"
#include "control/notify.h"
#include "control/runs/pass.h"
#include "control/text.h"
#include "control/version.h"

enum {
	ANSWER_MS = 30000, /* an answer that takes the other process a moment */
};

static int
fail(const char *sentence)
{
	log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", sentence);
	return -1;
}

/* The next message, which must be this one. */
static int
expect(const struct standby *standby, const char *say, int timeout_ms,
       struct channel_message *message)
{
	int result;

	do
		result = channel_receive(standby->fd, timeout_ms, message);
	while (result == 0 && timeout_ms < 0);
	if (result <= 0)
		return fail(result == 0 ? "the process that serves does not answer"
					: "the process that serves has gone, or given up");
	if (strcmp(message->say, say) == 0)
		return 0;
	channel_message_fini(message);
	return fail("the process that serves says what was not expected");
}

static int
say(const struct standby *standby, const char *say, json_t *words)
{
	int result = channel_send(standby->fd, say, words, NULL, 0);

	return result < 0 ? fail("the process that serves has gone") : 0;
}

/* ---- meeting ---- */

/* DPDK's folder and telemetry socket are each one's own. */
static void
choose_prefix(struct standby *standby, const char *own, const char *theirs)
{
	snprintf(standby->prefix, sizeof standby->prefix, "%.100s", own ? own : "cradle");
	if (strcmp(standby->prefix, theirs) == 0)
		snprintf(standby->prefix, sizeof standby->prefix, "%.100s-2", own ? own : "cradle");
}

static int64_t
number_of(const struct channel_message *message, const char *word)
{
	return json_integer_value(json_object_get(message->words, word));
}

/* What a member has for the database is that member's. */
static bool
is_same_member(const struct config *config, const struct channel_message *begin)
{
	const char *name = config->cluster_name ? config->cluster_name : "";

	return strcmp(channel_text(begin, "cluster"), name) == 0 &&
	       (!*name || number_of(begin, "member") == config->cluster_member);
}

/* A program that does not tell is an older one. */
static void
learn_polled(struct standby *standby, const json_t *cpus)
{
	CPU_ZERO(&standby->polled);
	standby->knows_polled = json_is_array(cpus);
	for (size_t i = 0; i < json_array_size(cpus); i++) {
		json_int_t cpu = json_integer_value(json_array_get(cpus, i));

		if (cpu >= 0 && cpu < CPU_SETSIZE)
			CPU_SET((size_t)cpu, &standby->polled);
	}
}

static int
learn(struct standby *standby, const struct config *config, const struct channel_message *begin)
{
	const char *actor = channel_text(begin, "actor");

	standby->former = (long)number_of(begin, "process");
	standby->uid = number_of(begin, "uid");
	standby->pid = number_of(begin, "pid");
	standby->command = json_incref(json_object_get(begin->words, "command"));
	standby->actor = *actor ? strdup(actor) : NULL;
	standby->draining = json_is_true(json_object_get(begin->words, "draining"));
	learn_polled(standby, json_object_get(begin->words, "polled"));
	log_set_level((enum severity)number_of(begin, "log_level"));
	choose_prefix(standby, config->file_prefix, channel_text(begin, "prefix"));
	if (number_of(begin, "format") != CHANNEL_FORMAT)
		return fail("the process that serves speaks another version of the hand-over: stop "
			    "it, and "
			    "start this one");
	if (!is_same_member(config, begin))
		return fail("`cluster` has another `name` or `member`, or another program serves "
			    "that cannot "
			    "pass them: stop and start");
	if (strcmp(channel_text(begin, "store"), config->store) != 0)
		return fail(
			"`store` is another one: what is served now would be lost; stop and start");
	return 0;
}

static json_t *
found(const struct service *service)
{
	const struct policy *policy = service->generation->policy;
	struct text text;
	json_t *words;

	text_init(&text);
	text_show(&text, "%s: good; policy: %u group%s, %u task%s", service->config->file,
		  policy->n_groups, PLURAL(policy->n_groups), policy->n_tasks,
		  PLURAL(policy->n_tasks));
	words = json_pack("{s:s, s:[i], s:i, s:s}", "version", CRADLE_VERSION_TEXT, "formats",
			  RECORD_FORMAT, "workers", (int)service->config->workers, "text",
			  text_str(&text));
	text_fini(&text);
	return words;
}

int
standby_meet(struct standby *standby, const struct config *config)
{
	char error[STORE_ERROR_MAX];
	struct channel_message message;
	int result;

	if (expect(standby, "begin", ANSWER_MS, &message) < 0)
		return -1;
	result = learn(standby, config, &message);
	channel_message_fini(&message);
	if (result < 0)
		return -1;
	if (store_check_version(config->store, error) < 0)
		return fail(error);
	return 0;
}

int
standby_found(const struct standby *standby, const struct service *service)
{
	struct channel_message message;

	if (say(standby, "found", found(service)) < 0 || expect(standby, "store", -1, &message) < 0)
		return -1;
	channel_message_fini(&message);
	return 0;
}

/* ---- taking over ---- */

/* What passes: the control side's file, then one of each worker. */
struct taking {
	struct service *service;
	struct passed_file files[1 + DATAPLANE_WORKERS_MAX];
	unsigned n_files;
	struct record_reader reader;
	struct pass_load *load;
	struct pass_totals totals;
	char error[PASS_ERROR_MAX + DATAPLANE_ERROR_MAX];
};

static int
fail_taking(const struct taking *taking)
{
	char sentence[sizeof taking->error + 64];

	snprintf(sentence, sizeof sentence, "what passes cannot be taken: %s", taking->error);
	return fail(sentence);
}

static int
open_file(struct taking *taking, unsigned i)
{
	const struct passed_file *file = &taking->files[i];
	enum record_file state = record_file_open(&taking->reader, file->memory, file->size);

	if (state == RECORD_FILE_GOOD)
		return 0;
	snprintf(taking->error, sizeof taking->error, "it is %s", record_file_text(state));
	return fail_taking(taking);
}

static int
load_workers(struct taking *taking)
{
	const struct dataplane_loading loading = { pass_load_batch, taking->load,
						   pass_load_trust(taking->load) };

	for (unsigned i = 1; i < taking->n_files; i++) {
		struct stack_passed passed = { 0 };

		if (open_file(taking, i) < 0)
			return -1;
		if (dataplane_load(taking->service->dp, i - 1, &taking->reader, &loading, &passed,
				   taking->error) < 0)
			return fail_taking(taking);
		pass_add(&taking->totals.stacks, &passed);
	}
	return 0;
}

static int
load_files(struct taking *taking)
{
	int result;

	if (open_file(taking, 0) < 0)
		return -1;
	taking->load = pass_load_begin(taking->service, &taking->reader, taking->error);
	if (!taking->load)
		return fail_taking(taking);
	result = load_workers(taking);
	if (result < 0) {
		pass_load_drop(taking->load);
		return -1;
	}
	return pass_load_end(taking->load, &taking->totals) ? 0 : fail_taking(taking);
}

static int
map_files(struct taking *taking, struct channel_message *state)
{
	if (state->n_fds < 3 || state->n_fds > 2 + DATAPLANE_WORKERS_MAX)
		return fail("what passes cannot be taken: files are missing");
	for (unsigned i = 0; i + 1 < state->n_fds; i++) {
		int fd = state->fds[i + 1];

		state->fds[i + 1] = -1;
		if (passed_file_map(&taking->files[taking->n_files++], fd) < 0)
			return fail("what passes cannot be taken: its memory is not sealed");
	}
	return 0;
}

/* The first descriptor is the control socket; one at another path is for nobody any more. */
static void
take_socket(struct standby *standby, const char *path, struct channel_message *state)
{
	if (strcmp(channel_text(state, "socket"), path) != 0)
		return;
	standby->listener = state->fds[0];
	state->fds[0] = -1;
}

static json_t *
losses_json(const struct pass_totals *totals)
{
	json_t *losses = json_object();

	for (unsigned i = 0; i < STACK_LOSSES; i++)
		if (totals->stacks.lost[i])
			json_object_set_new(losses, stack_loss_name((enum stack_loss)i),
					    json_integer(totals->stacks.lost[i]));
	return losses;
}

static json_t *
totals_json(const struct pass_totals *totals)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:o}", "sessions",
			 (int)totals->stacks.sessions, "running", (int)totals->stacks.running,
			 "associations", (int)totals->stacks.associations, "handshakes",
			 (int)totals->stacks.handshakes, "entries", (int)totals->waiting, "ended",
			 (int)totals->lost_live, "lost", losses_json(totals));
}

static void
note_totals(struct standby *standby, const struct pass_totals *totals)
{
	if (asprintf(&standby->text,
		     "%u sessions, %u of them running, %u associations and %u handshakes",
		     totals->stacks.sessions, totals->stacks.running, totals->stacks.associations,
		     totals->stacks.handshakes) < 0)
		standby->text = NULL;
}

static int
take_state(struct standby *standby, struct service *service, struct channel_message *state)
{
	struct taking *taking = calloc(1, sizeof *taking);
	int result;

	if (!taking)
		return fail("out of memory");
	taking->service = service;
	standby->paused_us = (uint64_t)number_of(state, "paused_us");
	result = map_files(taking, state);
	if (result == 0)
		result = load_files(taking);
	for (unsigned i = 0; i < taking->n_files; i++)
		passed_file_wipe(&taking->files[i]);
	take_socket(standby, service->config->socket, state);
	if (json_is_array(json_object_get(state->words, "alone")))
		policy_share_take(service, json_object_get(state->words, "alone"));
	standby->totals = totals_json(&taking->totals);
	note_totals(standby, &taking->totals);
	free(taking);
	return result;
}

static int
tell_ready(const struct standby *standby, const struct inventory *inventory)
{
	char text[128];

	snprintf(text, sizeof text, "%u device%s loaded", inventory->count,
		 PLURAL(inventory->count));
	return say(standby, "ready", json_pack("{s:s}", "text", text));
}

int
standby_take(struct standby *standby, struct service *service)
{
	struct channel_message message;
	int result;

	if (tell_ready(standby, &service->inventory) < 0 ||
	    expect(standby, "stopping", -1, &message) < 0)
		return -1;
	channel_message_fini(&message);
	dataplane_discard(service->dp);
	if (say(standby, "emptied", NULL) < 0 || expect(standby, "state", ANSWER_MS, &message) < 0)
		return -1;
	result = take_state(standby, service, &message);
	channel_message_fini(&message);
	return result;
}

int
standby_await_go(struct standby *standby, struct dataplane *dp)
{
	char error[DATAPLANE_ERROR_MAX];
	struct channel_message message;
	json_t *totals = standby->totals;

	standby->totals = NULL;
	if (say(standby, "loaded", totals) < 0 || expect(standby, "ports", ANSWER_MS, &message) < 0)
		return -1;
	channel_message_fini(&message);
	if (dataplane_take_ports(dp, error) < 0)
		return fail(error);
	if (say(standby, "opened", NULL) < 0 || expect(standby, "go", ANSWER_MS, &message) < 0)
		return -1;
	channel_message_fini(&message);
	return 0;
}

/* ---- serving ---- */

/* Who asked for it is told by the one that can still write it. */
static void
audit_upgrade(const struct standby *standby, struct audit *audit)
{
	const struct audit_event event = {
		.time_ms = clock_now_ms(),
		.uid = standby->uid,
		.pid = standby->pid,
		.actor = standby->actor,
		.command = standby->command,
		.done = true,
	};

	if (audit && standby->command)
		audit_append(audit, &event);
}

void
standby_serves(struct standby *standby, struct audit *audit)
{
	uint64_t pause_us = clock_now_us() - standby->paused_us;

	notify_take_over();
	/* Whoever gave it over may have gone by now: nothing is left to be undone. */
	(void)channel_send(standby->fd, "serving", NULL, NULL, 0);
	log_event(SEVERITY_NOTICE, LOG_EVENT_took_over, NULL,
		  "took over from process %ld: %s; devices waited for %.1f ms", standby->former,
		  standby->text ? standby->text : "", (double)pause_us / 1000);
	audit_upgrade(standby, audit);
	standby_fini(standby);
}

void
standby_refuse(const struct standby *standby)
{
	if (standby->fd >= 0)
		(void)channel_send(standby->fd, "refused",
				   json_pack("{s:s}", "reason", log_last_error()), NULL, 0);
}

void
standby_fini(struct standby *standby)
{
	if (standby->fd >= 0)
		close(standby->fd);
	if (standby->listener >= 0)
		close(standby->listener);
	json_decref(standby->command);
	json_decref(standby->totals);
	free(standby->actor);
	free(standby->text);
	standby->command = standby->totals = NULL;
	standby->actor = standby->text = NULL;
	standby->fd = standby->listener = -1;
}
