#include "tasks/compile/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/compile/compile_internal.h"

enum { COMPILE_ARENA_MAX = 8 << 20 }; /* temporaries of one run */

const char *
task_status_name(enum task_status status)
{
	static const char *const names[] = {
		[TASK_NOT_STARTED] = "NotStarted",
		[TASK_IN_PROGRESS] = "InProgress",
		[TASK_SUCCESS] = "Success",
		[TASK_WARNING] = "Warning",
		[TASK_ERROR] = "Error",
	};

	return (unsigned)status <= TASK_ERROR ? names[status] : "Unknown";
}

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
	compiler = batch_owner(batch);
	batch_destroy(batch);
	compiler_release(compiler);
}

/* <config format>: the default of every block. */
static enum flow
run_root(struct run *run)
{
	const struct task_node *root = run->task->root;
	enum flow flow;

	if (run_word(run, root, CONFIG_FORMAT, format_by_name, &run->task_format))
		return FLOW_FAILED;
	run->block_format = run->task_format;
	flow = run_nodes(run, root->children);
	if (flow == FLOW_FAILED || flow == FLOW_WAIT)
		return flow;
	return run_flush(run) ? FLOW_FAILED : flow;
}

/* Whether one of these steps, which were sent, has changed something at the device. */
static bool
has_changed(const struct compiler *compiler, unsigned from, unsigned end)
{
	for (unsigned i = from; i < end; i++) {
		const struct batch_step *step = batch_builder_step(&compiler->builder, i);

		if (step->code != REQUEST_GET && !step->correction)
			return true;
	}
	return false;
}

/* Forgets what a failed task did, as far as it was not sent. */
static void
run_undo(struct run *run, struct batch_mark mark)
{
	struct compiler *compiler = run->compiler;
	struct run_shared *shared = run->shared;

	run->result->status = run->result->final = TASK_ERROR;
	run->finish = false;
	if (shared->pack) {
		pack_undo_task(run);
		return;
	}
	compiler->group.n_writes = compiler->group.n_records = 0;
	if (shared->sent.n_steps > mark.n_steps) {
		shared->halted = has_changed(compiler, mark.n_steps, shared->sent.n_steps);
		run->result->n_steps = (uint16_t)(shared->sent.n_steps - mark.n_steps);
		mark = shared->sent;
	}
	batch_builder_rewind(&compiler->builder, mark);
}

static void
run_conclude(struct run *run, unsigned steps)
{
	struct task_result *result = run->result;

	result->n_steps = (uint16_t)steps;
	result->final = run->final;
	result->status = steps ? TASK_NOT_STARTED : run->final;
	if (!steps && !*result->summary && !run->finish)
		snprintf(result->summary, sizeof result->summary,
			 "nothing is to be sent to this device");
}

/* Compiles one task. True when it asks for Finish. */
static bool
compile_task(struct run *run)
{
	struct compiler *compiler = run->compiler;
	struct batch_mark mark = batch_builder_mark(&compiler->builder);
	unsigned writes = compiler->group.n_writes;
	enum flow flow = FLOW_FAILED;

	run->result->first_step = (uint16_t)mark.n_steps;
	if (compiler->hooks.begin)
		compiler->hooks.begin(compiler->hooks.ctx, run->index);
	if (!run->shared->pack || pack_begin_task(run))
		flow = run_root(run);
	/* A task that ends with ERROR of its own will is like one that failed: nothing of it is
	 * sent. */
	if (flow == FLOW_FAILED || run->final == TASK_ERROR)
		run_undo(run, mark);
	else if (run->shared->pack)
		run_conclude(run, compiler->group.n_writes > writes);
	else
		run_conclude(run, compiler->builder.n_steps - mark.n_steps - run->corrections);
	return run->finish && flow != FLOW_WAIT;
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

void
compile_fail_all(struct task_result *results, unsigned n_tasks, const char *reason)
{
	for (unsigned i = 0; i < n_tasks; i++) {
		if (results[i].status != TASK_NOT_STARTED)
			continue;
		results[i] = (struct task_result){ .status = TASK_ERROR, .final = TASK_ERROR };
		snprintf(results[i].summary, sizeof results[i].summary, "%s", reason);
	}
}

/* Tasks are numbered in 8 bits on the wire's side (batch.h). */
unsigned
compile_refuse_surplus(struct task_result *results, unsigned n_tasks)
{
	for (unsigned i = UINT8_MAX + 1; i < n_tasks; i++) {
		results[i] = (struct task_result){ .status = TASK_ERROR, .final = TASK_ERROR };
		snprintf(results[i].summary, sizeof results[i].summary,
			 "a run has at most %d tasks", UINT8_MAX + 1);
	}
	return n_tasks > UINT8_MAX + 1 ? UINT8_MAX + 1 : n_tasks;
}

/* A task whose turn has not come, or never will. */
static void
set_aside(const struct run_shared *shared, struct task_result *result)
{
	result->status = result->final = shared->halted ? TASK_ERROR : TASK_NOT_STARTED;
	if (shared->halted)
		snprintf(result->summary, sizeof result->summary,
			 "not run: the task before it failed when a part of it had been sent");
}

/* Not all of it: the summary is long, and most have none. */
static void
begin_result(struct task_result *result, const struct compiler *compiler)
{
	result->status = result->final = TASK_NOT_STARTED;
	result->summary[0] = '\0';
	result->first_step = (uint16_t)compiler->builder.n_steps;
	result->n_steps = 0;
}

int
compile_tasks(struct run *run, const struct task *const *tasks, unsigned n_tasks,
	      struct task_result *results)
{
	struct run fresh = *run;
	int asker = -1;

	for (unsigned i = 0; i < n_tasks; i++) {
		begin_result(&results[i], run->compiler);
		if (run->shared->waits || run->shared->halted) {
			set_aside(run->shared, &results[i]);
			continue;
		}
		if (i)
			*run = fresh;
		run->task = run->root = tasks[i];
		run->index = (uint8_t)i;
		run->result = &results[i];
		if (compile_task(run))
			asker = (int)i;
		if (results[i].status != TASK_ERROR)
			fresh.eval.settings = run->eval.settings;
	}
	return run->shared->waits || run->shared->halted ? -1 : asker;
}

/* The batch of what was compiled, or NULL when that is nothing or memory is short. */
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
	compiler->holders++;
	return batch;
}

struct batch *
compile_run(struct compiler *compiler, const struct task *const *tasks, unsigned n_tasks,
	    const struct expr_env *env, enum content_format format, struct task_result *results)
{
	struct run_shared shared = { 0 };
	struct run run = {
		.compiler = compiler,
		.shared = &shared,
		.eval = { .env = env, .arena = &compiler->arena },
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

/* What an option's nibble and its extension say (RFC 7252 3.1). */
static unsigned
option_part(const uint8_t **at, unsigned nibble)
{
	unsigned part = nibble;

	if (nibble == 13)
		part = 13u + *(*at)++;
	return part;
}

/* Our own options: well-formed, values up to 12 bytes. */
static void
format_path(const struct batch_step *step, char *path, size_t size, unsigned *format)
{
	const uint8_t *at = batch_step_options(step), *end = at + step->options_len;
	unsigned number = 0;
	size_t used = 0;

	*format = 0;
	while (at < end && used < size) {
		unsigned head = *at++, len;

		number += option_part(&at, head >> 4);
		len = option_part(&at, head & 15);
		if (number == 11)
			used += (size_t)snprintf(path + used, size - used, "/%.*s", (int)len,
						 (const char *)at);
		for (unsigned i = 0; number == 12 && i < len; i++)
			*format = *format << 8 | at[i];
		at += len;
	}
	if (!used)
		snprintf(path, size, "/");
}

int
batch_step_format(const struct batch_step *step, char *out, size_t size)
{
	static const char *const codes[] = { "?", "GET", "POST", "PUT", "DELETE" };
	const char *code = codes[step->code <= REQUEST_DELETE ? step->code : 0];
	char path[80];
	unsigned format;

	format_path(step, path, sizeof path, &format);
	if (step->code == RESPONSE_CONTENT)
		return snprintf(out, size, "2.05 %u %u bytes", format, step->payload_len);
	if (step->code != REQUEST_PUT)
		return snprintf(out, size, "%s %s", code, path);
	return snprintf(out, size, "%s %s %u %u bytes", code, path, format, step->payload_len);
}
