#include "control/cluster/cluster_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define DEVICE_COLUMNS \
	" endpoint BYTEA NOT NULL," \
	" ident BYTEA," /* what it comes with: its identity or its endpoint name; NULL: it is dead */ \
	" identity BYTEA," \
	" device_key BYTEA," \
	" key_is_hex BIGINT NOT NULL," \
	" device_domain BYTEA," \
	" device_groups BYTEA," \
	" settings BYTEA," \
	" created_ms BIGINT NOT NULL," \
	" nosec BIGINT NOT NULL," \
	" kek BYTEA," \
	" dead BIGINT NOT NULL," \
	" txn BIGINT NOT NULL,"
#define REPORT_COLUMNS \
	" endpoint BYTEA NOT NULL," \
	" task_group BYTEA NOT NULL," \
	" task_name BYTEA NOT NULL," \
	" summary BYTEA NOT NULL," \
	" status BIGINT NOT NULL," \
	" started_ms BIGINT NOT NULL," \
	" finished_ms BIGINT NOT NULL," \
	" at_ms BIGINT NOT NULL,"
/* clang-format on */

/* Step N makes version N + 1. Each runs in the transaction that raises the version. */
static const char *const steps[CLUSTER_SCHEMA] = {
	"CREATE TABLE cradle_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
	"CREATE TABLE cradle_rev (one BIGINT PRIMARY KEY, rev BIGINT NOT NULL,"
	" horizon BIGINT NOT NULL, policy BIGINT NOT NULL);"
	"INSERT INTO cradle_rev VALUES (1, 1, 0, 0);"
	"CREATE TABLE cradle_change (rev BIGINT PRIMARY KEY, txn BIGINT NOT NULL UNIQUE,"
	" member BIGINT NOT NULL, devices BIGINT NOT NULL,"
	" made_at TIMESTAMPTZ NOT NULL DEFAULT now());"
	"CREATE TABLE cradle_device (" DEVICE_COLUMNS
	/* old_txn: of the version that this one took the place of. */
	" old_txn BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (endpoint), UNIQUE (ident));"
	"CREATE INDEX cradle_device_txn ON cradle_device (txn);"
	"CREATE TABLE cradle_staging (" DEVICE_COLUMNS " PRIMARY KEY (txn, endpoint));"
	"CREATE TABLE cradle_member (number BIGINT PRIMARY KEY, name TEXT NOT NULL,"
	" instance BIGINT NOT NULL, rev BIGINT NOT NULL, digest TEXT NOT NULL, note TEXT NOT NULL,"
	" joined_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
	" seen_at TIMESTAMPTZ NOT NULL DEFAULT now());",
	"ALTER TABLE cradle_member ADD COLUMN report_seq BIGINT NOT NULL DEFAULT 0;"
	"CREATE TABLE cradle_report (member BIGINT NOT NULL, seq BIGINT NOT NULL," REPORT_COLUMNS
	" PRIMARY KEY (member, seq));"
	"CREATE TABLE cradle_last_report (member BIGINT NOT NULL," REPORT_COLUMNS
	" PRIMARY KEY (endpoint, task_group, task_name));",
	"ALTER TABLE cradle_member ADD COLUMN forward TEXT NOT NULL DEFAULT '';",
	"ALTER TABLE cradle_member ADD COLUMN policy BIGINT NOT NULL DEFAULT 0;"
	"CREATE TABLE cradle_policy (version BIGINT PRIMARY KEY, txn BIGINT NOT NULL UNIQUE,"
	" member BIGINT NOT NULL, member_name TEXT NOT NULL, digest TEXT NOT NULL,"
	" who TEXT NOT NULL, what TEXT NOT NULL, why TEXT NOT NULL,"
	" made_at TIMESTAMPTZ NOT NULL DEFAULT now());"
	"CREATE TABLE cradle_policy_file (version BIGINT NOT NULL, name BYTEA NOT NULL,"
	" bytes BYTEA, kek BYTEA, gone BIGINT NOT NULL, PRIMARY KEY (name, version));",
	"CREATE TABLE cradle_claim (endpoint BYTEA PRIMARY KEY, member BIGINT NOT NULL,"
	" started_ms BIGINT NOT NULL, made_at TIMESTAMPTZ NOT NULL DEFAULT now());",
};

int
cluster_schema_meta(struct database *database, const char *name, char value[DATABASE_ERROR_MAX],
		    char error[DATABASE_ERROR_MAX])
{
	struct database_parameters parameters = { 0 };
	PGresult *result;
	int code;

	*value = '\0';
	database_add_text(&parameters, name);
	code = database_query(database, "SELECT value FROM cradle_meta WHERE name = $1",
			      &parameters, &result, error);
	if (code < 0)
		return code;
	if (PQntuples(result))
		snprintf(value, DATABASE_ERROR_MAX, "%.*s", PQgetlength(result, 0, 0),
			 PQgetvalue(result, 0, 0));
	PQclear(result);
	return 0;
}

int
cluster_schema_set_meta(struct database *database, const char *name, const char *value,
			char error[DATABASE_ERROR_MAX])
{
	struct database_parameters parameters = { 0 };

	database_add_text(&parameters, name);
	database_add_text(&parameters, value);
	return database_query(database,
			      "INSERT INTO cradle_meta (name, value) VALUES ($1, $2)"
			      " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			      &parameters, NULL, error);
}

/* The version that is there; 0: none. */
static int
read_version(struct database *database, unsigned *version, char error[DATABASE_ERROR_MAX])
{
	char value[DATABASE_ERROR_MAX];
	int code = cluster_schema_meta(database, "schema", value, error);

	*version = 0;
	if (code == 0)
		*version = (unsigned)strtoul(value, NULL, 10);
	return code;
}

static int
too_new(unsigned version, char error[DATABASE_ERROR_MAX])
{
	snprintf(error, DATABASE_ERROR_MAX,
		 "its tables have version %u, this program knows up to %d: a newer release made "
		 "them; "
		 "update this one",
		 version, CLUSTER_SCHEMA);
	return DATABASE_REFUSED;
}

int
cluster_schema_check(struct database *database, char error[DATABASE_ERROR_MAX])
{
	unsigned version;
	int code = read_version(database, &version, error);

	if (code < 0)
		return code;
	if (version > CLUSTER_SCHEMA)
		return too_new(version, error);
	if (version == CLUSTER_SCHEMA)
		return 0;
	snprintf(error, DATABASE_ERROR_MAX,
		 "its tables have version %u, this program needs %d: `cradlectl cluster join` "
		 "brings them there",
		 version, CLUSTER_SCHEMA);
	return DATABASE_REFUSED;
}

static int
take_steps(struct database *database, unsigned version, char error[DATABASE_ERROR_MAX])
{
	char text[16];
	int code = database_execute(database, "BEGIN", error);

	for (; code == 0 && version < CLUSTER_SCHEMA; version++)
		code = database_execute(database, steps[version], error);
	snprintf(text, sizeof text, "%d", CLUSTER_SCHEMA);
	if (code == 0)
		code = cluster_schema_set_meta(database, "schema", text, error);
	if (code == 0)
		code = database_execute(database, "COMMIT", error);
	database_rollback(database);
	return code;
}

/*
 * Last reports take the place of others: with room in their pages PostgreSQL need not enter them into the index anew (HOT),
 * which makes a report cost 6.7 us in place of 11.5. Whoever knows no such thing may refuse it.
 */
static void
tune(struct database *database)
{
	char ignored[DATABASE_ERROR_MAX];

	(void)database_execute(database, "ALTER TABLE cradle_last_report SET (fillfactor = 50)",
			       ignored);
}

static int
migrate(struct database *database, char error[DATABASE_ERROR_MAX])
{
	unsigned version;
	int code = read_version(database, &version, error);

	if (code == DATABASE_NO_TABLE)
		version = 0;
	else if (code < 0)
		return code;
	if (version > CLUSTER_SCHEMA)
		return too_new(version, error);
	return version == CLUSTER_SCHEMA ? 0 : take_steps(database, version, error);
}

int
cluster_schema_migrate(struct database *database, char error[DATABASE_ERROR_MAX])
{
	int code = migrate(database, error);

	if (code == 0)
		tune(database);
	return code;
}
