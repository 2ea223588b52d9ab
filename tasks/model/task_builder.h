/*
 * task_builder.h - a task from values, without XML text: what a program makes is not written and read again, so no
 * value needs an escape and none is changed on its way.
 *
 *	task_builder_init(&builder, &arena)
 *	task_builder_open(&builder, "config", 1)
 *	task_builder_attribute(&builder, "format", "tlv")
 *	task_builder_close(&builder)
 *	task_builder_load(&builder, name, objects, &diags)
 *
 * Tags and attributes are those of a task, and values are templates, as there. `line` is the caller's number of what a
 * tag comes from; diagnostics bring it back as their line. Strings are borrowed until the task is loaded; the arena is
 * the caller's and can be reset then. Where memory is short, or tags are not closed, loading fails and says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tasks/model/task.h"
#include "tasks/xml_tree.h"

struct task_builder {
	struct arena *arena;
	struct xml_element *root;
	struct xml_element *open[XML_DEPTH_MAX];
	unsigned depth;
	bool failed; /* no memory, or nested too deep */
};

void task_builder_init(struct task_builder *builder, struct arena *arena);
/* A tag in the one that is open. */
void task_builder_open(struct task_builder *builder, const char *name, uint32_t line);
/* Of the tag that was opened last. */
void task_builder_attribute(struct task_builder *builder, const char *name, const char *value);
void task_builder_close(struct task_builder *builder);

/* As task_load(): the task, or NULL after adding at least one error. */
struct task *task_builder_load(const struct task_builder *builder, const char *name,
			       const struct objects *objects, struct diag_list *diags);
