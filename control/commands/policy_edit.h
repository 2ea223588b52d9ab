/*
 * policy_edit.h - editing the policy folder by command: as a whole, or not at all.
 *
 * A command begins an edit, changes the text of servers.conf or groups.conf, adds a task's file,
 * and commits. The changed policy is loaded beside the live one with every check of a reload; only
 * if all is well it is written, and then reloaded. When the reload refuses it, the files become what they were.
 * What is edited is what is on disk, so that edits by hand and by command meet.
 *
 * Every function tells the call what is wrong. Owner: the command. Control thread; blocks on the
 * disk, and as long as a reload takes.
 */
#pragma once

#include "control/commands/commands.h"
#include "control/config/conf_edit.h"
#include "control/policy/policy.h"

enum { POLICY_EDIT_FILES = 2, POLICY_EDIT_NAME = 300, POLICY_EDIT_PATH = 4096 };

/* A file beside the one whose text is edited. */
struct edited_file {
	char name[POLICY_EDIT_NAME]; /* in the folder: "tasks/a.xml" */
	char *text;                  /* NULL: it goes */
	size_t len;
	char *old; /* NULL: there was none */
	size_t old_len;
	char *link; /* of one that goes (file_set.h) */
};

struct policy_edit {
	struct call *call;
	char folder[POLICY_EDIT_PATH]; /* a copy: a reload may replace the setting */
	const char *file;              /* "servers", "groups", "trust": without .conf */
	const char *list;              /* a member of it, which is edited */
	char *old;                     /* its text on disk; NULL: there is none */
	size_t old_len;
	struct conf_edit text;
	struct conf_text conf; /* the same text as libconfig reads it */
	struct edited_file files[POLICY_EDIT_FILES];
	unsigned n_files;
	bool urgent;       /* it stops something: not to wait for the cluster's database */
	bool holds_secret; /* the changed text does: its file is kept from others */
	json_t *done;      /* while it is committed: what was done */
};

/* False, and the call refused, when the file cannot be read or edited; then there is nothing to end. */
bool policy_edit_begin(struct policy_edit *edit, struct call *call, const char *list);
/* The same where the list is not named as its file is. */
bool policy_edit_begin_in(struct policy_edit *edit, struct call *call, const char *file,
			  const char *list);
void policy_edit_end(struct policy_edit *edit);

/* The element of the list whose member `key` says `value`: its index, or -1. */
int policy_edit_find(const struct policy_edit *edit, const char *key, const char *value);
/* A group of groups.conf; root is added where the file leaves it unsaid. -1: refused, told. */
int policy_edit_find_group(struct policy_edit *edit, const char *name);
/* An element as libconfig reads it; NULL beyond the last. It dies with every change. */
const config_setting_t *policy_edit_setting(const struct policy_edit *edit, int element);

/* An element of the list, or a task of that element. */
struct edit_place {
	int element;
	int task; /* -1: the element itself */
};

/*
 * Changes. False, and the call refused, when one cannot be made.
 */
/* Sets members; a value that is NULL takes its member out. */
bool policy_edit_set(struct policy_edit *edit, struct edit_place place,
		     const struct conf_pair *pairs, unsigned n_pairs);
/* A new last element (element -1), or a new last task of that element. */
bool policy_edit_append(struct policy_edit *edit, int element, const struct conf_pair *pairs,
			unsigned n_pairs);
bool policy_edit_remove(struct policy_edit *edit, struct edit_place place);
/* The index of a text in a list of texts, or -1; one more of them, as the last. */
int policy_edit_find_text(const struct policy_edit *edit, const char *text);
bool policy_edit_append_text(struct policy_edit *edit, const char *text);
/*
 * A setting value of the element, in whichever form its `values` are written: `pairs` are its
 * value, secret and locked; none takes it out, and there must be one.
 */
bool policy_edit_value(struct policy_edit *edit, int element, const char *name,
		       const struct conf_pair *pairs, unsigned n_pairs);

/* A file that comes, or goes (text NULL), with the edit; takes over `text`, malloc'ed. */
bool policy_edit_file(struct policy_edit *edit, const char *name, char *text, size_t len);

/*
 * Checks, writes, reloads. On success the call's text is the sentence and what the reload says, and
 * the result that of the reload, with `changed` and the sentence as `done`. `format` is the
 * sentence. With --plan: checks, and says what it would come to (call_plan.h).
 */
void policy_edit_commit(struct policy_edit *edit, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
