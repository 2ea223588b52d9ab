/* Live sessions out of records: what each needs for the rest of its run. */
#include "control/runs/pass_load_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/runs/credentials.h"

static void
read_diagnostics(struct record_reader *reader, struct live_session *live)
{
	for (unsigned i = 0; i < LIVE_DIAGNOSTICS_MAX; i++) {
		struct diagnostic *said = &live->diagnostics[i];
		uint8_t field = (uint8_t)(LIVE_DIAGNOSTIC + i * LIVE_DIAGNOSTIC_FIELDS);
		size_t len;
		const uint8_t *text = record_bytes(reader, field + LIVE_DIAGNOSTIC_TEXT, &len);

		said->code = (uint8_t)record_number(reader, field + LIVE_DIAGNOSTIC_CODE);
		said->step = (uint16_t)record_number(reader, field + LIVE_DIAGNOSTIC_STEP);
		if (len > sizeof said->text)
			len = sizeof said->text;
		said->len = (uint8_t)len;
		if (len)
			memcpy(said->text, text, len);
	}
}

static void
read_memory(struct record_reader *reader, struct run_memory *memory)
{
	size_t len;
	const uint8_t *bytes = record_bytes(reader, LIVE_SEED, &len);

	memory->seeded = record_number(reader, LIVE_SEEDED) != 0 && len == sizeof memory->seed;
	if (memory->seeded)
		memcpy(memory->seed, bytes, len);
	memory->now_ms = record_number(reader, LIVE_NOW_MS);
	memory->drawn = record_number(reader, LIVE_DRAWN);
	bytes = record_bytes(reader, LIVE_LOG, &len);
	if (len)
		text_put(&memory->log, (const char *)bytes, len);
}

/*
 * What the store has says that its run was interrupted, as after any start: it was not. What was over
 * before it began stays.
 */
static void
still_in_progress(struct service *service, const struct live_session *live)
{
	for (unsigned i = 0; live->began && i < live->began->n_tasks; i++) {
		const struct plan_task *task = &live->began->tasks[i];
		const struct report *report =
			reports_find(&service->reports, task->task->report, live->device);

		if (task->state != PLAN_SENT || (report && report->status == TASK_IN_PROGRESS) ||
		    task->task->repetition == REPETITION_REPEAT_WITHOUT_REPORT)
			continue;
		reports_set(&service->reports,
			    &(struct report_change){ .device = live->device,
						     .task = task->task->report,
						     .status = TASK_IN_PROGRESS,
						     .started_ms = live->started_ms,
						     .summary = "in progress" });
	}
}

bool
pass_load_live(struct pass_load *load)
{
	struct record_reader *reader = load->reader;
	struct service *service = load->service;
	uint32_t id = (uint32_t)record_number(reader, LIVE_DEVICE);
	struct device *device = inventory_at(&service->inventory, id);
	struct live_session *live;
	size_t len;
	const uint8_t *address = record_bytes(reader, LIVE_ADDRESS, &len);

	load->live = NULL;
	if (len && len != sizeof live->peer.addr)
		return pass_malformed(load);
	if (!device || device->live)
		return true; /* its session ends with nobody to tell */
	live = live_add(&service->live);
	if (!live)
		return pass_refuse(load, "out of memory");
	load->live = device->live = live;
	live->device = id;
	live->worker = (uint16_t)record_number(reader, LIVE_WORKER);
	live->session.slot = (uint32_t)record_number(reader, LIVE_SLOT);
	live->session.serial = (uint32_t)record_number(reader, LIVE_SERIAL);
	live->format = (uint16_t)record_number(reader, LIVE_FORMAT);
	if (len)
		memcpy(live->peer.addr, address, len);
	live->peer.port = (uint16_t)record_number(reader, LIVE_PORT);
	live->peer.listener = (uint8_t)record_number(reader, LIVE_LISTENER);
	live->started_us = record_number(reader, LIVE_STARTED_US) + reader->shift_us;
	live->started_ms = record_number(reader, LIVE_STARTED_MS);
	live->soon = record_number(reader, LIVE_SOON) != 0;
	live->again = record_number(reader, LIVE_AGAIN) != 0;
	live->after_s = (uint32_t)record_number(reader, LIVE_AFTER_S);
	live->claimed = record_number(reader, LIVE_CLAIMED) != 0;
	device->started_us = live->started_us;
	live->plan = pass_plan_of(load, record_number(reader, LIVE_PLAN), NULL);
	live->began = pass_plan_of(load, record_number(reader, LIVE_BEGAN), NULL);
	read_diagnostics(reader, live);
	read_memory(reader, &live->memory);
	still_in_progress(service, live);
	return !reader->malformed || pass_malformed(load);
}

bool
pass_load_answer(struct pass_load *load)
{
	struct record_reader *reader = load->reader;
	struct run_answer answer = {
		.code = (uint8_t)record_number(reader, ANSWER_CODE),
		.format = (uint16_t)record_number(reader, ANSWER_FORMAT),
	};

	answer.bytes = (uint8_t *)(uintptr_t)record_bytes(reader, ANSWER_BYTES, &answer.len);
	if (!load->live)
		return true;
	return run_memory_answer(&load->live->memory, &answer) == 0 ||
	       pass_refuse(load, "out of memory, or too many answers of a device");
}

/* A copy with a NUL behind it; there may be others in it. */
char *
pass_text_of(struct record_reader *reader, uint8_t field)
{
	size_t len;
	const uint8_t *bytes = record_bytes(reader, field, &len);
	char *text = malloc(len + 1);

	if (!text)
		return NULL;
	if (len)
		memcpy(text, bytes, len);
	text[len] = '\0';
	return text;
}

bool
pass_load_effect(struct pass_load *load)
{
	struct record_reader *reader = load->reader;
	struct run_effect *effect;

	if (!load->live)
		return true;
	effect = calloc(1, sizeof *effect);
	if (!effect)
		return pass_refuse(load, "out of memory");
	effect->kind = (uint8_t)record_number(reader, EFFECT_KIND);
	effect->task = (uint8_t)record_number(reader, EFFECT_TASK);
	effect->secret = record_number(reader, EFFECT_SECRET) != 0;
	effect->name = pass_text_of(reader, EFFECT_NAME);
	effect->text = pass_text_of(reader, EFFECT_TEXT);
	if (!effect->name || !effect->text) {
		free(effect->name);
		free(effect->text);
		free(effect);
		return pass_refuse(load, "out of memory");
	}
	run_memory_effect(&load->live->memory, effect);
	return true;
}

/* Of a run whose device is gone they are nobody's. */
bool
pass_load_keys(struct pass_load *load)
{
	uint16_t kind = load->reader->kind;
	int result = 0;

	if (!load->live)
		return true;
	if (kind == PASSED_CREDENTIALS)
		result = credentials_load(load->service, load->live, load->reader);
	else if (kind == PASSED_CREDENTIAL)
		result = credentials_load_item(load->live, load->reader);
	else
		result = credentials_load_message(load->live, load->reader);
	if (result == -ENOMEM)
		return pass_refuse(load, "out of memory");
	return result == 0 || pass_malformed(load);
}
