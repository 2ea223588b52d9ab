/* The store: what it refuses, what it keeps, and what it does on a disk that fails. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/store_world.h"

/* ---- what is refused ---- */

static void
write_file(const struct world *world, const void *bytes, size_t len)
{
	FILE *file = fopen(world->path, "w");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static void
expect_refused(struct world *world, const char *word)
{
	world->store = store_open(world->path, world->error);
	cr_expect_null(world->store);
	cr_expect(strstr(world->error, world->path) == world->error, "%s", world->error);
	cr_expect_not_null(strstr(world->error, word), "%s", world->error);
}

Test(store, a_file_that_is_no_store_is_refused_and_stays_as_it_is)
{
	static const char text[] = "devices = ( { endpoint = \"dev-1\"; } );\n# no SQLite file\n";
	char back[sizeof text] = "";
	struct world world;
	FILE *file;

	world_folder(&world, "/tmp");
	write_file(&world, text, sizeof text);
	expect_refused(&world, "no SQLite file");
	file = fopen(world.path, "r");
	cr_assert_eq(fread(back, 1, sizeof back, file), sizeof back);
	fclose(file);
	cr_expect_str_eq(back, text);
	world_end(&world);
}

Test(store, a_foreign_sqlite_file_is_refused)
{
	struct world world;
	struct stat stats;

	world_folder(&world, "/tmp");
	cr_assert_eq(world_sql(&world, "", "CREATE TABLE song (title TEXT)"), SQLITE_OK);
	cr_assert_eq(chmod(world.path, 0644), 0);
	expect_refused(&world, "not an inventory of this program");
	cr_assert_eq(stat(world.path, &stats), 0);
	cr_expect_eq(stats.st_mode & 0777, 0644);
	cr_assert_eq(world_sql(&world, "", "INSERT INTO song VALUES ('still mine')"), SQLITE_OK);
	world_end(&world);
}

Test(store, reports_in_place_of_the_inventory_are_refused)
{
	struct world world;
	char reports[128];

	world_folder(&world, "/tmp");
	world_open(&world);
	store_close(world.store);
	snprintf(reports, sizeof reports, "%s-reports", world.path);
	cr_assert_eq(rename(reports, world.path), 0);
	expect_refused(&world, "not an inventory of this program");
	world_end(&world);
}

Test(store, a_newer_schema_is_refused)
{
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	store_close(world.store);
	cr_assert_eq(world_sql(&world, "", "PRAGMA user_version = 99"), SQLITE_OK);
	expect_refused(&world, "newer version");
	cr_assert_eq(world_sql(&world, "", "PRAGMA user_version = 3"), SQLITE_OK);
	cr_assert_eq(world_sql(&world, "-reports", "PRAGMA user_version = 99"), SQLITE_OK);
	expect_refused(&world, "newer version");
	world_end(&world);
}

Test(store, a_folder_that_is_not_there_is_said)
{
	struct world world;

	world_folder(&world, "/tmp");
	snprintf(world.path, sizeof world.path, "%s/none/none/store.db", world.folder);
	expect_refused(&world, "check that the folder exists");
	world_end(&world);
}

Test(store, its_folder_is_made_for_its_owner_alone)
{
	struct world world;
	struct stat stat_of;
	char folder[80];

	world_folder(&world, "/tmp");
	snprintf(folder, sizeof folder, "%s/made", world.folder);
	snprintf(world.path, sizeof world.path, "%s/store.db", folder);
	world_open(&world);
	cr_expect_eq(stat(folder, &stat_of), 0);
	cr_expect_eq(stat_of.st_mode & 0777, 0700);
	world_end(&world);
}

Test(store, a_folder_in_place_of_the_file_is_said)
{
	struct world world;

	world_folder(&world, "/tmp");
	cr_assert_eq(mkdir(world.path, 0700), 0);
	expect_refused(&world, "cannot open it");
	world_end(&world);
}

/* Bytes of the middle of the file are overwritten: the header is still ours. */
Test(store, a_damaged_file_is_said_when_it_is_read_and_not_overwritten)
{
	char garbage[4096];
	struct world world;
	int fd, code;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 2000), 0, "%s", world.error);
	store_close(world.store);
	memset(garbage, 0xa5, sizeof garbage);
	fd = open(world.path, O_RDWR);
	for (unsigned page = 3; page < 20; page++)
		cr_assert_eq(pwrite(fd, garbage, sizeof garbage, page * 4096), 4096);
	world.store = store_open(world.path, world.error);
	cr_assert_not_null(world.store, "%s", world.error);
	code = store_load_devices(world.store, keep_device, &world, world.error);
	cr_expect_eq(code, -EBADMSG);
	cr_expect_not_null(strstr(world.error, "damaged; put back a copy"), "%s", world.error);
	cr_assert_eq(pread(fd, garbage, sizeof garbage, 3 * 4096), 4096);
	cr_expect_eq((uint8_t)garbage[77], 0xa5);
	close(fd);
	world_end(&world);
}

Test(store, a_device_that_no_program_of_ours_wrote_is_said)
{
	static const char *const rows[] = {
		"INSERT INTO device VALUES (1, 'd', NULL, zeroblob(65), 0, NULL, NULL, NULL, 1, 0, "
		"0, NULL, 0)",
		"INSERT INTO device VALUES (1, 'd', NULL, NULL, 0, NULL, NULL, x'0101', 1, 0, 0, NULL, 0)",
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct world world;

		world_folder(&world, "/tmp");
		world_open(&world);
		store_close(world.store);
		cr_assert_eq(world_sql(&world, "", rows[i]), SQLITE_OK);
		world.store = store_open(world.path, world.error);
		cr_expect_eq(store_load_devices(world.store, keep_device, &world, world.error),
			     -EBADMSG);
		cr_expect_not_null(strstr(world.error, "cannot read a device"), "%s", world.error);
		world_end(&world);
	}
}

Test(store, a_second_store_on_the_file_is_refused)
{
	char error[STORE_ERROR_MAX], pid[32];
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_expect_null(store_open(world.path, error));
	snprintf(pid, sizeof pid, "process %ld;", (long)getpid());
	cr_expect_not_null(strstr(error, pid), "%s", error);
	cr_expect_eq(world_put_devices(&world, 0, 1), 0, "%s", world.error);
	world_end(&world);
}

Test(store, no_change_before_the_start_nor_two_at_once)
{
	struct store_change *change;
	struct world world;

	world_folder(&world, "/tmp");
	world_load(&world);
	cr_expect_null(store_change_begin(world.store));
	cr_assert_eq(store_start(world.store), 0);
	change = store_change_begin(world.store);
	cr_assert_not_null(change);
	cr_expect_null(store_change_begin(world.store));
	store_change_rollback(change);
	cr_expect_eq(world_put_devices(&world, 0, 1), 0);
	world_end(&world);
}

/* ---- schema ---- */

static const char *const test_steps[] = {
	"CREATE TABLE a (x); INSERT INTO a VALUES (41);",
	"UPDATE a SET x = x + 1; ALTER TABLE a ADD COLUMN y;",
	"CREATE TABLE a (x);", /* there is one: this step fails */
};

static int
open_version(const struct world *world, int steps, struct store_file *file, char *error)
{
	static struct store_schema schema;

	schema = (struct store_schema){ "test", 77, "PRAGMA synchronous=OFF", test_steps, steps };
	return store_file_open(file, world->path, &schema, error);
}

static int
number_of(const struct store_file *file, const char *sql)
{
	sqlite3_stmt *stmt = store_file_prepare(file, sql);
	int number = -1;

	if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return number;
}

Test(store, an_older_schema_is_migrated_step_by_step)
{
	struct store_file file;
	struct world world;

	world_folder(&world, "/tmp");
	cr_assert_eq(open_version(&world, 1, &file, world.error), 0, "%s", world.error);
	cr_expect_eq(number_of(&file, "SELECT x FROM a"), 41);
	store_file_close(&file);
	for (unsigned again = 0; again < 2; again++) {
		cr_assert_eq(open_version(&world, 2, &file, world.error), 0, "%s", world.error);
		cr_expect_eq(number_of(&file, "SELECT x FROM a WHERE y IS NULL"), 42);
		cr_expect_eq(number_of(&file, "PRAGMA user_version"), 2);
		store_file_close(&file);
	}
	cr_expect(open_version(&world, 1, &file, world.error) < 0);
	world_end(&world);
}

/* Devices of version 0.1.0 had no such column, and their keys are of use over DTLS alone. */
Test(store, devices_of_the_first_schema_are_not_served_over_nosec)
{
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0, "%s", world.error);
	store_close(world.store);
	cr_assert_eq(world_sql(&world, "", "ALTER TABLE device DROP COLUMN nosec;"
					   "PRAGMA user_version = 2"),
		     SQLITE_OK);
	world_load(&world);
	cr_assert_eq(world.n_devices, 1);
	cr_expect_not(world.devices[0].device.spec.nosec);
	world_end(&world);
}

Test(store, a_migration_that_fails_changes_nothing)
{
	struct store_file file;
	struct world world;

	world_folder(&world, "/tmp");
	cr_assert_eq(open_version(&world, 1, &file, world.error), 0);
	store_file_close(&file);
	cr_expect(open_version(&world, 3, &file, world.error) < 0);
	cr_expect_not_null(strstr(world.error, "bring it to the new schema"), "%s", world.error);
	cr_assert_eq(open_version(&world, 1, &file, world.error), 0, "%s", world.error);
	cr_expect_eq(number_of(&file, "SELECT x FROM a"), 41);
	store_file_close(&file);
	world_end(&world);
}

/* ---- what is kept ---- */

Test(store, the_files_are_private)
{
	static const char *const suffixes[] = { "",         "-wal",         "-shm",        ".lock",
						"-reports", "-reports-wal", "-reports-shm" };
	struct world world;
	mode_t mask = umask(0);

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0);
	world_report(&world, 0, 1, "s");
	world_flush(&world);
	for (unsigned i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		struct stat stats;
		char path[128];

		snprintf(path, sizeof path, "%s%s", world.path, suffixes[i]);
		cr_assert_eq(stat(path, &stats), 0, "%s", path);
		cr_expect_eq(stats.st_mode & 0777, 0600, "%s is %o", path, stats.st_mode);
	}
	umask(mask);
	world_end(&world);
}

Test(store, an_identity_of_any_bytes_comes_back)
{
	struct store_device device = device_named(3, "odd");
	struct store_change *change;
	struct world world;

	device.spec.identity = "\xff\xfe\0\1";
	device.spec.identity_len = 4;
	world_folder(&world, "/tmp");
	world_open(&world);
	change = store_change_begin(world.store);
	store_change_put_device(change, &device);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	world_again(&world);
	cr_assert_eq(world.n_devices, 1);
	cr_expect_eq(world.devices[0].device.spec.identity_len, 4);
	cr_expect_eq(memcmp(world.devices[0].identity, "\xff\xfe\0\1", 4), 0);
	world_end(&world);
}

Test(store, a_device_comes_back_with_all_it_has)
{
	struct setting_value value = {
		.name = "password", .text = "pw", .name_len = 8, .text_len = 2, .secret = true
	};
	struct store_device bare = device_named(7, "b\xc3\xa4r"), full = device_named(9, "full");
	struct store_change *change;
	struct device_change_record *kept;
	struct world world;
	uint8_t *values = NULL;

	cr_assert_eq(setting_values_set(&values, &value), 0);
	full.spec.identity = "id-9";
	full.spec.domain = "example.org";
	full.spec.groups = "root.a,root.b";
	full.spec.values = values;
	full.spec.key_len = DTLS_KEY_MAX;
	memset(full.spec.key, 0, DTLS_KEY_MAX);
	full.spec.key[63] = 0xfe;
	full.spec.key_is_hex = true;
	full.last_bootstrap_ms = 1764000000123;
	full.format = 11542;
	world_folder(&world, "/tmp");
	world_open(&world);
	cr_expect_eq(store_next_device(world.store), 0);
	change = store_change_begin(world.store);
	store_change_put_device(change, &full);
	store_change_put_device(change, &bare);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	world_again(&world);
	cr_expect_eq(store_next_device(world.store), 10);
	cr_assert_eq(world.n_devices, 2);
	kept = &world.devices[0];
	cr_expect_eq(kept->device.id, 7);
	cr_expect_str_eq(kept->endpoint, "b\xc3\xa4r");
	cr_expect_str_eq(kept->identity, "(none)");
	cr_expect_str_eq(kept->domain, "(none)");
	cr_expect_str_eq(kept->groups, "(none)");
	cr_expect_eq(kept->device.spec.key_len, 0);
	cr_expect_null(kept->device.spec.values);
	cr_expect_eq(kept->device.spec.created_ms, 1000);
	kept = &world.devices[1];
	cr_expect_eq(kept->device.id, 9);
	cr_expect_str_eq(kept->identity, "id-9");
	cr_expect_str_eq(kept->domain, "example.org");
	cr_expect_str_eq(kept->groups, "root.a,root.b");
	cr_expect_eq(kept->device.spec.key_len, DTLS_KEY_MAX);
	cr_expect_eq(kept->device.spec.key[63], 0xfe);
	cr_expect(kept->device.spec.key_is_hex);
	cr_expect_eq(memcmp(kept->values, values, setting_values_size(values)), 0);
	cr_expect_eq(kept->device.last_bootstrap_ms, 1764000000123);
	cr_expect_eq(kept->device.format, 11542);
	setting_values_free(values);
	world_end(&world);
}

Test(store, a_number_is_not_given_again)
{
	struct store_change *change;
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 5), 0);
	change = store_change_begin(world.store);
	store_change_remove_device(change, 4);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	world_again(&world);
	cr_expect_eq(world.n_devices, 4);
	cr_expect_eq(store_next_device(world.store), 5);
	world_end(&world);
}

Test(store, what_is_rolled_back_was_never_there)
{
	struct store_device device = device_named(3, "dev-3");
	struct store_change *change;
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 2), 0);
	world_report(&world, 0, 1, "kept");
	change = store_change_begin(world.store);
	store_change_put_device(change, &device);
	store_change_remove_device(change, 0);
	store_change_rollback(change);
	world_again(&world);
	cr_expect_eq(world.n_devices, 2);
	cr_expect_eq(world.n_reports, 1);
	/* Open at the end: rolled back, too. */
	change = store_change_begin(world.store);
	store_change_remove_device(change, 1);
	world_again(&world);
	cr_expect_eq(world.n_devices, 2);
	world_end(&world);
}

/* Its thread is interrupted wherever it is, but for the rolling back itself. */
Test(store, a_rollback_at_any_moment_leaves_no_trace_and_the_next_change_works)
{
	enum { ROLLBACKS = 300 };
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	for (unsigned round = 0; round < ROLLBACKS; round++) {
		struct store_change *change = store_change_begin(world.store);

		cr_assert_not_null(change);
		for (unsigned i = 0; i < round * 7; i++) {
			char name[32];
			struct store_device device;

			snprintf(name, sizeof name, "undone-%u", i);
			device = device_named(1000 + i, name);
			store_change_put_device(change, &device);
		}
		store_change_rollback(change);
		if (round % 10 == 0)
			cr_assert_eq(world_put_devices(&world, round / 10, round / 10 + 1), 0,
				     "round %u: %s", round, world.error);
	}
	world_again(&world);
	cr_expect_eq(world.n_devices, ROLLBACKS / 10, "%u", world.n_devices);
	world_end(&world);
}

/* More than the queue holds at once: put waits for room. */
Test(store, an_import_of_any_length_is_one_change)
{
	enum { MANY = 100000 };
	struct world world;
	struct store_info info;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, MANY), 0, "%s", world.error);
	world_again(&world);
	cr_expect_eq(world.n_devices, MANY);
	cr_expect_eq(store_next_device(world.store), MANY);
	store_info(world.store, &info);
	cr_expect(info.healthy);
	cr_expect_gt(info.bytes, MANY * 16);
	world_end(&world);
}

Test(store, tasks_reports_visits_and_unknown_devices_come_back)
{
	struct store_unknown unknowns[] = {
		{ (const uint8_t *)"late", 4, "[2001:2::2]:5683", 1, 90, 3 },
		{ (const uint8_t *)"early\0x", 7, "198.18.0.2:5683", 1, 50, 1 },
	};
	struct store_task task = { 1, "root.a", "first" };
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 3), 0);
	store_put_task(world.store, &task);
	world_report(&world, 2, 3, "PUT /0/2 answered 4.00 Bad Request");
	store_put_visit(world.store, 1, 777, 112);
	store_put_unknown(world.store, &unknowns[0]);
	store_put_unknown(world.store, &unknowns[1]);
	world_again(&world);
	cr_assert_eq(world.n_tasks, 1);
	cr_expect_eq(world.tasks[0].number, 1);
	cr_expect_str_eq(world.task_names[0][0], "root.a");
	cr_expect_str_eq(world.task_names[0][1], "first");
	cr_assert_eq(world.n_reports, 1);
	cr_expect_eq(world.reports[0].report.device, 2);
	cr_expect_eq(world.reports[0].report.task, 1);
	cr_expect_eq(world.reports[0].report.status, 3);
	cr_expect_eq(world.reports[0].report.started_ms, 10);
	cr_expect_eq(world.reports[0].report.finished_ms, 20);
	cr_expect_str_eq(world.reports[0].summary, "PUT /0/2 answered 4.00 Bad Request");
	cr_expect_eq(world.devices[1].device.last_bootstrap_ms, 777);
	cr_expect_eq(world.devices[1].device.format, 112);
	cr_expect_eq(world.devices[0].device.last_bootstrap_ms, 0);
	cr_assert_eq(world.n_unknowns, 2);
	cr_expect_eq(world.unknowns[0].name_len, 7);
	cr_expect_str_eq(world.unknown_names[1][0], "late");
	cr_expect_str_eq(world.unknown_names[1][1], "[2001:2::2]:5683");
	cr_expect_eq(world.unknowns[1].count, 3);
	world_end(&world);
}

Test(store, of_many_reports_the_last_counts)
{
	struct world world;
	struct store_info info;
	char summary[32];

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 10), 0);
	for (unsigned round = 0; round < 500; round++)
		for (uint32_t device = 0; device < 10; device++) {
			snprintf(summary, sizeof summary, "round %u", round);
			world_report(&world, device, 2, summary);
		}
	world_flush(&world);
	store_info(world.store, &info);
	cr_expect_eq(info.written, 5000 + 1, "and the serial of the change");
	cr_expect_eq(info.queued, 0);
	cr_expect_eq(world.store->writer.recent.count, 10);
	world_again(&world);
	cr_assert_eq(world.n_reports, 10);
	for (unsigned i = 0; i < 10; i++)
		cr_expect_str_eq(world.reports[i].summary, "round 499");
	world_end(&world);
}

/* Small tables of recent news: what is loaded has gone through the merge, or half of it. */
Test(store, merging_loses_and_revives_nothing)
{
	enum { FEW = 40, ROUNDS = 300 };
	struct world world;
	char summary[32];

	world_folder(&world, "/tmp");
	world_load(&world);
	world.store->writer.merge_at = 16;
	world.store->writer.summaries.room = 3;
	cr_assert_eq(store_start(world.store), 0);
	cr_assert_eq(world_put_devices(&world, 0, FEW), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (uint32_t device = 0; device < FEW; device++) {
			snprintf(summary, sizeof summary, "%u of %u", round, device % 7);
			world_report(&world, device, (uint8_t)(round % 4), summary);
			store_put_visit(world.store, device, round, 60);
		}
		if (round % 100 == 99)
			world_report(&world, 5, STORE_REPORT_REMOVED, "");
		world_flush(&world);
	}
	world_again(&world);
	cr_assert_eq(world.n_reports, FEW - 1);
	for (unsigned i = 0; i < FEW - 1; i++) {
		const struct stored_report *kept = &world.reports[i];

		snprintf(summary, sizeof summary, "299 of %u", kept->report.device % 7);
		cr_expect_str_eq(kept->summary, summary);
		cr_expect_neq(kept->report.device, 5);
	}
	for (unsigned i = 0; i < FEW; i++)
		cr_expect_eq(world.devices[i].device.last_bootstrap_ms, ROUNDS - 1);
	world_end(&world);
}

/* The journal's rows count, not how many devices they are of: a few that come again and again must not fill the disk. */
Test(store, a_few_devices_that_come_often_leave_a_short_journal)
{
	enum { FEW = 10, ROUNDS = 200, MERGE_AT = 64 };
	struct world world;

	world_folder(&world, "/tmp");
	world_load(&world);
	world.store->writer.merge_at = MERGE_AT;
	cr_assert_eq(store_start(world.store), 0);
	cr_assert_eq(world_put_devices(&world, 0, FEW), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (uint32_t device = 0; device < FEW; device++)
			world_report(&world, device, 2, "again");
		world_flush(&world);
	}
	store_close(world.store);
	world.store = store_open(world.path, world.error);
	cr_expect_lt(number_of(&world.store->reports, "SELECT count(*) FROM news"), 2 * MERGE_AT);
	cr_expect_eq(number_of(&world.store->reports, "SELECT count(*) FROM report"), FEW);
	world_again(&world);
	cr_expect_eq(world.n_reports, FEW);
	world_end(&world);
}

Test(store, a_removed_device_takes_its_reports_along)
{
	struct store_change *change;
	struct world world;
	char *log;

	world_folder(&world, "/tmp");
	world_load(&world);
	world.store->writer.merge_at = 4;
	cr_assert_eq(store_start(world.store), 0);
	cr_assert_eq(world_put_devices(&world, 0, 10), 0);
	for (uint32_t device = 0; device < 10; device++) {
		struct store_report report = {
			.device = device, .task = 1, .summary = "s", .log = "a line"
		};

		store_put_report(world.store, &report);
		store_put_visit(world.store, device, 5, 0);
	}
	change = store_change_begin(world.store);
	store_change_remove_device(change, 3);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	world_report(&world, 3, 1, "a session that outlived its device");
	store_put_visit(world.store, 3, 6, 0);
	world_flush(&world);
	log = store_read_log(world.store, 1, 2);
	cr_expect_str_eq(log ? log : "", "a line");
	free(log);
	cr_expect_null(store_read_log(world.store, 1, 3));
	/* Enough news for several merges more. */
	for (unsigned round = 0; round < 20; round++) {
		for (uint32_t device = 4; device < 10; device++)
			world_report(&world, device, 1, "s");
		world_flush(&world);
	}
	store_close(world.store);
	world.store = store_open(world.path, world.error);
	cr_expect_gt(number_of(&world.store->reports, "SELECT count(*) FROM report"), 0);
	cr_expect_eq(number_of(&world.store->reports,
			       "SELECT count(*) FROM report WHERE place >> 31 = 3"),
		     0);
	cr_expect_eq(
		number_of(&world.store->reports, "SELECT count(*) FROM visit WHERE device = 3"), 0);
	world_again(&world);
	cr_expect_eq(world.n_devices, 9);
	cr_expect_eq(world.n_reports, 9);
	for (unsigned i = 0; i < 9; i++)
		cr_expect_neq(world.reports[i].report.device, 3);
	world_end(&world);
}

/* The process ended between the inventory's file and that of reports. */
Test(store, reports_without_a_device_are_left_out_and_removed)
{
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 3), 0);
	for (uint32_t device = 0; device < 3; device++) {
		world_report(&world, device, 1, "s");
		store_put_visit(world.store, device, 5, 0);
	}
	store_close(world.store);
	cr_assert_eq(world_sql(&world, "", "DELETE FROM device WHERE id = 1"), SQLITE_OK);
	cr_assert_eq(world_sql(&world, "-reports",
			       "INSERT INTO report VALUES ((8 << 31) | 1, 1, 1, 1, 'orphan');"
			       "INSERT INTO visit VALUES (8, 5, 0);"),
		     SQLITE_OK);
	world_open(&world);
	cr_expect_eq(world.n_devices, 2);
	cr_expect_eq(world.n_reports, 2);
	world_flush(&world);
	cr_expect_eq(number_of(&world.store->reports, "SELECT count(*) FROM visit"), 0);
	store_close(world.store);
	world.store = NULL;
	cr_assert_eq(world_sql(&world, "-reports",
			       "CREATE TABLE one (n); INSERT INTO one SELECT 1 FROM report;"),
		     SQLITE_OK);
	world_load(&world);
	cr_expect_eq(number_of(&world.store->reports, "SELECT count(*) FROM one"), 0);
	world_end(&world);
}

Test(store, a_log_is_kept_until_a_report_without_one)
{
	struct store_report report = { .task = 1, .summary = "s", .log = "first\nsecond" };
	struct world world;
	char *log;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0);
	cr_expect_null(store_read_log(world.store, 1, 0));
	store_put_report(world.store, &report);
	world_again(&world);
	log = store_read_log(world.store, 1, 0);
	cr_expect_str_eq(log ? log : "", "first\nsecond");
	free(log);
	report.log = NULL;
	store_put_report(world.store, &report);
	world_flush(&world);
	cr_expect_null(store_read_log(world.store, 1, 0));
	world_end(&world);
}

static void
put_in_place(const char *path, unsigned kind)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	switch (kind) {
	case 0:
		cr_assert_eq(mkfifo(path, 0600), 0);
		break;
	case 1:
		cr_assert_eq(mkdir(path, 0700), 0);
		break;
	case 2:
		cr_assert_eq(symlink("/dev/zero", path), 0);
		break;
	default:
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
		cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
		close(fd);
	}
}

/* A start must not hang on what somebody put in place of a file; it says which one it is. */
Test(store, what_is_no_file_in_place_of_one_is_refused)
{
	static const char *const suffixes[] = { "",     ".lock",    "-wal",
						 "-shm", "-reports", "-reports-wal" };

	for (unsigned kind = 0; kind < 4; kind++)
		for (unsigned i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
			struct world world;
			char path[128];

			world_folder(&world, "/tmp");
			snprintf(path, sizeof path, "%s%s", world.path, suffixes[i]);
			put_in_place(path, kind);
			world.store = store_open(world.path, world.error);
			cr_expect_null(world.store, "%u %s", kind, suffixes[i]);
			cr_expect(world.store || strstr(world.error, suffixes[i]), "%u %s: %s",
				  kind, suffixes[i], world.error);
			world_end(&world);
		}
}

Test(store, unknown_devices_are_forgotten_when_adopted_or_too_many)
{
	struct store_change *change;
	struct world world;
	char name[16];

	world_folder(&world, "/tmp");
	world_open(&world);
	for (unsigned i = 0; i < 10; i++) {
		struct store_unknown unknown = { (const uint8_t *)name, 3,     "a", 1, 100 + i, 1,
						 UNKNOWN_OVER_DEVICE,   40 + i };

		snprintf(name, sizeof name, "u-%u", i);
		store_put_unknown(world.store, &unknown);
	}
	store_keep_unknowns(world.store, 4);
	change = store_change_begin(world.store);
	store_change_remove_unknown(change, (const uint8_t *)"u-7", 3);
	store_change_rollback(change);
	change = store_change_begin(world.store);
	store_change_remove_unknown(change, (const uint8_t *)"u-8", 3);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	world_again(&world);
	cr_assert_eq(world.n_unknowns, 3);
	cr_expect_str_eq(world.unknown_names[0][0], "u-6");
	cr_expect_str_eq(world.unknown_names[1][0], "u-7");
	cr_expect_str_eq(world.unknown_names[2][0], "u-9");
	cr_expect_eq(world.unknown_devices[2], 49);
	world_end(&world);
}

static bool
any_file_has(const struct world *world, const uint8_t *key, size_t len)
{
	static const char *const suffixes[] = { "", "-wal", "-reports", "-reports-wal" };
	bool has = false;

	for (unsigned i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		static uint8_t bytes[1 << 20];
		char path[128];
		FILE *file;
		size_t n;

		snprintf(path, sizeof path, "%s%s", world->path, suffixes[i]);
		file = fopen(path, "r");
		if (!file)
			continue;
		n = fread(bytes, 1, sizeof bytes, file);
		has |= memmem(bytes, n, key, len) != NULL;
		fclose(file);
	}
	return has;
}

/* Reading a database's file by other means drops this process's locks on it: nobody else is there. */
Test(store, a_removed_key_stays_in_no_file)
{
	struct store_device device = device_named(0, "dev-0");
	struct store_change *change;
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	memset(device.spec.key, 0x5a, 32);
	device.spec.key_len = 32;
	change = store_change_begin(world.store);
	store_change_put_device(change, &device);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	cr_expect(any_file_has(&world, device.spec.key, 32));
	change = store_change_begin(world.store);
	store_change_remove_device(change, 0);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	while (any_file_has(&world, device.spec.key, 32))
		usleep(10000);
	world_end(&world);
}

/* A copy that is made meanwhile reads the log: what could not be emptied then is emptied later. */
Test(store, a_removed_key_that_somebody_reads_goes_once_they_end)
{
	struct store_device device = device_named(0, "dev-0");
	struct store_change *change;
	struct world world;
	sqlite3 *reader;

	world_folder(&world, "/tmp");
	world_open(&world);
	memset(device.spec.key, 0x5b, 32);
	device.spec.key_len = 32;
	change = store_change_begin(world.store);
	store_change_put_device(change, &device);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	cr_assert_eq(sqlite3_open(world.path, &reader), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(reader, "BEGIN; SELECT * FROM device", NULL, NULL, NULL),
		     SQLITE_OK);
	change = store_change_begin(world.store);
	store_change_remove_device(change, 0);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	for (unsigned scrubs = 0; !scrubs; usleep(10000)) {
		pthread_mutex_lock(&world.store->change.lock);
		scrubs = world.store->change.scrubs;
		pthread_mutex_unlock(&world.store->change.lock);
	}
	sqlite3_close(reader);
	while (any_file_has(&world, device.spec.key, 32))
		usleep(10000);
	world_end(&world);
}

static bool
stop_at_second(void *ctx, const struct store_device *device)
{
	return ++*(unsigned *)ctx < 2;
}

Test(store, loading_stops_when_told)
{
	struct world world;
	unsigned seen = 0;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 5), 0);
	store_close(world.store);
	world.store = store_open(world.path, world.error);
	cr_expect_eq(store_load_devices(world.store, stop_at_second, &seen, world.error),
		     -ECANCELED);
	cr_expect_eq(seen, 2);
	world_end(&world);
}

struct order {
	unsigned seen, stop_at; /* 0: never */
	uint32_t last;
};

static bool
note_order(void *ctx, const struct store_device *device)
{
	struct order *order = ctx;
	char endpoint[32];

	cr_assert(device->id > order->last || order->seen == 0);
	snprintf(endpoint, sizeof endpoint, "%s", device->spec.endpoint);
	cr_assert_gt(strlen(endpoint), 0);
	order->last = device->id;
	return ++order->seen != order->stop_at;
}

/* Rows are read ahead in batches by a thread: whatever its place, the caller may stop, and none is told twice or left out. */
Test(store, loading_tells_all_in_order_and_stops_at_any)
{
	static const unsigned stops[] = { 1, 511, 512, 513, 1024, 1299, 1300 };
	struct order order = { 0 };
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1300), 0);
	store_close(world.store);
	world.store = store_open(world.path, world.error);
	for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
		order = (struct order){ .stop_at = stops[i] };
		cr_expect_eq(store_load_devices(world.store, note_order, &order, world.error),
			     -ECANCELED);
		cr_expect_eq(order.seen, stops[i]);
	}
	order = (struct order){ 0 };
	cr_expect_eq(store_load_devices(world.store, note_order, &order, world.error), 0);
	cr_expect_eq(order.seen, 1300);
	world_end(&world);
}

/* ---- a disk that fails ---- */

static void
wait_until_failing(struct world *world)
{
	struct store_info info;

	for (store_info(world->store, &info); info.healthy; store_info(world->store, &info))
		usleep(1000);
}

static void
wait_until_healthy(struct world *world)
{
	struct store_info info;

	for (store_info(world->store, &info); !info.healthy; store_info(world->store, &info))
		usleep(1000);
}

static void
expect_recovery(struct world *world)
{
	struct store_info info;

	world_flush(world);
	wait_until_healthy(world);
	store_info(world->store, &info);
	cr_expect_eq(info.queued, 0);
	cr_expect_eq(world_put_devices(world, 5, 6), 0, "%s", world->error);
}

Test(store, a_disk_that_fails_loses_nothing_and_needs_no_restart)
{
	static const struct {
		int write_error, result;
		const char *word;
	} cases[] = {
		{ SQLITE_FULL, -ENOSPC, "file system is full" },
		{ SQLITE_IOERR_WRITE, -EIO, "its disk answers with an error" },
		{ SQLITE_READONLY, -EROFS, "may not be written" },
	};

	disk_insert();
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct store_info info;
		struct world world;

		world_folder(&world, "/tmp");
		world_open(&world);
		cr_assert_eq(world_put_devices(&world, 0, 5), 0);
		world_flush(&world); /* the serial of the change */
		atomic_store(&disk.write_error, cases[i].write_error);
		world_report(&world, 1, 2, "waits for the disk");
		wait_until_failing(&world);
		world_report(&world, 2, 2, "waits behind it");
		store_info(world.store, &info);
		cr_expect_not_null(strstr(info.error, cases[i].word), "%s", info.error);
		cr_expect_eq(info.queued, 2);
		cr_expect_gt(info.failing_since_ms, 0);
		cr_expect_eq(store_flush(world.store, 20, NULL, world.error), cases[i].result);
		cr_expect_eq(world_put_devices(&world, 7, 8), cases[i].result);
		cr_expect_not_null(strstr(world.error, cases[i].word), "%s", world.error);
		atomic_store(&disk.write_error, 0);
		expect_recovery(&world);
		world_again(&world);
		cr_expect_eq(world.n_devices, 6);
		cr_expect_eq(world.devices[5].device.id, 5);
		cr_expect_eq(world.n_reports, 2);
		world_end(&world);
	}
}

Test(store, the_inventory_is_healthy_again_without_a_change)
{
	struct store_info info;
	struct world world;

	disk_insert();
	world_folder(&world, "/tmp");
	world_open(&world);
	atomic_store(&disk.write_error, SQLITE_FULL);
	cr_expect_eq(world_put_devices(&world, 0, 1), -ENOSPC);
	store_info(world.store, &info);
	cr_expect_not(info.healthy);
	atomic_store(&disk.write_error, 0);
	wait_until_healthy(&world);
	world_again(&world);
	cr_expect_eq(world.n_devices, 0);
	world_end(&world);
}

Test(store, the_end_does_not_wait_for_a_disk_that_fails)
{
	struct world world;

	disk_insert();
	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0);
	world_report(&world, 0, 1, "written");
	world_flush(&world);
	atomic_store(&disk.write_error, SQLITE_FULL);
	world_report(&world, 0, 2, "lost");
	store_close(world.store);
	atomic_store(&disk.write_error, 0);
	world_open(&world);
	cr_assert_eq(world.n_reports, 1);
	cr_expect_str_eq(world.reports[0].summary, "written");
	world_end(&world);
}

/* The queue at its bound keeps tasks, and the newest of the rest. */
Test(store, a_full_queue_loses_the_oldest_reports_and_no_task)
{
	enum { MANY = 20000, BOUND = 2000 };
	struct store_task task = { 1, "root", "first" };
	struct store_info info;
	struct world world;

	disk_insert();
	world_folder(&world, "/tmp");
	world_load(&world);
	world.store->writer.queue_max = BOUND;
	cr_assert_eq(store_start(world.store), 0);
	cr_assert_eq(world_put_devices(&world, 0, 2), 0);
	atomic_store(&disk.write_error, SQLITE_FULL);
	world_report(&world, 0, 1, "taken by the writer");
	wait_until_failing(&world);
	store_put_task(world.store, &task);
	for (unsigned i = 0; i < MANY; i++)
		world_report(&world, 1, 1, i == MANY - 1 ? "the newest" : "older");
	store_info(world.store, &info);
	cr_expect_gt(info.lost, MANY - 2 * BOUND);
	cr_expect_leq(info.queued, BOUND + 2);
	atomic_store(&disk.write_error, 0);
	world_again(&world);
	cr_expect_eq(world.n_tasks, 1);
	cr_assert_eq(world.n_reports, 2);
	cr_expect_str_eq(world.reports[1].summary, "the newest");
	world_end(&world);
}

/* ---- files that lost something ---- */

static void
open_again(struct world *world)
{
	world->store = store_open(world->path, world->error);
}

/* Every change was told done: a start that lacks some must not look like any other. */
Test(store, an_inventory_that_is_empty_beside_its_reports_is_refused)
{
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 3), 0, "%s", world.error);
	world_flush(&world);
	store_close(world.store);
	cr_assert_eq(truncate(world.path, 0), 0);
	open_again(&world);
	cr_expect_null(world.store);
	cr_expect_not_null(strstr(world.error, "was changed 1 times"), "%s", world.error);
	unlink(world.path);
	open_again(&world);
	cr_expect_null(world.store);
	{
		char path[128];

		snprintf(path, sizeof path, "%s-reports", world.path);
		cr_assert_eq(unlink(path), 0);
	}
	open_again(&world);
	cr_expect_not_null(world.store, "%s", world.error);
	world_end(&world);
}

Test(store, an_empty_file_beside_its_log_is_refused_and_the_log_stays)
{
	struct world world;
	char path[128];
	FILE *file;

	world_folder(&world, "/tmp");
	snprintf(path, sizeof path, "%s-wal", world.path);
	file = fopen(path, "w");
	cr_assert_not_null(file);
	fputs("a log", file);
	fclose(file);
	open_again(&world);
	cr_expect_null(world.store);
	cr_expect_not_null(strstr(world.error, "it was cut"), "%s", world.error);
	cr_expect_eq(access(path, F_OK), 0);
	unlink(path);
	open_again(&world);
	world_end(&world);
}

Test(store, changes_that_the_log_lost_are_told)
{
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0, "%s", world.error);
	cr_assert_eq(world_put_devices(&world, 1, 2), 0, "%s", world.error);
	world_flush(&world);
	cr_expect_str_eq(store_warning(world.store), "");
	store_close(world.store);
	cr_assert_eq(world_sql(&world, "", "UPDATE meta SET value = 1 WHERE name = 'serial'"),
		     SQLITE_OK);
	open_again(&world);
	cr_assert_not_null(world.store, "%s", world.error);
	cr_expect_not_null(strstr(store_warning(world.store), "last 1 changes are missing"), "%s",
			   store_warning(world.store));
	world_end(&world);
}

Test(store, nothing_is_saved_to_a_file_that_was_removed)
{
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0, "%s", world.error);
	unlink(world.path);
	cr_expect_eq(world_put_devices(&world, 1, 2), -ENOENT);
	cr_expect_not_null(strstr(world.error, "removed or replaced"), "%s", world.error);
	world_end(&world);
}

/* ---- another process's lock ---- */

static sqlite3 *
lock_file(const struct world *world, const char *suffix)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s%s", world->path, suffix);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void
count_pump(void *ctx)
{
	++*(unsigned *)ctx;
}

Test(store, a_locked_inventory_fails_the_change_and_nothing_comes_of_it_later)
{
	struct store_device device = device_named(0, "dev-0");
	struct store_change *change;
	struct world world;
	unsigned pumped = 0;
	const struct pump pump = { count_pump, &pumped };
	sqlite3 *other;

	world_folder(&world, "/tmp");
	world_open(&world);
	other = lock_file(&world, "");
	change = store_change_begin(world.store);
	store_change_put_device(change, &device);
	cr_expect_eq(store_change_commit(change, 100, &pump, world.error), -ETIMEDOUT);
	cr_expect_not_null(strstr(world.error, "is undone"), "%s", world.error);
	cr_expect_gt(pumped, 3);
	/* Whoever waits longer learns what it is. */
	cr_expect_eq(world_put_devices(&world, 1, 2), -EBUSY);
	cr_expect_not_null(strstr(world.error, "another process holds it locked"), "%s",
			   world.error);
	sqlite3_close(other);
	cr_expect_eq(world_put_devices(&world, 2, 3), 0, "%s", world.error);
	world_again(&world);
	cr_assert_eq(world.n_devices, 1);
	cr_expect_eq(world.devices[0].device.id, 2);
	world_end(&world);
}

Test(store, a_lock_on_the_reports_holds_no_change_up)
{
	struct store_info info;
	struct world world;
	sqlite3 *other;

	world_folder(&world, "/tmp");
	world_open(&world);
	other = lock_file(&world, "-reports");
	world_report(&world, 0, 1, "waits");
	cr_expect_eq(world_put_devices(&world, 0, 5), 0, "%s", world.error);
	wait_until_failing(&world);
	store_info(world.store, &info);
	cr_expect_not_null(strstr(info.error, "another process holds it locked"), "%s", info.error);
	sqlite3_close(other);
	expect_recovery(&world);
	world_again(&world);
	cr_expect_eq(world.n_reports, 1);
	world_end(&world);
}

Test(store, an_import_into_a_locked_inventory_ends)
{
	struct world world;
	sqlite3 *other;

	world_folder(&world, "/tmp");
	world_open(&world);
	other = lock_file(&world, "");
	cr_expect_lt(world_put_devices(&world, 0, 100000), 0);
	sqlite3_close(other);
	world_again(&world);
	cr_expect_eq(world.n_devices, 0);
	world_end(&world);
}

/* An import far ahead of a disk that stalls: devices that bootstrap meanwhile are answered. */
Test(store, who_waits_for_a_stalled_disk_runs_the_pump)
{
	struct store_change *change;
	struct world world;
	unsigned pumped = 0;
	const struct pump pump = { count_pump, &pumped };
	sqlite3 *other;

	world_folder(&world, "/tmp");
	world_open(&world);
	other = lock_file(&world, "");
	change = store_change_begin(world.store);
	for (uint32_t id = 0; id < 100000 && !pumped; id++) {
		struct store_device device = device_named(id, "dev-ahead");

		store_change_make_room(change, &pump);
		store_change_put_device(change, &device);
	}
	cr_expect_gt(pumped, 0);
	store_change_rollback(change);
	sqlite3_close(other);
	world_end(&world);
}

/* ---- time ---- */

Test(store, an_open_change_holds_no_report_up)
{
	struct store_device device = device_named(1, "dev-1");
	struct store_change *change;
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0);
	change = store_change_begin(world.store);
	store_change_put_device(change, &device);
	world_report(&world, 0, 1, "meanwhile");
	world_flush(&world);
	cr_expect_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0);
	world_end(&world);
}

/*
 * The time is over while SQLite waits for the disk at the end of its commit: then the truth is
 * told, late, whichever it is.
 */
Test(store, a_late_commit_says_what_became_of_it)
{
	struct store_device device = device_named(0, "dev-0");
	struct store_change *change;
	struct world world;
	int result;

	disk_insert();
	world_folder(&world, "/tmp");
	world_open(&world);
	atomic_store(&disk.sync_ms, 200);
	change = store_change_begin(world.store);
	store_change_put_device(change, &device);
	result = store_change_commit(change, 50, NULL, world.error);
	atomic_store(&disk.sync_ms, 0);
	world_again(&world);
	cr_expect_eq(world.n_devices, result == 0);
	world_end(&world);
}

static void
let_the_disk_go(void *ctx)
{
	unsigned *pumped = ctx;

	atomic_store(&disk.sync_held, false);
	cr_assert_lt(++*pumped, 10000, "nobody saw to the change");
}

static void
let_the_disk_go_when_told(void *ctx)
{
	struct stat said;

	if (fstat(STDERR_FILENO, &said) == 0 && said.st_size > 0)
		atomic_store(&disk.sync_held, false);
}

/* Who asks later why a command had no answer for so long finds it in the log. */
Test(store, a_change_that_the_disk_takes_long_for_is_told)
{
	struct store_device device = device_named(0, "dev-0");
	const struct pump pump = { let_the_disk_go_when_told, NULL };
	int said = memfd_create("said", 0), before = dup(STDERR_FILENO);
	struct store_change *change;
	struct world world;
	char text[1024] = "";

	disk_insert();
	world_folder(&world, "/tmp");
	world_open(&world);
	atomic_store(&disk.sync_held, true);
	change = store_change_begin(world.store);
	change->slow_ms = 20;
	store_change_put_device(change, &device);
	dup2(said, STDERR_FILENO);
	cr_expect_eq(store_change_commit(change, WAIT_MS, &pump, world.error), 0, "%s", world.error);
	dup2(before, STDERR_FILENO);
	cr_assert_gt(pread(said, text, sizeof text - 1, 0), 0);
	cr_expect_not_null(strstr(text, "a change waits for the disk for"), "%s", text);
	cr_expect_not_null(strstr(text, "the change that waited for the disk ended after"), "%s", text);
	world_end(&world);
}

/* The log of the last change is being scrubbed when the next one comes: its wish must not be missed. */
Test(store, a_change_that_comes_during_a_scrub_is_made)
{
	struct store_device device = device_named(1, "dev-1");
	struct store_change *change;
	struct world world;
	unsigned pumped = 0;
	const struct pump pump = { let_the_disk_go, &pumped };

	disk_insert();
	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0);
	change = &world.store->change;
	atomic_store(&disk.sync_held, true);
	pthread_mutex_lock(&change->lock);
	change->unscrubbed_ms = 0; /* long ago */
	pthread_cond_signal(&change->wake);
	pthread_mutex_unlock(&change->lock);
	while (!atomic_load(&disk.syncing))
		usleep(1000);
	change = store_change_begin(world.store);
	store_change_put_device(change, &device);
	cr_expect_eq(store_change_commit(change, WAIT_MS, &pump, world.error), 0, "%s", world.error);
	world_again(&world);
	cr_expect_eq(world.n_devices, 2);
	world_end(&world);
}

/* The disk is asked to keep what is in the reports' log, and does not answer for a while. */
Test(store, a_disk_that_syncs_slowly_holds_no_report_up)
{
	struct world world;
	struct store_checkpoint *checkpoint;

	disk_insert();
	world_folder(&world, "/tmp");
	world_open(&world);
	checkpoint = &world.store->writer.checkpoint;
	pthread_mutex_lock(&checkpoint->lock);
	checkpoint->every = 8;
	pthread_mutex_unlock(&checkpoint->lock);
	cr_assert_eq(world_put_devices(&world, 0, 100), 0);
	world_report(&world, 0, 1, "the log begins");
	world_flush(&world);
	atomic_store(&disk.sync_held, true);
	for (unsigned round = 0; round < 50; round++) {
		for (uint32_t device = 0; device < 100; device++)
			world_report(&world, device, 1, "meanwhile");
		world_flush(&world);
	}
	pthread_mutex_lock(&checkpoint->lock);
	cr_expect(checkpoint->wanted, "nobody waits for the disk");
	pthread_mutex_unlock(&checkpoint->lock);
	atomic_store(&disk.sync_held, false);
	world_again(&world);
	cr_expect_eq(world.n_reports, 100);
	world_end(&world);
}

/* Which cluster the store is a replica of, and how far, is kept with the change itself. */
Test(store, a_cluster_is_followed_with_the_change_and_left_again)
{
	struct store_change *change;
	struct world world;
	uint64_t revision;

	world_folder(&world, "/tmp");
	world_open(&world);
	cr_expect_null(store_cluster(world.store, &revision));
	change = store_change_begin(world.store);
	store_change_follow(change, "north", 77);
	store_change_rollback(change);
	world_again(&world);
	cr_expect_null(store_cluster(world.store, &revision));
	change = store_change_begin(world.store);
	store_change_follow(change, "north", 78);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0, "%s", world.error);
	world_again(&world);
	cr_expect_str_eq(store_cluster(world.store, &revision), "north");
	cr_expect_eq(revision, 78u);
	change = store_change_begin(world.store);
	store_change_follow(change, NULL, 0);
	cr_assert_eq(store_change_commit(change, WAIT_MS, NULL, world.error), 0, "%s", world.error);
	world_again(&world);
	cr_expect_null(store_cluster(world.store, &revision));
	cr_expect_eq(revision, 0u);
	world_end(&world);
}

struct notes {
	char text[256];
	bool stops;
};

static bool
keep_note(void *ctx, const char *name, const char *text)
{
	struct notes *notes = ctx;
	size_t len = strlen(notes->text);

	snprintf(notes->text + len, sizeof notes->text - len, "[%s=%s]", name, text);
	return !notes->stops;
}

Test(store, notes_come_back_by_the_beginning_of_their_names)
{
	struct notes notes = { .stops = false };
	struct world world;

	world_folder(&world, "/tmp");
	world_open(&world);
	store_put_note(world.store, "a:root.x\nfirst", "1 2\n3");
	store_put_note(world.store, "a:gone", "x");
	store_put_note(world.store, "ab:other", "y");
	store_put_note(world.store, "serial", "not the store's own");
	store_put_note(world.store, "a:root.x\nfirst", "4");
	store_put_note(world.store, "a:gone", NULL);
	store_put_note(world.store, "a:never", NULL);
	world_again(&world); /* its own serial is still good */
	cr_assert_eq(store_load_notes(world.store, "a:", keep_note, &notes, world.error), 0);
	cr_expect_str_eq(notes.text, "[root.x\nfirst=4]");
	notes = (struct notes){ .stops = true };
	cr_expect_eq(store_load_notes(world.store, "", keep_note, &notes, world.error), -ECANCELED);
	notes = (struct notes){ .stops = false };
	cr_expect_eq(store_load_notes(world.store, "A:", keep_note, &notes, world.error), 0);
	cr_expect_str_eq(notes.text, "");
	world_end(&world);
}
