/* What the store keeps, and how it comes back. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/store_world.h"

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

/* Rows of the journal are written by NEWS_AT_ONCE, what is left of them one by one. */
static const uint32_t numbers_of_rows[] = { 1,
					    NEWS_AT_ONCE - 1,
					    NEWS_AT_ONCE,
					    NEWS_AT_ONCE + 1,
					    2 * NEWS_AT_ONCE,
					    2 * NEWS_AT_ONCE + 1 };
enum { NUMBERS_OF_ROWS = sizeof numbers_of_rows / sizeof numbers_of_rows[0] };

static void
report_devices(struct world *world, uint32_t n)
{
	char summary[32];

	world_folder(world, "/tmp");
	world_open(world);
	cr_assert_eq(world_put_devices(world, 0, KEPT_MAX), 0);
	for (uint32_t device = 0; device < n; device++) {
		snprintf(summary, sizeof summary, "of device %u", device);
		world_report(world, device, 3, summary);
	}
}

Test(store, any_number_of_reports_is_kept_whole)
{
	for (unsigned i = 0; i < NUMBERS_OF_ROWS; i++) {
		struct world world;
		char summary[32];

		report_devices(&world, numbers_of_rows[i]);
		world_flush(&world);
		world_again(&world);
		cr_assert_eq(world.n_reports, numbers_of_rows[i]);
		for (unsigned k = 0; k < world.n_reports; k++) {
			snprintf(summary, sizeof summary, "of device %u",
				 world.reports[k].report.device);
			cr_expect_str_eq(world.reports[k].summary, summary);
			cr_expect_eq(world.reports[k].report.status, 3);
		}
		world_end(&world);
	}
}

Test(store, a_task_goes_with_the_reports_before_it_and_none_behind_it)
{
	for (unsigned i = 0; i < NUMBERS_OF_ROWS; i++) {
		struct world world;

		report_devices(&world, numbers_of_rows[i]);
		store_forget_task(world.store, 1);
		world_report(&world, KEPT_MAX - 1, 2, "behind it");
		world_flush(&world);
		world_again(&world);
		cr_assert_eq(world.n_reports, 1);
		cr_expect_str_eq(world.reports[0].summary, "behind it");
		world_end(&world);
	}
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
			       "INSERT INTO report VALUES ((8 << 31) | 1, 1, 1, 1, 'orphan', 0);"
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
