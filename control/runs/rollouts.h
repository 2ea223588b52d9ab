/*
 * rollouts.h - how the versions of tasks in a rollout (policy_rollout.h) do on devices, and whether one is to be halted.
 *
 * Counted since the rollout's beginning, also through a restart (version_counts.h), for the new
 * version and the former one: runs that ended, those that ended with an error, and devices that
 * came back within a time though all went well: the sign that their server did not take them.
 * Owner: the service. Control thread. Allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/inventory/inventory.h"
#include "control/policy/policy.h"
#include "control/policy/task_set.h"

struct service;

enum { ROLLOUTS_MAX = 64, ROLLOUT_REASON_MAX = 200, ROLLOUT_TASK_ID_MAX = 300 };

struct rollout_counts {
	uint64_t runs, errors, returns;
};

struct rollout {
	uint32_t report;    /* the task's number in reports */
	uint64_t seed_hash; /* tells another rollout of the task; 0: the place is free */
	struct rollout_counts former, new;
	uint64_t new_at_step; /* runs of the new version when the part was last changed ... */
	uint64_t since_s;     /* ... at this time */
	char reason[ROLLOUT_REASON_MAX]; /* why it is to be halted; "": it is not */
	bool halted;                     /* as the policy said when the part was last changed */
	uint64_t asked_ms; /* when the command was given that the policy does not show yet; 0: none */
	bool unsaved;      /* not in the store as it is */
};

struct rollouts {
	struct rollout items[ROLLOUTS_MAX];
	uint64_t looked_ms; /* when rollouts_due() last looked through the tasks */
};

/* Whether the device, in these groups, gets the task's file and not the former one. */
bool rollout_gives_new(const struct policy_task *task, const struct device *device,
		       const struct task_set *set);

/* What is known of a task's rollout; NULL: none runs, or there is no place. */
struct rollout *rollouts_of(struct rollouts *rollouts, const struct policy_task *task);

/* What the store kept of one, at the start, or what came later from the former process and takes its place: it goes on
 * where the policy still has that rollout. */
void rollouts_restore(struct rollouts *rollouts, const struct rollout *kept);

/*
 * A report of the task on the device is about to be set: before it replaces the last one. `began`: of a run that begins, or
 * was over at once; then a device that comes back soon is seen.
 */
struct rollout_report {
	const struct policy_task *task;
	const struct device *device;
	enum task_status status;
	uint64_t started_ms;
};
/* Why it is to be halted, where this report decides that; else NULL. */
const char *rollouts_note(struct service *service, const struct rollout_report *report);

/* Why a rollout is halted, in a word: "errors", "returns", or "hand". */
const char *rollout_cause(const char *reason);

/*
 * What is to be done now: a task whose rollout is to be halted, with the reason, or to advance by its schedule ("" as the
 * reason). False: nothing. Each is told again after a minute while the policy is as it was.
 */
struct rollout_due {
	char id[ROLLOUT_TASK_ID_MAX];
	char reason[ROLLOUT_REASON_MAX];
};
bool rollouts_due(struct service *service, uint64_t now_ms, struct rollout_due *due);
