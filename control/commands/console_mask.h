/*
 * console_mask.h - the secret setting values of a device, kept out of what the console is told of that device.
 *
 * Keys are masked wherever they are shown; but a task may write a secret value into any resource, and a preview or a trace
 * would show it there. So for the console every text of an answer about a device, and of a plan, which names some, is looked
 * through for their secret values as they are, in hex and in base64. Control thread. Allocates.
 */
#pragma once

#include "control/commands/call.h"

/* Of a command whose first argument is a device, or of a plan's answer. Where it cannot be done nothing is told. */
void console_mask(struct call *call);
