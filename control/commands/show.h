/*
 * show.h - pieces that several commands show alike.
 *
 * Control thread. Pure but for what goes into texts and JSON.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/commands/commands.h"

/* What stands in place of a secret. */
#define SHOW_MASK "********"

enum { SHOW_TIME_MAX = 32 };
/* "2026-01-31 12:00:00", UTC; "-" for never. Returns out. */
const char *show_time(uint64_t ms, char out[SHOW_TIME_MAX]);

/* A device by its endpoint name, as it is or as it is shown (\xNN); NULL: there is none. */
struct device *show_find_device(const struct service *service, const char *name);
/* The endpoint name nearest to `name`, of the first ones of the inventory; false: none is near. */
bool show_nearest_device(const struct service *service, const char *name,
			 char out[ENDPOINT_NAME_MAX + 1]);
/* The device that the call's first argument names; NULL after refusing, with the nearest name. */
struct device *call_device(struct call *call);
/* The task that the call's first argument names by id, or by name where that is clear; NULL after
 * refusing. */
const struct policy_task *call_task(struct call *call);
/* The group of an option or argument; NULL after refusing, with the nearest name. */
const struct policy_group *call_group(struct call *call, const char *name);

/*
 * Text of a device or task for `result`: as it is; shown (tasks/show.h) where it is no UTF-8, which
 * JSON cannot hold. Never NULL but for want of memory.
 */
json_t *show_json(const char *text, size_t len);
json_t *show_groups_json(const struct inventory *inventory, const struct device *device);
struct rejected_device;
/* Why it was, with the name that it asked as; and all that is known, `reason` being that. */
void show_rejected_reason(const struct rejected_device *item, struct text *text);
json_t *show_rejected_json(const struct rejected_device *item, const char *reason);
/* The member of the cluster whose report it is; 0: there is no cluster. */
uint32_t show_report_member(const struct service *service, const struct report *report);
json_t *show_report_json(const struct service *service, const struct report *report);
/* Lines and a member "created" of a status (created_devices.h). */
struct created_devices;
void show_created(const struct created_devices *created, struct text *text, json_t *json);
/* Lines and a member "rollouts" of a status, where tasks are in one. */
void show_rollouts(struct call *call);
/* One of a task; nothing where it is in none. */
void show_rollout(struct call *call, const struct policy_task *task);
/*
 * Beside reports: which of the tasks are in a rollout that is halted, and why. A member "halted" of the result. `wanted`: the
 * id or name of one; NULL: all.
 */
void show_halted(struct call *call, const char *wanted);
/* A line and a member "rejected", where the device was (rejected_devices.h). */
void show_rejected(struct call *call, const struct device *device);
