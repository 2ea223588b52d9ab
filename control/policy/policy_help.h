/*
 * policy_help.h - what the files of the policy folder may say, for help and manual pages: made of the tables that reading
 * them goes by.
 *
 * Pure. Any thread.
 */
#pragma once

#include <stdbool.h>

#include "control/config/conf_text.h"
#include "control/text.h"

/* One kind of group in a file: its members. */
struct policy_section {
	const char *title, *opening; /* "TASKS OF A GROUP"; a sentence */
	const struct conf_member *members;
	size_t n;
};

extern const struct policy_section policy_section_groups, policy_section_tasks,
	policy_section_values, policy_section_servers, policy_section_trust, policy_section_own,
	policy_section_anchors;

/* Of "groups.conf", "servers.conf" or "trust.conf"; false: there is no such file. */
bool policy_help(const char *file, struct text *text);
