/*
 * call_audit.h - the audit line of a call: who asked for what, and what it did (control/audit/audit.h).
 *
 * Control thread. Allocates.
 */
#pragma once

#include "control/commands/call.h"

/* False, and the call refused, where a line could not be written: nothing is changed that is not told. */
bool call_audit_begin(struct call *call);
void call_audit_end(const struct call *call);

/* What it was, and what it is: takes over both, NULL where there is none. Secrets are masked by the caller. */
void call_audit_tell(struct call *call, json_t *before, json_t *after);
/* A device as the audit shows it: its keys and secret values masked. */
json_t *call_audit_device(const struct call *call, const struct device *device);

/* Where in a word of argv a secret begins: an argument, or an option's value; NULL: nowhere. */
const char *call_find_secret(const struct call *call, const char *word);
