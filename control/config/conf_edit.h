/*
 * conf_edit.h - changes in the text of a configuration file that leave all else as it was written.
 *
 * libconfig reads a file and forgets its remarks, order and layout. Here a small scanner finds
 * where settings stand, and a change splices text there. What a setting means stays libconfig's
 * business: it must have read the same text before (conf_text.h), and conf_edit_matches() tells
 * whether both saw the same settings; only then may anything be changed.
 *
 * Nodes die with the next change: look them up again. Owner: the caller. One thread. Allocates; what
 * is freed is wiped, for files hold keys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/config/conf_text.h"
#include "control/text.h"
#include "tasks/arena.h"

enum conf_kind { CONF_SCALAR, CONF_GROUP, CONF_LIST };

/* A setting: offsets into the text.
 *
 *	name = "value";          , in a list the same without name
 *	^      ^      ^^
 *	start  begin  end        stop: behind the terminator, where there is one, else the end
 */
struct conf_node {
	enum conf_kind kind;
	size_t start, begin, end, stop;
	size_t name_len; /* 0: an element of a list */
	unsigned n_children;
	struct conf_node *children, *next, *last;
};

struct conf_edit {
	char *text; /* NUL-terminated */
	size_t len;
	struct conf_node *root;
	struct arena arena; /* of the nodes */
};

/* 0; -EINVAL when this is no such text; -ENOMEM. Then there is nothing to free. */
int conf_edit_init(struct conf_edit *edit, const char *text, size_t len)
	__attribute__((warn_unused_result));
void conf_edit_fini(struct conf_edit *edit);

/* Whether libconfig saw the same settings in this text. */
bool conf_edit_matches(const struct conf_edit *edit, const struct conf_text *conf);

/* NULL where there is none, and for a node that is NULL. */
const struct conf_node *conf_edit_member(const struct conf_edit *edit,
					 const struct conf_node *group, const char *name);
const struct conf_node *conf_edit_element(const struct conf_node *list, unsigned index);

/* A member with its value as it stands in a file: quoted, a number, "( )". */
struct conf_pair {
	const char *name;
	const char *value;
};

/*
 * Changes: 0; -ENOMEM or -EINVAL, and the text is as it was. `node` is a group or list of this
 * text.
 */
/* Changes a member's value or adds the member as the last. */
int conf_edit_set(struct conf_edit *edit, const struct conf_node *group, struct conf_pair pair)
	__attribute__((warn_unused_result));
/* Takes a member out, with its line where it has one of its own. No such member: nothing to do. */
int conf_edit_unset(struct conf_edit *edit, const struct conf_node *group, const char *name)
	__attribute__((warn_unused_result));
/*
 * Adds a group as the last element, laid out as the element before it is. A pair whose value is
 * NULL is left out.
 */
int conf_edit_append(struct conf_edit *edit, const struct conf_node *list,
		     const struct conf_pair *pairs, unsigned n_pairs)
	__attribute__((warn_unused_result));
/* Adds a value as it stands in a file, quoted or a number, as the last element. */
int conf_edit_append_value(struct conf_edit *edit, const struct conf_node *list, const char *value)
	__attribute__((warn_unused_result));
int conf_edit_remove(struct conf_edit *edit, const struct conf_node *list, unsigned index)
	__attribute__((warn_unused_result));

/*
 * Makes a list of a group whose members are named freely: `a = "x";` becomes
 * `{ name = "a"; value = "x"; }`, and a group gets a member `name`.
 */
int conf_edit_make_list(struct conf_edit *edit, const struct conf_node *group)
	__attribute__((warn_unused_result));

/* Text in quotes, as libconfig reads it back. */
void conf_quote(struct text *out, const char *text);
/* Whether a word can be a member's name. */
bool conf_name_is_good(const char *name);
