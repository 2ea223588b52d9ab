/*
 * task_vars.h - the variables that a task sets and reads, while it is checked (task_check.c).
 *
 * They live in the task's arena; without memory any name counts as set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tasks/arena.h"
#include "tasks/expr/expr.h"

enum { VAR_BUCKETS = 256 };

/* A variable that the task sets or reads somewhere. */
struct known_var {
	const char *name;
	size_t len;
	unsigned definitions;
	bool used;
	/* Set once, unconditionally, before the node at hand, to the same for every device. */
	bool constant;
	struct known_var *next; /* in its bucket */
};

struct task_vars {
	struct arena *arena;
	struct known_var *buckets[VAR_BUCKETS];
	bool any_name; /* a computed name may be any variable */
};

/* The variable, or NULL when the task names none so. */
struct known_var *task_vars_find(const struct task_vars *vars, const char *name, size_t len);
/* Something sets it. */
void task_vars_define(struct task_vars *vars, const char *name, size_t len);
/* A template reads what it reads. */
void task_vars_use(struct task_vars *vars, const struct template *template);
/* Whether the template reads a variable whose value is not known yet. */
bool task_vars_uses_open(const struct task_vars *vars, const struct template *template);
