#include "control/runs/pass.h"

#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/hash_index.h"
#include "control/inventory/setting_values.h"
#include "control/policy/policy_trust.h"
#include "control/runs/credentials.h"
#include "control/runs/member_pass.h"
#include "control/runs/pass_fields.h"
#include "control/runs/service.h"

enum {
	LEAST_BYTES = 1 << 30, /* of address space */
	LIVE_BYTES = 1 << 17,  /* one session with a pack of the longest, its answers and its log */
};

struct pass_save {
	struct service *service;
	struct record_writer *writer;
	const struct batch **batches; /* by number - 1 */
	uint32_t n_batches, capacity;
	struct hash_index by_address;
	uint8_t *plans; /* by number - 1: it was written */
	uint32_t waiting;
};

void
pass_add(struct stack_passed *sum, const struct stack_passed *one)
{
	sum->sessions += one->sessions;
	sum->running += one->running;
	sum->associations += one->associations;
	sum->handshakes += one->handshakes;
	for (unsigned i = 0; i < STACK_LOSSES; i++)
		sum->lost[i] += one->lost[i];
}

uint32_t
pass_lost(const struct stack_passed *passed)
{
	uint32_t lost = 0;

	for (unsigned i = 0; i < STACK_LOSSES; i++)
		lost += passed->lost[i];
	return lost;
}

size_t
pass_save_size(const struct service *service)
{
	return LEAST_BYTES + (size_t)service->live.count * LIVE_BYTES + member_pass_size(service);
}

static void
save_trust(const struct service *service, struct record_writer *writer)
{
	const struct policy_trust *trust = service->generation->policy->trust;

	if (!trust)
		return;
	record_begin(writer, PASSED_TRUST);
	record_put_bytes(writer, TRUST_CONTENT, trust->content, sizeof trust->content);
	record_end(writer);
}

struct pass_save *
pass_save_begin(struct service *service, struct record_writer *writer)
{
	struct pass_save *save = calloc(1, sizeof *save);

	if (!save)
		return NULL;
	save->service = service;
	save->writer = writer;
	save->plans = calloc(service->plans.count + 1, 1);
	if (!save->plans) {
		free(save);
		return NULL;
	}
	dataplane_save_clock(writer);
	save_trust(service, writer);
	return save;
}

/* ---- batches and plans ---- */

static void
save_plan(struct pass_save *save, const struct plan *plan)
{
	struct record_writer *writer = save->writer;

	if (!plan || save->plans[plan->number - 1])
		return;
	save->plans[plan->number - 1] = 1;
	record_begin(writer, PASSED_PLAN);
	record_put_number(writer, PLAN_NUMBER, plan->number);
	record_put_number(writer, PLAN_LOGS, plan->logs);
	record_end(writer);
	for (unsigned i = 0; i < plan->n_tasks; i++) {
		const struct plan_task *task = &plan->tasks[i];

		record_begin(writer, PASSED_PLAN_TASK);
		record_put_number(writer, PLAN_TASK_REPORT, task->task->report);
		record_put_number(writer, PLAN_TASK_STATE, task->state);
		record_put_number(writer, PLAN_TASK_STATUS, task->status);
		record_put_number(writer, PLAN_TASK_FINAL, task->final);
		record_put_number(writer, PLAN_TASK_REASON, task->reason);
		record_put_number(writer, PLAN_TASK_FIRST_STEP, task->first_step);
		record_put_number(writer, PLAN_TASK_STEPS, task->n_steps);
		record_put_text(writer, PLAN_TASK_SUMMARY, task->summary);
		record_end(writer);
	}
}

static void
save_step(struct record_writer *writer, const struct batch_step *step)
{
	record_begin(writer, PASSED_STEP);
	record_put_number(writer, STEP_CODE, step->code);
	record_put_number(writer, STEP_EXPECT, step->expect);
	record_put_number(writer, STEP_TASK, step->task);
	record_put_number(writer, STEP_LAST_OPTION, step->last_option);
	record_put_number(writer, STEP_NUMBER, step->number);
	record_put_number(writer, STEP_ON_ERROR, step->on_error);
	record_put_number(writer, STEP_CORRECTION, step->correction);
	record_put_bytes(writer, STEP_OPTIONS, batch_step_options(step), step->options_len);
	record_put_bytes(writer, STEP_PAYLOAD, batch_step_payload(step), step->payload_len);
	record_end(writer);
}

static void
write_batch(struct pass_save *save, const struct batch *batch, uint32_t number)
{
	struct record_writer *writer = save->writer;

	save_plan(save, plan_at(&save->service->plans, batch->plan));
	record_begin(writer, PASSED_BATCH);
	record_put_number(writer, BATCH_NUMBER, number);
	record_put_number(writer, BATCH_PLAN, batch->plan);
	record_put_number(writer, BATCH_FORMAT, batch->format);
	record_put_number(writer, BATCH_CONTINUES, batch->continues);
	record_put_number(writer, BATCH_PACK, batch->pack);
	record_put_number(writer, BATCH_BLOCK_BYTES, batch->block_bytes);
	record_end(writer);
	for (unsigned i = 0; i < batch->n_steps; i++)
		save_step(writer, batch->steps[i]);
}

static uint32_t
address_hash(const struct batch *batch)
{
	uint64_t mixed = (uintptr_t)batch * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(mixed >> 32);
}

/* Its number, or 0. */
static uint32_t
find_batch(const struct pass_save *save, const struct batch *batch, uint32_t hash)
{
	uint32_t at, number;

	if (!save->n_batches)
		return 0;
	number = hash_index_first(&save->by_address, hash, &at);
	while (number != HASH_INDEX_NONE && save->batches[number] != batch)
		number = hash_index_next(&save->by_address, hash, &at);
	return number + 1;
}

uint32_t
pass_save_batch(void *ctx, const struct batch *batch)
{
	struct pass_save *save = ctx;
	uint32_t hash = address_hash(batch), number = find_batch(save, batch, hash);
	uint32_t capacity = save->capacity ? save->capacity * 2 : 1024;
	const struct batch **larger;

	if (number)
		return number;
	if (hash_index_reserve(&save->by_address, 1) < 0)
		return 0;
	if (save->n_batches == save->capacity) {
		larger = realloc(save->batches, capacity * sizeof(const struct batch *));
		if (!larger)
			return 0;
		save->batches = larger;
		save->capacity = capacity;
	}
	save->batches[save->n_batches] = batch;
	hash_index_add(&save->by_address, hash, save->n_batches);
	write_batch(save, batch, ++save->n_batches);
	return save->n_batches;
}

/* ---- live sessions ---- */

static void
save_diagnostics(struct record_writer *writer, const struct live_session *live)
{
	for (unsigned i = 0; i < LIVE_DIAGNOSTICS_MAX; i++) {
		const struct diagnostic *said = &live->diagnostics[i];
		uint8_t field = (uint8_t)(LIVE_DIAGNOSTIC + i * LIVE_DIAGNOSTIC_FIELDS);

		if (!said->code)
			continue;
		record_put_number(writer, field + LIVE_DIAGNOSTIC_CODE, said->code);
		record_put_number(writer, field + LIVE_DIAGNOSTIC_STEP, said->step);
		record_put_bytes(writer, field + LIVE_DIAGNOSTIC_TEXT, said->text, said->len);
	}
}

static void
save_memory(struct record_writer *writer, const struct run_memory *memory)
{
	for (unsigned i = 0; i < memory->n_answers; i++) {
		const struct run_answer *answer = &memory->answers[i];

		record_begin(writer, PASSED_ANSWER);
		record_put_number(writer, ANSWER_CODE, answer->code);
		record_put_number(writer, ANSWER_FORMAT, answer->format);
		record_put_bytes(writer, ANSWER_BYTES, answer->bytes, answer->len);
		record_end(writer);
	}
	for (const struct run_effect *effect = memory->effects; effect; effect = effect->next) {
		record_begin(writer, PASSED_EFFECT);
		record_put_number(writer, EFFECT_KIND, effect->kind);
		record_put_number(writer, EFFECT_TASK, effect->task);
		record_put_number(writer, EFFECT_SECRET, effect->secret);
		record_put_text(writer, EFFECT_NAME, effect->name);
		record_put_text(writer, EFFECT_TEXT, effect->text);
		record_end(writer);
	}
}

static void
save_live(struct pass_save *save, const struct live_session *live)
{
	struct record_writer *writer = save->writer;
	const struct run_memory *memory = &live->memory;

	save_plan(save, live->plan);
	save_plan(save, live->began);
	record_begin(writer, PASSED_LIVE);
	record_put_number(writer, LIVE_DEVICE, live->device);
	record_put_number(writer, LIVE_WORKER, live->worker);
	record_put_number(writer, LIVE_SLOT, live->session.slot);
	record_put_number(writer, LIVE_SERIAL, live->session.serial);
	record_put_number(writer, LIVE_FORMAT, live->format);
	record_put_bytes(writer, LIVE_ADDRESS, live->peer.addr, sizeof live->peer.addr);
	record_put_number(writer, LIVE_PORT, live->peer.port);
	record_put_number(writer, LIVE_LISTENER, live->peer.listener);
	record_put_number(writer, LIVE_STARTED_US, live->started_us);
	record_put_number(writer, LIVE_STARTED_MS, live->started_ms);
	record_put_number(writer, LIVE_SOON, live->soon);
	record_put_number(writer, LIVE_AGAIN, live->again);
	record_put_number(writer, LIVE_AFTER_S, live->after_s);
	record_put_number(writer, LIVE_CLAIMED, live->claimed);
	record_put_number(writer, LIVE_PLAN, live->plan ? live->plan->number : 0);
	record_put_number(writer, LIVE_BEGAN, live->began ? live->began->number : 0);
	record_put_number(writer, LIVE_SEEDED, memory->seeded);
	if (memory->seeded)
		record_put_bytes(writer, LIVE_SEED, memory->seed, sizeof memory->seed);
	record_put_number(writer, LIVE_NOW_MS, memory->now_ms);
	record_put_number(writer, LIVE_DRAWN, memory->drawn);
	record_put_text(writer, LIVE_LOG, memory->log.at);
	save_diagnostics(writer, live);
	record_end(writer);
	save_memory(writer, memory);
	credentials_save(memory->credentials, writer);
}

/* ---- what is not in the store yet ---- */

static void
save_waiting(void *ctx, const struct store_waiting *waiting)
{
	struct pass_save *save = ctx;
	struct record_writer *writer = save->writer;

	record_begin(writer, PASSED_JOURNAL);
	record_put_number(writer, JOURNAL_ENTRY_KIND, waiting->kind);
	record_put_number(writer, JOURNAL_ENTRY_STATUS, waiting->status);
	record_put_number(writer, JOURNAL_ENTRY_FORMAT, waiting->format);
	record_put_number(writer, JOURNAL_ENTRY_DEVICE, waiting->device);
	record_put_number(writer, JOURNAL_ENTRY_TASK, waiting->task);
	record_put_number(writer, JOURNAL_ENTRY_STARTED, waiting->started_ms);
	record_put_number(writer, JOURNAL_ENTRY_FINISHED, waiting->finished_ms);
	record_put_number(writer, JOURNAL_ENTRY_COUNT, waiting->count);
	record_put_bytes(writer, JOURNAL_ENTRY_NAME, waiting->name, waiting->name_len);
	record_put_text(writer, JOURNAL_ENTRY_MORE, waiting->more);
	record_put_number(writer, JOURNAL_ENTRY_JOINS, waiting->joins);
	record_end(writer);
	save->waiting++;
}

static void
save_device(struct pass_save *save, const struct device *device)
{
	struct record_writer *writer = save->writer;
	struct device_spec spec;
	struct device_names names;

	device_to_spec(&save->service->inventory, device, &names, &spec);
	record_begin(writer, PASSED_DEVICE);
	record_put_number(writer, DEVICE_NUMBER, device_id(device));
	record_put_text(writer, DEVICE_ENDPOINT, spec.endpoint);
	if (device_spec_has_identity(&spec))
		record_put_bytes(writer, DEVICE_IDENTITY, spec.identity,
				 device_spec_identity_len(&spec));
	record_put_bytes(writer, DEVICE_KEY, spec.key, spec.key_len);
	record_put_number(writer, DEVICE_KEY_IS_HEX, spec.key_is_hex);
	record_put_number(writer, DEVICE_SERVED_NOSEC, spec.nosec);
	record_put_text(writer, DEVICE_DOMAIN, spec.domain);
	record_put_text(writer, DEVICE_GROUPS, spec.groups);
	if (spec.values)
		record_put_bytes(writer, DEVICE_VALUES, spec.values,
				 setting_values_size(spec.values));
	record_put_number(writer, DEVICE_CREATED, spec.created_ms);
	record_end(writer);
	explicit_bzero(spec.key, sizeof spec.key);
}

/* Devices first: what is reported of them comes after. */
static void
save_unsaved(struct pass_save *save)
{
	const struct device_ring *unsaved = &save->service->unsaved.ring;

	for (size_t i = 0; i < unsaved->count; i++) {
		uint32_t id = device_ring_at(unsaved, i);
		const struct device *device = inventory_at(&save->service->inventory, id);

		if (device)
			save_device(save, device);
	}
}

void
pass_save_end(struct pass_save *save, struct pass_totals *totals)
{
	const struct live_sessions *live = &save->service->live;

	save_unsaved(save);
	member_pass_save(save->service, save->writer);
	if (save->service->store)
		store_each_waiting(save->service->store, save_waiting, save);
	for (uint32_t i = 0; i < live->used; i++)
		if (live->places[i])
			save_live(save, live->places[i]);
	totals->live = live->count;
	totals->waiting = save->waiting;
	hash_index_fini(&save->by_address);
	free(save->batches);
	free(save->plans);
	free(save);
}
