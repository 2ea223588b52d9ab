/*
 * task.h - a parsed and checked task: what an operator wrote, ready to be compiled per device.
 *
 * Immutable after task_load(); may be read by several threads. The structs behind it are in
 * task_tree.h, for tasks/ alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tasks/diag.h"
#include "tasks/objects/objects.h"

enum { TASK_TEXT_MAX = 100000 }; /* characters of a task (TASKS.md section 1) */

struct task;

/*
 * Parses and checks a whole task: XML (entity expansion off, depth bounded), tags and attributes,
 * keys against the registry, types and literal values, expressions, the warnings of TASKS.md
 * section 5. Every problem is added to `diags` with file, line, column, tag and attribute. Returns
 * NULL when there was any error. `name` stands in diagnostics and reports (usually the file's
 * name). The registry must outlive the task.
 */
struct task *task_load(const char *name, const char *text, size_t len,
		       const struct objects *objects, struct diag_list *diags);
/* The same from a file; unreadable or too long is a diagnostic, too. */
struct task *task_load_file(const char *file, const struct objects *objects,
			    struct diag_list *diags);
void task_free(struct task *task);

/*
 * What it needs of the control side; the definitions of servers it refers to have facts of their own.
 * One that depends on the session is compiled while the device waits: it makes random values, asks for the
 * bootstrap event, uses answers or has effects.
 */
bool task_depends_on_session(const struct task *task);
/* One that searches with no pattern is never costly (compile.h). */
bool task_has_pattern(const struct task *task);

/* A server that a <lwm2mBootstrapConfiguration> of the task names. */
struct task_server {
	bool by_name;
	const char *name; /* not terminated; NULL: computed for each device */
	size_t len;
	struct place place; /* of the attribute */
};
typedef bool task_server_visitor(void *ctx, const struct task_server *server);
/* Calls `visit` for each of them, in document order, until it returns false. */
void task_each_server(const struct task *task, task_server_visitor *visit, void *ctx);

/* A text that is not terminated; at NULL: not known before the device is. */
struct task_text {
	const char *at;
	size_t len;
};

/* A file that an <upload> names, or a table and columns of it that an expression names. */
struct task_resource {
	bool is_table;
	struct task_text name;       /* of the file; the alias of the table */
	struct task_text by, wanted; /* columns */
	struct place place;          /* of the attribute */
};
typedef void task_resource_visitor(void *ctx, const struct task_resource *resource);
/* Calls `visit` for each that is the same for every device, in document order. */
void task_each_resource(const struct task *task, task_resource_visitor *visit, void *ctx);

/* A tag and its attributes as they were written. */
struct task_tag_line {
	unsigned depth;
	const char *name;
	uint32_t line;
	unsigned n_attributes;
	struct {
		const char *name, *text;
		bool secret; /* what it evaluates to may be a key */
	} attributes[4];
};
typedef void task_tag_visitor(void *ctx, const struct task_tag_line *line);
/* Calls `visit` for every tag below the root, in document order. */
void task_describe(const struct task *task, task_tag_visitor *visit, void *ctx);
