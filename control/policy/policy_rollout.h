/*
 * policy_rollout.h - a new version of a task for a part of its devices: `rollout` of a task in groups.conf.
 *
 *	file = "account.r2.xml";
 *	rollout = { former = "account.xml"; percent = 1.0; advance = "1h 10, 6h 100"; since = 1767225600;
 *	            halt_errors = 5; halt_returns = 20; halt_within = 300; halt_after = 10; };
 *
 * Both versions are files of tasks/, so a reload, a restart and every appliance with this folder know both, and a
 * device's part follows from its name alone: a hash of it and of the two files' names, below `percent` or not. Who has the
 * new version keeps it when `percent` grows. Owner: the policy. Control thread.
 */
#pragma once

#include "control/policy/policy.h"

enum {
	ROLLOUT_STEPS_MAX = 16,
	ROLLOUT_PPM = 1000000,
	ROLLOUT_HALT_ERRORS = 5,   /* percent points beyond the former version's */
	ROLLOUT_HALT_RETURNS = 20, /* the same */
	ROLLOUT_HALT_WITHIN_S = 300,
	ROLLOUT_HALT_AFTER = 10, /* runs of the new version before anything is judged */
};

/* So long after the part was last changed, it becomes so many percent. */
struct rollout_step {
	uint32_t after_s, ppm;
};

struct policy_rollout {
	const struct policy_file *former;
	const char *seed;  /* of the hash: the same on every appliance */
	uint32_t ppm;      /* devices whose hash is below; where there is no group */
	const char *group; /* devices that are in it, or below; NULL: by hash */
	struct rollout_step steps[ROLLOUT_STEPS_MAX];
	unsigned n_steps;
	const char *advance; /* as written; NULL: by hand */
	uint64_t since_s;    /* wall clock: when the part was last changed */
	uint32_t halt_errors, halt_returns, halt_within_s, halt_after;
	const char *halted; /* why nobody gets the new version; NULL: it goes on */
};

/* "1h 10, 6h 50, 1d 100": how many steps, or -1: it is no such text. Percents must rise. */
int rollout_parse_steps(const char *text, struct rollout_step steps[ROLLOUT_STEPS_MAX]);
/* "12.5" as parts of a million; -1: no number of percent, above 0 and up to 100. */
int32_t rollout_parse_percent(const char *text, size_t len);
/* Whether a device of this name is in the part of so many in a million. */
bool rollout_covers(const struct policy_rollout *rollout, const void *endpoint, size_t len);
/* The next step that makes the part larger; NULL: there is none. */
const struct rollout_step *rollout_next_step(const struct policy_rollout *rollout);
