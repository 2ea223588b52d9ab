/*
 * task_secret.h - what may be a secret in the text of a task: masked, or found. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/text.h"
#include "tasks/model/task.h"
#include "tasks/objects/objects.h"

/* An attribute as it is shown: what may be a key is masked. `shown` is begun here. */
void task_secret_mask(const struct task_tag_line *line, unsigned i, struct text *shown);
/*
 * Where a secret stands in a task's text in the clear first; 0: nowhere. False: it is no good task, so that nobody can tell.
 */
bool task_secret_find(const char *name, const char *text, size_t len, const struct objects *objects,
		      uint32_t *line);
