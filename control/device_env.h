/*
 * device_env.h - what the templates of a task can ask about one device.
 *
 * An expr_env over a policy and a device. Lives on the caller's stack for one compilation; what
 * it returns lives as long. Allocates nothing.
 */
#pragma once

#include "control/inventory.h"
#include "tasks/expr.h"

struct device_env {
	struct expr_env env;
	const struct policy *policy;
	const struct device *device;
	const struct policy_task *const *tasks; /* of the run */
	const struct policy_task *task; /* the present one; NULL before device_env_begin_task() */
	uint16_t format;
	struct value direct[DEVICE_GROUPS_MAX];
	struct value all[DEVICE_GROUPS_MAX * (POLICY_DEPTH_MAX + 1)];
};

void device_env_init(struct device_env *env, const struct policy *policy,
		     const struct device *device, uint16_t format);

/* compile_hooks.begin: the attributes of "task" are those of this one from now on. */
void device_env_begin_task(void *ctx, unsigned task);
