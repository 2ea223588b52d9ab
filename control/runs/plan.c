#include "control/runs/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/runs/generation.h"
#include "tasks/content/batch_text.h"
#include "tasks/hash.h"

enum { PLANS_START = 1024 };

int
plans_init(struct plans *plans)
{
	*plans = (struct plans){ 0 };
	return hash_index_reserve(&plans->by_content, PLANS_START);
}

void
plans_fini(struct plans *plans)
{
	free(plans->items);
	free(plans->free);
	hash_index_fini(&plans->by_content);
	*plans = (struct plans){ 0 };
}

static uint64_t
mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static uint64_t
mix_text(uint64_t hash, const char *text)
{
	return text ? hash64_bytes(hash, text, strlen(text)) : hash;
}

/* Method and options of every step: what names them. */
static uint64_t
steps_hash(const struct batch *batch)
{
	uint64_t hash = 0;

	for (unsigned i = 0; batch && i < batch->n_steps; i++) {
		const struct batch_step *step = batch->steps[i];
		const uint8_t *options = batch_step_options(step);

		hash = mix(hash, (uint64_t)step->code << 16 | step->options_len);
		hash = hash64_bytes(hash, options, step->options_len);
	}
	return hash;
}

static uint32_t
content_hash(const struct plan_content *content, uint64_t steps)
{
	uint64_t hash = mix((uintptr_t)content->generation, content->n_tasks * 2 + content->logs);

	hash = mix(hash, steps);
	for (unsigned i = 0; i < content->n_tasks; i++) {
		const struct plan_task *task = &content->tasks[i];

		hash = mix(hash, (uintptr_t)task->task);
		hash = mix(hash, (uint64_t)task->state << 48 | (uint64_t)task->status << 40 |
					 (uint64_t)task->final << 32 |
					 (uint64_t)task->first_step << 16 | task->n_steps);
		hash = mix_text(hash, task->summary);
	}
	return (uint32_t)(hash ^ hash >> 32);
}

static bool
same_task(const struct plan_task *a, const struct plan_task *b)
{
	const char *left = a->summary ? a->summary : "", *right = b->summary ? b->summary : "";

	return a->task == b->task && a->state == b->state && a->status == b->status &&
	       a->final == b->final && a->first_step == b->first_step && a->n_steps == b->n_steps &&
	       strcmp(left, right) == 0;
}

static bool
is_content(const struct plan *plan, const struct plan_content *content, uint64_t steps)
{
	if (plan->generation != content->generation || plan->n_tasks != content->n_tasks ||
	    plan->logs != content->logs || plan->steps_hash != steps ||
	    plan->is_pack != (content->batch && content->batch->pack) ||
	    plan->n_steps != (content->batch ? content->batch->n_steps : 0))
		return false;
	for (unsigned i = 0; i < plan->n_tasks; i++)
		if (!same_task(&plan->tasks[i], &content->tasks[i]))
			return false;
	return true;
}

/* By method and options, as the hash of the steps is. */
static bool
same_steps(const struct batch *a, const struct batch *b)
{
	if (!a || !b)
		return a == b;
	if (a->n_steps != b->n_steps || a->pack != b->pack)
		return false;
	for (unsigned i = 0; i < a->n_steps; i++) {
		const struct batch_step *left = a->steps[i], *right = b->steps[i];

		if (left != right &&
		    (left->code != right->code || left->options_len != right->options_len ||
		     memcmp(batch_step_options(left), batch_step_options(right),
			    left->options_len) != 0))
			return false;
	}
	return true;
}

bool
plan_content_is(const struct plan_content *content, const struct plan_content *other)
{
	if (content->generation != other->generation || content->n_tasks != other->n_tasks ||
	    content->logs != other->logs || !same_steps(content->batch, other->batch))
		return false;
	for (unsigned i = 0; i < content->n_tasks; i++)
		if (!same_task(&content->tasks[i], &other->tasks[i]))
			return false;
	return true;
}

static void
plan_free(struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_tasks; i++)
		free((char *)(uintptr_t)plan->tasks[i].summary);
	for (unsigned i = 0; i < plan->n_steps; i++)
		free(plan->steps[i]);
	free(plan->steps);
	free(plan);
}

static int
copy_summaries(struct plan *plan, const struct plan_task *tasks)
{
	for (unsigned i = 0; i < plan->n_tasks; i++) {
		if (!tasks[i].summary || !*tasks[i].summary)
			continue;
		plan->tasks[i].summary = strdup(tasks[i].summary);
		if (!plan->tasks[i].summary)
			return -ENOMEM;
	}
	return 0;
}

/* "PUT /0/2" of "PUT /0/2 11542 98 bytes" */
static int
name_steps(struct plan *plan, const struct batch *batch)
{
	char name[PLAN_STEP_NAME_MAX];

	if (!batch)
		return 0;
	plan->steps = calloc(batch->n_steps, sizeof *plan->steps);
	if (!plan->steps)
		return -ENOMEM;
	for (; plan->n_steps < batch->n_steps; plan->n_steps++) {
		char *space;

		batch_step_format(batch->steps[plan->n_steps], name, sizeof name);
		space = strchr(name, ' ');
		space = space ? strchr(space + 1, ' ') : NULL;
		if (space)
			*space = '\0';
		plan->steps[plan->n_steps] = strdup(name);
		if (!plan->steps[plan->n_steps])
			return -ENOMEM;
	}
	return 0;
}

static struct plan *
plan_new(const struct plan_content *content)
{
	struct plan *plan = calloc(1, sizeof *plan + content->n_tasks * sizeof plan->tasks[0]);

	if (!plan)
		return NULL;
	plan->n_tasks = content->n_tasks;
	plan->is_pack = content->batch && content->batch->pack;
	for (unsigned i = 0; i < plan->n_tasks; i++) {
		plan->tasks[i] = content->tasks[i];
		plan->tasks[i].summary = NULL;
	}
	if (copy_summaries(plan, content->tasks) == 0 && name_steps(plan, content->batch) == 0)
		return plan;
	plan_free(plan);
	return NULL;
}

const char *
plan_step_name(const struct plan *plan, unsigned step, char out[PLAN_STEP_NAME_MAX])
{
	if (plan && step < plan->n_steps)
		snprintf(out, PLAN_STEP_NAME_MAX, "%s", plan->steps[step]);
	else
		snprintf(out, PLAN_STEP_NAME_MAX, "step %u", step + 1);
	return out;
}

unsigned
plan_task_of_step(const struct plan *plan, unsigned step)
{
	for (unsigned i = 0; i < plan->n_tasks; i++)
		if (step - plan->tasks[i].first_step < plan->tasks[i].n_steps)
			return i;
	return plan->n_tasks;
}

/* Numbers are given again once their plan is gone: a batch that carries one holds its plan. */
static int
give_number(struct plans *plans, struct plan *plan)
{
	uint32_t capacity = plans->capacity ? plans->capacity * 2 : 64;
	struct plan **items;
	uint32_t *free_numbers;

	if (plans->n_free) {
		plan->number = plans->free[--plans->n_free];
		plans->items[plan->number - 1] = plan;
		return 0;
	}
	if (plans->count == plans->capacity) {
		items = realloc(plans->items, capacity * sizeof *items);
		if (!items)
			return -ENOMEM;
		plans->items = items;
		free_numbers = realloc(plans->free, capacity * sizeof *free_numbers);
		if (!free_numbers)
			return -ENOMEM;
		plans->free = free_numbers;
		plans->capacity = capacity;
	}
	plans->items[plans->count++] = plan;
	plan->number = plans->count;
	return 0;
}

static struct plan *
find(const struct plans *plans, uint32_t hash, const struct plan_content *content, uint64_t steps)
{
	const struct hash_index *index = &plans->by_content;
	uint32_t at, number = hash_index_first(index, hash, &at);

	while (number != HASH_INDEX_NONE && !is_content(plans->items[number], content, steps))
		number = hash_index_next(index, hash, &at);
	return number == HASH_INDEX_NONE ? NULL : plans->items[number];
}

static struct plan *
add(struct plans *plans, uint32_t hash, const struct plan_content *content, uint64_t steps)
{
	struct plan *plan;

	if (hash_index_reserve(&plans->by_content, 1) < 0)
		return NULL;
	plan = plan_new(content);
	if (!plan)
		return NULL;
	if (give_number(plans, plan) < 0) {
		plan_free(plan);
		return NULL;
	}
	plan->hash = hash;
	plan->steps_hash = steps;
	plan->logs = content->logs;
	plan->generation = content->generation;
	generation_hold(plan->generation);
	hash_index_add(&plans->by_content, hash, plan->number - 1);
	return plan;
}

struct plan *
plan_intern(struct plans *plans, const struct plan_content *content)
{
	uint64_t steps = steps_hash(content->batch);
	struct plan *plan = plans->last;
	uint32_t hash;

	if (plan && is_content(plan, content, steps)) {
		plan->holders++;
		return plan;
	}
	hash = content_hash(content, steps);
	plan = find(plans, hash, content, steps);
	if (!plan)
		plan = add(plans, hash, content, steps);
	if (plan)
		plan->holders++;
	plans->last = plan;
	return plan;
}

struct plan *
plan_at(const struct plans *plans, uint32_t number)
{
	return number && number <= plans->count ? plans->items[number - 1] : NULL;
}

void
plan_hold(struct plan *plan)
{
	assert(plan->holders);
	plan->holders++;
}

void
plan_release(struct plans *plans, struct plan *plan)
{
	struct generation *generation;

	if (!plan)
		return;
	assert(plan->holders);
	if (--plan->holders)
		return;
	assert(plans->items[plan->number - 1] == plan);
	hash_index_remove(&plans->by_content, plan->hash, plan->number - 1);
	plans->items[plan->number - 1] = NULL;
	plans->free[plans->n_free++] = plan->number;
	if (plans->last == plan)
		plans->last = NULL;
	generation = plan->generation;
	plan_free(plan);
	generation_release(generation);
}

void
plan_free_batch(struct plans *plans, struct batch *batch)
{
	struct plan *plan;

	if (!batch)
		return;
	plan = plan_at(plans, batch->plan);
	batch_free(batch);
	plan_release(plans, plan);
}
