/*
 * generation.h - one loaded state of the policy, with what it comes to for the devices.
 *
 * generation_load() reads and checks the files, without side effects. One that is made the service's
 * is held by it and by the plans made from it; it is freed when the last of them is gone, so a
 * session in flight keeps what it began with. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/config/config.h"
#include "control/delivery/delivery_conf.h"
#include "control/inventory/inventory.h"
#include "control/policy/policy.h"
#include "control/policy/resources.h"
#include "control/policy/task_set.h"
#include "control/runs/reports.h"
#include "control/work_threads.h"
#include "tasks/compile/compile.h"

struct generation {
	uint32_t number;
	uint32_t holders; /* its plans, and one while it is the service's or being built */
	struct arena arena;
	struct objects *objects;
	uint64_t objects_hash;  /* of the folder's files */
	uint64_t live_since_ms; /* wall clock; 0: it never was the service's */
	struct policy *policy;
	struct resources *resources;
	struct delivery_conf *delivery; /* held; NULL: nobody is told anything */
	struct compiler *compiler;
	struct compiler *others
		[WORK_THREADS_MAX]; /* of threads beside the control thread, by their number; NULL: none yet */
	struct task_set *sets; /* by the numbers of inventory.groups, worked out when asked for */
	uint32_t n_sets;
};

/* NULL after adding at least one error. Held once. */
struct generation *generation_load(const struct config *config, uint32_t number,
				   struct diag_list *diags);
/* The same with some files of the policy folder as they would be. */
struct generation_source {
	uint32_t number;
	const struct policy_source *changed;
	unsigned n_changed;
};
struct generation *generation_load_changed(const struct config *config,
					   const struct generation_source *source,
					   struct diag_list *diags);
/* Finds the number of every task that reports know; a task that they do not has none (NAMES_NONE). */
void generation_find_tasks(struct generation *generation, const struct reports *reports);
/* Gives every task its number in reports. 0 or -ENOMEM. */
int generation_number_tasks(struct generation *generation, struct reports *reports);
/* It is the service's now: reports of tasks that it has not go. */
void generation_forget_other_tasks(const struct generation *generation, struct reports *reports);

void generation_hold(struct generation *generation);
void generation_release(struct generation *generation);

/* The compiler for a thread (work_threads.h); 0: the control thread. NULL: out of memory. */
struct compiler *generation_compiler(struct generation *generation, unsigned thread);

/* What the groups of that number come to. NULL: out of memory. */
const struct task_set *generation_task_set(struct generation *generation,
					   const struct inventory *inventory, uint32_t groups);
/* Whether devices in these groups must be compiled anew: something that they use has changed. */
bool generation_changes(struct generation *before, struct generation *now,
			const struct inventory *inventory, uint32_t groups);
/* Adds an error for every group that devices are in and the policy lacks. */
void generation_check_groups(struct generation *generation, const struct inventory *inventory,
			     struct diag_list *diags);
/* Adds a warning where devices may come over NoSec in spite of their keys. */
void generation_check_nosec(const struct config *config, const struct inventory *inventory,
			    struct diag_list *diags);
/* Sets policy_task.devices of all tasks: for what is shown. */
void generation_count_devices(struct generation *generation, const struct inventory *inventory);
