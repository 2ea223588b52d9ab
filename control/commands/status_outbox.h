/*
 * status_outbox.h - the outbox in `status`. Control thread.
 */
#pragma once

#include "control/commands/call.h"

/* Lines and a member "outbox"; nothing where nobody is told anything and nothing waits. */
void status_put_outbox(struct service *service, struct text *text, json_t *result);
