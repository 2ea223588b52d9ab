/*
 * task_place.h - where a task stands in groups.conf while that is edited, and what it says there.
 *
 * Control thread. Allocates nothing; what is returned dies with every change of the edit.
 */
#pragma once

#include "control/commands/policy_edit.h"

/* The tasks of an element of the list of groups. */
int task_place_count(const struct policy_edit *edit, int element);
const config_setting_t *task_place_setting(const struct policy_edit *edit, struct edit_place place);
/* NULL: it says none. */
const char *task_place_file(const struct policy_edit *edit, struct edit_place place);
/* The number that the file gives; 0: none. */
int task_place_said(const struct policy_edit *edit, struct edit_place place);
/* The number of a task, said or not: as policy_read_tasks() gives them; the highest of an element. */
int task_place_number(const struct policy_edit *edit, struct edit_place place);
int task_place_highest(const struct policy_edit *edit, int element);
/* False, and the call refused, where there is no task of this id. */
bool task_place_find(struct policy_edit *edit, const char *id, struct edit_place *place);
