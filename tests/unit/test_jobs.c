/* Commands that take long: others look at them, wait for them, cancel them; a client that leaves ends nothing. */
#include <sys/mman.h>

#include "control/commands/jobs.h"
#include "tests/unit/socket_world.h"

enum { ROWS = 3000 };

static struct world world;
static struct socket_world sockets;
static struct pump daemons_pump;
static unsigned pumps, cancel_at; /* the how manieth pump cancels; 0: none does */

/* What the daemon does between slices, and a cancellation that comes at this very one. */
static void
pump(void *ctx)
{
	struct job *running = world.daemon.jobs->running;

	daemons_pump.run(daemons_pump.ctx);
	if (++pumps == cancel_at && running && !*running->must_end)
		running->cancelled = true;
}

static void
set_up(void)
{
	world_start(&world);
	socket_world_open(&sockets, &world);
	world.daemon.server = sockets.server;
	daemons_pump = world.service->pump;
	world.service->pump = (struct pump){ .run = pump };
	pumps = cancel_at = 0;
}

static void
tear_down(void)
{
	socket_world_close(&sockets);
	world.daemon.server = NULL;
	world_stop(&world);
}

TestSuite(jobs, .init = set_up, .fini = tear_down);

static void
run(void)
{
	socket_world_run(&sockets);
}

/* --- clients --- */

struct asking {
	struct socket_client client;
	unsigned job; /* as it was told */
	bool waited;  /* was told so */
};

static struct asking
client(void)
{
	return (struct asking){ .client = socket_client_open(&sockets) };
}

static void
leave(struct asking *one)
{
	socket_client_close(&one->client);
}

static void
request(const struct asking *one, const char *line, int file)
{
	socket_client_ask(&one->client, line, true, file);
}

/* The answer, which is there; what was said before it is noted. */
static json_t *
answer(struct asking *one)
{
	json_t *frame;

	for (;;) {
		frame = socket_client_next(&sockets, &one->client);
		cr_assert_not_null(frame, "there is no answer");
		if (!json_object_get(frame, "progress"))
			return frame;
		if (json_object_get(frame, "job"))
			one->job = (unsigned)json_integer_value(json_object_get(frame, "job"));
		one->waited |= json_is_true(json_object_get(frame, "waits"));
		json_decref(frame);
	}
}

static int
exit_of(const json_t *frame)
{
	return (int)json_integer_value(json_object_get(frame, "exit"));
}

static bool
complains(const json_t *frame, const char *words)
{
	const char *error = json_string_value(json_object_get(frame, "error"));

	return error && strstr(error, words);
}

/* One command over a connection of its own. */
static json_t *
ask(const char *line, int file)
{
	struct asking one = client();
	json_t *frame;

	request(&one, line, file);
	frame = answer(&one);
	leave(&one);
	run();
	return frame;
}

static int
many_devices(void)
{
	int fd = memfd_create("devices", 0);
	FILE *file = fdopen(dup(fd), "w");

	fputs("endpoint,groups\n", file);
	for (unsigned i = 0; i < ROWS; i++)
		fprintf(file, "many-%05u,root.a\n", i);
	fclose(file);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static size_t
devices(void)
{
	return world.service->inventory.count;
}

/* --- */

Test(jobs, what_changes_something_has_a_number_and_is_listed)
{
	struct asking one = client();
	json_t *frame, *jobs;

	request(&one, "device add new --key secret-word", -1);
	frame = answer(&one);
	cr_expect_eq(exit_of(frame), CTL_DONE);
	cr_expect_eq(one.job, 1);
	json_decref(frame);
	leave(&one);
	json_decref(ask("device add new", -1));
	json_decref(ask("device list", -1)); /* changes nothing */
	frame = ask("job list", -1);
	jobs = json_object_get(json_object_get(frame, "result"), "jobs");
	cr_assert_eq(json_array_size(jobs), 2);
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(jobs, 0), "command")),
			 "device add new --key ********");
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(jobs, 0), "state")),
			 "done");
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(jobs, 1), "state")),
			 "refused");
	json_decref(frame);
}

Test(jobs, a_number_that_is_none_is_refused)
{
	static const char *const lines[] = { "job show 7", "job wait 0", "job cancel 4294967297",
					     "job show x", "job cancel -1" };

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		json_t *frame = ask(lines[i], -1);

		cr_expect_neq(exit_of(frame), CTL_DONE, "%s", lines[i]);
		json_decref(frame);
	}
}

/* At whatever slice the cancellation comes: all of the devices are there, or none. */
Test(jobs, an_import_that_is_cancelled_leaves_nothing_or_all)
{
	unsigned none = 0, all = 0;

	for (cancel_at = 1; !all; cancel_at++) {
		size_t before = devices();
		uint32_t next_id = world.service->inventory.next_id;
		int file = many_devices();
		json_t *frame;

		pumps = 0;
		frame = ask("device import - --format csv", file);
		close(file);
		if (exit_of(frame) == CTL_DONE) {
			cr_expect_eq(devices(), before + ROWS);
			all++;
		} else {
			cr_expect(complains(frame, "cancelled"));
			cr_expect(complains(frame, "nothing was imported"));
			cr_expect_eq(devices(), before);
			cr_expect_eq(world.service->inventory.next_id, next_id);
			none++;
		}
		json_decref(frame);
	}
	cr_expect_geq(none, ROWS / 500);
}

Test(jobs, another_client_sees_a_job_and_cancels_it)
{
	struct asking importer = client(), other = client();
	int file = many_devices();
	json_t *frame, *job;

	request(&importer, "device import - --format csv", file);
	request(&other, "job show 1", -1);
	request(&other, "job cancel 1", -1);
	frame = answer(&other);
	job = json_object_get(frame, "result");
	cr_expect_str_eq(json_string_value(json_object_get(job, "state")), "running");
	cr_expect(json_is_true(json_object_get(job, "can_be_cancelled")));
	cr_expect_not_null(json_object_get(job, "progress"));
	json_decref(frame);
	frame = answer(&other);
	cr_expect_eq(exit_of(frame), CTL_DONE);
	json_decref(frame);
	frame = answer(&importer);
	cr_expect_eq(exit_of(frame), CTL_REFUSED);
	cr_expect(complains(frame, "cancelled"));
	json_decref(frame);
	frame = ask("job wait 1", -1);
	cr_expect_eq(exit_of(frame), CTL_REFUSED);
	cr_expect(complains(frame, "cancelled"));
	json_decref(frame);
	frame = ask("job cancel 1", -1);
	cr_expect(complains(frame, "job 1 is over: cancelled"));
	json_decref(frame);
	cr_expect_eq(devices(), 3);
	close(file);
	leave(&importer);
	leave(&other);
	run();
}

Test(jobs, who_waits_gets_the_answer_of_a_client_that_left)
{
	struct asking importer = client(), other = client();
	int file = many_devices();
	json_t *frame;

	request(&importer, "device import - --format csv", file);
	request(&other, "job wait 1", -1);
	leave(&importer);
	frame = answer(&other);
	cr_expect_eq(exit_of(frame), CTL_DONE);
	cr_expect_eq(json_integer_value(json_object_get(json_object_get(frame, "result"), "added")),
		     ROWS);
	cr_expect_eq(devices(), 3 + ROWS);
	json_decref(frame);
	close(file);
	leave(&other);
	run();
}

Test(jobs, who_has_to_wait_is_told_and_what_has_not_begun_ends_with_its_client)
{
	struct asking importer = client(), stays = client(), leaves = client();
	int file = many_devices();
	json_t *frame;

	request(&importer, "device import - --format csv", file);
	request(&stays, "device add stays", -1);
	request(&leaves, "device add leaves", -1);
	shutdown(leaves.client.fd, SHUT_RDWR); /* before the import ends: it is served in one go */
	leave(&leaves);
	frame = answer(&importer);
	cr_expect_eq(exit_of(frame), CTL_DONE);
	json_decref(frame);
	frame = answer(&stays);
	cr_expect_eq(exit_of(frame), CTL_DONE);
	cr_expect(stays.waited);
	json_decref(frame);
	cr_expect_not_null(inventory_find(&world.service->inventory, "stays"));
	cr_expect_null(inventory_find(&world.service->inventory, "leaves"));
	close(file);
	leave(&importer);
	leave(&stays);
	run();
}

Test(jobs, a_rerun_that_is_cancelled_says_how_many_will_run)
{
	json_t *frame;

	for (uint32_t i = 0; i < ROWS; i++) {
		const struct report_change change = { .device = i,
						      .task = 1,
						      .status = TASK_ERROR,
						      .started_ms = 1,
						      .finished_ms = 2,
						      .summary = "x" };

		reports_set(&world.service->reports, &change);
	}
	cancel_at = 2;
	frame = ask("task rerun first", -1);
	cr_expect(complains(frame, "cancelled: 2000 of 3000 devices will run it again"));
	json_decref(frame);
}

Test(jobs, an_export_that_is_cancelled_writes_nothing_that_counts)
{
	int file = many_devices(), to = memfd_create("out", 0);
	json_t *frame;

	json_decref(ask("device import - --format csv", file));
	pumps = 0;
	cancel_at = 2;
	frame = ask("device export - --format csv", to);
	cr_expect_eq(exit_of(frame), CTL_REFUSED);
	cr_expect(complains(frame, "cancelled: nothing was written"));
	json_decref(frame);
	close(file);
	close(to);
}

Test(jobs, what_cannot_be_cancelled_says_why)
{
	struct asking editor = client(), other = client();
	int file = many_devices();
	json_t *frame;

	json_decref(ask("device import - --format csv", file));
	/* Every device of root.a is made anew, in slices. */
	request(&editor, "group value set root.a shared two", -1);
	request(&other, "job cancel 2", -1);
	frame = answer(&other);
	cr_expect_eq(exit_of(frame), CTL_REFUSED);
	cr_expect(complains(frame, "job 2 cannot be cancelled: "));
	json_decref(frame);
	frame = answer(&editor);
	cr_expect_eq(exit_of(frame), CTL_DONE);
	json_decref(frame);
	close(file);
	leave(&editor);
	leave(&other);
	run();
}

Test(jobs, the_last_ones_are_kept_and_no_more)
{
	struct ctl_answer end = { .exit = CTL_DONE };
	struct jobs *jobs = world.daemon.jobs;
	const struct ucred nobody = { 0 };
	char text[JOB_TEXT_MAX + 100];
	unsigned n = 0;

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	end.text = text;
	for (unsigned i = 0; i < 3 * JOBS_KEPT; i++) {
		jobs_begin(jobs, "something", &nobody);
		jobs_end(jobs, &end);
	}
	for (struct job *job = jobs_next(jobs, 0); job; job = jobs_next(jobs, job->number + 1ull)) {
		cr_expect_eq(job->number, 2 * JOBS_KEPT + 1 + n);
		cr_expect_eq(strlen(job->text), JOB_TEXT_MAX);
		n++;
	}
	cr_expect_eq(n, JOBS_KEPT);
	cr_expect_null(jobs_find(jobs, 1));
	/* A day later. */
	jobs_find(jobs, 3 * JOBS_KEPT)->ended_ms -= JOBS_KEPT_MS + 1000;
	cr_expect_null(jobs_find(jobs, 3 * JOBS_KEPT));
}
