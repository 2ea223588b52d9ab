/*
 * device_env.h - what the templates of a task can ask about one device.
 *
 * An expr_env over a policy and a device. Lives on the caller's stack for one compilation; what
 * it returns lives as long. Allocates nothing.
 */
#pragma once

#include "control/inventory/inventory.h"
#include "control/policy/profile.h"
#include "control/policy/resources.h"
#include "tasks/expr/expr.h"

/* The device at hand and what is known of the moment. */
struct device_view {
	const struct policy *policy;
	const struct inventory *inventory;
	const struct device *device;
	const struct task_set *set; /* of its groups, under that policy */
	uint16_t format;
	bool pack; /* it asks for a Bootstrap-Pack */
	struct resources *resources;
	const char *event; /* lwm2m.bootstrapEvent; NULL: ahead of any session */
	/* Strong bytes; NULL: the kernel's. */
	int (*random)(void *ctx, uint8_t *bytes, size_t len);
	void *random_ctx;
};

struct device_env {
	struct expr_env env;
	struct device_view view;
	struct profile profile;
	const struct policy_task *const *tasks; /* of the run */
	const struct policy_task *task; /* the present one; NULL before device_env_begin_task() */
	struct value direct[DEVICE_GROUPS_MAX];
	struct value all[DEVICE_GROUPS_MAX * (POLICY_DEPTH_MAX + 1)];
};

void device_env_init(struct device_env *env, const struct device_view *view);

/* compile_hooks.begin: the attributes of "task" are those of this one from now on. */
void device_env_begin_task(void *ctx, unsigned task);
