/*
 * call_version.h - a version of the policy for what a command made live (policy_versions.h).
 *
 * Control thread. Allocates.
 */
#pragma once

#include "control/commands/call.h"
#include "control/runs/policy_versions.h"

enum { CALL_WHO_MAX = 160 };

/* Who gave the command, what it is, and why. */
struct call_note {
	char who[CALL_WHO_MAX];
	struct policy_note note;
};

/* False, and the call refused, where --message cannot be kept: before anything is changed. */
bool call_version_check(struct call *call);
/* What is live now is a version: its number goes into the result and the text. What fails is a warning. */
void call_version_record(struct call *call);
/* The same of another's change. */
void call_version_record_as(struct call *call, const struct policy_note *note);
/* Fills it in; borrows from the call. */
const struct policy_note *call_note(const struct call *call, struct call_note *note);
