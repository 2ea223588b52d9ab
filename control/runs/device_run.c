#include "control/runs/device_run.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/policy/policy_rollout.h"
#include "control/runs/credentials.h"
#include "control/runs/device_env.h"
#include "control/runs/rollouts.h"
#include "control/runs/service.h"
#include "tasks/model/write.h"
#include "tasks/show.h"

enum { SCRATCH_MAX = 8 << 20 };

/* ---- which tasks run ---- */

/* An LwM2M server that the run writes, and its newest task that does. */
struct run_server {
	const struct policy_server *server;
	unsigned task;
};

/* One compilation, and what it needs room for. */
struct run_maker {
	struct service *service;
	struct generation *generation; /* whose tasks they are */
	const struct run_request *request;
	const struct task_set *set;
	struct device_env env;
	struct arena scratch; /* for conditions */
	struct compiler *compiler;
	uint64_t now_ms;
	bool logs, waits;
	const struct policy_task *costly;
	unsigned n;             /* of the plan's tasks */
	enum run_reason reason; /* of the next one */
	struct plan_task plan[PLAN_TASKS_MAX];
	struct compile_answer answer;
	unsigned n_run; /* of those that are compiled ... */
	const struct policy_task *tasks[PLAN_TASKS_MAX];
	const struct task *sources[PLAN_TASKS_MAX];
	unsigned place[PLAN_TASKS_MAX]; /* ... and where they stand in the plan */
	unsigned task;                  /* of those, the one whose turn it is */
	struct task_result results[PLAN_TASKS_MAX];
	unsigned n_servers; /* that the run writes, each once */
	struct run_server servers[POLICY_SERVERS_MAX];
	char refusal[TASK_SUMMARY_MAX]; /* why one of them cannot be written */
};

struct run_maker *
run_maker_new(void)
{
	struct run_maker *maker = calloc(1, sizeof *maker);

	if (maker)
		arena_init(&maker->scratch, SCRATCH_MAX);
	return maker;
}

void
run_maker_free(struct run_maker *maker)
{
	if (maker)
		arena_fini(&maker->scratch);
	free(maker);
}

/* A task that is done until somebody reruns it. */
static bool
is_done(const struct run_maker *maker, const struct policy_task *task)
{
	const struct report *last;

	if (task->repetition != REPETITION_ONCE && task->automatic_restart)
		return false;
	last = reports_find(&maker->service->reports, task->report,
			    device_id(maker->request->device));
	return last && report_went_well(last);
}

/* When the task may run again, in milliseconds; 0: its minimum interval is over, or it has none. */
static uint64_t
too_soon_until(const struct run_maker *maker, const struct policy_task *task)
{
	const struct report *last;
	uint64_t until_ms;

	if (!task->min_interval_s)
		return 0;
	last = reports_find(&maker->service->reports, task->report,
			    device_id(maker->request->device));
	if (!last || !last->started_ms || !report_went_well(last))
		return 0;
	until_ms = last->started_ms + UINT64_C(1000) * task->min_interval_s;
	return maker->now_ms < until_ms ? until_ms : 0;
}

/* What is decided of the plan's next task. */
static void
decide(struct run_maker *maker, enum run_reason reason, uint64_t next_ms)
{
	assert(maker->n < PLAN_TASKS_MAX);
	maker->reason = reason;
	if (maker->request->decisions)
		maker->request->decisions[maker->n] = (struct run_decision){ reason, next_ms };
}

static void
plan_over(struct run_maker *maker, const struct policy_task *task, enum plan_task_state state,
	  const char *why)
{
	assert(maker->n < PLAN_TASKS_MAX);
	maker->plan[maker->n++] = (struct plan_task){
		.task = task,
		.state = (uint8_t)state,
		.status = state == PLAN_OVER ? TASK_ERROR : TASK_NOT_STARTED,
		.reason = (uint8_t)maker->reason,
		.summary = why,
	};
}

/* False when the condition holds; else the task is in the plan with the reason. */
static bool
condition_fails(struct run_maker *maker, const struct policy_task *task)
{
	struct expr_eval eval = { .env = &maker->env.env, .arena = &maker->scratch };
	struct value value;
	bool holds;
	char *why;

	if (!task->condition)
		return false;
	maker->env.task = task;
	if (template_eval(task->condition->template, &eval, &value) == 0 &&
	    value_boolean(&value, &holds) == 0) {
		if (holds)
			return false;
		decide(maker, RUN_CONDITION, 0);
		plan_over(maker, task, PLAN_LEFT_OUT, "its execution condition is false");
		return true;
	}
	if (eval.costly)
		maker->costly = task;
	why = arena_alloc(&maker->scratch, TASK_SUMMARY_MAX);
	if (why)
		show_into(why, TASK_SUMMARY_MAX, "execution condition: %s",
			  eval.error[0] ? eval.error : "it is neither true nor false");
	plan_over(maker, task, PLAN_OVER, why ? why : "execution condition: out of memory");
	return true;
}

static const char *
not_by_schedule(struct run_maker *maker, const struct schedule *schedule)
{
	time_t now = (time_t)(maker->now_ms / 1000);
	char *why, next[SCHEDULE_NEXT_MAX];

	if (schedule_allows(schedule, now))
		return NULL;
	why = arena_alloc(&maker->scratch, TASK_SUMMARY_MAX);
	if (!why)
		return "its schedule does not allow it now";
	snprintf(why, TASK_SUMMARY_MAX, "its schedule does not allow it now, next %s",
		 schedule_next(schedule, now, next));
	return why;
}

/* The moment is for a caller that asks about one device: a million reports with moments of their own
 * would not share their sentences any more. */
static const char *
not_by_interval(struct run_maker *maker, const struct policy_task *task)
{
	static const char reason[] = "its minimum interval since the last run is not over";
	uint64_t until_ms = too_soon_until(maker, task);
	time_t until = (time_t)(until_ms / 1000) + 1;
	char *why;
	struct tm tm;

	if (!until_ms)
		return NULL;
	why = maker->request->preview ? arena_alloc(&maker->scratch, TASK_SUMMARY_MAX) : NULL;
	if (!why || !gmtime_r(&until, &tm))
		return reason;
	snprintf(why, TASK_SUMMARY_MAX, "%s, next %04d-%02d-%02dT%02d:%02d:%02dZ", reason,
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return why;
}

/* When both its minimum interval and its schedule allow the task, in milliseconds; 0: never. */
static uint64_t
next_allowed(const struct run_maker *maker, const struct policy_task *task)
{
	uint64_t until_ms = too_soon_until(maker, task);
	uint64_t from_ms = until_ms ? until_ms : maker->now_ms;
	time_t next;

	if (!task->schedule)
		return from_ms;
	/* The second in which an interval ends is not over. */
	next = schedule_next_time(task->schedule, (time_t)((from_ms + 999) / 1000));
	return next < 0 ? 0 : (uint64_t)next * 1000;
}

/* NULL: it runs. */
static const char *
why_not_now(struct run_maker *maker, const struct policy_task *task)
{
	const struct run_request *request = maker->request;
	bool once = task->repetition == REPETITION_ONCE;
	enum run_reason reason = RUN_SCHEDULE;
	const char *why = NULL;

	decide(maker, RUN_NOW, 0);
	if (request->regardless)
		return NULL;
	if (is_done(maker, task)) {
		decide(maker, once ? RUN_DONE : RUN_BY_RERUN, 0);
		return once ? "it has run once; `task rerun` runs it again"
			    : "it restarts only by `task rerun`";
	}
	if ((!request->session && !request->preview) || request->any_time)
		return NULL;
	if (task->schedule)
		why = not_by_schedule(maker, task->schedule);
	if (!why) {
		reason = RUN_INTERVAL;
		why = not_by_interval(maker, task);
	}
	if (why)
		decide(maker, reason, request->decisions ? next_allowed(maker, task) : 0);
	return why;
}

/* In a rollout a part of the devices runs the new version, the others the former one. */
static const struct policy_file *
version_of(const struct run_maker *maker, const struct policy_task *task)
{
	return rollout_gives_new(task, maker->request->device, maker->set) ? task->source
									   : task->rollout->former;
}

/* It is compiled. */
static void
choose_task(struct run_maker *maker, const struct policy_task *task)
{
	assert(maker->n < PLAN_TASKS_MAX && maker->n_run <= maker->n);
	maker->place[maker->n_run] = maker->n;
	maker->tasks[maker->n_run] = task;
	maker->sources[maker->n_run++] = version_of(maker, task)->task;
	maker->plan[maker->n++] = (struct plan_task){ .task = task };
}

static void
choose_tasks(struct run_maker *maker)
{
	if (maker->request->trial) {
		choose_task(maker, maker->request->trial->task);
		return;
	}
	for (unsigned i = 0; i < maker->set->n_tasks; i++) {
		const struct policy_task *task = maker->set->tasks[i];
		const char *why = why_not_now(maker, task);

		if (why) {
			plan_over(maker, task, PLAN_LEFT_OUT, why);
			continue;
		}
		if (condition_fails(maker, task))
			continue;
		choose_task(maker, task);
	}
}

/* ---- compiling ---- */

static void
on_log(void *ctx, unsigned task, enum task_log_level level, const char *text, size_t len)
{
	struct run_maker *maker = ctx;
	struct run_memory *memory = maker->request->memory;

	if (level < maker->tasks[task]->log_level || maker->tasks[task]->discard_details)
		return;
	maker->logs = true;
	if (!memory || memory->log.len > RUN_LOG_MAX)
		return;
	text_printf(&memory->log, "%u %s ", maker->place[task], task_log_level_names[level]);
	text_put_untrusted(&memory->log, text, len < 1024 ? len : 1024);
	text_put(&memory->log, "\n", 1);
}

/* Borrowed for the compilation. */
static const struct compile_answer *
on_answer(void *ctx, unsigned index)
{
	struct run_maker *maker = ctx;
	const struct run_memory *memory = maker->request->memory;

	if (!memory || index >= memory->n_answers)
		return NULL;
	maker->answer = (struct compile_answer){
		.code = memory->answers[index].code,
		.format = memory->answers[index].format == SESSION_NO_FORMAT
				  ? -1
				  : memory->answers[index].format,
		.payload = memory->answers[index].bytes,
		.len = memory->answers[index].len,
	};
	return &maker->answer;
}

static void
log_history(struct run_maker *maker, const struct compile_effect *effect)
{
	struct run_memory *memory = maker->request->memory;

	if (memory->log.len > RUN_LOG_MAX || maker->tasks[effect->task]->discard_details)
		return;
	text_printf(&memory->log, "%u history ", maker->place[effect->task]);
	text_put_untrusted(&memory->log, effect->name, effect->name_len);
	text_printf(&memory->log, " = ");
	if (effect->secret)
		text_printf(&memory->log, "********");
	else
		text_put_untrusted(&memory->log, effect->text,
				   effect->text_len < 1024 ? effect->text_len : 1024);
	text_printf(&memory->log, "\n");
}

static void
on_effect(void *ctx, const struct compile_effect *effect)
{
	struct run_maker *maker = ctx;
	struct run_memory *memory = maker->request->memory;
	struct run_effect *kept;

	if (!memory)
		return;
	if (effect->kind == EFFECT_HISTORY) {
		log_history(maker, effect);
		return;
	}
	kept = calloc(1, sizeof *kept);
	if (!kept)
		return;
	*kept = (struct run_effect){
		.kind = (uint8_t)effect->kind,
		.task = (uint8_t)effect->task,
		.secret = effect->secret,
		.name = strndup(effect->name ? effect->name : "", effect->name_len),
		.text = strndup(effect->text ? effect->text : "", effect->text_len),
	};
	if (!kept->name || !kept->text) {
		free(kept->name);
		free(kept->text);
		free(kept);
		return;
	}
	run_memory_effect(memory, kept);
}

/* A task that failed changes nothing. */
static void
drop_effects_of_failed(struct run_maker *maker)
{
	struct run_memory *memory = maker->request->memory;
	struct run_effect **at = memory ? &memory->effects : NULL;

	while (at && *at) {
		struct run_effect *effect = *at;

		if (maker->results[effect->task].status != TASK_ERROR) {
			at = &effect->next;
			continue;
		}
		*at = effect->next;
		run_effect_free(effect);
	}
	if (memory)
		memory->effects_end = at;
}

static void
on_begin(void *ctx, unsigned task)
{
	struct run_maker *maker = ctx;

	maker->task = task;
	device_env_begin_task(&maker->env, task);
}

/* The server of this run that has the same SSID, or NULL. What a failed task wrote is not sent. */
static const struct policy_server *
find_rival(const struct run_maker *maker, const struct policy_server *server)
{
	for (unsigned i = 0; i < maker->n_servers && server->ssid; i++) {
		const struct run_server *other = &maker->servers[i];

		if (other->server != server && other->server->ssid == server->ssid &&
		    maker->results[other->task].status != TASK_ERROR)
			return other->server;
	}
	return NULL;
}

static void
remember_server(struct run_maker *maker, const struct policy_server *server)
{
	unsigned i = 0;

	while (i < maker->n_servers && maker->servers[i].server != server)
		i++;
	assert(i < POLICY_SERVERS_MAX);
	maker->servers[i] = (struct run_server){ server, maker->task };
	if (i == maker->n_servers)
		maker->n_servers++;
}

static const struct task *
on_server(void *ctx, bool by_name, const char *name, size_t len, const char **why)
{
	struct run_maker *maker = ctx;
	const struct policy_server *server =
		policy_server_find(maker->generation->policy, by_name, name, len);
	const struct policy_server *rival = server ? find_rival(maker, server) : NULL;

	if (!server)
		return NULL;
	if (rival) {
		snprintf(maker->refusal, sizeof maker->refusal,
			 "servers %s and %s have the Short Server ID %u: this device cannot have "
			 "both",
			 rival->id, server->id, server->ssid);
		*why = maker->refusal;
		return NULL;
	}
	remember_server(maker, server);
	return server->task;
}

static const struct compile_file *
on_upload(void *ctx, const char *id, size_t len)
{
	const struct run_maker *maker = ctx;

	return resources_file(maker->generation->resources, id, len);
}

static void
on_credential(void *ctx, const struct compile_credential *credential)
{
	struct run_maker *maker = ctx;

	credentials_add(maker->service, maker->request->device, maker->request->memory, credential);
}

static bool
on_finish(void *ctx)
{
	struct run_maker *maker = ctx;

	maker->waits = !credentials_may_finish(maker->service, maker->request->memory);
	return !maker->waits;
}

/* Somebody wants to hear of them, and it is no trial. */
static bool
tells_credentials(const struct run_maker *maker)
{
	const struct run_request *request = maker->request;

	return maker->service->deliveries.conf && request->session && request->memory;
}

static void
keep_results(struct run_maker *maker)
{
	for (unsigned i = 0; i < maker->n_run; i++) {
		const struct task_result *result = &maker->results[i];
		struct plan_task *task = &maker->plan[maker->place[i]];

		if (result->costly)
			maker->costly = task->task;
		task->state = result->status == TASK_NOT_STARTED ? PLAN_SENT : PLAN_OVER;
		task->status = (uint8_t)result->status;
		task->final = (uint8_t)result->final;
		task->first_step = result->first_step;
		task->n_steps = result->n_steps;
		task->summary = result->summary[0] ? result->summary : NULL;
	}
}

static struct batch *
compile(struct run_maker *maker)
{
	struct compiler *compiler = maker->compiler;
	bool tells = tells_credentials(maker);
	struct batch *batch;

	if (!maker->n_run)
		return NULL;
	maker->env.tasks = maker->tasks;
	compiler_set_hooks(compiler,
			   &(struct compile_hooks){ .ctx = maker,
						    .begin = on_begin,
						    .log = on_log,
						    .server = on_server,
						    .answer = on_answer,
						    .effect = on_effect,
						    .upload = on_upload,
						    .credential = tells ? on_credential : NULL,
						    .finish = on_finish });
	if (maker->request->pack)
		batch = compile_pack(
			compiler, maker->sources, maker->n_run, &maker->env.env,
			&(struct pack_request){
				.format = (enum content_format)maker->request->format,
				.acc = maker->request->acc,
				.acc_len = maker->request->acc ? strlen(maker->request->acc) : 0,
			},
			maker->results);
	else
		batch = compile_run(compiler, maker->sources, maker->n_run, &maker->env.env,
				    (enum content_format)maker->request->format, maker->results);
	keep_results(maker);
	drop_effects_of_failed(maker);
	return batch;
}

static void
view_device(struct run_maker *maker)
{
	const struct run_request *request = maker->request;
	struct device_view view = {
		.policy = maker->generation->policy,
		.inventory = &maker->service->inventory,
		.device = request->device,
		.set = maker->set,
		.resources = maker->generation->resources,
		.format = request->format,
		.pack = request->pack,
		.event = request->session || request->preview ? "bootstrap" : NULL,
	};

	if (request->memory) {
		view.random = run_memory_random;
		view.random_ctx = request->memory;
	}
	device_env_init(&maker->env, &view);
}

void
run_maker_compile(struct run_maker *maker, struct service *service,
		  const struct run_request *request, const struct task_set *set,
		  struct compiler *compiler, struct compiled_run *compiled)
{
	arena_reset(&maker->scratch);
	maker->service = service;
	maker->generation = request->generation ? request->generation : service->generation;
	maker->request = request;
	maker->compiler = compiler;
	maker->set = set;
	maker->n = maker->n_run = maker->n_servers = 0;
	maker->logs = maker->waits = false;
	maker->costly = NULL;
	maker->now_ms = request->memory ? request->memory->now_ms : clock_now_ms();
	view_device(maker);
	choose_tasks(maker);
	compiled->batch = compile(maker);
	compiled->costly = maker->costly;
	compiled->content = (struct plan_content){ .generation = maker->generation,
						   .tasks = maker->plan,
						   .n_tasks = maker->n,
						   .logs = maker->logs,
						   .batch = compiled->batch };
}

int
device_run_conclude(struct compiled_run *compiled, const struct task_set *set, struct plan *plan,
		    struct device_run *run)
{
	*run = (struct device_run){ 0 };
	if (!plan) {
		if (compiled->batch)
			batch_free(compiled->batch);
		compiled->batch = NULL;
		return -ENOMEM;
	}
	run->plan = plan;
	run->batch = compiled->batch;
	run->per_session = set->per_session;
	run->costly = compiled->costly;
	if (run->batch) {
		assert(!run->batch->plan); /* it is new */
		run->batch->plan = plan->number;
		plan_hold(plan);
	}
	return 0;
}

int
device_run_make(struct service *service, const struct run_request *request, struct device_run *run)
{
	struct run_maker *maker = service->maker;
	struct generation *generation =
		request->generation ? request->generation : service->generation;
	const struct task_set *set =
		generation_task_set(generation, &service->inventory, request->device->groups);
	struct compiled_run compiled;
	struct plan *plan;
	int result;

	*run = (struct device_run){ 0 };
	if (!set || (request->memory && run_memory_begin(request->memory) < 0))
		return -ENOMEM;
	run_maker_compile(maker, service, request, set,
			  request->trial ? request->trial->compiler : generation->compiler,
			  &compiled);
	plan = plan_intern(&service->plans, &compiled.content);
	result = device_run_conclude(&compiled, set, plan, run);
	arena_reset(&maker->scratch); /* values of the device were in it */
	if (result == 0 && run->batch && maker->waits) {
		run->waits = true;
		run->batch->rest_wait_s = (uint8_t)credentials_wait_s(service, request->memory);
	}
	return result;
}

void
device_run_free(struct plans *plans, struct device_run *run)
{
	plan_free_batch(plans, run->batch);
	plan_release(plans, run->plan);
	*run = (struct device_run){ 0 };
}
