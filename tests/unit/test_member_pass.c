/* What a member of a cluster has for the database, as records and back: what cannot be first, then all of it. */
#include <criterion/criterion.h>

#include "control/cluster/cluster_pass.h"
#include "control/runs/member_pass.h"
#include "control/runs/pass.h"
#include "control/runs/pass_fields.h"
#include "control/runs/replica.h"
#include "tests/unit/control_world.h"

enum { FILE_BYTES = 1 << 18 };

static struct world world;
static uint8_t file[FILE_BYTES];
static size_t len;
static char error[PASS_ERROR_MAX + CLUSTER_ERROR_MAX];

/* Nothing of it is started: no database is asked. */
static void
set_up(void)
{
	char path[256];
	struct cluster_options options = { .name = "north",
					   .database = "postgresql:///none",
					   .secret_file = path,
					   .member_name = "one",
					   .member = 1,
					   .poll_ms = 200,
					   .horizon_s = 60 };

	world_start(&world);
	world_write(&world, "secret",
		    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
	snprintf(path, sizeof path, "%s/secret", world.folder);
	cr_assert_eq(chmod(path, 0600), 0);
	world.service->cluster = cluster_new(&options, "north", 5, error);
	cr_assert_not_null(world.service->cluster, "%s", error);
}

static void
tear_down(void)
{
	cluster_free(world.service->cluster);
	world.service->cluster = NULL;
	world_stop(&world);
}

TestSuite(member_pass, .init = set_up, .fini = tear_down);

static void
save(void)
{
	struct record_writer writer;

	record_file_begin(&writer, file, sizeof file);
	member_pass_save(world.service, &writer);
	len = record_file_end(&writer);
	cr_assert_gt(len, 0);
}

static bool
load(void)
{
	struct record_reader reader;
	bool good = true;

	cr_assert_eq(record_file_open(&reader, file, len), RECORD_FILE_GOOD);
	while (good && record_next(&reader))
		good = member_pass_load(world.service, &reader);
	return good && !reader.malformed;
}

static bool
load_two(uint16_t kind, uint64_t first, uint64_t second)
{
	struct record_writer writer;

	record_file_begin(&writer, file, sizeof file);
	record_begin(&writer, kind);
	record_put_number(&writer, 1, first);
	record_put_number(&writer, 2, second);
	record_end(&writer);
	len = record_file_end(&writer);
	return load();
}

static const struct cluster_report *
report(const char *endpoint, const char *task)
{
	static struct cluster_report one;

	one = (struct cluster_report){ .endpoint = endpoint,
				       .group = *task ? "root.a" : "",
				       .task = task,
				       .summary = "all of it",
				       .status = 3,
				       .started_ms = 11,
				       .finished_ms = 12,
				       .at_ms = 13 };
	return &one;
}

static void
nth_report(bool tried, unsigned n, struct cluster_report *found)
{
	struct records_at at = { 0 };
	const struct report_record *record = NULL;

	for (unsigned i = 0; i <= n; i++)
		record = records_next(cluster_pass_reports(world.service->cluster, tried), &at);
	cr_assert_not_null(record);
	cluster_report_of(record, found);
}

Test(member_pass, records_that_cannot_be_are_malformed)
{
	struct record_writer writer;
	char endless[CLUSTER_REPORT_TEXT_MAX + 2];

	cr_expect_not(load_two(PASSED_MEMBER_HEARD, 0, 1), "no member");
	cr_expect_not(load_two(PASSED_MEMBER_HEARD, CLUSTER_MEMBER_NUMBER_MAX + 1, 1),
		      "a member's number");
	cr_expect_not(load_two(PASSED_MEMBER_REPORT, 1, 0), "a report of no device");
	memset(endless, 'e', sizeof endless - 1);
	endless[sizeof endless - 1] = '\0';
	record_file_begin(&writer, file, sizeof file);
	record_begin(&writer, PASSED_MEMBER_REPORT);
	record_put_text(&writer, MEMBER_REPORT_ENDPOINT, endless);
	record_end(&writer);
	len = record_file_end(&writer);
	cr_expect_not(load(), "a text that is too long");
	for (unsigned i = 1; i <= CLUSTER_MEMBERS_MAX; i++)
		cr_assert(load_two(PASSED_MEMBER_HEARD, i, i));
	cr_expect_not(load_two(PASSED_MEMBER_HEARD, 1, 1), "more members than there can be");
	cr_expect(load_two(PASSED_MEMBER_UNSENT, 4711, 0), "a device that is gone meanwhile");
	cr_expect(load_two(PASSED_MEMBER_UNSENT, UINT64_MAX, 0), "a device that never was");
	cr_expect_eq(world.service->replica.waiting.count, 0);
}

Test(member_pass, what_is_not_in_the_database_is_the_next_process_s)
{
	struct cluster_report found;
	struct cluster_info info;
	uint64_t seq = 0, txn = 0, revision = 0;
	uint32_t member = 0;

	cluster_take_seq(world.service->cluster, 41);
	cr_assert(cluster_take_report(world.service->cluster, report("dev-1", "first"), true));
	cluster_put_report(world.service->cluster, report("dev-2", "first"));
	cluster_put_report(world.service->cluster, report("dev-3", ""));
	cr_assert(cluster_take_own(world.service->cluster, 77, 6));
	cr_assert(cluster_take_heard(world.service->cluster, 9, 1234));
	replica_device_changed(world.service, world_device(&world, "dev-1"));
	cr_assert_gt(member_pass_size(world.service), 0);
	save();
	tear_down();
	set_up();
	cr_assert(load());

	cr_assert(cluster_pass_seq(world.service->cluster, &seq));
	cr_expect_eq(seq, 41);
	cr_assert_eq(cluster_pass_reports(world.service->cluster, true)->count, 1);
	cr_assert_eq(cluster_pass_reports(world.service->cluster, false)->count, 2);
	nth_report(true, 0, &found);
	cr_expect_str_eq(found.endpoint, "dev-1");
	cr_expect_str_eq(found.group, "root.a");
	cr_expect_str_eq(found.task, "first");
	cr_expect_str_eq(found.summary, "all of it");
	cr_expect(found.status == 3 && found.started_ms == 11 && found.finished_ms == 12 &&
		  found.at_ms == 13);
	nth_report(false, 0, &found);
	cr_expect_str_eq(found.endpoint, "dev-2");
	/* A claim is no report, and is not counted as one. */
	nth_report(false, 1, &found);
	cr_expect_str_eq(found.task, "");
	cluster_info(world.service->cluster, &info);
	cr_expect_eq(info.reports_waiting, 2);
	cr_assert(cluster_pass_own(world.service->cluster, 0, &txn, &revision));
	cr_expect(txn == 77 && revision == 6);
	cr_expect_not(cluster_pass_own(world.service->cluster, 1, &txn, &revision));
	cr_assert(cluster_pass_heard(world.service->cluster, 0, &member, &seq));
	cr_expect(member == 9 && seq == 1234);
	cr_assert_eq(world.service->replica.waiting.count, 1);
	cr_expect(world_device(&world, "dev-1")->unsent);
}

Test(member_pass, who_stands_alone_passes_and_takes_nothing)
{
	cluster_put_report(world.service->cluster, report("dev-2", "first"));
	save();
	cluster_free(world.service->cluster);
	world.service->cluster = NULL;
	cr_expect_eq(member_pass_size(world.service), 0);
	cr_expect(load());
	save();
}
