/*
 * The tables, as steps from each version to the next.
 *
 * Inventory and reports are two files, because SQLite lets one transaction write a file at a time:
 * an import of a million devices must not hold up the reports of those that bootstrap meanwhile.
 * It also keeps keys out of the file that is written most.
 */
#include "control/store/store_file.h"

enum {
	ID_INVENTORY = 0x43724469, /* "CrDi" */
	ID_REPORTS = 0x43724472,   /* "CrDr" */
};

static const char *const inventory_steps[] = {
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"INSERT INTO meta VALUES ('next_device', 0);"
	/* last_bootstrap_ms, format: as of the last change; `visit` has what came later. */
	"CREATE TABLE device ("
	" id INTEGER PRIMARY KEY,"
	" endpoint TEXT NOT NULL,"
	" identity TEXT,"
	" key BLOB,"
	" key_is_hex INTEGER NOT NULL,"
	" domain TEXT,"
	" groups TEXT,"
	" settings BLOB," /* setting_values.h */
	" created_ms INTEGER NOT NULL,"
	" last_bootstrap_ms INTEGER NOT NULL,"
	" format INTEGER NOT NULL);",
	/* Under which key-encryption key key and settings are sealed (seal.h): its id; NULL: they are plain. */
	"ALTER TABLE device ADD COLUMN kek BLOB;",
	"ALTER TABLE device ADD COLUMN nosec INTEGER NOT NULL DEFAULT 0;",
	/* bytes: NULL where the file went with that version; kek: as that of devices (store_policy.c). */
	"CREATE TABLE IF NOT EXISTS policy_version (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL,"
	" who TEXT NOT NULL, what TEXT NOT NULL, why TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS policy_file (id INTEGER PRIMARY KEY, version INTEGER NOT NULL,"
	" name TEXT NOT NULL, bytes BLOB, kek BLOB);"
	"CREATE INDEX IF NOT EXISTS policy_file_by_name ON policy_file (name, version);",
};

/* A report's place: device * 2^31 + task. Its summary: a number of `summary`, or a text. */
static const char *const reports_steps[] = {
	"CREATE TABLE task (number INTEGER PRIMARY KEY, \"group\" TEXT NOT NULL,"
	" name TEXT NOT NULL);"
	"CREATE TABLE summary (id INTEGER PRIMARY KEY, text TEXT NOT NULL);"
	"CREATE TABLE report ("
	" place INTEGER PRIMARY KEY,"
	" status INTEGER NOT NULL,"
	" started_ms INTEGER NOT NULL,"
	" finished_ms INTEGER NOT NULL,"
	" summary NOT NULL);"
	"CREATE TABLE report_log (place INTEGER PRIMARY KEY, text TEXT NOT NULL);"
	"CREATE TABLE visit (device INTEGER PRIMARY KEY, last_ms INTEGER NOT NULL,"
	" format INTEGER NOT NULL);"
	"CREATE TABLE unknown ("
	" name BLOB PRIMARY KEY,"
	" address TEXT NOT NULL,"
	" first_ms INTEGER NOT NULL,"
	" last_ms INTEGER NOT NULL,"
	" count INTEGER NOT NULL) WITHOUT ROWID;"
	/*
	 * Reports and visits on their way to their tables (store_recent.h). A visit has no task; its
	 * format stands in summary.
	 */
	"CREATE TABLE news ("
	" seq INTEGER PRIMARY KEY,"
	" device INTEGER NOT NULL,"
	" task INTEGER,"
	" status INTEGER NOT NULL,"
	" started_ms INTEGER NOT NULL,"
	" finished_ms INTEGER NOT NULL,"
	" summary NOT NULL);",
	/* serial: of the inventory's last change that was told here (store_change.h). */
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;",
	"ALTER TABLE report_log ADD COLUMN kek BLOB;", /* as that of devices */
	/* over: enum unknown_over, 0 where it was not told yet. */
	"ALTER TABLE unknown ADD COLUMN over INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE unknown ADD COLUMN device INTEGER NOT NULL DEFAULT 0;",
	/* The outbox (store_messages.h); payload is sealed under kek as report_log's text is. */
	"CREATE TABLE outbox ("
	" id INTEGER PRIMARY KEY,"
	" state INTEGER NOT NULL,"
	" what INTEGER NOT NULL,"
	" device INTEGER NOT NULL,"
	" account INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL,"
	" due_ms INTEGER NOT NULL,"
	" key TEXT NOT NULL,"
	" target TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" error TEXT,"
	" payload BLOB,"
	" kek BLOB);"
	"CREATE INDEX outbox_due ON outbox (target, state, due_ms);"
	"CREATE INDEX outbox_device ON outbox (device, target);",
	/* Of a cluster, whose report it is; 0: this one's. */
	"ALTER TABLE report ADD COLUMN member INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE news ADD COLUMN member INTEGER NOT NULL DEFAULT 0;",
};

/* Removed keys are overwritten; what was acknowledged is on the disk, not in its cache. */
const struct store_schema store_inventory_schema = {
	.what = "inventory",
	.application_id = ID_INVENTORY,
	.pragmas = "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA cache_size=-16384;",
	.steps = inventory_steps,
	.n_steps = sizeof inventory_steps / sizeof inventory_steps[0],
};

/*
 * What is secret in here (logs, the outbox) is sealed where there is a key. A loss of power may take the last seconds of
 * reports (NORMAL does not wait for the disk at each commit), but no message that was put (store_writer.c does wait then);
 * the end of the process takes nothing that was written.
 */
const struct store_schema store_reports_schema = {
	.what = "reports",
	.application_id = ID_REPORTS,
	.pragmas = "PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32768;"
		   "PRAGMA wal_autocheckpoint=0;" /* store_checkpoint.h */
		   "PRAGMA journal_size_limit=67108864;",
	.steps = reports_steps,
	.n_steps = sizeof reports_steps / sizeof reports_steps[0],
};
