/*
 * why_nobody.h - the answer of `why` to a name that no device has: who may be meant, and who asked by
 * it.
 *
 * Control thread. Looks at a bounded number of devices.
 */
#pragma once

#include "control/commands/call.h"

/* Refuses the call with all that is known of the name. */
void why_nobody(struct call *call, const char *name);
