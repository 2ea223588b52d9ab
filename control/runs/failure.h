/*
 * failure.h - why a run failed, as a sentence that an operator can act on.
 *
 * Pure. Control thread. Allocates nothing. Codes are those of RFC 7252 12.1.2 and RFC 7959 2.9.
 */
#pragma once

#include <stdint.h>

#include "control/config/config.h"
#include "control/runs/plan.h"
#include "dataplane/dataplane.h"

/* "Bad Request" of 4.00; "" for a code that has no name. */
const char *failure_code_name(uint8_t code);

/*
 * Of a SESSION_FAILED: "PUT /0/2 answered 4.00 Bad Request". The plan names the step; NULL: its
 * number does. `config` tells how often was sent and how long was waited.
 */
void failure_text(const struct config *config, const struct session_event *event,
		  const struct plan *plan, char out[TASK_SUMMARY_MAX]);
