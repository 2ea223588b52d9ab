/*
 * profile.h - the computed setting values of a device, each with its origin.
 *
 * The device's own value wins. Else, of all groups the device is in and their ancestors, the
 * deepest group that sets the value; a locked value silences the groups below the one that locked
 * it. Equal depth goes to the higher priority, then to the name. Pure look-ups over an immutable
 * policy: allocates nothing.
 */
#pragma once

#include "control/inventory/setting_values.h"
#include "control/policy/policy.h"
#include "control/policy/task_set.h"

struct profile {
	const uint8_t *values; /* the device's own */
	const struct task_set *set;
};

struct profile_value {
	const char *name, *text; /* not terminated */
	size_t name_len, text_len;
	bool secret, locked;
	const struct policy_group *group; /* NULL: the device's own */
};

/* False when nobody sets it. */
bool profile_find(const struct profile *profile, const char *name, size_t len,
		  struct profile_value *found);

/*
 * Calls `each` once for every name that is set somewhere for this device, in no order; stops when
 * it returns false.
 */
void profile_each(const struct profile *profile,
		  bool (*each)(void *ctx, const struct profile_value *value), void *ctx);
