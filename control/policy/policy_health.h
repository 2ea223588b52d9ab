/*
 * policy_health.h - whether the files of the policy can be read and written, as far as that was
 * tried: what `status` says of them.
 *
 * A reload or an edit by command that fails for the files' sake is told to whoever asked; this
 * keeps it for who looks later. The next reload that succeeds ends it. Owner: the daemon.
 * Control thread; allocates nothing.
 */
#pragma once

#include <stdint.h>

#include "tasks/diag.h"

enum { POLICY_HEALTH_TEXT = 512 };

struct policy_health {
	uint64_t failing_since_ms; /* wall clock; 0: all is well */
	char error[POLICY_HEALTH_TEXT];
};

/* The first failure's time stays, the last one's sentence is shown. */
void policy_health_fail(struct policy_health *health, uint64_t now_ms, const char *error);
/* With the first error of the list. */
void policy_health_fail_diags(struct policy_health *health, uint64_t now_ms,
			      const struct diag_list *diags);
void policy_health_mend(struct policy_health *health);
