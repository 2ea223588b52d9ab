/* Opening the store: what it refuses, how old ones become new, and what was lost from its files. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

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

Test(store_open, a_file_that_is_no_store_is_refused_and_stays_as_it_is)
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

Test(store_open, a_foreign_sqlite_file_is_refused)
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

Test(store_open, reports_in_place_of_the_inventory_are_refused)
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

Test(store_open, a_newer_schema_is_refused)
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

Test(store_open, a_folder_that_is_not_there_is_said)
{
	struct world world;

	world_folder(&world, "/tmp");
	snprintf(world.path, sizeof world.path, "%s/none/none/store.db", world.folder);
	expect_refused(&world, "check that the folder exists");
	world_end(&world);
}

Test(store_open, its_folder_is_made_for_its_owner_alone)
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

Test(store_open, a_folder_in_place_of_the_file_is_said)
{
	struct world world;

	world_folder(&world, "/tmp");
	cr_assert_eq(mkdir(world.path, 0700), 0);
	expect_refused(&world, "cannot open it");
	world_end(&world);
}

/* Bytes of the middle of the file are overwritten: the header is still ours. */
Test(store_open, a_damaged_file_is_said_when_it_is_read_and_not_overwritten)
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

Test(store_open, a_device_that_no_program_of_ours_wrote_is_said)
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

Test(store_open, a_second_store_on_the_file_is_refused)
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

Test(store_open, no_change_before_the_start_nor_two_at_once)
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

Test(store_open, an_older_schema_is_migrated_step_by_step)
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
Test(store_open, devices_of_the_first_schema_are_not_served_over_nosec)
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

Test(store_open, a_migration_that_fails_changes_nothing)
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

/* ---- files that lost something ---- */

static void
open_again(struct world *world)
{
	world->store = store_open(world->path, world->error);
}

/* Every change was told done: a start that lacks some must not look like any other. */
Test(store_open, an_inventory_that_is_empty_beside_its_reports_is_refused)
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

Test(store_open, an_empty_file_beside_its_log_is_refused_and_the_log_stays)
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

Test(store_open, changes_that_the_log_lost_are_told)
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

Test(store_open, nothing_is_saved_to_a_file_that_was_removed)
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
