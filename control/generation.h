/*
 * generation.h - one loaded state of the policy and the inventory, with everything made from it.
 *
 * generation_load() reads and checks the files, without side effects. generation_build() numbers
 * devices and tasks, compiles every device's batch and fills a directory, still aside. What is
 * published then is retired as a whole by a newer generation; it is freed when its last run is.
 * Control thread. Allocates.
 */
#pragma once

#include <stdint.h>

#include "control/config.h"
#include "control/inventory.h"
#include "control/policy.h"
#include "control/reports.h"
#include "control/roster.h"
#include "tasks/compile.h"

struct generation {
	uint32_t number;
	uint32_t holders; /* its runs, and one while it is published or built aside */
	struct arena arena;
	struct objects *objects;
	struct policy *policy;
	struct inventory *inventory;
	struct compiler *compiler;
	struct directory *directory;
	size_t refused; /* devices with nothing to send */
};

/* NULL after adding at least one error. Held once. */
struct generation *generation_load(const struct config *config, uint32_t number,
				   struct diag_list *diags);
/* 0, or -errno after adding an error: discard it then. */
int generation_build(struct generation *generation, struct roster *roster, struct reports *reports,
		     struct diag_list *diags);

/* Frees one that was never published, with its runs. */
void generation_discard(struct generation *generation);

void generation_hold(struct generation *generation);
void generation_release(struct generation *generation);

/* Frees directory and entries: no worker can reach them any more. Its runs go to `retired`. */
struct retired_runs;
void generation_unpublish(struct generation *generation, struct retired_runs *retired);

/* Of the loaded files: groups, tasks, devices. For messages. */
struct generation_counts {
	size_t groups, tasks, devices;
};
struct generation_counts generation_counts(const struct generation *generation);
