/*
 * call_plan.h - the answer of a command with --plan: what it would do to every device, and nothing is done.
 *
 * Control thread; events are answered meanwhile. Allocates.
 */
#pragma once

#include "control/commands/call.h"
#include "control/policy/policy.h"

/* What is planned: files of the policy folder as they would be, none: as they are; and for whom. */
struct call_planned {
	const struct policy_source *changed;
	unsigned n_changed;
	const char *task; /* only devices that run this one; NULL: all */
};
/* The call is refused where the change would be, or devices would fail that do not now. */
void call_plan(struct call *call, const struct call_planned *planned);
