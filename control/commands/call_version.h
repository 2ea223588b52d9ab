/*
 * call_version.h - a version of the policy for what a command made live (policy_versions.h).
 *
 * Control thread. Allocates.
 */
#pragma once

#include "control/commands/call.h"

/* False, and the call refused, where --message cannot be kept: before anything is changed. */
bool call_version_check(struct call *call);
/* What is live now is a version: its number goes into the result and the text. What fails is a warning. */
void call_version_record(struct call *call);
