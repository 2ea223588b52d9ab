/*
 * task_tree.h - a task as plain structs, for tasks/ alone.
 *
 *	task.c         XML to nodes: which tags and attributes there are, and where
 *	task_check*.c  keys, types, literal values, expressions of every node
 *	task_vars.c    the variables it sets and reads
 *	task_overwrites.c  warnings about writes to what was written before
 *	task_secrets.c     warnings about secrets in messages
 *	task_rules.c   warnings about what the writes of a task add up to
 *	compile*.c     nodes and a device's values to steps
 *
 * Everything lives in the task's arena and is immutable once task_load() has returned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/arena.h"
#include "tasks/content/encode.h"
#include "tasks/expr/expr.h"
#include "tasks/model/task.h"
#include "tasks/objects/key.h"
#include "tasks/xml_tree.h"

enum task_tag {
	TAG_CONFIG,
	TAG_STORE,
	TAG_BOOTSTRAP,
	TAG_WRITE,
	TAG_DELETE,
	TAG_UPLOAD,
	TAG_DISCOVER,
	TAG_READ,
	TAG_CLEANSE,
	TAG_CONFIGURATION,
	TAG_IF,
	TAG_ELSE,
	TAG_FOREACH,
	TAG_WHILE,
	TAG_LOG,
	TAG_FINISH,
	TAG_COMMENT,
	TAG_DEFAULTS,
	TAG_JOIN,
	TAG_LEAVE,
	TAG_REMOVE_PROPERTY,
	TASK_TAGS,
	TAG_UNKNOWN = TASK_TAGS, /* kept only to check what is inside */
};

/* Attributes by tag: the index in task_node.attributes. */
enum { TASK_ATTRIBUTES = 6 };
enum { CONFIG_FORMAT, CONFIG_BLOCK_BYTES };
enum { STORE_TARGET, STORE_VALUE, STORE_TYPE, STORE_SECRET };
enum {
	BOOTSTRAP_FINISH,
	BOOTSTRAP_SESSION,
	BOOTSTRAP_GRANULARITY,
	BOOTSTRAP_FORMAT,
	BOOTSTRAP_ON_ERROR,
	BOOTSTRAP_WHEN
};
enum { WRITE_KEY, WRITE_VALUE, WRITE_TYPE, WRITE_FORMAT };
enum { UPLOAD_KEY = WRITE_KEY, UPLOAD_FILE = WRITE_VALUE };
enum { TARGET_KEY, TARGET_OUTPUT }; /* delete, discover, read */
enum { CLEANSE_ON_ERROR };
enum { SERVER_ID, SERVER_NAME, SERVER_SECURITY, SERVER_SERVER, SERVER_ON_ERROR };
enum { DEFAULTS_TARGET, DEFAULTS_VALUE };
enum { GROUP_NAME };      /* join, leave */
enum { PROPERTY_TARGET }; /* removeProperty */
enum { IF_EXPR };         /* if, while */
enum { FOREACH_LIST, FOREACH_ITERATOR };
enum { LOG_MESSAGE, LOG_LEVEL };
enum { FINISH_STATUS, FINISH_MESSAGE };

/* The variables that hold the instance ids of a lwm2mBootstrapConfiguration in a server's task. */
#define VAR_SECURITY_INSTANCE "securityInstanceId"
#define VAR_SERVER_INSTANCE   "serverInstanceId"

struct task_attribute {
	const struct template *template; /* NULL when absent, empty (null) or wrong */
	const char *text;                /* as decoded from the XML */
	size_t len;
	uint32_t line, column;
	bool given;
	bool literal;  /* literal text alone: `value` holds it */
	bool constant; /* the same for every device: `value` holds it, nothing is evaluated */
	struct value value;
	const struct xml_attribute *xml; /* while loading alone */
};

/* What <store type> says. */
enum store_type { STORE_VAR, STORE_PROPERTY, STORE_HISTORY };

/* How writes are put together to requests. */
enum granularity { GRANULARITY_INSTANCE, GRANULARITY_RESOURCE, GRANULARITY_OBJECT };

/* A write: what is known ahead of any device. */
struct task_write {
	bool key_known, type_known;
	bool fixed; /* key, type, value and format known: `values` are what goes out */
	struct key key;
	enum lwm2m_type type;
	int format;                 /* enum content_format, or -1: the run's */
	struct lwm2m_value *values; /* more than one: instances of a multiple resource */
	unsigned n_values;
};

struct task_node {
	enum task_tag tag;
	unsigned number; /* among the tags of this name in the task, from 1: "write #5" */
	uint32_t line, column;
	struct task_attribute attributes[TASK_ATTRIBUTES];
	struct task_node *children, *next;
	struct task_node *otherwise; /* the <else> of an <if>: no child */
	union {
		struct task_write write;
		struct {
			bool known;
			bool answers; /* discover, read: the task uses the output */
			struct key key;
		} target; /* delete, discover, read */
		enum store_type store;
		bool correction; /* lwm2mBootstrap: when="finishRefused" */
	};
};

struct task {
	struct arena arena;
	const char *name;
	const struct objects *objects;
	struct task_node *root;
	bool session, answers,
		effects; /* answers and effects of its own make it depend on the session */
	bool patterns;
};

/* One attribute of a tag, as the language defines it. */
struct attribute_rule {
	const char *name;
	bool required; /* must be there; may be empty (null) only when `nullable` */
	bool nullable;
};

/* Where a tag may stand. */
enum tag_place {
	PLACE_ROOT,
	PLACE_ANYWHERE,
	PLACE_OUTSIDE,   /* not in a lwm2mBootstrap */
	PLACE_BOOTSTRAP, /* in a lwm2mBootstrap, at any depth */
	PLACE_IF,        /* directly in an if */
};

struct tag_rule {
	const char *name;
	struct attribute_rule attributes[TASK_ATTRIBUTES];
	enum tag_place place;
	bool container;
};

extern const struct tag_rule tag_rules[TASK_TAGS];

/* Known to the original language, and no part of a bootstrap appliance. */
bool tag_is_foreign(const char *name);
/* The tag, or TAG_UNKNOWN; and the nearest known name, or NULL. */
enum task_tag tag_by_name(const char *name);
const char *tag_nearest(const char *name);

static inline const char *
tag_name(const struct task_node *node)
{
	return node->tag < TASK_TAGS ? tag_rules[node->tag].name : "?";
}

/* Names used in attributes; the value, or -1. */
int log_level_by_name(const char *name, size_t len); /* enum task_log_level */
int granularity_by_name(const char *name, size_t len);
int on_error_by_name(const char *name, size_t len);      /* enum batch_on_error */
int store_type_by_name(const char *name, size_t len);    /* enum store_type */
int when_by_name(const char *name, size_t len);          /* 0, always; 1, finishRefused */
int finish_status_by_name(const char *name, size_t len); /* enum task_status */
int block_bytes_by_name(const char *name, size_t len); /* a size of blocks, as a number */
int format_by_name(const char *name, size_t len); /* enum content_format, by name or number */

/* A task from its tree of tags; as task_load(). The tree is not needed any more when it returns. */
struct task *task_load_tree(const char *name, const struct xml_element *root,
			    const struct objects *objects, struct diag_list *diags);

/* Checks every node below the root and fills in what is known ahead. */
void task_check(struct task *task, struct diag_list *diags);
/* Warns about accounts that clients refuse or cannot use. */
void task_warn(const struct task *task, struct diag_list *diags);
/* Warns of messages that hold a secret. */
void task_warn_secrets(const struct task *task, struct diag_list *diags);
/* Warns where a write goes to its resource alone. */
void task_warn_overwrites(const struct task *task, struct diag_list *diags);
