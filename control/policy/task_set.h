/*
 * task_set.h - what a list of groups comes to under one policy: the groups, and the tasks in the
 * order they run.
 *
 * Devices that are in the same groups run the same tasks, so this is worked out once a list and
 * generation. Owner: a generation. Control thread. Allocates in the generation's arena.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/policy/policy.h"

enum { TASK_SET_TASKS_MAX = 64 };

struct task_set {
	const struct policy_group **groups; /* direct ones, as listed */
	unsigned n_groups;
	const struct policy_task **tasks; /* active ones; lower priority number first */
	unsigned n_tasks;
	bool known;           /* it was worked out */
	bool too_many;        /* TASK_SET_TASKS_MAX cut them */
	bool per_session;     /* a batch must be made anew for every session */
	bool by_reports;      /* what a device runs depends on its earlier reports */
	bool patterns;        /* a task of it searches with one, and may take too long for a device */
	const char *missing;  /* the first group that is not there, or NULL */
	uint64_t fingerprint; /* of all that can change a device's batch, but for the device */
};

/*
 * Works out a canonical list (inventory.h). 0 or -ENOMEM. Of one bloodline only one task is kept:
 * that of the group of highest priority, then of the deepest, then of the first name.
 */
int task_set_resolve(struct task_set *set, const struct policy *policy, const char *list,
		     struct arena *arena);
/* A task of the groups, or of those above them, that is not in the set, and why. */
enum task_held { TASK_HELD_PAUSED, TASK_HELD_SUBGROUPS, TASK_HELD_BLOODLINE, TASK_HELD_TOO_MANY };
struct held_task {
	const struct policy_task *task;
	enum task_held why;
	const struct policy_task *kin; /* TASK_HELD_BLOODLINE: that runs in its place */
};
/* Each once. */
void task_set_each_held(const struct task_set *set,
			void (*each)(void *ctx, const struct held_task *held), void *ctx);
/* True when the device is in the group or in one below it. */
bool task_set_in(const struct task_set *set, const struct policy_group *group);
