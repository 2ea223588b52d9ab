/*
 * What the control side knows of runs in progress, as records and back: what nobody could have written first; then runs
 * that begin in one process and end in the next; and what former versions wrote.
 */
#include <criterion/criterion.h>

#include "control/runs/pass.h"
#include "control/runs/pass_fields.h"
#include "control/store/store_messages.h"
#include "control/store/store_private.h"
#include "tests/unit/control_world.h"

enum { FILE_BYTES = 1 << 16 };

static struct world world;
static uint8_t file[FILE_BYTES];
static size_t len;
static char error[PASS_ERROR_MAX];
static struct pass_totals totals;
/* Every worker has its session. */
static const struct session_progress running = { .running = true };

static void
set_up(void)
{
	world_start(&world);
	world.dp.progress = &running;
}

static void
tear_down(void)
{
	world_stop(&world);
}

TestSuite(pass, .init = set_up, .fini = tear_down);

/* Another process with the same policy and devices. */
static void
begin_next(void)
{
	world_stop(&world);
	set_up();
}

static void
tell_kind(uint8_t kind, const char *endpoint)
{
	const struct device *device = world_device(&world, endpoint);
	const struct session_event event = { .kind = kind,
					     .device = device_id(device),
					     .generation = 1,
					     .plan = device->live && device->live->plan ? device->live->plan->number
											: device->plan->number,
					     .format = FORMAT_TLV,
					     .session = { 1, 7 },
					     .time_us = 900000,
					     .started_us = 800000 };

	fake_event(&world.dp, 0, &event);
	cr_assert_eq(events_take(world.service), 1);
}

static const struct batch *
batch_of(const char *endpoint)
{
	return atomic_load(&world_device(&world, endpoint)->entry->batch);
}

/* With the batch that a worker has of dev-1, as number 1. */
static void
save(void)
{
	struct record_writer writer;
	struct pass_save *saving;

	totals = (struct pass_totals){ 0 };
	record_file_begin(&writer, file, sizeof file);
	saving = pass_save_begin(world.service, &writer);
	cr_assert_not_null(saving);
	cr_assert_eq(pass_save_batch(saving, batch_of("dev-1")), 1);
	cr_assert_eq(pass_save_batch(saving, batch_of("dev-1")), 1, "once");
	pass_save_end(saving, &totals);
	len = record_file_end(&writer);
	cr_assert_gt(len, 0);
}

static bool
load(void)
{
	struct record_reader reader;
	struct pass_load *loading;

	totals = (struct pass_totals){ 0 };
	cr_assert_eq(record_file_open(&reader, file, len), RECORD_FILE_GOOD);
	loading = pass_load_begin(world.service, &reader, error);
	return loading && pass_load_end(loading, &totals);
}

/* ---- what cannot be ---- */

struct wrong {
	uint16_t kind;
	uint8_t field;
	uint64_t number;
	const char *what;
};

static bool
load_one(const struct wrong *wrong, unsigned n)
{
	struct record_writer writer;

	record_file_begin(&writer, file, sizeof file);
	for (unsigned i = 0; i < n; i++) {
		record_begin(&writer, wrong[i].kind);
		record_put_number(&writer, wrong[i].field, wrong[i].number);
		record_end(&writer);
	}
	len = record_file_end(&writer);
	return load();
}

Test(pass, records_that_cannot_be_are_malformed)
{
	static const struct wrong wrong[] = {
		{ PASSED_PLAN, PLAN_NUMBER, 0, "a plan without a number" },
		{ PASSED_PLAN, PLAN_NUMBER, UINT32_MAX, "a plan's number" },
		{ PASSED_PLAN_TASK, PLAN_TASK_REPORT, 1, "a task of no plan" },
		{ PASSED_BATCH, BATCH_NUMBER, 2, "a batch out of its turn" },
		{ PASSED_BATCH, BATCH_NUMBER, 1, "a batch without steps" },
		{ PASSED_STEP, STEP_CODE, 3, "a step of no batch" },
		{ PASSED_JOURNAL, JOURNAL_ENTRY_KIND, 255, "an entry of no kind" },
	};

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		/* Without a store nothing is put there. */
		bool good = load_one(&wrong[i], 1);

		cr_expect(!good || wrong[i].kind == PASSED_JOURNAL, "%s", wrong[i].what);
	}
	cr_expect_eq(world.service->live.count, 0);
}

Test(pass, keys_without_their_run_are_nobodys)
{
	static const struct wrong keys[] = {
		{ PASSED_ANSWER, ANSWER_CODE, 0x45, "" },
		{ PASSED_EFFECT, EFFECT_KIND, 0, "" },
		{ PASSED_CREDENTIALS, CREDENTIALS_STAGE, 0, "" },
		{ PASSED_CREDENTIAL, CREDENTIAL_SSID, 1, "" },
		{ PASSED_MESSAGE, MESSAGE_ID, 1, "" },
		{ PASSED_LIVE, LIVE_DEVICE, 4711, "" },
		{ PASSED_CREDENTIALS, CREDENTIALS_STAGE, 0, "" },
	};

	cr_expect(load_one(keys, sizeof keys / sizeof keys[0]), "%s", error);
	cr_expect_eq(world.service->live.count, 0);
}

Test(pass, credentials_that_cannot_be_are_malformed)
{
	static const struct wrong wrong[][2] = {
		{ { PASSED_CREDENTIALS, CREDENTIALS_STAGE, 99, "a stage" } },
		{ { PASSED_CREDENTIALS, CREDENTIALS_STAGE, 2, "a wait for nothing" } },
		{ { PASSED_CREDENTIAL, CREDENTIAL_SSID, 1, "one of no run" } },
		{ { PASSED_CREDENTIALS, CREDENTIALS_STAGE, 0, "a message of none" },
		  { PASSED_MESSAGE, MESSAGE_ID, 1, "a message of none" } },
		{ { PASSED_CREDENTIALS, CREDENTIALS_STAGE, 0, "two of a run" },
		  { PASSED_CREDENTIALS, CREDENTIALS_STAGE, 0, "two of a run" } },
		{ { PASSED_CREDENTIALS, CREDENTIALS_STAGE, 0, "a step" },
		  { PASSED_CREDENTIAL, CREDENTIAL_STEP, 60000, "a step" } },
	};

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct wrong all[3] = {
			{ PASSED_LIVE, LIVE_DEVICE, device_id(world_device(&world, "dev-1")), "" },
			wrong[i][0], wrong[i][1]
		};

		cr_expect_not(load_one(all, wrong[i][1].kind ? 3 : 2), "%s", wrong[i][0].what);
		begin_next();
	}
}

/* ---- what passes ---- */

Test(pass, a_run_ends_in_the_next_process)
{
	struct live_session *live;

	tell_kind(SESSION_STARTED, "dev-1");
	live = world_device(&world, "dev-1")->live;
	live->again = true;
	live->after_s = 17;
	cr_assert_eq(run_memory_answer(&live->memory, &(struct run_answer){ .code = 0x45,
									    .format = FORMAT_TLV,
									    .bytes = (uint8_t[]){ 1, 0, 2 },
									    .len = 3 }),
		     0);
	save();
	cr_assert_eq(totals.live, 1);
	begin_next();
	cr_assert(load(), "%s", error);
	cr_assert_eq(totals.live, 1);
	cr_assert_eq(totals.lost_live, 0);
	live = world_device(&world, "dev-1")->live;
	cr_assert_not_null(live);
	cr_expect_not_null(live->plan);
	cr_expect(live->again && live->after_s == 17);
	cr_assert_eq(live->memory.n_answers, 1);
	cr_expect_arr_eq(live->memory.answers[0].bytes, ((uint8_t[]){ 1, 0, 2 }), 3);
	cr_expect_eq(world_report(&world, "dev-1")->status, TASK_IN_PROGRESS);
	tell_kind(SESSION_FINISHED, "dev-1");
	cr_expect_eq(world_report(&world, "dev-1")->status, TASK_SUCCESS);
}

Test(pass, a_run_whose_worker_has_it_no_more_is_told_of)
{
	tell_kind(SESSION_STARTED, "dev-1");
	save();
	begin_next();
	world.dp.progress = NULL;
	cr_assert(load(), "%s", error);
	cr_expect_eq(totals.lost_live, 1);
	cr_expect_null(world_device(&world, "dev-1")->live);
	cr_expect_eq(world_report(&world, "dev-1")->status, TASK_ERROR);
}

enum { WAIT_MS = 10000 };

static struct store *
use_store(const char *name)
{
	char path[128], why[STORE_ERROR_MAX];
	struct store *store;

	snprintf(path, sizeof path, "%s/%s", world.folder, name);
	store = store_open(path, why);
	cr_assert_not_null(store, "%s", why);
	world.service->store = world.service->reports.store = store;
	return store;
}

static void
put_report(void)
{
	const struct report *report = world_report(&world, "dev-1");

	reports_set(&world.service->reports,
		    &(struct report_change){ .device = report->device,
					     .task = report->task,
					     .status = TASK_ERROR,
					     .started_ms = 1,
					     .finished_ms = 2,
					     .summary = "why" });
}

static void
put_message(struct store *store)
{
	const struct store_message message = { .id = store_message_id(store),
					       .key = "k",
					       .target = "t",
					       .subject = "s",
					       .bytes = "b",
					       .len = 1 };

	cr_assert(store_put_message(store, &message));
}

static const struct rollout_counts *
counts_of(const char *endpoint)
{
	uint32_t task = world_report(&world, endpoint)->task;
	const struct task_versions *versions =
		version_counts_of(&world.service->version_counts, task);

	return versions && versions->n ? &versions->items[versions->n - 1].counts : NULL;
}

/* A run that ends while the next process loads what the store had before. */
Test(pass, runs_counted_since_the_store_was_left_are_counted_in_the_next_process)
{
	char why[STORE_ERROR_MAX];
	struct store *store = use_store("one");

	cr_assert_eq(store_start(store), 0);
	cr_assert_eq(store_suspend(store, WAIT_MS, NULL, why), 0, "%s", why);
	for (int i = 0; i < 3; i++) {
		tell_kind(SESSION_STARTED, "dev-1");
		tell_kind(SESSION_FINISHED, "dev-1");
		version_counts_save(world.service, UINT64_MAX);
	}
	cr_assert_eq(counts_of("dev-1")->runs, 3);
	save();
	world.service->store = world.service->reports.store = NULL;
	store_close(store);
	begin_next();
	tell_kind(SESSION_STARTED, "dev-1");
	tell_kind(SESSION_FINISHED, "dev-1");
	cr_assert_eq(counts_of("dev-1")->runs, 1, "as if loaded");
	store = use_store("two");
	cr_assert(load(), "%s", error);
	cr_expect_eq(counts_of("dev-1")->runs, 3);
	tell_kind(SESSION_STARTED, "dev-1");
	tell_kind(SESSION_FINISHED, "dev-1");
	cr_expect_eq(counts_of("dev-1")->runs, 4);
	world.service->store = world.service->reports.store = NULL;
	store_close(store);
}

/* A report alone; a report and its message; another report alone. */
Test(pass, a_message_and_its_report_that_wait_stay_one_transaction)
{
	static const bool joins[] = { false, false, true, false };
	static const bool needed[] = { false, true, true, false };
	char why[STORE_ERROR_MAX];
	struct records_at at = { 0 };
	struct store *store;
	const struct journal_entry *entry;
	unsigned n = 0;

	tell_kind(SESSION_STARTED, "dev-1");
	tell_kind(SESSION_FINISHED, "dev-1");
	store = use_store("one");
	cr_assert_eq(store_start(store), 0);
	cr_assert_eq(store_suspend(store, WAIT_MS, NULL, why), 0, "%s", why);
	put_report();
	store_begin_together(store);
	put_report();
	put_message(store);
	store_end_together(store);
	put_report();
	save();
	cr_assert_eq(totals.waiting, 4);
	world.service->store = world.service->reports.store = NULL;
	store_close(store);
	begin_next();
	store = use_store("two");
	cr_assert(load(), "%s", error);
	while ((entry = records_next(&store->writer.queue, &at)) && n < 4) {
		cr_expect_eq(entry->joins, joins[n], "%u", n);
		cr_expect_eq(entry->needed, needed[n], "%u", n);
		n++;
	}
	cr_expect(n == 4 && !entry);
	cr_expect_not(store->writer.gathering);
	world.service->store = world.service->reports.store = NULL;
	store_close(store);
}

/*
 * What the control side of that version left, by name: a run with an answer, and a batch. Never made anew: what was written
 * once must be read.
 */
static const char *const released[] = { "0.1.0-control" };

Test(pass, a_file_of_every_release_is_loaded)
{
	for (unsigned i = 0; i < sizeof released / sizeof released[0]; i++) {
		char path[512];
		FILE *stored;

		snprintf(path, sizeof path, "%s/tests/unit/passed/%s", SOURCE_ROOT, released[i]);
		stored = fopen(path, "rb");
		cr_assert(stored, "%s", path);
		len = fread(file, 1, sizeof file, stored);
		fclose(stored);
		cr_assert(load(), "%s: %s", path, error);
		cr_expect_eq(totals.live, 1);
		cr_expect_eq(world_device(&world, "dev-1")->live->memory.n_answers, 1);
		tell_kind(SESSION_FINISHED, "dev-1");
		cr_expect_eq(world_report(&world, "dev-1")->status, TASK_SUCCESS);
		begin_next();
	}
}
