#include "tasks/compile/compile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/compile/compile_internal.h"

enum { COMPILE_ARENA_MAX = 8 << 20 }; /* temporaries of one run */

struct compiler *
compiler_new(const struct objects *objects, uint32_t generation)
{
	struct compiler *compiler = calloc(1, sizeof *compiler);

	if (!compiler)
		return NULL;
	compiler->objects = objects;
	compiler->generation = generation;
	compiler->holders = 1;
	arena_init(&compiler->arena, COMPILE_ARENA_MAX);
	batch_builder_init(&compiler->builder);
	return compiler;
}

void
compiler_set_hooks(struct compiler *compiler, const struct compile_hooks *hooks)
{
	compiler->hooks = hooks ? *hooks : (struct compile_hooks){ 0 };
}

static void
shared_free(struct shared_step *shared)
{
	while (shared) {
		struct shared_step *next = shared->next;

		explicit_bzero(shared->step, batch_step_size(shared->step));
		free(shared->step);
		free(shared);
		shared = next;
	}
}

static void
compiler_release(struct compiler *compiler)
{
	assert(compiler->holders);
	if (--compiler->holders)
		return;
	for (unsigned i = 0; i < SHARED_BUCKETS; i++)
		shared_free(compiler->buckets[i]);
	batch_builder_fini(&compiler->builder);
	arena_fini(&compiler->arena);
	free(compiler);
}

void
compiler_free(struct compiler *compiler)
{
	if (compiler)
		compiler_release(compiler);
}

void
batch_free(struct batch *batch)
{
	struct compiler *compiler;

	if (!batch)
		return;
	assert(!atomic_load_explicit(&batch->holders, memory_order_relaxed));
	compiler = batch_owner(batch);
	batch_destroy(batch);
	compiler_release(compiler);
}

/* The number of a task's next step; its corrections count, too. */
static uint16_t
next_number(const struct compiler *compiler, unsigned task)
{
	for (unsigned i = compiler->builder.n_steps; i; i--) {
		const struct batch_step *step = batch_builder_step(&compiler->builder, i - 1);

		if (step->task == task)
			return (uint16_t)(step->number + 1);
	}
	return 1;
}

/*
 * Finish ends the session, so it is the last step. It counts to the last task with steps: so a
 * task's steps stand together. `asker` is the last task that asked for it.
 */
static bool
add_finish(struct compiler *compiler, struct task_result *results, unsigned n_tasks, unsigned asker)
{
	unsigned owner = n_tasks;

	while (owner && (!results[owner - 1].n_steps || results[owner - 1].status == TASK_ERROR))
		owner--;
	assert(asker < n_tasks);
	owner = owner ? owner - 1 : asker;
	if (compile_finish_step(compiler, (uint8_t)owner, next_number(compiler, owner), false))
		return false;
	if (!results[owner].n_steps)
		results[owner].first_step = (uint16_t)(compiler->builder.n_steps - 1);
	results[owner].n_steps++;
	results[owner].status = TASK_NOT_STARTED;
	return true;
}

/* The first of a task's steps, when steps before it went elsewhere. */
static void
count_first_steps(const struct compiler *compiler, struct task_result *results)
{
	for (unsigned i = compiler->builder.n_steps; i; i--) {
		const struct batch_step *step = batch_builder_step(&compiler->builder, i - 1);

		if (!step->correction)
			results[step->task].first_step = (uint16_t)(i - 1);
	}
}

/* Corrections go behind the Finish; those of tasks that failed, and all of a run that has none yet, nowhere. */
static void
arrange_corrections(struct compiler *compiler, struct task_result *results, bool finished)
{
	const struct batch_builder *builder = &compiler->builder;
	uint16_t order[BATCH_STEPS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < builder->n_steps; i++)
		if (!batch_builder_step(builder, i)->correction)
			order[n++] = (uint16_t)i;
	if (n == builder->n_steps)
		return;
	for (unsigned i = 0; finished && i < builder->n_steps; i++) {
		const struct batch_step *step = batch_builder_step(builder, i);

		if (step->correction && results[step->task].status != TASK_ERROR)
			order[n++] = (uint16_t)i;
	}
	batch_builder_arrange(&compiler->builder, order, n);
	count_first_steps(compiler, results);
}

/* The batch of what was compiled, or NULL when that is nothing or memory is short. */
struct batch *
compile_restored(struct compiler *compiler, struct batch_builder *builder, uint16_t format)
{
	struct batch *batch = NULL;

	if (builder->n_steps)
		batch = batch_builder_finish(builder, compiler, compiler->generation, format);
	if (batch)
		compiler->holders++;
	return batch;
}

static struct batch *
finish_run(struct compiler *compiler, const struct run_shared *shared, enum content_format format)
{
	struct batch *batch;

	if (!compiler->builder.n_steps)
		return NULL;
	batch = batch_builder_finish(&compiler->builder, compiler, compiler->generation,
				     (uint16_t)format);
	if (!batch)
		return NULL;
	batch->continues = shared->waits;
	batch->block_bytes = shared->block_bytes;
	compiler->holders++;
	return batch;
}

/* Whether the run goes on to its Finish: who its credentials are for may have to hear of them first. */
static bool
may_finish(const struct compile_hooks *hooks, const struct run_shared *shared, bool asked)
{
	if (shared->waits || shared->halted || !accounts_tell(shared->accounts, hooks) || !asked)
		return true;
	return !hooks->finish || hooks->finish(hooks->ctx);
}

struct batch *
compile_run(struct compiler *compiler, const struct task *const *tasks, unsigned n_tasks,
	    const struct expr_env *env, enum content_format format, struct task_result *results)
{
	struct run_shared shared = { .work = RUN_WORK_MAX };
	struct run run = {
		.compiler = compiler,
		.shared = &shared,
		.eval = { .env = env,
			  .arena = &compiler->arena,
			  .work = &shared.work,
			  .secrets = &shared.secrets.values },
		.format = format,
		.task_format = -1,
		.block_format = -1,
		.final = TASK_SUCCESS,
	};
	struct batch *batch = NULL;
	bool complete;
	int asker;

	n_tasks = compile_refuse_surplus(results, n_tasks);
	asker = compile_tasks(&run, tasks, n_tasks, results);
	if (!may_finish(&compiler->hooks, &shared, asker >= 0)) {
		shared.waits = true;
		asker = -1;
	}
	complete = asker < 0 || add_finish(compiler, results, n_tasks, (unsigned)asker);
	arrange_corrections(compiler, results, asker >= 0);
	if (complete)
		batch = finish_run(compiler, &shared, format);
	if (!complete || (!batch && compiler->builder.n_steps))
		compile_fail_all(results, n_tasks, "out of memory");
	batch_builder_reset(&compiler->builder);
	arena_reset(&compiler->arena);
	return batch;
}
