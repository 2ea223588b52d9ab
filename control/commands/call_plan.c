#include "control/commands/call_plan.h"

#include <errno.h>

#include "control/runs/reload_plan.h"

void
call_plan(struct call *call, const struct call_planned *planned)
{
	const struct reload_plan plan = { .service = call->service,
					  .changed = planned->changed,
					  .n_changed = planned->n_changed,
					  .task = planned->task,
					  .tell = call_tell_plan,
					  .cancelled = call_plan_cancelled,
					  .ctx = call };
	int status;

	call_may_cancel(call);
	json_decref(call->result);
	call->result = NULL;
	status = reload_plan_run(&plan, &call->text, &call->result);
	if (status == 0)
		return;
	call->exit = CTL_REFUSED;
	/* What would be refused as a whole is an error; what would become of devices is the answer all the same. */
	if (json_object_get(call->result, "devices"))
		return;
	text_put(&call->error, text_str(&call->text), call->text.len);
	text_fini(&call->text);
}
