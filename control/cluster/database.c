#include "control/cluster/database.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <endian.h>

_Static_assert(DATABASE_AWAY == -EIO && DATABASE_AGAIN == -EAGAIN && DATABASE_TAKEN == -EEXIST &&
		       DATABASE_NO_TABLE == -ENOENT && DATABASE_REFUSED == -EINVAL,
	       "as errno has them");

enum {
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_TEXT = 25,
	COPY_CHUNK = 1 << 20,
	HANG_UP_READS = 8,
};

/*
 * Time-outs: a host that is gone is noticed within seconds. They stand before the URL, which may say otherwise.
 * A statement may take as long as a million devices take; what makes a client wait bounds that wait itself.
 */
static const char *const keywords[] = {
	"connect_timeout",
	"keepalives_idle",
	"keepalives_interval",
	"keepalives_count",
	"tcp_user_timeout",
	"client_encoding",
	"dbname",
	"target_session_attrs",
	"application_name",
	NULL,
};

struct database {
	char *url, *name;
	PGconn *connection; /* NULL: not connected */
	/* Guards `fd` against a thread that interrupts while it is closed. */
	pthread_mutex_t lock;
	int fd; /* -1: none */
	bool interrupted;
};

struct database *
database_new(const char *url, const char *name)
{
	struct database *database = calloc(1, sizeof *database);

	if (!database)
		return NULL;
	database->fd = -1;
	pthread_mutex_init(&database->lock, NULL);
	database->url = strdup(url);
	database->name = strdup(name);
	if (database->url && database->name)
		return database;
	database_free(database);
	return NULL;
}

static bool
set_fd(struct database *database, int fd)
{
	bool interrupted;

	pthread_mutex_lock(&database->lock);
	database->fd = fd;
	interrupted = database->interrupted;
	pthread_mutex_unlock(&database->lock);
	return !interrupted;
}

void
database_close(struct database *database)
{
	set_fd(database, -1);
	PQfinish(database->connection);
	database->connection = NULL;
}

void
database_free(struct database *database)
{
	if (!database)
		return;
	database_close(database);
	pthread_mutex_destroy(&database->lock);
	free(database->url);
	free(database->name);
	free(database);
}

void
database_interrupt(struct database *database)
{
	pthread_mutex_lock(&database->lock);
	database->interrupted = true;
	if (database->fd >= 0)
		shutdown(database->fd, SHUT_RDWR);
	pthread_mutex_unlock(&database->lock);
}

void
database_go_on(struct database *database)
{
	pthread_mutex_lock(&database->lock);
	database->interrupted = false;
	pthread_mutex_unlock(&database->lock);
}

bool
database_is_connected(const struct database *database)
{
	return database->connection;
}

/* The database's own words, as one line: where a line ends without a stop, what follows is set apart. */
static void
tell(char error[DATABASE_ERROR_MAX], const char *words)
{
	size_t used = 0;

	for (; *words && used + 1 < DATABASE_ERROR_MAX; words++) {
		char c = *words == '\n' || *words == '\t' ? ' ' : *words;

		if (*words == '\n' && used && used + 2 < DATABASE_ERROR_MAX &&
		    isalnum((unsigned char)error[used - 1]))
			error[used++] = ';';
		if (c == ' ' && (!used || error[used - 1] == ' '))
			continue;
		error[used++] = c;
	}
	while (used && (error[used - 1] == ' ' || error[used - 1] == ';'))
		used--;
	error[used] = '\0';
}

/*
 * Whether the server has hung up, as it does when it is restarted: what waits to be read ends. Nothing is asked of it, so
 * one that vanished without a word shows at the next statement only. Where a transaction is open, the statement tells.
 */
static bool
has_hung_up(struct database *database)
{
	struct pollfd poll_fd = { .fd = PQsocket(database->connection), .events = POLLIN };

	if (PQtransactionStatus(database->connection) != PQTRANS_IDLE)
		return false;
	/* Its last words may come before the end. */
	for (int reads = 0; reads < HANG_UP_READS && poll(&poll_fd, 1, 0) > 0; reads++)
		if (!PQconsumeInput(database->connection))
			return true;
	return false;
}

int
database_connect(struct database *database, char error[DATABASE_ERROR_MAX])
{
	const char *values[] = { "3",           "5",          "2",
				 "3",           "10000",      "UTF8",
				 database->url, "read-write", database->name,
				 NULL };

	if (database->connection && PQstatus(database->connection) == CONNECTION_OK &&
	    !has_hung_up(database))
		return 0;
	database_close(database);
	database->connection = PQconnectdbParams(keywords, values, 1);
	if (!database->connection) {
		tell(error, "out of memory");
		return -ENOMEM;
	}
	if (PQstatus(database->connection) == CONNECTION_OK &&
	    set_fd(database, PQsocket(database->connection)))
		return 0;
	tell(error, PQerrorMessage(database->connection));
	database_close(database);
	return DATABASE_AWAY;
}

/* ---- parameters ---- */

void
database_add_bytes(struct database_parameters *parameters, const void *bytes, size_t len)
{
	int i = parameters->n++;

	assert(i < DATABASE_PARAMETERS_MAX);
	parameters->types[i] = OID_BYTEA;
	parameters->values[i] = bytes;
	parameters->lengths[i] = (int)len;
}

void
database_add_text(struct database_parameters *parameters, const char *text)
{
	database_add_bytes(parameters, text, text ? strlen(text) : 0);
	parameters->types[parameters->n - 1] = OID_TEXT;
}

void
database_add_number(struct database_parameters *parameters, uint64_t number)
{
	int i = parameters->n;

	database_add_bytes(parameters, &parameters->numbers[i], sizeof number);
	parameters->numbers[i] = htobe64(number);
	parameters->types[i] = OID_INT8;
}

uint64_t
database_number(const PGresult *result, int row, int column)
{
	uint64_t number;

	if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != sizeof number)
		return 0;
	memcpy(&number, PQgetvalue(result, row, column), sizeof number);
	return be64toh(number);
}

/* ---- statements ---- */

/* What a result says: 0, or what went wrong. The connection is closed where it is of no use any more. */
static int
judge(struct database *database, const PGresult *result, char error[DATABASE_ERROR_MAX])
{
	ExecStatusType status = result ? PQresultStatus(result) : PGRES_FATAL_ERROR;
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN ||
	    status == PGRES_SINGLE_TUPLE)
		return 0;
	tell(error, result ? PQresultErrorMessage(result) : PQerrorMessage(database->connection));
	/* 08, 57P: the connection goes; 25006: the host became a standby, another one takes writes now. */
	if (PQstatus(database->connection) != CONNECTION_OK || !state ||
	    strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0 ||
	    strcmp(state, "25006") == 0) {
		database_close(database);
		return DATABASE_AWAY;
	}
	if (strncmp(state, "40", 2) == 0) /* 40001, 40P01 */
		return DATABASE_AGAIN;
	if (strcmp(state, "23505") == 0)
		return DATABASE_TAKEN;
	if (strcmp(state, "42P01") == 0)
		return DATABASE_NO_TABLE;
	return DATABASE_REFUSED;
}

static int
not_connected(char error[DATABASE_ERROR_MAX])
{
	tell(error, "there is no connection to the database");
	return DATABASE_AWAY;
}

int
database_query(struct database *database, const char *sql,
	       const struct database_parameters *parameters, PGresult **result,
	       char error[DATABASE_ERROR_MAX])
{
	static const int binary[DATABASE_PARAMETERS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1,
							     1, 1, 1, 1, 1, 1, 1, 1 };
	static const struct database_parameters none;
	PGresult *got;
	int code;

	if (!database->connection)
		return not_connected(error);
	if (!parameters)
		parameters = &none;
	got = PQexecParams(database->connection, sql, parameters->n, parameters->types,
			   parameters->values, parameters->lengths, binary, 1);
	code = judge(database, got, error);
	if (code == 0 && result)
		*result = got;
	else
		PQclear(got);
	return code;
}

int
database_execute(struct database *database, const char *sql, char error[DATABASE_ERROR_MAX])
{
	PGresult *result;
	int code;

	if (!database->connection)
		return not_connected(error);
	result = PQexec(database->connection, sql);
	code = judge(database, result, error);
	PQclear(result);
	return code;
}

/* All results that are left, the first failure counts. */
static int
take_results(struct database *database, char error[DATABASE_ERROR_MAX])
{
	PGresult *result;
	int code = 0;

	while (database->connection && (result = PQgetResult(database->connection))) {
		if (code == 0)
			code = judge(database, result, error);
		PQclear(result);
	}
	return code;
}

/* Asks the database to end what it does; its word on it is of no interest. */
static void
cancel(struct database *database)
{
	PGcancel *cancel = PQgetCancel(database->connection);
	char ignored[256];

	if (cancel)
		PQcancel(cancel, ignored, sizeof ignored);
	PQfreeCancel(cancel);
}

int
database_each(struct database *database, const char *sql,
	      const struct database_parameters *parameters,
	      bool (*each)(void *ctx, const PGresult *row), void *ctx,
	      char error[DATABASE_ERROR_MAX])
{
	static const int binary[DATABASE_PARAMETERS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1,
							     1, 1, 1, 1, 1, 1, 1, 1 };
	bool going = true;
	PGresult *result;
	int code = 0;

	if (!database->connection)
		return not_connected(error);
	if (!PQsendQueryParams(database->connection, sql, parameters->n, parameters->types,
			       parameters->values, parameters->lengths, binary, 1) ||
	    !PQsetSingleRowMode(database->connection))
		return judge(database, NULL, error);
	while (database->connection && (result = PQgetResult(database->connection))) {
		if (code == 0 && going)
			code = judge(database, result, error);
		if (code == 0 && going && PQresultStatus(result) == PGRES_SINGLE_TUPLE &&
		    !each(ctx, result)) {
			going = false;
			cancel(database);
		}
		PQclear(result);
	}
	return code;
}

static int
copy_bytes(struct database *database, const char *bytes, size_t len)
{
	int good = 1;

	for (size_t at = 0; at < len && good == 1; at += COPY_CHUNK) {
		size_t some = len - at < COPY_CHUNK ? len - at : COPY_CHUNK;

		good = PQputCopyData(database->connection, bytes + at, (int)some);
	}
	return good == 1 ? 0 : -1;
}

int
database_copy(struct database *database, const char *sql, const void *rows, size_t len,
	      char error[DATABASE_ERROR_MAX])
{
	/* https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format": signature, flags, extension; and the end */
	static const char head[19] = "PGCOPY\n\377\r\n", end[] = "\377\377";
	int code = database_execute(database, sql, error);

	if (code < 0)
		return code;
	if (copy_bytes(database, head, sizeof head) < 0 || copy_bytes(database, rows, len) < 0 ||
	    copy_bytes(database, end, 2) < 0 || PQputCopyEnd(database->connection, NULL) != 1)
		return judge(database, NULL, error);
	return take_results(database, error);
}

void
database_rollback(struct database *database)
{
	char ignored[DATABASE_ERROR_MAX];

	if (database->connection && PQtransactionStatus(database->connection) != PQTRANS_IDLE)
		(void)database_execute(database, "ROLLBACK", ignored);
}
