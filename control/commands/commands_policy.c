/* Files and what is made of them: check, reload, task check. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster/cluster.h"
#include "control/commands/call_plan.h"
#include "control/commands/call_version.h"
#include "control/commands/commands.h"
#include "control/commands/upgrade.h"
#include "control/config/diag_text.h"
#include "control/runs/reload.h"

/* Refused: what was to be said goes to standard error, so that `--json` and scripts find it. */
static void
finish_checked(struct call *call, int status)
{
	if (status == 0)
		return;
	call->exit = CTL_REFUSED;
	text_put(&call->error, text_str(&call->text), call->text.len);
	text_fini(&call->text);
}

static void
check_sent(struct call *call, struct check_outcome *outcome)
{
	struct check_source source = { .file = call->arguments[0] };
	char *text = call_read_file(call, CONFIG_FILE_MAX, &source.len);

	if (!text)
		return;
	source.text = text;
	finish_checked(call, reload_check_text(call->service, &source, outcome));
	explicit_bzero(text, source.len);
	free(text);
}

void
command_check(struct call *call)
{
	struct check_outcome outcome = { .text = &call->text,
					 .service = call->service,
					 .inventory = &call->service->inventory };

	if (call->arguments[0])
		check_sent(call, &outcome);
	else
		finish_checked(call, reload_check(call->service->config->file, &outcome));
	call->result = outcome.result;
}

/* What the reload made live stays live, whatever becomes of the upgrade. */
static void
restart_after_reload(struct call *call)
{
	json_t *reloaded = call->result;

	call->result = NULL;
	upgrade_run(call, &(struct upgrade_wish){ .config = NULL });
	if (call->exit == CTL_DONE) {
		json_object_set_new(reloaded, "upgrade", call->result);
		call->result = reloaded;
		return;
	}
	json_decref(reloaded);
	text_show(&call->error, "; all else was reloaded");
}

static void
restart_or_offer(struct call *call)
{
	if (!json_array_size(json_object_get(call->result, "settings_need_restart")))
		return;
	if (call_option(call, "--restart-if-needed"))
		restart_after_reload(call);
	else
		text_show(&call->text,
			  "`cradlectl reload --restart-if-needed` makes these live: a new process "
			  "takes over, and devices do not notice\n");
}

/* What is on disk, here and for the cluster. */
static bool
make_live(struct call *call, bool first)
{
	struct call_note note;
	const struct reload_wish wish = { .pump = call_tell_reload,
					  .pump_ctx = call,
					  .note = call_note(call, &note),
					  .make_first = first };

	finish_checked(call, reload_run(call->service, &wish, &call->text, &call->result));
	if (call->exit == CTL_DONE)
		call_version_record(call);
	return call->exit == CTL_DONE;
}

void
command_reload(struct call *call)
{
	if (call_option(call, "--plan")) {
		call_plan(call, &(struct call_planned){ .task = NULL });
		return;
	}
	if (!call_version_check(call))
		return;
	/* The new one reads all files anew, and may know words in them that this one does not. */
	if (call_option(call, "--restart-if-needed") && upgrade_is_installed(call->daemon)) {
		text_show(&call->text, "another program is installed at %s: it takes over\n",
			  call->daemon->program);
		upgrade_run(call, &(struct upgrade_wish){ .config = NULL });
		if (call->exit != CTL_DONE)
			text_show(&call->error,
				  "; nothing was reloaded: `cradlectl reload` does that alone");
		return;
	}
	if (make_live(call, false))
		restart_or_offer(call);
}

void
command_cluster_policy_push(struct call *call)
{
	struct policy_share *share = &call->service->share;

	if (!call_version_check(call))
		return;
	if (!cluster_is_joined(call->service->cluster)) {
		call_refuse(call, CTL_REFUSED, "this appliance is in no cluster");
		return;
	}
	if (make_live(call, true) && !json_object_get(call->result, "cluster_policy")) {
		text_show(&call->text,
			  "the files here are version %llu of the cluster's policy already\n",
			  (unsigned long long)share->version);
		json_object_set_new(call->result, "cluster_policy",
				    json_integer((json_int_t)share->version));
	}
}

void
command_task_plan(struct call *call)
{
	const char *id = call->arguments[0];

	/* One that is on disk alone has no number that anybody could know yet. */
	if (policy_task_find(call->service->generation->policy, id))
		id = policy_task_find(call->service->generation->policy, id)->id;
	else if (strncmp(id, "g:", 2) != 0) {
		call_refuse_task(call, id);
		return;
	}
	call_plan(call, &(struct call_planned){ .task = id });
}

void
command_task_check(struct call *call)
{
	const struct objects *objects = call->service->generation->objects;
	const char *name = call->arguments[0];
	struct diag_list diags;
	struct task *task;
	size_t len;
	char *text = call_read_file(call, 4 * TASK_TEXT_MAX + 4, &len);

	if (!text)
		return;
	assert(name);
	diag_list_init(&diags);
	task = task_load(name, text, len, objects, &diags);
	diag_text_put(&diags, &call->text);
	if (task)
		text_show(&call->text, "%s: good\n", name);
	call->result = json_pack("{s:b, s:o}", "good", task != NULL, "diagnostics",
				 diag_text_json(&diags));
	finish_checked(call, task ? 0 : -1);
	if (task)
		task_free(task);
	diag_list_fini(&diags);
	explicit_bzero(text, len);
	free(text);
}
