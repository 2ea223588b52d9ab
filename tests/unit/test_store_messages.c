/* The outbox of the store: nothing of it is lost or told twice, whatever ends in between. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "control/store/store_messages.h"
#include "tests/unit/store_world.h"

static bool no_memory; /* for what is put */

static void *
malloc_or_not(size_t size)
{
	return no_memory ? NULL : malloc(size);
}

#define malloc malloc_or_not
#include "control/store/store_records.c"
#undef malloc

static const char secret[] = "the key that a run made";

static struct world world;
static struct message_reader *reader;

static void
open_reader(const char *order)
{
	struct keyring keyring = world_keys(order);

	message_reader_free(reader);
	cr_assert_eq(store_use_keys(world.store, &keyring), 0);
	reader = message_reader_new(world.store);
	cr_assert_not_null(reader);
}

static void
setup(void)
{
	world_folder(&world, "/tmp");
	world_open(&world);
	open_reader("");
}

static void
teardown(void)
{
	message_reader_free(reader);
	world_end(&world);
}

TestSuite(store_messages, .init = setup, .fini = teardown);

static int64_t
put(uint32_t device, enum message_state state, uint64_t due_ms)
{
	const struct store_message message = {
		.id = store_message_id(world.store),
		.state = state,
		.device = device,
		.account = 7,
		.created_ms = 1000,
		.due_ms = due_ms,
		.key = "00112233",
		.target = "leshan",
		.subject = "dev 1",
		.bytes = secret,
		.len = sizeof secret,
	};

	store_put_message(world.store, &message);
	return message.id;
}

static unsigned
how_many(enum message_state state)
{
	uint64_t counts[MESSAGE_STATES];

	world_flush(&world);
	store_count_messages(world.store, counts);
	return (unsigned)counts[state];
}

static int
due(uint64_t now_ms, int64_t ids[8])
{
	world_flush(&world);
	return message_reader_due(reader, "leshan", now_ms, ids, 8);
}

static void
fail(int64_t id, enum message_state state, uint64_t due_ms)
{
	store_postpone_message(
		world.store, id,
		&(struct store_message){
			.state = state, .attempts = 3, .due_ms = due_ms, .error = "HTTP 500" });
}

static bool on_hold; /* what is opened: as of a process that may not come to serve */

/* Closes without a word to what is not written, as a crash does, and opens again. */
static void
again(const char *order)
{
	struct keyring keyring = world_keys(order);

	message_reader_free(reader);
	reader = NULL;
	store_close(world.store);
	world.store = store_open(world.path, world.error);
	cr_assert_not_null(world.store, "%s", world.error);
	cr_assert_eq(store_use_keys(world.store, &keyring), 0);
	if (on_hold)
		store_hold(world.store);
	cr_assert_eq(store_release_held(world.store, world.error), 0);
	cr_assert_eq(store_start(world.store), 0);
	open_reader(order);
}

/* ---- what is not due ---- */

Test(store_messages, there_are_none_at_first)
{
	int64_t ids[8];
	int error;

	cr_expect_eq(due(UINT32_MAX, ids), 0);
	cr_expect_eq(message_reader_next(reader, "leshan"), UINT64_MAX);
	cr_expect_null(message_reader_get(reader, 1, &error));
	cr_expect_eq(how_many(MESSAGE_DUE), 0);
}

Test(store_messages, held_later_and_dead_ones_and_those_of_others_are_not_due)
{
	int64_t ids[8], dead = put(1, MESSAGE_DUE, 0);

	fail(dead, MESSAGE_DEAD, 0);
	put(2, MESSAGE_HELD, 0);
	put(3, MESSAGE_DUE, 5000);
	cr_expect_eq(due(4999, ids), 0);
	cr_expect_eq(due(5000, ids), 1);
	cr_expect_eq(message_reader_next(reader, "leshan"), 5000);
	cr_expect_eq(message_reader_next(reader, "other"), UINT64_MAX);
	cr_expect_eq(how_many(MESSAGE_HELD), 1);
	cr_expect_eq(how_many(MESSAGE_DUE), 1);
	cr_expect_eq(how_many(MESSAGE_DEAD), 1);
}

Test(store_messages, a_devices_second_message_waits_for_its_first)
{
	int64_t ids[8], first = put(1, MESSAGE_DUE, 9000);

	put(1, MESSAGE_DUE, 0);
	cr_expect_eq(due(100, ids), 0);
	store_drop_message(world.store, first);
	cr_expect_eq(due(100, ids), 1);
	cr_expect_gt(ids[0], first);
}

Test(store_messages, messages_of_no_device_wait_for_none)
{
	int64_t ids[8];

	put(MESSAGE_NO_DEVICE, MESSAGE_DUE, 9000);
	put(MESSAGE_NO_DEVICE, MESSAGE_DUE, 0);
	cr_expect_eq(due(100, ids), 1);
}

Test(store_messages, changes_of_a_message_that_is_gone_are_nothing)
{
	int64_t id = put(1, MESSAGE_DUE, 0);

	store_drop_message(world.store, id);
	fail(id, MESSAGE_DEAD, 0);
	store_release_message(world.store, id);
	store_retry_message(world.store, id, 1);
	store_drop_message(world.store, id);
	cr_expect_eq(how_many(MESSAGE_DUE), 0);
	cr_expect_eq(how_many(MESSAGE_DEAD), 0);
}

/* ---- what becomes of one ---- */

Test(store_messages, one_is_read_as_it_was_put)
{
	int64_t ids[8];
	const struct store_message *message;
	int error;

	put(1, MESSAGE_DUE, 10);
	cr_assert_eq(due(10, ids), 1);
	message = message_reader_get(reader, ids[0], &error);
	cr_assert_not_null(message);
	cr_expect_eq(error, 0);
	cr_expect_str_eq(message->key, "00112233");
	cr_expect_str_eq(message->target, "leshan");
	cr_expect_str_eq(message->subject, "dev 1");
	cr_expect_null(message->error);
	cr_expect_eq(message->device, 1);
	cr_expect_eq(message->account, 7);
	cr_assert_eq(message->len, sizeof secret);
	cr_expect_eq(memcmp(message->bytes, secret, sizeof secret), 0);
}

Test(store_messages, a_failed_one_tells_why_and_is_due_later)
{
	int64_t ids[8], id = put(1, MESSAGE_DUE, 0);
	const struct store_message *message;
	int error;

	fail(id, MESSAGE_DUE, 7000);
	cr_expect_eq(due(6999, ids), 0);
	cr_assert_eq(due(7000, ids), 1);
	message = message_reader_get(reader, id, &error);
	cr_expect_str_eq(message->error, "HTTP 500");
	cr_expect_eq(message->attempts, 3);
}

Test(store_messages, a_retried_one_begins_anew)
{
	int64_t ids[8], one = put(1, MESSAGE_DUE, 0), two = put(2, MESSAGE_DUE, 0);
	int error;

	fail(one, MESSAGE_DEAD, 0);
	fail(two, MESSAGE_DEAD, 0);
	store_retry_message(world.store, one, 50);
	cr_assert_eq(due(50, ids), 1);
	cr_expect_eq(message_reader_get(reader, one, &error)->attempts, 0);
	store_retry_message(world.store, 0, 60);
	cr_expect_eq(due(60, ids), 2);
	cr_expect_eq(how_many(MESSAGE_DEAD), 0);
	cr_expect_eq(how_many(MESSAGE_DUE), 2);
}

Test(store_messages, a_newer_key_makes_dead_letters_of_the_same_account_void)
{
	int64_t old = put(1, MESSAGE_DUE, 0), other = put(2, MESSAGE_DUE, 0), held;

	fail(old, MESSAGE_DEAD, 0);
	fail(other, MESSAGE_DEAD, 0);
	held = put(1, MESSAGE_HELD, 0);
	cr_expect_eq(how_many(MESSAGE_DEAD),
		     2); /* its run may still fail: then the old key counts */
	store_release_message(world.store, held);
	cr_expect_eq(how_many(MESSAGE_DEAD), 1);
	cr_expect_eq(how_many(MESSAGE_DUE), 1);
	cr_expect_eq(how_many(MESSAGE_HELD), 0);
}

Test(store_messages, held_ones_are_due_at_the_next_start)
{
	int64_t ids[8];

	put(1, MESSAGE_HELD, 0);
	world_flush(&world);
	again("");
	cr_expect_eq(how_many(MESSAGE_HELD), 0);
	cr_expect_eq(how_many(MESSAGE_DUE), 1);
	cr_assert_eq(due(1, ids), 1);
	cr_expect_gt(put(2, MESSAGE_DUE, 0), ids[0]);
}

Test(store_messages, a_store_on_hold_writes_nothing_until_it_goes_on)
{
	int64_t ids[8];

	put(1, MESSAGE_HELD, 0);
	world_flush(&world);
	on_hold = true;
	again("");
	put(2, MESSAGE_DUE, 0);
	(void)store_hurry(world.store);
	again(""); /* it never served */
	cr_expect_eq(how_many(MESSAGE_HELD), 1, "its run goes on elsewhere");
	cr_expect_eq(due(2, ids), 0);
	put(3, MESSAGE_DUE, 0);
	store_go_on(world.store);
	world_flush(&world);
	cr_expect_eq(due(3, ids), 1);
	on_hold = false;
	again("");
	cr_expect_eq(how_many(MESSAGE_HELD), 0);
	cr_expect_eq(how_many(MESSAGE_DUE), 2);
}

static void
look_at_written(void *ctx)
{
	uint64_t *written = ctx;

	*written = world.store->writer.written; /* the lock is held */
}

/* Who is told looks at once for what is due, and must not find it busy: nobody would look again. */
Test(store_messages, who_is_told_finds_them_written)
{
	uint64_t written = 0;

	store_on_messages(world.store, look_at_written, &written);
	put(1, MESSAGE_DUE, 0);
	world_flush(&world);
	store_on_messages(world.store, NULL, NULL);
	cr_expect_eq(written, 1);
}

/* ---- secrets ---- */

static int
grep(const char *text)
{
	char command[256];

	snprintf(command, sizeof command, "cat %s/* | grep -aqF '%s'", world.folder, text);
	return WEXITSTATUS(system(command));
}

Test(store_messages, a_sealed_one_is_not_in_the_file_and_opens_under_its_key_alone)
{
	const struct store_message *message;
	int64_t ids[8];
	int error;

	again("A");
	put(1, MESSAGE_DUE, 0);
	cr_assert_eq(due(1, ids), 1);
	cr_expect_eq(grep(secret), 1);
	message = message_reader_get(reader, ids[0], &error);
	cr_expect_eq(memcmp(message->bytes, secret, sizeof secret), 0);
	open_reader("B");
	message = message_reader_get(reader, ids[0], &error);
	cr_assert_not_null(message);
	cr_expect_eq(error, -EBADMSG);
	cr_expect_eq(message->len, 0);
}

Test(store_messages, a_rekey_seals_messages_too)
{
	struct keyring keyring = world_keys("BA");
	const struct store_message *message;
	int64_t place = 0, id;
	int error;

	again("A");
	id = put(1, MESSAGE_DUE, 0);
	world_flush(&world);
	cr_assert_eq(store_use_keys(world.store, &keyring), 0);
	while (place >= 0) {
		store_reseal_logs(world.store, place);
		world_flush(&world);
		place = store_resealed_logs(world.store);
	}
	open_reader("B");
	message = message_reader_get(reader, id, &error);
	cr_expect_eq(error, 0);
	cr_expect_eq(memcmp(message->bytes, secret, sizeof secret), 0);
}

Test(store_messages, a_plain_one_that_is_delivered_is_overwritten)
{
	int64_t id = put(1, MESSAGE_DUE, 0);

	world_flush(&world);
	cr_expect_eq(grep(secret), 0);
	store_drop_message(world.store, id);
	world_flush(&world);
	message_reader_free(reader);
	reader = NULL;
	store_close(world.store); /* the log is merged and emptied */
	cr_expect_eq(grep(secret), 1);
	world_open(&world);
}

/* ---- one transaction ---- */

/* A number that the file of the reports answers; -1: it does not, yet. */
static int64_t
ask(const char *sql)
{
	int64_t value = -1;
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	char file[128];

	snprintf(file, sizeof file, "%s-reports", world.path);
	if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

/* Puts messages, each with two reports, until it is killed. */
static void
put_until_killed(uint32_t from)
{
	world_open(&world);
	for (uint32_t device = from;; device++) {
		store_begin_together(world.store);
		put(device, MESSAGE_DUE, 0);
		world_report(&world, device, 3, "fine");
		usleep(device % 64 ? 0 : 100); /* so that the writer has its chance */
		world_report(&world, device, 4, "finer");
		store_end_together(world.store);
	}
}

Test(store_messages, a_message_and_its_reports_are_there_all_or_none, .timeout = 120)
{
	message_reader_free(reader);
	reader = NULL;
	store_close(world.store);
	world.store = NULL;
	for (unsigned round = 1; round <= 6; round++) {
		int64_t before = ask("SELECT count(*) FROM outbox");
		pid_t child = fork();

		if (!child)
			put_until_killed(round << 20);
		cr_assert_gt(child, 0);
		while (ask("SELECT count(*) FROM outbox") <= before + 200)
			usleep(1000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		cr_expect_eq(ask("SELECT count(*) * 2 FROM outbox"),
			     ask("SELECT count(*) FROM news WHERE task = 1"));
	}
	world_open(&world);
}

/* ---- a queue that is full ---- */

enum { BOUND = 2000, MANY = 20000 };

/* A store whose disk takes nothing, with room for BOUND entries; its writer is stuck with one of them. */
static void
open_on_a_dead_disk(void)
{
	struct store_info info;

	disk_insert();
	world_folder(&world, "/tmp");
	world_load(&world);
	world.store->writer.queue_max = BOUND;
	cr_assert_eq(store_start(world.store), 0);
	cr_assert_eq(world_put_devices(&world, 0, 2), 0);
	world_flush(&world);
	atomic_store(&disk.write_error, SQLITE_FULL);
	world_report(&world, 0, 1, "taken by the writer");
	do {
		usleep(1000);
		store_info(world.store, &info);
	} while (info.healthy);
}

static void
put_reports(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		world_report(&world, 1, 1, "any");
}

/* Newer entries that a full queue lost are no older ones that were written. */
Test(store_messages_disk, what_waits_is_not_written_by_what_is_lost)
{
	struct store_info info;
	uint64_t until;

	open_on_a_dead_disk();
	put(7, MESSAGE_HELD, 0);
	until = store_hurry(world.store);
	put_reports(MANY);
	store_info(world.store, &info);
	cr_expect_gt(info.lost, MANY - 2 * BOUND);
	cr_expect_not(store_is_written(world.store, until));
	cr_expect_eq(store_flush(world.store, 20, NULL, world.error), -ENOSPC);
	atomic_store(&disk.write_error, 0);
	world_flush(&world);
	cr_expect(store_is_written(world.store, until));
	cr_expect_eq(ask("SELECT count(*) FROM outbox"), 1);
	world_end(&world);
}

/* What was lost and may be is settled in its turn: nobody waits for it for ever. */
Test(store_messages_disk, what_is_lost_is_waited_for_no_longer_than_what_was_before_it)
{
	uint64_t until;

	open_on_a_dead_disk();
	put_reports(BOUND / 2);
	until = store_put_so_far(world.store);
	put_reports(MANY);
	cr_expect_not(store_is_written(world.store, until));
	atomic_store(&disk.write_error, 0);
	world_flush(&world);
	cr_expect(store_is_written(world.store, until));
	world_end(&world);
}

/* Of what is one transaction with a message, nothing is lost, whether it was put before or behind it. */
Test(store_messages_disk, a_full_queue_keeps_a_message_with_its_reports)
{
	open_on_a_dead_disk();
	for (unsigned i = 0; i < 40; i++) {
		put_reports(i * BOUND / 20);
		store_begin_together(world.store);
		world_report(&world, 5, 1, "before");
		put(5, MESSAGE_DUE, 0);
		world_report(&world, 5, 1, "behind");
		store_end_together(world.store);
		store_begin_together(world.store);
		world_report(&world, 6, 1, "without a message");
		store_end_together(world.store);
	}
	put_reports(MANY);
	atomic_store(&disk.write_error, 0);
	world_flush(&world);
	cr_expect_eq(ask("SELECT count(*) FROM outbox"), 40);
	cr_expect_eq(ask("SELECT count(*) FROM news WHERE device = 5"), 80);
	cr_expect_eq(ask("SELECT count(*) FROM news WHERE device = 6"), 0);
	world_end(&world);
}

/* While another process has the files, and when it gives them back, who asks for what was put before gets its answer. */
Test(store_messages, what_was_written_is_written_while_the_store_rests)
{
	uint64_t until, later;

	put(7, MESSAGE_HELD, 0);
	until = store_hurry(world.store);
	message_reader_free(reader);
	reader = NULL;
	cr_assert_eq(store_suspend(world.store, WAIT_MS, NULL, world.error), 0, "%s", world.error);
	cr_expect(store_is_written(world.store, until));
	put(8, MESSAGE_HELD, 0);
	later = store_put_so_far(world.store);
	cr_expect_gt(later, until);
	cr_expect_not(store_is_written(world.store, later));
	cr_assert_eq(store_resume(world.store, world.error), 0, "%s", world.error);
	cr_expect(store_is_written(world.store, until));
	cr_assert_eq(store_start(world.store), 0);
	world_flush(&world);
	cr_expect(store_is_written(world.store, later));
	open_reader("");
}

/* Another process that did not take over is no new beginning for what is counted. */
Test(store_messages, what_was_written_stays_counted_while_the_store_rests)
{
	struct store_info before, resting, after;

	put(7, MESSAGE_HELD, 0);
	world_flush(&world);
	store_info(world.store, &before);
	cr_assert_gt(before.written, 0);
	message_reader_free(reader);
	reader = NULL;
	cr_assert_eq(store_suspend(world.store, WAIT_MS, NULL, world.error), 0, "%s", world.error);
	store_info(world.store, &resting);
	cr_expect_eq(resting.written, before.written);
	put(8, MESSAGE_HELD, 0);
	cr_assert_eq(store_resume(world.store, world.error), 0, "%s", world.error);
	cr_assert_eq(store_start(world.store), 0);
	world_flush(&world);
	store_info(world.store, &after);
	cr_expect_eq(after.written, before.written + 1);
	open_reader("");
}

/* Keys that a device has already: the process that has them goes on with them. */
Test(store_messages, what_waits_and_finds_no_memory_is_told)
{
	const struct store_waiting message = {
		.kind = JOURNAL_MESSAGE, .count = 1, .name = "a", .name_len = 1, .more = "a b c"
	};
	struct store_info info;

	world_flush(&world); /* what is put next needs room of its own */
	no_memory = true;
	cr_expect_eq(store_put_waiting(world.store, &message), -ENOMEM);
	no_memory = false;
	store_info(world.store, &info);
	cr_expect_eq(info.lost, 1);
}

/* Each kind of entry that waits passes to the next process. */
Test(store_messages, a_note_that_waits_passes)
{
	const struct store_waiting note = {
		.kind = JOURNAL_NOTE, .name = "a", .name_len = 1, .more = "b"
	};
	const struct store_waiting beyond = { .kind = JOURNAL_NOTE + 1 };

	cr_expect_eq(store_put_waiting(world.store, &note), 0);
	cr_expect_eq(store_put_waiting(world.store, &beyond), -EINVAL);
}

/* A device that finished has a key that nobody else has: it is on the disk, not in its cache. Reports are not worth the wait. */
Test(store_messages_disk, what_counts_as_written_is_on_the_disk)
{
	unsigned before;

	disk_insert();
	world_folder(&world, "/tmp");
	world_open(&world);
	cr_assert_eq(world_put_devices(&world, 0, 1), 0);
	world_report(&world, 0, 1, "the log begins");
	world_flush(&world);
	before = atomic_load(&disk.syncs);
	world_report(&world, 0, 1, "a report");
	world_flush(&world);
	cr_expect_eq(atomic_load(&disk.syncs), before, "a report waits for the disk");
	put(1, MESSAGE_HELD, 0);
	world_flush(&world);
	cr_expect_gt(atomic_load(&disk.syncs), before, "a message does not");
	before = atomic_load(&disk.syncs);
	world_report(&world, 0, 1, "and again");
	world_flush(&world);
	cr_expect_eq(atomic_load(&disk.syncs), before);
	world_end(&world);
}

/* ---- while another process has the files ---- */

struct one_waiting {
	unsigned n;
	struct store_waiting last;
	char name[sizeof secret], more[128];
};

static void
keep_last(void *ctx, const struct store_waiting *waiting)
{
	struct one_waiting *one = ctx;

	one->n++;
	one->last = *waiting;
	cr_assert_eq(waiting->name_len, sizeof secret);
	memcpy(one->name, waiting->name, waiting->name_len);
	snprintf(one->more, sizeof one->more, "%s", waiting->more);
	one->last.name = one->name;
	one->last.more = one->more;
}

Test(store_messages, no_number_is_given_twice_while_the_store_rests)
{
	char error[STORE_ERROR_MAX];
	struct one_waiting one = { 0 };
	uint64_t counts[MESSAGE_STATES];
	int64_t ids[8], first = put(1, MESSAGE_DUE, 1), second;

	cr_assert_eq(due(5, ids), 1);
	message_reader_free(reader);
	reader = NULL;
	cr_assert_eq(store_suspend(world.store, 10000, NULL, error), 0, "%s", error);
	store_count_messages(world.store, counts);
	cr_expect_eq(counts[MESSAGE_DUE], 1, "what is there stays known");
	second = put(2, MESSAGE_DUE, 1);
	cr_expect_gt(second, first);
	store_each_waiting(world.store, keep_last, &one);
	cr_assert_eq(one.n, 1);
	cr_assert_eq(store_resume(world.store, error), 0, "%s", error);
	/* As if it came from another process, which had given more numbers. */
	one.last.count = (uint64_t)second + 100;
	one.last.device = 3;
	cr_assert_eq(store_put_waiting(world.store, &one.last), 0);
	cr_expect_gt(store_message_id(world.store), second + 100);
	cr_assert_eq(store_start(world.store), 0);
	open_reader("");
	cr_assert_eq(due(5, ids), 3);
	cr_expect_eq(ids[0], first);
	cr_expect_eq(ids[1], second);
	cr_expect_eq(ids[2], second + 100);
}

/* The files cannot be taken back: what was known of them before is told, not as much as was read. */
Test(store_messages, what_is_half_read_of_the_outbox_is_not_counted)
{
	char error[STORE_ERROR_MAX];
	uint64_t counts[MESSAGE_STATES];
	int64_t first = put(1, MESSAGE_DUE, 1);

	world_flush(&world);
	message_reader_free(reader);
	reader = NULL;
	cr_assert_eq(store_suspend(world.store, WAIT_MS, NULL, error), 0, "%s", error);
	/* Another process holds it back, and the files are none of one store any more. */
	cr_assert_eq(world_sql(&world, "-reports",
			       "UPDATE outbox SET state = 0;"
			       "INSERT INTO meta VALUES ('serial', 5)"
			       " ON CONFLICT (name) DO UPDATE SET value = 5"),
		     SQLITE_OK);
	cr_expect_lt(store_resume(world.store, error), 0);
	store_count_messages(world.store, counts);
	cr_expect_eq(counts[MESSAGE_DUE], 1);
	cr_expect_eq(counts[MESSAGE_HELD], 0, "what another process made of it is not known");
	cr_expect_gt(put(2, MESSAGE_DUE, 1), first);
	cr_assert_eq(world_sql(&world, "-reports", "UPDATE meta SET value = 0 WHERE name = 'serial'"),
		     SQLITE_OK);
	cr_assert_eq(store_resume(world.store, error), 0, "%s", error);
	store_count_messages(world.store, counts);
	cr_expect_eq(counts[MESSAGE_DUE], 0);
	cr_expect_eq(counts[MESSAGE_HELD], 1);
	cr_assert_eq(store_start(world.store), 0);
	open_reader("");
	cr_expect_eq(how_many(MESSAGE_DUE), 1, "and what waited is written");
}
