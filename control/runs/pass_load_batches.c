/* Plans and batches out of records. */
#include "control/runs/pass_load_private.h"

#include <stdlib.h>
#include <string.h>

enum { PLAN_NUMBERS_MAX = 1 << 24 };

/* As it came; what became of it here, once a batch or a session asked for it. */
struct passed_plan {
	struct plan_content content;
	struct plan_task tasks[PLAN_TASKS_MAX];
	struct plan *plan; /* held; NULL: not asked for yet */
};

/* ---- plans ---- */

bool
pass_find_tasks(struct pass_load *load)
{
	const struct policy *policy = load->service->generation->policy;

	load->n_tasks = load->service->reports.n_tasks;
	load->tasks = calloc(load->n_tasks + 1, sizeof(const struct policy_task *));
	if (!load->tasks)
		return pass_refuse(load, "out of memory");
	for (unsigned g = 0; g < policy->n_groups; g++)
		for (unsigned t = 0; t < policy->groups[g].n_tasks; t++) {
			const struct policy_task *task = &policy->groups[g].tasks[t];

			if (task->report < load->n_tasks)
				load->tasks[task->report] = task;
		}
	return true;
}

static bool
room_for_plan(struct pass_load *load, uint32_t number)
{
	uint32_t n = load->n_plans ? load->n_plans : 64;
	struct passed_plan **larger;

	if (number <= load->n_plans)
		return true;
	while (n < number)
		n *= 2;
	larger = realloc(load->plans, n * sizeof(struct passed_plan *));
	if (!larger)
		return pass_refuse(load, "out of memory");
	memset(larger + load->n_plans, 0, (n - load->n_plans) * sizeof(struct passed_plan *));
	load->plans = larger;
	load->n_plans = n;
	return true;
}

bool
pass_load_plan(struct pass_load *load)
{
	uint64_t number = record_number(load->reader, PLAN_NUMBER);

	load->plan = NULL;
	if (!number || number > PLAN_NUMBERS_MAX)
		return pass_malformed(load);
	if (!room_for_plan(load, (uint32_t)number))
		return false;
	if (load->plans[number - 1])
		return pass_malformed(load);
	load->plan = calloc(1, sizeof *load->plan);
	load->plans[number - 1] = load->plan;
	if (!load->plan)
		return pass_refuse(load, "out of memory");
	load->plan->content.generation = load->service->generation;
	load->plan->content.tasks = load->plan->tasks;
	load->plan->content.logs = record_number(load->reader, PLAN_LOGS) != 0;
	return true;
}

/* Of a task that the policy has not got, nothing is reported any more: it is left out. */
bool
pass_load_plan_task(struct pass_load *load)
{
	struct record_reader *reader = load->reader;
	uint64_t report = record_number(reader, PLAN_TASK_REPORT);
	char summary[TASK_SUMMARY_MAX];
	struct plan_task task = {
		.task = report < load->n_tasks ? load->tasks[report] : NULL,
		.state = (uint8_t)record_number(reader, PLAN_TASK_STATE),
		.status = (uint8_t)record_number(reader, PLAN_TASK_STATUS),
		.final = (uint8_t)record_number(reader, PLAN_TASK_FINAL),
		.reason = (uint8_t)record_number(reader, PLAN_TASK_REASON),
		.first_step = (uint16_t)record_number(reader, PLAN_TASK_FIRST_STEP),
		.n_steps = (uint16_t)record_number(reader, PLAN_TASK_STEPS),
	};

	record_text(reader, PLAN_TASK_SUMMARY, summary, sizeof summary);
	if (!load->plan || load->plan->content.n_tasks == PLAN_TASKS_MAX || load->plan->plan ||
	    task.state > PLAN_LEFT_OUT || task.status >= REPORT_STATUSES ||
	    task.final >= REPORT_STATUSES || task.reason >= RUN_REASONS || reader->malformed)
		return pass_malformed(load);
	if (!task.task)
		return true;
	if (*summary) {
		task.summary = strdup(summary);
		if (!task.summary)
			return pass_refuse(load, "out of memory");
	}
	load->plan->tasks[load->plan->content.n_tasks++] = task;
	return true;
}

/* The plan of this number as it is here, held once more for the caller; NULL: none. */
struct plan *
pass_plan_of(struct pass_load *load, uint64_t number, const struct batch *batch)
{
	struct passed_plan *passed =
		number && number <= load->n_plans ? load->plans[number - 1] : NULL;
	struct plan_content content;

	if (!passed)
		return NULL;
	if (!passed->plan) {
		content = passed->content;
		content.batch = batch;
		passed->plan = plan_intern(&load->service->plans, &content);
	}
	if (passed->plan)
		plan_hold(passed->plan);
	return passed->plan;
}

/* ---- batches ---- */

bool
pass_load_batch_close(struct pass_load *load)
{
	uint32_t capacity = load->capacity ? load->capacity * 2 : 1024;
	struct batch **larger, *batch;
	struct plan *plan;

	if (!load->batch.open)
		return true;
	load->batch.open = false;
	if (load->n_batches == load->capacity) {
		larger = realloc(load->batches, capacity * sizeof(struct batch *));
		if (!larger)
			return pass_refuse(load, "out of memory");
		load->batches = larger;
		load->capacity = capacity;
	}
	batch = compile_restored(load->service->generation->compiler, &load->builder,
				 load->batch.format);
	batch_builder_reset(&load->builder);
	if (!batch)
		return pass_refuse(load, "out of memory, or a batch has no steps");
	batch->continues = load->batch.continues;
	batch->pack = load->batch.pack;
	batch->block_bytes = load->batch.block_bytes;
	plan = pass_plan_of(load, load->batch.plan, batch);
	batch->plan = plan ? plan->number : 0;
	load->batches[load->n_batches++] = batch;
	return true;
}

bool
pass_load_batch_begin(struct pass_load *load)
{
	struct record_reader *reader = load->reader;

	if (record_number(reader, BATCH_NUMBER) != (uint64_t)load->n_batches + 1)
		return pass_malformed(load);
	load->batch.open = true;
	load->batch.plan = (uint32_t)record_number(reader, BATCH_PLAN);
	load->batch.format = (uint16_t)record_number(reader, BATCH_FORMAT);
	load->batch.block_bytes = (uint16_t)record_number(reader, BATCH_BLOCK_BYTES);
	load->batch.continues = record_number(reader, BATCH_CONTINUES) != 0;
	load->batch.pack = record_number(reader, BATCH_PACK) != 0;
	return true;
}

bool
pass_load_step(struct pass_load *load)
{
	struct record_reader *reader = load->reader;
	size_t options_len, payload_len;
	const uint8_t *options = record_bytes(reader, STEP_OPTIONS, &options_len);
	const uint8_t *payload = record_bytes(reader, STEP_PAYLOAD, &payload_len);
	const struct batch_step like = {
		.code = (uint8_t)record_number(reader, STEP_CODE),
		.expect = (uint8_t)record_number(reader, STEP_EXPECT),
		.task = (uint8_t)record_number(reader, STEP_TASK),
		.last_option = (uint8_t)record_number(reader, STEP_LAST_OPTION),
		.number = (uint16_t)record_number(reader, STEP_NUMBER),
		.on_error = record_number(reader, STEP_ON_ERROR) & 3,
		.correction = record_number(reader, STEP_CORRECTION) & 1,
		.options_len = (uint8_t)options_len,
		.payload_len = (uint32_t)payload_len,
	};

	if (!load->batch.open || options_len > BATCH_OPTIONS_MAX ||
	    payload_len > BATCH_PAYLOAD_MAX || like.expect > BATCH_EXPECT_READ ||
	    like.on_error > BATCH_FINISH || reader->malformed)
		return pass_malformed(load);
	return batch_builder_copy(&load->builder, &like, options, payload) == 0 ||
	       pass_refuse(load, "out of memory, or a batch is too large");
}

const struct batch *
pass_load_batch(void *ctx, uint32_t number)
{
	const struct pass_load *load = ctx;

	return number && number <= load->n_batches ? load->batches[number - 1] : NULL;
}

void
pass_free_batches(struct pass_load *load)
{
	for (uint32_t i = 0; i < load->n_batches; i++)
		plan_free_batch(&load->service->plans, load->batches[i]);
	for (uint32_t i = 0; i < load->n_plans; i++) {
		struct passed_plan *passed = load->plans[i];

		for (unsigned t = 0; passed && t < passed->content.n_tasks; t++)
			free((char *)(uintptr_t)passed->tasks[t].summary);
		if (passed)
			plan_release(&load->service->plans, passed->plan);
		free(passed);
	}
	batch_builder_fini(&load->builder);
	free(load->batches);
	free(load->plans);
	free(load->tasks);
}
