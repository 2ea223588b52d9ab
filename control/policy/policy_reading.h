/*
 * policy_reading.h - one reading of the policy folder, for the policy*.c files alone.
 *
 *	policy.c              the folder, groups, look-ups
 *	policy_groups.c       groups by their names
 *	policy_reading.c      what readers of several files share
 *	policy_values.c       setting values
 *	policy_tasks.c        the tasks of a group and their settings
 *	policy_servers.c      servers.conf: names, addresses, accounts
 *	policy_server_keys.c  servers.conf: identities and keys
 *	policy_trust.c        trust.conf: certificates, ours and those we take
 *	server_task.c         the task that writes a server
 */
#pragma once

#include "control/policy/policy.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct reading {
	const struct conf_text *conf; /* the file that is read now */
	const char *folder;
	const struct policy_source *changed;
	unsigned n_changed;
	const struct objects *objects;
	struct arena *arena;
	struct policy *policy;
	struct diag_list *diags;
};

/* A copy in the arena; NULL for NULL, or out of memory, which is told. */
const char *policy_keep(struct reading *reading, const char *text);
/*
 * A file of the folder, from memory where it is changed; NULL after adding an error. `path`, of
 * POLICY_PATH_MAX bytes, becomes its name in diagnostics. Wipe and free it.
 */
enum { POLICY_PATH_MAX = 4096 };
char *policy_read_file(struct reading *reading, const char *name, char path[POLICY_PATH_MAX],
		       size_t *len);
/*
 * The bytes of a file that is no text of ours, the same way; 0, or -errno as text_file_read() says
 * it, and nothing is told. Wipe and free them.
 */
int policy_read_bytes(const struct reading *reading, const char *name, size_t limit, char **bytes,
		      size_t *len) __attribute__((warn_unused_result));
/* Whether there is such a file at all: one that may be missing. */
bool policy_has_file(const struct reading *reading, const char *name);

/* What a member may say. */
struct words {
	const char *const *names;
	size_t count;
	const char *all; /* for a message */
};
/* A member that is one of some words: its index; `preset` where it is missing or wrong, told. */
int policy_word(struct reading *reading, const config_setting_t *group, const char *name,
		const struct words *words, int preset);

/* The member `tasks` of a group. */
void policy_read_tasks(struct reading *reading, struct policy_group *group,
		       const config_setting_t *member);

/*
 * The member `rollout` of a task whose `file` was read. `load` gives a file of tasks/. Errors are told;
 * task->rollout stays NULL then.
 */
typedef const struct policy_file *rollout_load(struct reading *reading, const char *name,
					       const struct place *place);
void policy_read_rollout(struct reading *reading, const config_setting_t *member,
			 struct policy_task *task, rollout_load *load);

/* servers.conf; 0, or -EINVAL after adding an error when it can't be parsed at all. */
int policy_read_servers(struct reading *reading) __attribute__((warn_unused_result));

/* trust.conf, where there is one; the same. */
int policy_read_trust(struct reading *reading) __attribute__((warn_unused_result));

/* Resources 3, 4 and 5 of a server with raw public keys or certificates: hex, or templates of it. */
struct server_keys {
	const char *public_key, *server_public_key, *secret_key; /* NULL: empty */
};

/* One server in reading. */
struct server_reading {
	struct reading *reading;
	const config_setting_t *member;
	struct policy_server *server;
	struct server_keys keys;
};
enum { SERVER_TEXT_MAX = 32768 };

/* An error at a setting of the server, or at the server where it does not give it. */
void server_wrong(struct server_reading *in, const char *setting, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A text setting; `preset` where it is missing or wrong, told. */
const char *server_text(struct server_reading *in, const char *name, const char *preset);
bool server_says(const struct server_reading *in, const char *name);
/* What the security mode asks for: identity and psk, or keys; nothing else may be there. */
void server_read_keys(struct server_reading *in);

/* Fills server->task, or adds errors with the places of `member`'s settings. */
void policy_make_server_task(struct reading *reading, const config_setting_t *member,
			     struct policy_server *server, const struct server_keys *keys);
