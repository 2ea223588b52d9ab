/*
 * inventory.h - the devices: devices.conf, read and checked against a policy.
 *
 * Owner: a generation; strings live in its arena, which wipes them (keys among them). Immutable
 * once loaded, but for what the generation adds when it is built. Control thread. Allocates while
 * loading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/policy.h"

enum {
	INVENTORY_FILE_MAX = 1 << 30,
	DEVICE_GROUPS_MAX = 64,
};

struct device {
	const char *endpoint,
		*identity; /* identity is the endpoint name where the file gives none */
	const uint8_t *key;
	uint8_t endpoint_len, identity_len, key_len;
	uint8_t n_groups;
	const struct policy_group **groups; /* direct ones */
	struct policy_values values;
	uint32_t line;

	/* Set when the generation is built. */
	uint32_t id; /* in the roster, stable across reloads */
	struct device_entry *entry;
	struct run *run;
};

struct inventory {
	struct device *devices;
	size_t count;
};

/*
 * NULL after adding an error when the text can't be parsed at all; else what is there, and an
 * error for everything that is wrong. Nothing may run while there are errors.
 */
struct inventory *inventory_load(const char *file, const struct policy *policy, struct arena *arena,
				 struct diag_list *diags);
struct inventory *inventory_parse(const char *file, const char *text, size_t len,
				  const struct policy *policy, struct arena *arena,
				  struct diag_list *diags);
void inventory_free(struct inventory *inventory); /* not the entries and runs */
