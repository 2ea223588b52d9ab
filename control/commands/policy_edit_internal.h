/* policy_edit_internal.h - between the editing of files (policy_edit.c) and what follows (policy_commit.c). */
#pragma once

#include "control/commands/policy_edit.h"

enum {
	PATH_BYTES = POLICY_EDIT_PATH + POLICY_EDIT_NAME,
	LIST_FILE_BYTES = 32,
};

/* The path of a file of the folder; the name of the list's file in it. */
void policy_edit_path(const struct policy_edit *edit, const char *name, char path[PATH_BYTES]);
void policy_edit_list_file(const struct policy_edit *edit, char name[LIST_FILE_BYTES]);

/* Wipes and frees. */
void policy_edit_forget(char *text, size_t len);

/* A file's content; *text NULL where there is none. False after adding an error. */
bool policy_edit_read(const char *path, char **text, size_t *len, struct diag_list *diags);

/* Refuses the call: every diagnostic, and that nothing has changed. */
void policy_edit_refuse(struct call *call, struct diag_list *diags);
