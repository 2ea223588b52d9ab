/*
 * database.h - one connection to the database that appliances share: PostgreSQL, or what speaks its language.
 *
 * Only what all of these have is used: no notifications, no advisory locks, no snapshots, no replication slots, and COPY in
 * binary only into tables. Numbers are BIGINT, names and secrets BYTEA, all of it travels in binary.
 *
 * Several hosts may be named, of which the one that takes writes is used (target_session_attrs=read-write). A call
 * blocks as long as the database takes, bounded by time-outs of the connection and of each statement; another thread may
 * interrupt it. Owner: one thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

enum {
	DATABASE_ERROR_MAX = 512,
	DATABASE_PARAMETERS_MAX = 16,
};

/* What a call may fail with, besides -ENOMEM. */
enum {
	DATABASE_AWAY = -5,     /* -EIO: there is no connection (any more) */
	DATABASE_AGAIN = -11,   /* -EAGAIN: the transaction met another one: all of it again */
	DATABASE_TAKEN = -17,   /* -EEXIST: a key that must be unique is there already */
	DATABASE_NO_TABLE = -2, /* -ENOENT: no such table */
	DATABASE_REFUSED = -22, /* -EINVAL: anything else that the database says */
};

struct database;

/* `url` as libpq takes it; `name` is how the database shows the connection. NULL: out of memory. */
struct database *database_new(const char *url, const char *name);
void database_free(struct database *database);

/* Connects where it is not, or where the server hung up since: nothing was asked of it yet. 0, or as above and a sentence. */
int database_connect(struct database *database, char error[DATABASE_ERROR_MAX]);
bool database_is_connected(const struct database *database);
void database_close(struct database *database);
/* Any thread: what runs fails soon with DATABASE_AWAY, and so does all that comes, until database_go_on(). */
void database_interrupt(struct database *database);
/* What comes now counts again. */
void database_go_on(struct database *database);

struct database_parameters {
	int n;
	Oid types[DATABASE_PARAMETERS_MAX];
	const char *values[DATABASE_PARAMETERS_MAX];
	int lengths[DATABASE_PARAMETERS_MAX];
	uint64_t numbers[DATABASE_PARAMETERS_MAX];
};
/* Borrowed; NULL bytes are NULL. */
void database_add_bytes(struct database_parameters *parameters, const void *bytes, size_t len);
void database_add_text(struct database_parameters *parameters, const char *text);
void database_add_number(struct database_parameters *parameters, uint64_t number);

/* One statement, `parameters` may be NULL. *result (NULL: not wanted) is to be cleared. 0, or as above and a sentence. */
int database_query(struct database *database, const char *sql,
		   const struct database_parameters *parameters, PGresult **result,
		   char error[DATABASE_ERROR_MAX]);
/* Statements without parameters. */
int database_execute(struct database *database, const char *sql, char error[DATABASE_ERROR_MAX]);
/* Row by row, as they come. `each` false: the rest is left out. *cancelled says so. */
int database_each(struct database *database, const char *sql,
		  const struct database_parameters *parameters,
		  bool (*each)(void *ctx, const PGresult *row), void *ctx,
		  char error[DATABASE_ERROR_MAX]);
/* `sql` is COPY ... FROM STDIN (FORMAT binary); `rows` are its tuples (copy_rows.h), without head and end. */
int database_copy(struct database *database, const char *sql, const void *rows, size_t len,
		  char error[DATABASE_ERROR_MAX]);
/* Ends what is open, whatever became of it. */
void database_rollback(struct database *database);

/* A column of a row that is a number; 0 for NULL. */
uint64_t database_number(const PGresult *result, int row, int column);
