/*
 * resources.h - files of the policy folder's resources/: tables that tasks look up (ALIAS.csv for
 * res.ALIAS) and files that they upload.
 *
 * All tables are read and checked with the policy, so that a bad one is refused with its line. A
 * file that is uploaded is read when a task first asks for it, and kept: what runs is what was there
 * then. Owner: a generation. Control thread. Allocates in the generation's arena.
 */
#pragma once

#include <stddef.h>

#include "tasks/arena.h"
#include "tasks/compile/compile.h"
#include "tasks/diag.h"

enum { RESOURCE_NAME_MAX = 255 };

struct resources;

/* No such folder is no error: there are none. NULL: out of memory. Errors go to `diags`. */
struct resources *resources_load(const char *policy_folder, struct arena *arena,
				 struct diag_list *diags);
/* A cell, or NULL; see csv_table_find(). */
const char *resources_find(struct resources *resources, const char *alias, size_t alias_len,
			   const char *by, size_t by_len, const char *key, size_t key_len,
			   const char *wanted, size_t wanted_len);
/* A file's content, or NULL: no such file, no file name, or longer than a batch can carry. */
const struct compile_file *resources_file(struct resources *resources, const char *name,
					  size_t len);
/* Warns of files and tables that a task names and that are not there, and of columns that a table has not. */
void resources_check(struct resources *resources, const struct task *task, struct diag_list *diags);
/* Tells one state of the tables and files from another. */
uint64_t resources_hash(const struct resources *resources);
