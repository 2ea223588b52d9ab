/* compile_tasks.c - the tasks of a run, one after the other, and what becomes of each. */
#include <assert.h>
#include <stdio.h>

#include "tasks/compile/compile_internal.h"
#include "tasks/show.h"

/* <config blockBytes>: of several tasks the smallest counts, as they make one run. */
static enum flow
run_block_bytes(struct run *run)
{
	uint16_t *smallest = &run->shared->block_bytes;
	int bytes;

	if (run_word(run, run->task->root, CONFIG_BLOCK_BYTES, block_bytes_by_name, &bytes))
		return FLOW_FAILED;
	if (bytes > 0 && (!*smallest || bytes < *smallest))
		*smallest = (uint16_t)bytes;
	return FLOW_NEXT;
}

/* <config format>: the default of every block. */
static enum flow
run_root(struct run *run)
{
	const struct task_node *root = run->task->root;
	enum flow flow;

	if (run_word(run, root, CONFIG_FORMAT, format_by_name, &run->task_format) ||
	    run_block_bytes(run))
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

		if (step->code != COAP_GET && !step->correction)
			return true;
	}
	return false;
}

/* Forgets what a failed task did, as far as it was not sent. */
static void
run_undo(struct run *run, struct batch_mark mark, const struct run_shared *before)
{
	struct compiler *compiler = run->compiler;
	struct run_shared *shared = run->shared;

	run->result->status = run->result->final = TASK_ERROR;
	run->finish = false;
	shared->accounts = before->accounts;
	if (shared->pack) {
		pack_undo_task(run);
		return;
	}
	compiler->group.n_writes = compiler->group.n_records = 0;
	shared->written = before->written;
	assert(mark.n_steps <= compiler->builder.n_steps);
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
		show_into(result->summary, sizeof result->summary,
			  "nothing is to be sent to this device");
}

/* Compiles one task. True when it asks for Finish. */
static bool
compile_task(struct run *run)
{
	struct compiler *compiler = run->compiler;
	struct batch_mark mark = batch_builder_mark(&compiler->builder);
	const struct run_shared before = *run->shared;
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
		run_undo(run, mark, &before);
	else if (run->shared->pack)
		run_conclude(run, compiler->group.n_writes > writes);
	else
		run_conclude(run, compiler->builder.n_steps - mark.n_steps - run->corrections);
	run->result->costly = run->eval.costly;
	return run->finish && flow != FLOW_WAIT;
}

void
compile_fail_all(struct task_result *results, unsigned n_tasks, const char *reason)
{
	for (unsigned i = 0; i < n_tasks; i++) {
		if (results[i].status != TASK_NOT_STARTED)
			continue;
		results[i] = (struct task_result){ .status = TASK_ERROR, .final = TASK_ERROR };
		show_into(results[i].summary, sizeof results[i].summary, "%s", reason);
	}
}

/* Tasks are numbered in 8 bits on the wire's side (batch.h). */
unsigned
compile_refuse_surplus(struct task_result *results, unsigned n_tasks)
{
	for (unsigned i = UINT8_MAX + 1; i < n_tasks; i++) {
		results[i] = (struct task_result){ .status = TASK_ERROR, .final = TASK_ERROR };
		show_into(results[i].summary, sizeof results[i].summary,
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
		show_into(result->summary, sizeof result->summary,
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
	result->costly = false;
}

int
compile_tasks(struct run *run, const struct task *const *tasks, unsigned n_tasks,
	      struct task_result *results)
{
	struct run fresh = *run;
	int asker = -1;

	assert(n_tasks <= UINT8_MAX + 1); /* compile_refuse_surplus() */
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
