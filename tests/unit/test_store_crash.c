/*
 * The store's process is killed at any moment, many times: what was acknowledged is there, what
 * was not is there as a whole or not at all, and of the reports only the last moments are missing.
 *
 * A child works on the store and tells by a pipe what it did; the test kills it, opens the store and
 * compares. In memory, not on a disk: only the process ends here, and a busy disk would make the
 * test slow.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/store_world.h"

enum {
	KILLS = 120,
	LIFE_MAX_US = 120000,
	DEVICES_MAX = 1 << 16,
	GROUP = 3, /* devices of a change */
	PIPE_BYTES = 1 << 20,
	AGE_MS = 100,
};

enum word { BEGUN, COMMITTED, PUT, WRITTEN };

struct line {
	enum word word;
	uint32_t device;  /* BEGUN: the first of GROUP; PUT */
	uint32_t removed; /* BEGUN: UINT32_MAX: none */
	uint64_t count;   /* PUT: what its report says */
	uint64_t serial;  /* PUT, WRITTEN: of the news */
	uint64_t at_ms;
};

/* ---- the child ---- */

struct child {
	struct store *store;
	int pipe;
	uint64_t seed, count;
	uint32_t next, lowest;
};

static uint64_t
draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
tell(const struct child *child, const struct line *line)
{
	if (write(child->pipe, line, sizeof *line) != sizeof *line)
		_exit(3);
}

static void
change_devices(struct child *child)
{
	struct store_change *change = store_change_begin(child->store);
	struct line line = { BEGUN, child->next, UINT32_MAX };
	char endpoint[32], error[STORE_ERROR_MAX];

	if (draw(&child->seed) % 2 && child->lowest + 10 < child->next)
		line.removed = child->lowest++;
	tell(child, &line);
	for (unsigned i = 0; i < GROUP; i++) {
		struct store_device device;

		snprintf(endpoint, sizeof endpoint, "dev-%u", child->next);
		device = device_named(child->next++, endpoint);
		store_change_put_device(change, &device);
	}
	if (line.removed != UINT32_MAX)
		store_change_remove_device(change, line.removed);
	if (store_change_commit(change, WAIT_MS, NULL, error) < 0)
		_exit(4);
	line.word = COMMITTED;
	tell(child, &line);
}

static void
put_report(struct child *child)
{
	uint32_t span = child->next - child->lowest;
	struct line line = { PUT, child->lowest + (uint32_t)(draw(&child->seed) % span) };
	struct store_report report = { .device = line.device, .task = 1, .summary = "s" };

	line.count = report.started_ms = ++child->count;
	line.at_ms = store_now_ms();
	store_put_report(child->store, &report);
	line.serial = child->store->writer.put;
	tell(child, &line);
}

static void
live(const struct world *world, uint32_t lowest, uint64_t count, int to_parent)
{
	char error[STORE_ERROR_MAX];
	struct child child = { .pipe = to_parent, .lowest = lowest, .count = count };

	child.seed = count * 2654435761u + 88172645463325252u;
	child.store = store_open(world->path, error);
	if (!child.store)
		_exit(2);
	child.next = store_next_device(child.store);
	child.store->writer.merge_at = 64;
	child.store->writer.summaries.room = 8;
	store_start(child.store);
	for (unsigned i = 0;; i++) {
		struct store_info info;

		if (i % 16 == 0)
			change_devices(&child);
		put_report(&child);
		store_info(child.store, &info);
		tell(&child, &(struct line){ WRITTEN, .serial = info.written });
		usleep(300);
	}
}

/* ---- what the test knows ---- */

struct model {
	struct world world;
	bool there[DEVICES_MAX], loaded[DEVICES_MAX];
	uint64_t durable[DEVICES_MAX]; /* count of the report that was written */
	uint64_t last[DEVICES_MAX];    /* of the last one, and when it was put */
	uint64_t last_ms[DEVICES_MAX];
	uint64_t found[DEVICES_MAX];
	uint32_t lowest;
	uint64_t count;
	struct line open; /* a change begun and not acknowledged */
	bool is_open;
};

static void
apply(struct model *model, const struct line *change)
{
	for (unsigned i = 0; i < GROUP; i++)
		model->there[change->device + i] = true;
	if (change->removed == UINT32_MAX)
		return;
	model->there[change->removed] = false;
	model->lowest = change->removed + 1;
}

static void
hear(struct model *model, struct line *lines, size_t n)
{
	uint64_t written = 0;

	for (size_t i = 0; i < n; i++) {
		const struct line *line = &lines[i];

		cr_assert_lt(line->device, DEVICES_MAX - GROUP);
		if (line->word == BEGUN) {
			model->open = *line;
			model->is_open = true;
		} else if (line->word == COMMITTED) {
			apply(model, line);
			model->is_open = false;
		} else if (line->word == WRITTEN) {
			written = line->serial;
		} else {
			model->last[line->device] = model->count = line->count;
			model->last_ms[line->device] = line->at_ms;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (lines[i].word == PUT && lines[i].serial <= written)
			model->durable[lines[i].device] = lines[i].count;
}

static bool
see_device(void *ctx, const struct store_device *device)
{
	((struct model *)ctx)->loaded[device->id] = true;
	return true;
}

static bool
see_report(void *ctx, const struct store_report *report)
{
	struct model *model = ctx;

	cr_assert_eq(model->found[report->device], 0, "device %u came twice", report->device);
	model->found[report->device] = report->started_ms;
	return true;
}

static void
load(struct model *model)
{
	struct world *world = &model->world;

	memset(model->loaded, 0, sizeof model->loaded);
	memset(model->found, 0, sizeof model->found);
	world->store = store_open(world->path, world->error);
	cr_assert_not_null(world->store, "%s", world->error);
	cr_assert_eq(store_load_devices(world->store, see_device, model, world->error), 0);
	cr_assert_eq(store_load_reports(world->store, see_report, model, world->error), 0, "%s",
		     world->error);
}

/* How old the oldest report is that was lost, in ms. */
static uint64_t
compare(struct model *model, uint64_t killed_ms)
{
	uint64_t age = 0;

	if (model->is_open && model->loaded[model->open.device])
		apply(model, &model->open);
	for (uint32_t id = 0; id < store_next_device(model->world.store); id++) {
		cr_assert_eq(model->loaded[id], model->there[id], "device %u", id);
		if (!model->there[id]) {
			cr_assert_eq(model->found[id], 0, "a report of removed device %u", id);
			continue;
		}
		cr_assert_geq(model->found[id], model->durable[id], "device %u", id);
		cr_assert_leq(model->found[id], model->last[id] ? model->count : 0);
		if (model->found[id] < model->last[id] && killed_ms - model->last_ms[id] > age)
			age = killed_ms - model->last_ms[id];
		model->durable[id] = model->last[id] = model->found[id];
	}
	model->is_open = false;
	return age;
}

/* ---- a life ---- */

static size_t
read_all(int from_child, struct line *lines, size_t max)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(from_child, (char *)lines + used, max - used)) > 0)
		used += (size_t)n;
	close(from_child);
	return used / sizeof *lines;
}

/* Begins a child, lets it live for a while and kills it; what it told goes to the model. */
static uint64_t
one_life(struct model *model, uint64_t *seed, struct line *lines)
{
	uint64_t killed_ms;
	int ends[2], status;
	pid_t child;
	size_t n;

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		close(ends[0]);
		live(&model->world, model->lowest, model->count, ends[1]);
	}
	close(ends[1]);
	usleep((useconds_t)(draw(seed) % LIFE_MAX_US));
	killed_ms = store_now_ms();
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status), "the child ended with %d", WEXITSTATUS(status));
	n = read_all(ends[0], lines, PIPE_BYTES);
	hear(model, lines, n);
	return killed_ms;
}

Test(store_crash, killed_at_any_moment_it_keeps_what_it_acknowledged, .timeout = 300)
{
	struct model *model = calloc(1, sizeof *model);
	struct line *lines = malloc(PIPE_BYTES);
	uint64_t seed = 20261127, oldest = 0;
	unsigned in_time = 0, reports = 0;

	cr_assert(model && lines);
	world_folder(&model->world, "/dev/shm");
	for (unsigned i = 0; i < KILLS; i++) {
		uint64_t killed_ms = one_life(model, &seed, lines);
		uint64_t age;

		load(model);
		age = compare(model, killed_ms);
		in_time += age <= AGE_MS;
		oldest = age > oldest ? age : oldest;
		store_close(model->world.store);
	}
	for (uint32_t id = 0; id < DEVICES_MAX; id++)
		reports += model->found[id] != 0;
	/*
	 * On a busy machine the writer may not get the processor for longer than that, which is no
	 * fault of its own: so it must be in time mostly.
	 */
	cr_log_info("oldest report lost: %llu ms; within %d ms in %u of %d kills",
		    (unsigned long long)oldest, AGE_MS, in_time, KILLS);
	cr_expect_gt(in_time, KILLS / 2);
	cr_expect_gt(reports, 10);
	model->world.store = NULL;
	world_end(&model->world);
	free(lines);
	free(model);
}
