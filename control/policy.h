/*
 * policy.h - groups, their setting values and their tasks: groups.conf and tasks/ of the policy
 * folder.
 *
 * Owner: a generation; strings live in its arena. Immutable once loaded. Control thread.
 * Allocates while loading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/conf_text.h"
#include "tasks/arena.h"
#include "tasks/diag.h"
#include "tasks/task.h"

enum {
	POLICY_FILE_MAX = 16 << 20,
	POLICY_GROUPS_MAX = 10000,
	POLICY_DEPTH_MAX = 16, /* "root" has depth 0 */
	POLICY_PRIORITY_MAX = 1000000,
};

/* A setting value of a group or device. */
struct policy_value {
	const char *name, *text;
	bool locked; /* of a group: overrides its subgroups' */
	bool secret; /* masked wherever shown */
};

struct policy_values {
	struct policy_value *items;
	unsigned count;
};

/* A file of tasks/, loaded once however many group tasks run it. */
struct policy_file {
	const char *name; /* in tasks/ */
	struct task *task;
	uint64_t hash; /* of its text: tells a reload what changed */
	struct policy_file *next;
};

/* A group's task. */
struct policy_task {
	const struct policy_group *group;
	const char *id; /* "g:GROUP:N" */
	const char *name, *file, *comment;
	bool active, subgroups;
	int priority;   /* lower runs first */
	unsigned order; /* among all tasks, as they stand in the file: settles equal priorities */
	const struct policy_file *source;
	uint32_t report;  /* its number in reports; set when the generation is built */
	unsigned devices; /* that run it; counted when the generation is built */
};

struct policy_group {
	const char *name, *description;
	int priority; /* higher wins between values of equal depth */
	unsigned depth;
	const struct policy_group *parent; /* NULL: root */
	struct policy_values values;
	struct policy_task *tasks;
	unsigned n_tasks;
	uint32_t line;
};

struct policy {
	struct policy_group
		*groups; /* as in the file; "root" is there even where the file does not say so */
	unsigned n_groups;
	struct policy_group **by_name;
	struct policy_file *files;
	unsigned n_tasks;
	bool incomplete; /* a group could not be read: what refers to it is not to blame */
};

/*
 * Reads FOLDER/groups.conf and every task it names. NULL after adding an error when groups.conf
 * can't be parsed at all; else what is there, and an error for everything that is wrong. Nothing
 * may run while there are errors.
 */
struct policy *policy_load(const char *folder, const struct objects *objects, struct arena *arena,
			   struct diag_list *diags);
/* The same with groups.conf from memory. */
struct policy *policy_parse(const char *folder, const char *text, size_t len,
			    const struct objects *objects, struct arena *arena,
			    struct diag_list *diags);
void policy_free(struct policy *policy);

const struct policy_group *policy_group(const struct policy *policy, const char *name, size_t len);
/* The nearest known group's name, or NULL. */
const char *policy_nearest_group(const struct policy *policy, const char *name);
/* True when `group` is `ancestor` or below it. */
bool policy_group_in(const struct policy_group *group, const struct policy_group *ancestor);

/* Whether a value of this name is taken for a secret even if nobody says so. */
bool policy_name_is_secret(const char *name);

/* The member `values` of a group or device, with its errors told. `lockable`: locked is allowed. */
void policy_values_read(const struct conf_text *conf, const config_setting_t *owner, bool lockable,
			struct arena *arena, struct policy_values *values, struct diag_list *diags);
