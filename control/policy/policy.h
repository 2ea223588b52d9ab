/*
 * policy.h - LwM2M servers, groups, their setting values and their tasks, and certificates:
 * servers.conf, groups.conf, trust.conf, tasks/, keys/ and certs/ of the policy folder.
 *
 * Owner: a generation; strings live in its arena. Immutable once loaded. Control thread.
 * Allocates while loading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config/conf_text.h"
#include "control/inventory/setting_values.h"
#include "control/policy/schedule.h"
#include "tasks/arena.h"
#include "tasks/compile/compile.h"
#include "tasks/diag.h"
#include "tasks/expr/expr.h"
#include "tasks/model/task.h"

enum {
	POLICY_FILE_MAX = 16 << 20,
	POLICY_GROUPS_MAX = 10000,
	POLICY_DEPTH_MAX = 16, /* "root" has depth 0 */
	POLICY_PRIORITY_MAX = 1000000,
	POLICY_TASK_NUMBER_MAX = 1000000, /* the N of "g:GROUP:N" */
	POLICY_INTERVAL_MAX_S = 366 * 24 * 3600,
	POLICY_SERVERS_MAX = 1000,
	POLICY_TEXT_MAX = 4096, /* of a comment, a condition */
	POLICY_FILE_NAME_MAX = 255,
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
	/* Of its text and of the servers it names: tells a reload what changed. */
	uint64_t hash;
	bool session; /* its bytes depend on the session, be it by a server it names */
	bool patterns; /* it searches with one, be it in a server it names */
	struct policy_file *next;
};

/*
 * How often a device runs a task, and what is told of it: once is until it
 * ended with success or warning, or an operator reruns it; repeat is in every session.
 */
enum task_repetition {
	REPETITION_REPEAT,
	REPETITION_ONCE,
	REPETITION_REPEAT_WITHOUT_REPORT,
	TASK_REPETITIONS
};
/* As groups.conf and commands write it: "repeat", "once", "repeat_without_report". */
extern const char *const task_repetition_names[TASK_REPETITIONS];
/* "trace" to "error", by enum task_log_level. */
enum { TASK_LOG_LEVELS = TASK_LOG_ERROR + 1 };
extern const char *const task_log_level_names[TASK_LOG_LEVELS];

/*
 * When a task runs: a template of the task language that gives true or false, for the device at
 * hand. Anything else it yields is an error of the task, as that of an <if> is.
 */
struct policy_condition {
	const struct template *template;
	const char *text;
	struct place place; /* for messages */
	enum expr_depends depends;
	bool patterns;
};

struct policy_rollout; /* policy_rollout.h */

/* A group's task. */
struct policy_task {
	const struct policy_group *group;
	const char *id;  /* "g:GROUP:N"; N stays when other tasks of the group go */
	unsigned number; /* that N, from 1 */
	const char *name, *file, *comment;
	bool active, subgroups;
	enum task_repetition repetition;
	bool automatic_restart; /* off: one that repeats does so only when an operator reruns it */
	const struct policy_condition *condition; /* NULL: always */
	uint32_t min_interval_s;                  /* between two runs on a device; 0: none */
	const struct schedule *schedule;          /* NULL: always */
	const char *schedule_text;                /* NULL: always */
	const char *bloodline; /* of one bloodline a device runs one task; NULL: it has none */
	enum task_log_level log_level;
	bool discard_details; /* reports carry no log and no steps */
	const char *created;  /* as the file says it, shown only; "" where it says nothing */
	uint32_t line;
	int priority;   /* lower runs first */
	unsigned order; /* among all tasks, as they stand in the file: settles equal priorities */
	const struct policy_file *source;
	const struct policy_rollout *rollout; /* NULL: all its devices run `source` */
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

enum server_type { SERVER_MANAGEMENT, SERVER_BOOTSTRAP, SERVER_TYPES };
extern const char *const server_type_names[SERVER_TYPES];
/* With the values of resource /0/x/2 (OMA TS Core E.1). */
enum server_mode {
	SERVER_PSK = 0,
	SERVER_RPK = 1,
	SERVER_CERTIFICATE = 2,
	SERVER_NOSEC = 3,
	SERVER_MODES
};
extern const char *const server_mode_names[SERVER_MODES];

/* An LwM2M server that tasks write by <lwm2mBootstrapConfiguration>. */
struct policy_server {
	const char *id, *name; /* the id where the file gives no name */
	enum server_type type;
	enum server_mode mode;
	const char *uri; /* whole: with scheme and port */
	uint16_t ssid;   /* 0: a bootstrap server without one */
	/* Where the tag gives none. By default the SSID: unique, and never the bootstrap account's 0. */
	uint16_t security_instance, server_instance;
	const char *binding;
	uint32_t lifetime_s;
	bool store_notifications;
	/*
	 * What goes into resources 3, 4 and 5 of the Security object, as the file says it: templates
	 * (identity and psk), hex, a template that gives hex, or "file:NAME" of keys/. NULL where
	 * the mode has none.
	 */
	const char *identity, *psk;
	bool psk_hex; /* the psk's template gives hex digits, not the key's text */
	const char *public_key, *server_public_key, *secret_key;
	/*
	 * What writes it, reading #securityInstanceId and #serverInstanceId. NULL only while there
	 * are errors. A task that names the server depends on the session if this one does.
	 */
	struct task *task;
	uint64_t hash; /* of what it writes: tells a reload what changed */
	uint32_t line;
};

struct policy_trust;

/* A file of the folder that was read, and a hash of what it said then. One that is used twice may stand here twice. */
struct policy_read {
	const char *name; /* in the folder: "tasks/a.xml", "certs/own.key" */
	uint64_t hash;
	size_t len;
	const struct policy_read *next;
};

struct policy {
	struct policy_group
		*groups; /* as in the file; "root" is there even where the file does not say so */
	unsigned n_groups;
	struct policy_group **by_name;
	struct policy_server *servers; /* as in the file */
	unsigned n_servers;
	struct policy_trust *trust; /* policy_trust.h; NULL: there is no trust.conf */
	struct policy_file *files;
	const struct policy_read *read; /* the last one first */
	unsigned n_tasks;
	bool incomplete; /* a group could not be read: what refers to it is not to blame */
};

/*
 * Reads FOLDER/servers.conf (none is no error), FOLDER/groups.conf and every task it names. NULL
 * after adding an error when one of both can't be parsed at all; else what is there, and an error
 * for everything that is wrong. Nothing may run while there are errors.
 */
struct policy *policy_load(const char *folder, const struct objects *objects, struct arena *arena,
			   struct diag_list *diags);

/* A file of the folder as it would be: read in place of what is on disk. */
struct policy_source {
	const char *name; /* in the folder: "groups.conf", "tasks/a.xml" */
	const char *text; /* NULL: the file is not there, whatever is on disk */
	size_t len;
};
/* policy_load() with some files from memory: what editing a policy would make of it. */
struct policy *policy_load_changed(const char *folder, const struct policy_source *changed,
				   unsigned n_changed, const struct objects *objects,
				   struct arena *arena, struct diag_list *diags);
/* The same with groups.conf from memory. */
struct policy *policy_parse(const char *folder, const char *text, size_t len,
			    const struct objects *objects, struct arena *arena,
			    struct diag_list *diags);
void policy_free(struct policy *policy);

/*
 * Whether a list's file ("groups", "servers") holds a secret in the clear: a secret value of a
 * group, a key that is no template. Then nobody but its owner and group should read it.
 */
bool policy_holds_secret(const struct policy *policy, const char *list);

/* By id, or by name; NULL where there is none. The task of a compile_hooks.server is its `task`. */
const struct policy_server *policy_server_find(const struct policy *policy, bool by_name,
					       const char *name, size_t len);
/* The nearest known server's id, or NULL. */
const char *policy_nearest_server(const struct policy *policy, const char *id);

/* Whether a name may be that of a file in tasks/ or keys/: no path, not hidden. */
bool policy_file_name_is_good(const char *name);

const struct policy_group *policy_group(const struct policy *policy, const char *name, size_t len);
/* A task by its id, "g:GROUP:N", or by a name that only one has; the nearest known id. NULL where
 * there is none. */
const struct policy_task *policy_task_find(const struct policy *policy, const char *id);
const char *policy_nearest_task(const struct policy *policy, const char *id);
/* The nearest known group's name, or NULL. */
const char *policy_nearest_group(const struct policy *policy, const char *name);
/* True when `group` is `ancestor` or below it. */
bool policy_group_in(const struct policy_group *group, const struct policy_group *ancestor);

/* The member `values` of a group or device, with its errors told. `lockable`: locked is allowed. */
void policy_values_read(const struct conf_text *conf, const config_setting_t *owner, bool lockable,
			struct arena *arena, struct policy_values *values, struct diag_list *diags);
