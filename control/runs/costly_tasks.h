/*
 * costly_tasks.h - whether what devices would run can be evaluated within its bounds.
 *
 * A pattern with too many ways to match costs its whole bound at every compilation of the device,
 * and at every start: what makes a task so is refused before it is kept. All else that a task can
 * be refused for is told in the device's report. Control thread. Allocates.
 */
#pragma once

#include "control/inventory/inventory.h"
#include "control/policy/policy.h"
#include "tasks/diag.h"

struct generation;
struct service;

enum { COSTLY_TRIED_MAX = 1000 };

/*
 * The task of the generation that takes too long for this device, as it would run now whatever
 * schedules say; NULL: none, or no memory to find out. It is the generation's.
 */
const struct policy_task *costly_task(struct service *service, struct generation *generation,
				      const struct device *device);

/*
 * Adds an error for the first task that takes too long under the generation, which is not the
 * service's yet, and did not before. At most COSTLY_TRIED_MAX of the devices that it changes are
 * tried: one of each list of groups first, then others evenly spread. Runs the service's pump
 * between slices.
 */
void costly_tasks_check(struct service *service, struct generation *generation,
			struct diag_list *diags);
