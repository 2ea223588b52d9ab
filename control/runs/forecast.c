#include "control/runs/forecast.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"
#include "control/runs/device_run.h"
#include "control/runs/service.h"
#include "control/slice.h"
#include "tasks/hash.h"

enum { SLICE_DEVICES = 1000, ARENA_MAX = 16 << 20 };

/* What a list of groups means to the change: worked out once a list. */
enum { GROUPS_UNKNOWN, GROUPS_OTHER, GROUPS_SAME, GROUPS_CHANGED };

/* ---- which devices ---- */

static bool
runs_task(const struct task_set *set, const char *id)
{
	for (unsigned i = 0; set && i < set->n_tasks; i++)
		if (strcmp(set->tasks[i]->id, id) == 0)
			return true;
	return false;
}

static uint8_t
judge_groups(struct forecast *forecast, uint32_t groups)
{
	struct service *service = forecast->service;
	const struct inventory *inventory = &service->inventory;
	struct generation *before = service->generation, *after = forecast->generation;

	if (forecast->task &&
	    !runs_task(generation_task_set(before, inventory, groups), forecast->task) &&
	    !runs_task(generation_task_set(after, inventory, groups), forecast->task))
		return GROUPS_OTHER;
	return generation_changes(before, after, inventory, groups) ? GROUPS_CHANGED : GROUPS_SAME;
}

/* Lists of groups that come while it works (a task lets a device join) are judged each time. */
static uint8_t
groups_are(struct forecast *forecast, uint32_t groups)
{
	if (groups >= forecast->n_by_groups)
		return judge_groups(forecast, groups);
	if (!forecast->by_groups[groups])
		forecast->by_groups[groups] = judge_groups(forecast, groups);
	return forecast->by_groups[groups];
}

/* ---- one device, compiled twice ---- */

/* What makes one compilation like the other: the same moment, the same random bytes. */
struct pair {
	struct run_memory memory;
	struct device_run before, after;
	const struct plan *plan;               /* of what is sent now */
	struct plan *held_before, *held_after; /* of the device before; held */
};

static const struct batch *
published_batch(const struct device *device)
{
	/* Relaxed: this thread is the only writer. */
	return atomic_load_explicit(&device->entry->batch, memory_order_relaxed);
}

static bool
is_per_session(const struct forecast *forecast, const struct device *device)
{
	const struct inventory *inventory = &forecast->service->inventory;
	const struct task_set *before =
		generation_task_set(forecast->service->generation, inventory, device->groups);
	const struct task_set *after =
		generation_task_set(forecast->generation, inventory, device->groups);

	return !before || !after || before->per_session || after->per_session;
}

/* Random bytes of its own for each device: one seed for all would look like one key for all. */
static void
seed_pair(struct pair *pair, const struct device *device)
{
	uint32_t id = device_id(device);

	memcpy(pair->memory.seed, &id, sizeof id);
	pair->memory.seeded = true;
	pair->memory.now_ms = clock_now_ms();
}

static int
make_pair(struct forecast *forecast, const struct device *device, struct pair *pair)
{
	struct service *service = forecast->service;
	struct run_request request = { .device = device, .format = device->format };
	bool per_session = is_per_session(forecast, device);

	pair->before = pair->after = (struct device_run){ 0 };
	pair->plan = device->plan;
	if (per_session) {
		seed_pair(pair, device);
		request.memory = &pair->memory;
		request.preview = request.any_time = true;
		if (device_run_make(service, &request, &pair->before) < 0)
			return -ENOMEM;
		pair->plan = pair->before.plan;
	}
	request.generation = forecast->generation;
	if (device_run_make(service, &request, &pair->after) == 0)
		return 0;
	device_run_free(&service->plans, &pair->before);
	return -ENOMEM;
}

static const struct batch *
batch_before(const struct pair *pair, const struct device *device)
{
	return pair->before.plan ? pair->before.batch : published_batch(device);
}

/*
 * Devices in a row mostly have one plan: it is held until another one comes, or it would be made anew for each, which costs
 * more than all the rest.
 */
static void
hold_plan(struct plans *plans, struct plan **held, struct plan *plan)
{
	if (*held == plan)
		return;
	if (plan)
		plan_hold(plan);
	plan_release(plans, *held);
	*held = plan;
}

static void
free_pair(struct forecast *forecast, struct pair *pair)
{
	struct plans *plans = &forecast->service->plans;

	hold_plan(plans, &pair->held_before, pair->before.plan);
	hold_plan(plans, &pair->held_after, pair->after.plan);
	device_run_free(plans, &pair->before);
	device_run_free(plans, &pair->after);
}

static void
end_pair(struct forecast *forecast, struct pair *pair)
{
	hold_plan(&forecast->service->plans, &pair->held_before, NULL);
	hold_plan(&forecast->service->plans, &pair->held_after, NULL);
	run_memory_fini(&pair->memory);
}

/* ---- what cannot be compiled ---- */

static bool
is_failure(const struct plan_task *task)
{
	return task->state == PLAN_OVER && task->status == TASK_ERROR;
}

static bool
failed_before(const struct plan *plan, const struct plan_task *task)
{
	for (unsigned i = 0; plan && i < plan->n_tasks; i++)
		if (is_failure(&plan->tasks[i]) &&
		    strcmp(plan->tasks[i].task->id, task->task->id) == 0)
			return true;
	return false;
}

static bool
is_cause(const struct forecast_cause *cause, const struct plan_task *task, const char *text)
{
	return cause->task && strcmp(cause->task, task->task->id) == 0 &&
	       strcmp(cause->text, text) == 0;
}

/* The last place is for all causes that there is no room for. */
static struct forecast_cause *
find_cause(struct forecast *forecast, const struct plan_task *task)
{
	const char *text = task->summary ? task->summary : "";
	struct forecast_cause *cause;

	for (unsigned i = 0; i < forecast->n_causes; i++)
		if (is_cause(&forecast->causes[i], task, text))
			return &forecast->causes[i];
	if (forecast->n_causes == FORECAST_CAUSES_MAX)
		return &forecast->causes[FORECAST_CAUSES_MAX - 1];
	cause = &forecast->causes[forecast->n_causes++];
	if (forecast->n_causes == FORECAST_CAUSES_MAX)
		return cause;
	cause->task = strdup(task->task->id);
	cause->name = strdup(task->task->name);
	cause->text = strdup(text);
	return cause->task && cause->name && cause->text ? cause : NULL;
}

/* Whether a task fails now that did not before. */
static int
note_failures(struct forecast *forecast, const struct device *device, const struct pair *pair,
	      bool *fails)
{
	const struct plan *plan = pair->after.plan;
	bool before = false;

	*fails = false;
	for (unsigned i = 0; i < plan->n_tasks; i++) {
		struct forecast_cause *cause;

		if (!is_failure(&plan->tasks[i]))
			continue;
		if (failed_before(pair->plan, &plan->tasks[i])) {
			before = true;
			continue;
		}
		cause = find_cause(forecast, &plan->tasks[i]);
		if (!cause)
			return -ENOMEM;
		cause->devices++;
		forecast_example(&cause->examples, device, "");
		*fails = true;
	}
	forecast->failing += *fails;
	forecast->failing_before += before && !*fails;
	return 0;
}

/* ---- what is written otherwise ---- */

static uint32_t
place_hash(const struct operation *operation)
{
	uint64_t hash = hash64_bytes(HASH64_EMPTY, &operation->path, sizeof operation->path);

	hash = hash64_word(hash, (uint64_t)operation->code << 1 | operation->correction);
	return (uint32_t)(hash ^ hash >> 32);
}

static struct forecast_path *
find_path(struct forecast *forecast, const struct operation *operation, uint32_t hash)
{
	uint32_t at, n;

	for (n = hash_index_first(&forecast->by_path, hash, &at); n != HASH_INDEX_NONE;
	     n = hash_index_next(&forecast->by_path, hash, &at))
		if (operation_is_at(&forecast->paths[n].operation, operation))
			return &forecast->paths[n];
	if (forecast->n_paths == FORECAST_PATHS_MAX)
		return NULL;
	hash_index_add(&forecast->by_path, hash, forecast->n_paths);
	forecast->paths[forecast->n_paths].operation = (struct operation){
		.path = operation->path,
		.code = operation->code,
		.correction = operation->correction,
	};
	return &forecast->paths[forecast->n_paths++];
}

/* Counts the differences by path; returns the shape of the change: which paths, and how. */
static uint64_t
count_paths(struct forecast *forecast, const struct forecast_device *at)
{
	uint64_t shape = HASH64_EMPTY;

	for (size_t i = 0; i < at->n_differences; i++) {
		const struct difference *difference = &at->differences[i];
		const struct operation *operation =
			difference->after ? difference->after : difference->before;
		uint32_t hash = place_hash(operation);
		struct forecast_path *path = find_path(forecast, operation, hash);

		shape = hash64_word(hash64_word(shape, hash), difference->kind);
		if (path)
			path->devices[difference->kind]++;
		else
			forecast->more_paths++;
	}
	return shape;
}

static bool
is_new_shape(struct forecast *forecast, uint64_t shape)
{
	for (unsigned i = 0; i < forecast->n_samples; i++)
		if (forecast->shapes[i] == shape)
			return false;
	return forecast->n_samples < FORECAST_SAMPLES;
}

static int
compare(struct forecast *forecast, const struct device *device, const struct pair *pair)
{
	struct forecast_device at = {
		.device = device,
		.before = { batch_before(pair, device), forecast->service->generation->objects },
		.after = { pair->after.batch, forecast->generation->objects },
	};
	struct difference *differences;
	uint64_t shape;

	if (batch_compare(&at.before, &at.after, &forecast->arena, &differences,
			  &at.n_differences) < 0)
		return -ENOMEM;
	forecast->continuing += pair->after.batch && pair->after.batch->continues;
	if (!at.n_differences)
		return 0;
	at.differences = differences;
	forecast->changed++;
	shape = count_paths(forecast, &at);
	if (is_new_shape(forecast, shape)) {
		forecast->shapes[forecast->n_samples] = shape;
		forecast_take_sample(forecast, &at);
	}
	return forecast_judge(forecast, &at);
}

static int
forecast_device(struct forecast *forecast, const struct device *device, struct pair *pair)
{
	bool fails;
	int result;

	forecast->concerned++;
	if (make_pair(forecast, device, pair) < 0)
		return -ENOMEM;
	result = note_failures(forecast, device, pair, &fails);
	if (result == 0 && !fails)
		result = compare(forecast, device, pair);
	free_pair(forecast, pair);
	arena_reset(&forecast->arena);
	return result;
}

/* ---- all devices ---- */

/* False: no more. */
static bool
go_on(struct forecast *forecast, struct slice *slice, uint32_t done)
{
	struct service *service = forecast->service;

	slice_pump(slice, &service->pump);
	if (forecast->tell)
		forecast->tell(forecast->ctx, done, service->inventory.count);
	forecast->abandoned =
		service->stopping || (forecast->cancelled && forecast->cancelled(forecast->ctx));
	return !forecast->abandoned;
}

static void
each_changed(struct forecast *forecast)
{
	struct inventory *inventory = &forecast->service->inventory;
	struct pair pair = { 0 };
	struct slice slice = { 0 };
	struct device *device;
	uint32_t done = 0;

	for (uint32_t id = 0; (device = inventory_next(inventory, &id)); id++) {
		uint8_t groups = groups_are(forecast, device->groups);

		forecast->devices += groups != GROUPS_OTHER;
		if (groups == GROUPS_CHANGED && forecast_device(forecast, device, &pair) < 0)
			forecast->out_of_memory++;
		done++;
		if (slice_is_over(&slice, SLICE_DEVICES) && !go_on(forecast, &slice, done))
			break;
	}
	end_pair(forecast, &pair);
}

/*
 * Hosts that no device that changes is sent to now may be those of devices that do not change: only then is the
 * whole fleet looked through.
 */
static void
each_for_hosts(struct forecast *forecast)
{
	struct service *service = forecast->service;
	struct pair pair = { 0 };
	struct slice slice = { 0 };
	struct device *device;
	uint32_t done = 0;

	for (uint32_t id = 0;
	     forecast_wants_hosts(forecast) && (device = inventory_next(&service->inventory, &id));
	     id++) {
		struct compared_batch batch = { published_batch(device),
						service->generation->objects };
		const struct run_request request = { .device = device,
						     .format = device->format,
						     .memory = &pair.memory,
						     .preview = true,
						     .any_time = true };

		seed_pair(&pair, device);
		if (!batch.batch && (device->entry->flags & DEVICE_PER_SESSION) &&
		    device_run_make(service, &request, &pair.before) == 0)
			batch.batch = pair.before.batch;
		if (forecast_note_hosts(forecast, &batch) < 0)
			forecast->out_of_memory++;
		free_pair(forecast, &pair);
		arena_reset(&forecast->arena);
		done++;
		if (slice_is_over(&slice, SLICE_DEVICES) && !go_on(forecast, &slice, done))
			break;
	}
	end_pair(forecast, &pair);
}

/* What can be told only when all are seen. */
static void
sum_up(struct forecast *forecast)
{
	const struct inventory *inventory = &forecast->service->inventory;

	forecast->n_shared =
		(unsigned)frequent_top(&forecast->keys, forecast->shared, FORECAST_SHARED_MAX);
	while (forecast->n_shared && forecast->shared[forecast->n_shared - 1].count < 2)
		forecast->n_shared--;
	for (unsigned i = 0; i < forecast->n_shared; i++) {
		struct forecast_danger *danger = &forecast->dangers[DANGER_SHARED_KEY];
		const struct device *device = inventory_at(inventory, forecast->shared[i].tag);
		char detail[FORECAST_DETAIL_MAX];

		danger->devices += forecast->shared[i].count;
		snprintf(detail, sizeof detail, "one key for %u devices",
			 forecast->shared[i].count);
		if (device)
			forecast_example(&danger->examples, device, detail);
	}
	for (unsigned i = 0; i < forecast->n_hosts; i++)
		if (!forecast->hosts[i].known)
			forecast->dangers[DANGER_NEW_HOST].devices += forecast->hosts[i].devices;
	forecast->dangers[DANGER_NEW_HOST].devices += forecast->more_hosts;
}

static int
begin(struct forecast *forecast)
{
	arena_init(&forecast->arena, ARENA_MAX);
	forecast->n_by_groups = forecast->service->inventory.groups.count;
	forecast->by_groups = calloc(forecast->n_by_groups + 1, 1);
	forecast->known_hosts = calloc((size_t)2 * FORECAST_KNOWN_HOSTS_MAX, sizeof(uint64_t));
	return forecast->by_groups && forecast->known_hosts &&
			       frequent_init(&forecast->keys) == 0 &&
			       hash_index_reserve(&forecast->by_path, FORECAST_PATHS_MAX) == 0
		       ? 0
		       : -ENOMEM;
}

/* Of this thread, whatever else the machine does. */
static double
cpu_seconds(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

int
forecast_run(struct forecast *forecast)
{
	uint64_t begun_us = clock_now_us();
	double begun_cpu_s = cpu_seconds();

	if (begin(forecast) < 0)
		return -ENOMEM;
	each_changed(forecast);
	if (!forecast->abandoned)
		each_for_hosts(forecast);
	sum_up(forecast);
	forecast->seconds = (double)(clock_now_us() - begun_us) / 1e6;
	forecast->cpu_s = cpu_seconds() - begun_cpu_s;
	return forecast->abandoned ? -ECANCELED : 0;
}

void
forecast_fini(struct forecast *forecast)
{
	for (unsigned i = 0; i < forecast->n_causes; i++) {
		free(forecast->causes[i].task);
		free(forecast->causes[i].name);
		free(forecast->causes[i].text);
	}
	for (unsigned i = 0; i < forecast->n_samples; i++)
		text_fini(&forecast->samples[i].lines);
	arena_fini(&forecast->arena);
	frequent_fini(&forecast->keys);
	hash_index_fini(&forecast->by_path);
	free(forecast->known_hosts);
	free(forecast->by_groups);
	*forecast = (struct forecast){ 0 };
}
