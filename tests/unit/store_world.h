/*
 * store_world.h - a store in a folder of its own, and what it holds: what tests of the store share.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/inventory/setting_values.h"
#include "control/store/store_private.h"
#include "tests/unit/failing_disk.h"

enum { WAIT_MS = 20000, KEPT_MAX = 64 };

struct stored_report {
	struct store_report report;
	char summary[STORE_SUMMARY_MAX];
};

struct device_change_record {
	struct store_device device;
	char endpoint[256], identity[256], domain[256], groups[256];
	uint8_t values[256];
};

/* The first KEPT_MAX rows of each, as loaded. */
struct world {
	char folder[64], path[96], error[STORE_ERROR_MAX];
	struct store *store;
	struct device_change_record devices[KEPT_MAX];
	struct stored_report reports[KEPT_MAX];
	struct store_task tasks[KEPT_MAX];
	char task_names[KEPT_MAX][2][64];
	struct store_unknown unknowns[KEPT_MAX];
	char unknown_names[KEPT_MAX][2][64];
	uint32_t unknown_devices[KEPT_MAX]; /* of those that came as one */
	unsigned n_devices, n_reports, n_tasks, n_unknowns;
};

static inline bool
keep_device(void *ctx, const struct store_device *device)
{
	struct world *world = ctx;
	struct device_change_record *kept = &world->devices[world->n_devices++ % KEPT_MAX];

	kept->device = *device;
	snprintf(kept->endpoint, sizeof kept->endpoint, "%s", device->spec.endpoint);
	snprintf(kept->identity, sizeof kept->identity, "%s",
		 device->spec.identity ? device->spec.identity : "(none)");
	/* Any bytes: the text above ends at the first NUL. */
	if (device->spec.identity)
		memcpy(kept->identity, device->spec.identity, device->spec.identity_len + 1u);
	snprintf(kept->domain, sizeof kept->domain, "%s",
		 device->spec.domain ? device->spec.domain : "(none)");
	snprintf(kept->groups, sizeof kept->groups, "%s",
		 device->spec.groups ? device->spec.groups : "(none)");
	if (device->spec.values)
		memcpy(kept->values, device->spec.values, setting_values_size(device->spec.values));
	return true;
}

static inline bool
keep_report(void *ctx, const struct store_report *report)
{
	struct world *world = ctx;
	struct stored_report *kept = &world->reports[world->n_reports++ % KEPT_MAX];

	kept->report = *report;
	snprintf(kept->summary, sizeof kept->summary, "%s", report->summary);
	return true;
}

static inline bool
keep_task(void *ctx, const struct store_task *task)
{
	struct world *world = ctx;
	unsigned at = world->n_tasks++ % KEPT_MAX;

	world->tasks[at] = *task;
	snprintf(world->task_names[at][0], 64, "%s", task->group);
	snprintf(world->task_names[at][1], 64, "%s", task->name);
	return true;
}

static inline bool
keep_unknown(void *ctx, const struct store_unknown *unknown)
{
	struct world *world = ctx;
	unsigned at = world->n_unknowns++ % KEPT_MAX;

	world->unknowns[at] = *unknown;
	snprintf(world->unknown_names[at][0], 64, "%.*s", (int)unknown->name_len,
		 (const char *)unknown->name);
	snprintf(world->unknown_names[at][1], 64, "%s", unknown->address);
	world->unknown_devices[at] = unknown->over == UNKNOWN_OVER_DEVICE ? unknown->device : 0;
	return true;
}

static inline void
world_folder(struct world *world, const char *where)
{
	*world = (struct world){ 0 };
	snprintf(world->folder, sizeof world->folder, "%s/store-world-XXXXXX", where);
	cr_assert_not_null(mkdtemp(world->folder));
	snprintf(world->path, sizeof world->path, "%s/store.db", world->folder);
}

/* Opened, all loaded, not started. */
static inline void
world_load(struct world *world)
{
	world->n_devices = world->n_reports = world->n_tasks = world->n_unknowns = 0;
	world->store = store_open(world->path, world->error);
	cr_assert_not_null(world->store, "%s", world->error);
	cr_assert_eq(store_load_devices(world->store, keep_device, world, world->error), 0, "%s",
		     world->error);
	cr_assert_eq(store_load_tasks(world->store, keep_task, world, world->error), 0);
	cr_assert_eq(store_load_reports(world->store, keep_report, world, world->error), 0, "%s",
		     world->error);
	cr_assert_eq(store_load_unknowns(world->store, keep_unknown, world, world->error), 0);
}

static inline void
world_open(struct world *world)
{
	world_load(world);
	cr_assert_eq(store_start(world->store), 0);
}

static inline void
world_again(struct world *world)
{
	store_close(world->store);
	world_open(world);
}

static inline void
world_end(struct world *world)
{
	char command[128];

	store_close(world->store);
	snprintf(command, sizeof command, "rm -r %s", world->folder);
	cr_assert_eq(system(command), 0);
}

static inline void
world_flush(struct world *world)
{
	cr_assert_eq(store_flush(world->store, WAIT_MS, NULL, world->error), 0, "%s", world->error);
}

static inline struct store_device
device_named(uint32_t id, const char *endpoint)
{
	return (struct store_device){ .id = id,
				      .spec = { .endpoint = endpoint, .created_ms = 1000 } };
}

/* Devices first to end - 1, in one change. The commit's result. */
static inline int
world_put_devices(struct world *world, uint32_t first, uint32_t end)
{
	struct store_change *change = store_change_begin(world->store);

	cr_assert_not_null(change);
	for (uint32_t id = first; id < end; id++) {
		struct store_device device;
		char endpoint[32];

		snprintf(endpoint, sizeof endpoint, "dev-%u", id);
		device = device_named(id, endpoint);
		store_change_make_room(change, NULL);
		store_change_put_device(change, &device);
	}
	return store_change_commit(change, WAIT_MS, NULL, world->error);
}

static inline void
world_report(struct world *world, uint32_t device, uint8_t status, const char *summary)
{
	struct store_report report = { .device = device,
				       .task = 1,
				       .status = status,
				       .started_ms = 10,
				       .finished_ms = 20,
				       .summary = summary };

	store_put_report(world->store, &report);
}

/* Key-encryption keys, one for each letter; the first one seals. */
static inline struct keyring
world_keys(const char *order)
{
	struct keyring keyring = { 0 };

	for (; *order; order++) {
		memset(keyring.keks[keyring.n].key, *order, KEK_LEN);
		memset(keyring.keks[keyring.n].id, *order, KEK_ID_LEN);
		keyring.n++;
	}
	return keyring;
}

/* SQL on a file of the store by a connection of the test's own; SQLite's result. */
static inline int
world_sql(const struct world *world, const char *suffix, const char *sql)
{
	char path[128];
	sqlite3 *db;
	int code;

	snprintf(path, sizeof path, "%s%s", world->path, suffix);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	code = sqlite3_exec(db, sql, NULL, NULL, NULL);
	sqlite3_close(db);
	return code;
}

static inline int
number_of(const struct store_file *file, const char *sql)
{
	sqlite3_stmt *stmt = store_file_prepare(file, sql);
	int number = -1;

	if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return number;
}
