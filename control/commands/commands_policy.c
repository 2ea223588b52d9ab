/* Files and what is made of them: check, reload, task check. */
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
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

void
command_check(struct call *call)
{
	const char *file = call->arguments[0] ? call->arguments[0] : call->service->config->file;

	finish_checked(call, reload_check(file, &call->text, &call->result));
}

void
command_reload(struct call *call)
{
	finish_checked(call, reload_run(call->service, call_tell_reload, call, &call->text,
					&call->result));
}

void
command_task_check(struct call *call)
{
	const struct objects *objects = call->service->generation->objects;
	struct diag_list diags;
	struct task *task;

	diag_list_init(&diags);
	task = task_load_file(call->arguments[0], objects, &diags);
	diag_text_put(&diags, &call->text);
	if (task)
		text_show(&call->text, "%s: good\n", call->arguments[0]);
	call->result = json_pack("{s:b, s:o}", "good", task != NULL, "diagnostics",
				 diag_text_json(&diags));
	finish_checked(call, task ? 0 : -1);
	if (task)
		task_free(task);
	diag_list_fini(&diags);
}
