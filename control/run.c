#include "control/run.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "control/device_env.h"

/*
 * Keeps `tasks` sorted by priority, then by place in the file; a task comes once, though two
 * groups lead to it.
 */
static unsigned
insert_task(const struct policy_task *tasks[RUN_TASKS_MAX], unsigned n,
	    const struct policy_task *task)
{
	unsigned at = n;

	for (unsigned i = 0; i < n; i++)
		if (tasks[i] == task)
			return n;
	while (at > 0 && (tasks[at - 1]->priority > task->priority ||
			  (tasks[at - 1]->priority == task->priority &&
			   tasks[at - 1]->order > task->order))) {
		tasks[at] = tasks[at - 1];
		at--;
	}
	tasks[at] = task;
	return n + 1;
}

static unsigned
add_group(const struct policy_group *group, bool direct,
	  const struct policy_task *tasks[RUN_TASKS_MAX], unsigned n, bool *too_many)
{
	for (unsigned i = 0; i < group->n_tasks; i++) {
		const struct policy_task *task = &group->tasks[i];

		if (!task->active || (!direct && !task->subgroups))
			continue;
		if (n == RUN_TASKS_MAX)
			*too_many = true;
		else
			n = insert_task(tasks, n, task);
	}
	return n;
}

unsigned
run_tasks(const struct device *device, const struct policy_task *tasks[RUN_TASKS_MAX],
	  bool *too_many)
{
	unsigned n = 0;

	*too_many = false;
	for (unsigned i = 0; i < device->n_groups; i++)
		for (const struct policy_group *group = device->groups[i]; group;
		     group = group->parent)
			n = add_group(group, group == device->groups[i], tasks, n, too_many);
	return n;
}

bool
run_is_per_session(const struct device *device)
{
	const struct policy_task *tasks[RUN_TASKS_MAX];
	bool too_many;
	unsigned n = run_tasks(device, tasks, &too_many);

	for (unsigned i = 0; i < n; i++)
		if (task_depends_on_session(tasks[i]->source->task))
			return true;
	return false;
}

static int
keep_results(struct run *run, const struct policy_task *const *tasks,
	     const struct task_result *results)
{
	for (unsigned i = 0; i < run->n_tasks; i++) {
		run->tasks[i] = (struct run_task){
			.task = tasks[i],
			.status = results[i].status,
			.final = results[i].final,
			.first_step = results[i].first_step,
			.n_steps = results[i].n_steps,
		};
		if (!results[i].summary[0])
			continue;
		run->tasks[i].summary = strdup(results[i].summary);
		if (!run->tasks[i].summary)
			return -1;
	}
	return 0;
}

static int
compile(struct run *run, const struct device *device, const struct policy_task *const *tasks)
{
	const struct task *sources[RUN_TASKS_MAX];
	struct task_result *results = calloc(run->n_tasks + 1, sizeof *results);
	struct device_env env;
	int result;

	if (!results)
		return -1;
	for (unsigned i = 0; i < run->n_tasks; i++)
		sources[i] = tasks[i]->source->task;
	device_env_init(&env, run->generation->policy, device, run->format);
	env.tasks = tasks;
	compiler_set_hooks(run->generation->compiler,
			   &(struct compile_hooks){ .ctx = &env, .begin = device_env_begin_task });
	if (run->n_tasks)
		run->batch = compile_run(run->generation->compiler, sources, run->n_tasks, &env.env,
					 (enum content_format)run->format, results);
	result = keep_results(run, tasks, results);
	free(results);
	return result;
}

struct run *
run_new(struct generation *generation, const struct device *device, uint16_t format)
{
	const struct policy_task *tasks[RUN_TASKS_MAX];
	bool too_many;
	unsigned n = run_tasks(device, tasks, &too_many);
	struct run *run = calloc(1, sizeof *run + n * sizeof run->tasks[0]);

	if (!run)
		return NULL;
	run->format = format;
	run->n_tasks = n;
	run->generation = generation;
	generation_hold(generation);
	if (compile(run, device, tasks) == 0)
		return run;
	run_free(run);
	return NULL;
}

static void
detach(struct run *run)
{
	struct run **at = &run->slot->runs;

	while (*at && *at != run)
		at = &(*at)->next;
	if (*at)
		*at = run->next;
}

void
run_free(struct run *run)
{
	if (!run)
		return;
	if (run->slot)
		detach(run);
	if (run->batch)
		batch_free(run->batch);
	for (unsigned i = 0; i < run->n_tasks; i++)
		free(run->tasks[i].summary);
	generation_release(run->generation);
	free(run);
}

void
run_attach(struct run *run, struct roster_slot *slot)
{
	run->slot = slot;
	run->next = slot->runs;
	slot->runs = run;
}

struct run *
run_find(const struct roster_slot *slot, uint32_t generation, uint16_t format)
{
	for (struct run *run = slot->runs; run; run = run->next)
		if (run->generation->number == generation && run->format == format)
			return run;
	return NULL;
}

bool
run_is_held(const struct run *run)
{
	/* Acquire: pairs with the release in batch_release(), so that the last reader is done. */
	return run->batch && atomic_load_explicit(&run->batch->holders, memory_order_acquire) != 0;
}

static void
retired_append(struct retired_runs *retired, struct run *run)
{
	run->next_retired = NULL;
	if (retired->last)
		retired->last->next_retired = run;
	else
		retired->first = run;
	retired->last = run;
}

void
retired_add(struct retired_runs *retired, struct run *run)
{
	retired_append(retired, run);
	retired->count++;
}

void
retired_sweep(struct retired_runs *retired, unsigned budget)
{
	if (budget > retired->count)
		budget = retired->count;
	while (budget--) {
		struct run *run = retired->first;

		retired->first = run->next_retired;
		if (!retired->first)
			retired->last = NULL;
		if (run_is_held(run) || !run->seen_idle) {
			run->seen_idle = !run_is_held(run);
			retired_append(retired, run);
			continue;
		}
		retired->count--;
		run_free(run);
	}
}

void
retired_fini(struct retired_runs *retired)
{
	while (retired->first) {
		struct run *run = retired->first;

		retired->first = run->next_retired;
		run_free(run);
	}
	*retired = (struct retired_runs){ 0 };
}
