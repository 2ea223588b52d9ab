/* What the file holds, told row by row before the threads begin; and logs, read at any time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/store/store_private.h"
#include "control/store/store_rows.h"

static int
stopped(const struct store_file *file, char error[STORE_ERROR_MAX])
{
	snprintf(error, STORE_ERROR_MAX, "%s: loading was stopped", file->path);
	return -ECANCELED;
}

/* The end of a loop over rows. */
static int
loaded(const struct store_file *file, int code, char error[STORE_ERROR_MAX])
{
	return code == SQLITE_DONE ? 0 : store_file_error(file, code, "read it", error);
}

static sqlite3_stmt *
prepare(const struct store_file *file, const char *sql, char error[STORE_ERROR_MAX])
{
	sqlite3_stmt *stmt = store_file_prepare(file, sql);

	if (!stmt)
		store_file_error(file, sqlite3_extended_errcode(file->db), "read it", error);
	return stmt;
}

static const char *
text_of(sqlite3_stmt *stmt, int column)
{
	return (const char *)sqlite3_column_text(stmt, column);
}

/* One look at the file for many statements: each alone would lock and unlock it. */
static void
begin_reading(const struct store_file *file)
{
	store_file_exec(file, "BEGIN");
}

static void
end_reading(const struct store_file *file)
{
	store_file_exec(file, "COMMIT");
}

/* ---- devices ---- */

/* Visits in order of devices, beside the devices themselves. */
struct visits {
	struct store *store;
	sqlite3_stmt *merged, *recent;
	bool any; /* `merged` stands on a row */
};

static void
device_removed(struct store *store, uint32_t device)
{
	store_writer_put(&store->writer,
			 &(struct journal_entry){ .kind = JOURNAL_REMOVED, .device = device },
			 &(struct journal_text){ 0 });
}

static void
take_visit(struct store_device *device, sqlite3_stmt *stmt)
{
	uint64_t last_ms = (uint64_t)sqlite3_column_int64(stmt, 1);

	if (last_ms < device->last_bootstrap_ms)
		return;
	device->last_bootstrap_ms = last_ms;
	device->format = (uint16_t)sqlite3_column_int(stmt, 2);
}

static int
next_visit(struct visits *visits)
{
	int code = sqlite3_step(visits->merged);

	visits->any = code == SQLITE_ROW;
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Visits of who is no device any more: the end of the process came between the two files. */
static int
skip_visits(struct visits *visits, uint32_t device)
{
	int code = SQLITE_OK;

	while (visits->any && sqlite3_column_int64(visits->merged, 0) < device &&
	       code == SQLITE_OK) {
		device_removed(visits->store, (uint32_t)sqlite3_column_int64(visits->merged, 0));
		code = next_visit(visits);
	}
	return code;
}

static int
find_visit(struct visits *visits, struct store_device *device)
{
	int64_t seq = recent_find(&visits->store->writer.recent, device->id, WRITER_VISIT);
	int code = skip_visits(visits, device->id);

	if (code != SQLITE_OK)
		return code;
	if (visits->any && sqlite3_column_int64(visits->merged, 0) == device->id)
		take_visit(device, visits->merged);
	if (!seq)
		return SQLITE_OK;
	sqlite3_bind_int64(visits->recent, 1, seq);
	code = sqlite3_step(visits->recent);
	if (code == SQLITE_ROW)
		take_visit(device, visits->recent);
	sqlite3_reset(visits->recent);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

struct device_loader {
	struct visits visits;
	bool (*each)(void *ctx, const struct store_device *);
	void *ctx;
	char *error;
};

static int
load_row(struct device_loader *loader, struct store_device *device)
{
	struct store *store = loader->visits.store;
	int code;

	if (id_set_add(&store->present, device->id) < 0)
		return store_file_error(&store->inventory, SQLITE_NOMEM, "read it", loader->error);
	code = find_visit(&loader->visits, device);
	if (code != SQLITE_OK)
		return store_file_error(&store->reports, code, "read it", loader->error);
	return loader->each(loader->ctx, device) ? 0 : stopped(&store->inventory, loader->error);
}

static int
load_rows(struct device_loader *loader, sqlite3_stmt *stmt)
{
	struct store *store = loader->visits.store;
	struct device_rows *rows = device_rows_begin(store, stmt);
	char error[STORE_ERROR_MAX];
	struct store_device *device;
	int result = 0, code;

	if (!rows)
		return store_file_error(&store->inventory, SQLITE_NOMEM, "read it", loader->error);
	while (!result && (device = device_rows_next(rows)))
		result = load_row(loader, device);
	code = device_rows_end(rows, error);
	store->present_known = !result && !code;
	if (!result && code)
		memcpy(loader->error, error, sizeof error);
	return result ? result : code;
}

int
store_load_devices(struct store *store, bool (*each)(void *ctx, const struct store_device *),
		   void *ctx, char error[STORE_ERROR_MAX])
{
	sqlite3_stmt *stmt = prepare(&store->inventory, "SELECT * FROM device ORDER BY id", error);
	struct device_loader loader = { { .store = store }, each, ctx, error };
	struct visits *visits = &loader.visits;
	int code = -EIO, sql;

	visits->merged = prepare(&store->reports, "SELECT * FROM visit ORDER BY device", error);
	visits->recent = prepare(&store->reports,
				 "SELECT device, finished_ms, summary FROM news WHERE seq = ?1", error);
	if (stmt && visits->merged && visits->recent) {
		begin_reading(&store->reports);
		sql = next_visit(visits);
		code = sql == SQLITE_OK ? load_rows(&loader, stmt) : 0;
		if (code == 0 && sql == SQLITE_OK)
			sql = skip_visits(visits, UINT32_MAX);
		if (sql != SQLITE_OK)
			code = store_file_error(&store->reports, sql, "read it", error);
	}
	sqlite3_finalize(stmt);
	sqlite3_finalize(visits->merged);
	sqlite3_finalize(visits->recent);
	end_reading(&store->reports);
	return code;
}

const char *
store_cluster(const struct store *store, uint64_t *revision)
{
	*revision = store->cluster_revision;
	return *store->cluster ? store->cluster : NULL;
}

uint32_t
store_next_device(const struct store *store)
{
	return store->next_device;
}

/* ---- tasks ---- */

int
store_load_tasks(struct store *store, bool (*each)(void *ctx, const struct store_task *), void *ctx,
		 char error[STORE_ERROR_MAX])
{
	const struct store_file *file = &store->reports;
	sqlite3_stmt *stmt = prepare(file, "SELECT * FROM task ORDER BY number", error);
	int code = SQLITE_DONE, result = 0;

	if (!stmt)
		return -EIO;
	while (!result && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct store_task task = { (uint32_t)sqlite3_column_int64(stmt, 0),
					   text_of(stmt, 1), text_of(stmt, 2) };

		if (!task.group || !task.name)
			result = store_file_error(file, SQLITE_CORRUPT, "read a task", error);
		else if (!each(ctx, &task))
			result = stopped(file, error);
	}
	if (!result)
		result = loaded(file, code, error);
	sqlite3_finalize(stmt);
	return result;
}

/* ---- reports ---- */

struct report_loader {
	struct store *store;
	bool (*each)(void *ctx, const struct store_report *);
	void *ctx;
	char *error;
};

static bool
skip_row(void *ctx, const struct store_device *device)
{
	return true;
}

/* Columns: status, started, finished, summary, member. Of a device that is gone: told to the writer. */
static int
tell_report(const struct report_loader *loader, struct store_report *report, sqlite3_stmt *stmt,
	    int column)
{
	struct store *store = loader->store;
	const struct summaries *summaries = &store->writer.summaries;
	int64_t id;

	if (!id_set_has(&store->present, report->device)) {
		if (!id_set_has(&store->writer.removed, report->device))
			device_removed(store, report->device);
		id_set_add(&store->writer.removed, report->device);
		return 0;
	}
	report->status = (uint8_t)sqlite3_column_int(stmt, column);
	report->started_ms = (uint64_t)sqlite3_column_int64(stmt, column + 1);
	report->finished_ms = (uint64_t)sqlite3_column_int64(stmt, column + 2);
	report->member = (uint32_t)sqlite3_column_int64(stmt, column + 4);
	if (report->status == STORE_REPORT_REMOVED)
		return 0;
	report->summary = NULL;
	if (sqlite3_column_type(stmt, column + 3) != SQLITE_INTEGER) {
		report->summary = text_of(stmt, column + 3);
	} else {
		id = sqlite3_column_int64(stmt, column + 3);
		if (id >= 1 && id <= summaries->count)
			report->summary = summaries->texts[id - 1];
	}
	if (!report->summary)
		return store_file_error(&store->reports, SQLITE_CORRUPT, "read a report",
					loader->error);
	return loader->each(loader->ctx, report) ? 0 : stopped(&store->reports, loader->error);
}

/* Those that are in their table, but for what newer entries of the journal replace. */
static int
load_merged(const struct report_loader *loader, sqlite3_stmt *stmt)
{
	const struct recent *recent = &loader->store->writer.recent;
	int code = SQLITE_DONE, result = 0;

	while (!result && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t place = sqlite3_column_int64(stmt, 0);
		struct store_report report = { .device = (uint32_t)(place >> 31),
					       .task = (uint32_t)(place & INT32_MAX) };

		if (!recent_find(recent, report.device, report.task))
			result = tell_report(loader, &report, stmt, 1);
	}
	return result ? result : loaded(&loader->store->reports, code, loader->error);
}

/* In the order they were written; of each device and task only the last. */
static int
load_recent(const struct report_loader *loader, sqlite3_stmt *stmt)
{
	const struct recent *recent = &loader->store->writer.recent;
	int code = SQLITE_DONE, result = 0;

	while (!result && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct store_report report = { .device = (uint32_t)sqlite3_column_int64(stmt, 1),
					       .task = (uint32_t)sqlite3_column_int64(stmt, 2) };

		if (recent_find(recent, report.device, report.task) ==
		    sqlite3_column_int64(stmt, 0))
			result = tell_report(loader, &report, stmt, 3);
	}
	return result ? result : loaded(&loader->store->reports, code, loader->error);
}

int
store_load_reports(struct store *store, bool (*each)(void *ctx, const struct store_report *),
		   void *ctx, char error[STORE_ERROR_MAX])
{
	struct report_loader loader = { store, each, ctx, error };
	const struct store_file *file = &store->reports;
	sqlite3_stmt *merged, *recent;
	int code = 0;

	if (!store->present_known)
		code = store_load_devices(store, skip_row, NULL, error);
	if (code < 0)
		return code;
	merged = prepare(file, "SELECT * FROM report ORDER BY place", error);
	recent = prepare(file, "SELECT * FROM news WHERE task IS NOT NULL ORDER BY seq", error);
	begin_reading(file);
	code = merged && recent ? load_merged(&loader, merged) : -EIO;
	if (code == 0)
		code = load_recent(&loader, recent);
	sqlite3_finalize(merged);
	sqlite3_finalize(recent);
	end_reading(file);
	return code;
}

/* ---- unknowns ---- */

int
store_load_unknowns(struct store *store, bool (*each)(void *ctx, const struct store_unknown *),
		    void *ctx, char error[STORE_ERROR_MAX])
{
	const struct store_file *file = &store->reports;
	sqlite3_stmt *stmt = prepare(file, "SELECT * FROM unknown ORDER BY last_ms", error);
	int code = SQLITE_DONE, result = 0;

	if (!stmt)
		return -EIO;
	while (!result && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct store_unknown unknown = {
			.name = sqlite3_column_blob(stmt, 0),
			.name_len = (size_t)sqlite3_column_bytes(stmt, 0),
			.address = text_of(stmt, 1),
			.first_ms = (uint64_t)sqlite3_column_int64(stmt, 2),
			.last_ms = (uint64_t)sqlite3_column_int64(stmt, 3),
			.count = (uint64_t)sqlite3_column_int64(stmt, 4),
			.over = (uint8_t)sqlite3_column_int(stmt, 5),
			.device = (uint32_t)sqlite3_column_int64(stmt, 6),
		};

		if (!each(ctx, &unknown))
			result = stopped(file, error);
	}
	if (!result)
		result = loaded(file, code, error);
	sqlite3_finalize(stmt);
	return result;
}

/* ---- notes ---- */

int
store_load_notes(struct store *store, const char *prefix,
		 bool (*each)(void *ctx, const char *name, const char *text), void *ctx,
		 char error[STORE_ERROR_MAX])
{
	const struct store_file *file = &store->reports;
	sqlite3_stmt *stmt =
		prepare(file,
			"SELECT substr(name, 6 + length(?1)), value FROM meta WHERE"
			" substr(name, 1, 5 + length(?1)) = 'note:' || ?1 ORDER BY name",
			error);
	int code = SQLITE_DONE, result = 0;

	if (!stmt)
		return -EIO;
	sqlite3_bind_text(stmt, 1, prefix, -1, SQLITE_STATIC);
	while (!result && (code = sqlite3_step(stmt)) == SQLITE_ROW)
		if (!each(ctx, text_of(stmt, 0), text_of(stmt, 1)))
			result = stopped(file, error);
	if (!result)
		result = loaded(file, code, error);
	sqlite3_finalize(stmt);
	return result;
}

/* ---- logs ---- */

char *
store_read_log(struct store *store, uint32_t task, uint32_t device)
{
	const struct seal_place where = { SEAL_LOG, (uint64_t)device << 31 | task };
	sqlite3_stmt *stmt = NULL;
	struct secrets_row row;
	char *log = NULL;
	size_t len;
	int result;

	/* A connection of its own: the writer's is in the middle of something. */
	if (!store->reader &&
	    sqlite3_open_v2(store->reports_path, &store->reader,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		sqlite3_close(store->reader);
		store->reader = NULL;
		return NULL;
	}
	sqlite3_prepare_v2(store->reader, "SELECT text, kek FROM report_log WHERE place = ?1", -1, &stmt,
			   NULL);
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, (int64_t)where.row);
		if (sqlite3_step(stmt) == SQLITE_ROW) {
			row = secrets_of_row(store->sealer, stmt, 1);
			log = secrets_read(store->sealer, &row, stmt, 0, &where, &len, &result);
		}
		if (log)
			log[len] = 0; /* there is room */
	}
	sqlite3_finalize(stmt);
	return log;
}
