/*
 * store_file.h - one SQLite file: opened, recognized, brought to the newest schema; and what its
 * errors mean to an operator.
 *
 * A file is ours when its application_id is; user_version counts the steps of the schema that it
 * has had. Owner: whoever opened it. A connection is used by one thread at a time. Allocates.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

#include "control/store/store.h"

struct store_schema {
	const char *what; /* as sentences call the file */
	int application_id;
	const char *pragmas; /* of each connection */
	const char *const
		*steps; /* from version 0 on; never changed once released, only added to */
	int n_steps;
};

extern const struct store_schema store_inventory_schema, store_reports_schema;

struct store_file {
	const char *path;
	const struct store_schema *schema;
	sqlite3 *db;
	dev_t device; /* which file it is, so that one that goes is missed */
	ino_t inode;
};

/*
 * Opens or makes it with mode 0600, and migrates it in one transaction. Refuses what is no file of
 * this schema and what a newer program wrote, and does not touch it. `path` must stay. 0, or -errno
 * and a sentence.
 */
int store_file_open(struct store_file *file, const char *path, const struct store_schema *schema,
		    char error[STORE_ERROR_MAX]);
void store_file_close(struct store_file *file);
/* Whether its path still names the file that was opened: what is written to one that was removed is lost. */
bool store_file_is_there(const struct store_file *file);
/* The number that `meta` has by this name; 0: none. SQLite's result. */
int store_file_meta(const struct store_file *file, const char *name, uint64_t *value);

/*
 * What SQLite's result `code` means: a sentence with the remedy, and its -errno. `doing` is what
 * could not be done, as in "cannot DOING".
 */
int store_file_error(const struct store_file *file, int code, const char *doing,
		     char error[STORE_ERROR_MAX]);

/* SQLite's result. */
int store_file_exec(const struct store_file *file, const char *sql);
/* NULL: sqlite3_errcode() says why. */
sqlite3_stmt *store_file_prepare(const struct store_file *file, const char *sql);
/* Runs a statement that answers no rows, and makes it ready for its next use. SQLite's result. */
int store_file_run(sqlite3_stmt *stmt);
