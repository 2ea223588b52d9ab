/*
 * intake.h - one CoAP message in plaintext, on its way to where it belongs.
 *
 * Owner: the stack. One thread.
 */
#pragma once

#include "dataplane/core/sessions/stack_state.h"

/* `data` came from `from`, over NoSec or out of a record of its association. */
void intake_message(struct stack *stack, struct sender *from, const uint8_t *data, size_t len);
