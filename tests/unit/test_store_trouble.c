/* The store on a disk that fails, behind the lock of another process, and what takes time there. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/unit/store_world.h"

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

Test(store_trouble, a_disk_that_fails_loses_nothing_and_needs_no_restart)
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

Test(store_trouble, the_inventory_is_healthy_again_without_a_change)
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

Test(store_trouble, the_end_does_not_wait_for_a_disk_that_fails)
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
Test(store_trouble, a_full_queue_loses_the_oldest_reports_and_no_task)
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

Test(store_trouble, a_locked_inventory_fails_the_change_and_nothing_comes_of_it_later)
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

Test(store_trouble, a_lock_on_the_reports_holds_no_change_up)
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

Test(store_trouble, an_import_into_a_locked_inventory_ends)
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
Test(store_trouble, who_waits_for_a_stalled_disk_runs_the_pump)
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

Test(store_trouble, an_open_change_holds_no_report_up)
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
Test(store_trouble, a_late_commit_says_what_became_of_it)
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
Test(store_trouble, a_change_that_the_disk_takes_long_for_is_told)
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
Test(store_trouble, a_change_that_comes_during_a_scrub_is_made)
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
Test(store_trouble, a_disk_that_syncs_slowly_holds_no_report_up)
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
