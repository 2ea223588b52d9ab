/*
 * task_check_internal.h - one check of a task, for task_check*.c alone.
 *
 *	task_check.c            the two walks, and what each tag needs
 *	task_check_attribute.c  one attribute: template, constant value, kinds and words
 *	task_check_operation.c  what a lwm2mBootstrap holds: write, upload, delete, discover, read
 *
 * What is wrong is added to the diagnostics and the check goes on, so that all errors come at once.
 * What is found out is kept in the nodes, which own it, and allocated in the task's arena; without
 * memory it is an error or counts as not known. The thread that loads the task; nothing is shared
 * with other tasks.
 */
#pragma once

#include "tasks/model/task_tree.h"
#include "tasks/model/task_vars.h"

struct checker {
	struct task *task;
	struct diag_list *diags;
	struct task_vars vars;
	const struct expr_var *constants; /* values of the constant ones */
	bool in_correction;
};

/* A diagnostic at an attribute of the node; index -1: at the node itself. */
void check_error(struct checker *checker, const struct task_node *node, int index,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));
void check_warning(struct checker *checker, const struct task_node *node, int index,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* First walk: the template, the variables it reads, and its value where it is literal text. */
void check_parse_attribute(struct checker *checker, struct task_node *node, int index);
/* What is the same for every device is evaluated now. What fails is left to the run: it may
 * never be reached. */
void check_fold(struct checker *checker, struct task_attribute *attribute);

/* Text that stands for itself in the source or is a constant string; NULL when it is computed
 * per device. */
const char *check_constant_text(const struct task_attribute *attribute, size_t *len);
/* False, with an error added, when no value that the template can yield is of a wanted kind; false, too, where
 * there is no template: nothing is left to check. */
bool check_kinds(struct checker *checker, const struct task_node *node, int index, unsigned wanted,
		 const char *need);
/* True or false, as a boolean or as text. */
void check_boolean(struct checker *checker, const struct task_node *node, int index);
/* A word out of a known set. */
void check_word(struct checker *checker, const struct task_node *node, int index,
		int (*by_name)(const char *, size_t), const char *words);

/* task_check_operation.c: <write>, <upload>, <delete>, <discover>, <read>. */
void check_operation(struct checker *checker, struct task_node *node);
