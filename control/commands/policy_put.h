/*
 * policy_put.h - files of the policy folder made to say something else, as a whole: checked aside, written, live; or they
 * stay what they were.
 *
 * Owner: the command. Control thread; blocks on the disk, and as long as a reload takes. Allocates.
 */
#pragma once

#include "control/commands/call.h"
#include "control/file_set.h"
#include "control/runs/reload.h"

struct policy_put {
	struct call *call;
	const char *folder; /* a copy: a reload may replace the setting */
	struct file_set_item
		*items; /* what differs, in any order; borrowed but for `readers`, `link` and the order */
	size_t n;
};

/* Every check of a reload that concerns the folder. False, and the call refused with each reason. */
bool policy_put_check(const struct policy_put *put);
/* What it would come to, without having been (call_plan.h). */
void policy_put_plan(const struct policy_put *put);
/*
 * After the check: written and reloaded, with what the reload says in the call's text and result. False: it was refused, the
 * call says why, and the files are what they were.
 */
bool policy_put_run(const struct policy_put *put, const struct reload_wish *wish);
