#include "control/runs/pass.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/inventory/setting_values.h"
#include "control/log.h"
#include "control/policy/policy_trust.h"
#include "control/runs/credentials.h"
#include "control/runs/member_pass.h"
#include "control/runs/pass_fields.h"
#include "control/runs/publish.h"
#include "control/runs/run_reports.h"
#include "control/runs/service.h"
#include "tasks/compile/batch_build.h"

enum { PLAN_NUMBERS_MAX = 1 << 24 };

/* As it came; what became of it here, once a batch or a session asked for it. */
struct passed_plan {
	struct plan_content content;
	struct plan_task tasks[PLAN_TASKS_MAX];
	struct plan *plan; /* held; NULL: not asked for yet */
};

struct pass_load {
	struct service *service;
	struct record_reader start; /* at the first record */
	struct record_reader *reader;
	char *error;
	const struct policy_task **tasks; /* by their numbers in reports; NULL: no policy has it */
	uint32_t n_tasks;
	struct passed_plan **plans; /* by the numbers that they had - 1 */
	uint32_t n_plans;
	struct passed_plan *plan; /* whose tasks come now */
	struct batch **batches;   /* by number - 1 */
	uint32_t n_batches, capacity;
	struct batch_builder builder;
	struct { /* whose steps come now */
		bool open;
		uint32_t plan;
		uint16_t format, block_bytes;
		bool continues, pack;
	} batch;
	struct live_session *live; /* whose answers and effects come now */
	uint32_t waiting;
	bool together; /* entries are being put that are one transaction: between store_begin_together() and its end */
	uint32_t trust;
};

static bool
refuse(struct pass_load *load, const char *sentence)
{
	snprintf(load->error, PASS_ERROR_MAX, "%s", sentence);
	return false;
}

static bool
malformed(struct pass_load *load)
{
	return refuse(load, "a record is malformed");
}

/* ---- plans ---- */

static bool
find_tasks(struct pass_load *load)
{
	const struct policy *policy = load->service->generation->policy;

	load->n_tasks = load->service->reports.n_tasks;
	load->tasks = calloc(load->n_tasks + 1, sizeof(const struct policy_task *));
	if (!load->tasks)
		return refuse(load, "out of memory");
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
		return refuse(load, "out of memory");
	memset(larger + load->n_plans, 0, (n - load->n_plans) * sizeof(struct passed_plan *));
	load->plans = larger;
	load->n_plans = n;
	return true;
}

static bool
load_plan(struct pass_load *load)
{
	uint64_t number = record_number(load->reader, PLAN_NUMBER);

	load->plan = NULL;
	if (!number || number > PLAN_NUMBERS_MAX)
		return malformed(load);
	if (!room_for_plan(load, (uint32_t)number))
		return false;
	if (load->plans[number - 1])
		return malformed(load);
	load->plan = calloc(1, sizeof *load->plan);
	load->plans[number - 1] = load->plan;
	if (!load->plan)
		return refuse(load, "out of memory");
	load->plan->content.generation = load->service->generation;
	load->plan->content.tasks = load->plan->tasks;
	load->plan->content.logs = record_number(load->reader, PLAN_LOGS) != 0;
	return true;
}

/* Of a task that the policy has not got, nothing is reported any more: it is left out. */
static bool
load_plan_task(struct pass_load *load)
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
		return malformed(load);
	if (!task.task)
		return true;
	if (*summary) {
		task.summary = strdup(summary);
		if (!task.summary)
			return refuse(load, "out of memory");
	}
	load->plan->tasks[load->plan->content.n_tasks++] = task;
	return true;
}

/* The plan of this number as it is here, held once more for the caller; NULL: none. */
static struct plan *
plan_of(struct pass_load *load, uint64_t number, const struct batch *batch)
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

static bool
close_batch(struct pass_load *load)
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
			return refuse(load, "out of memory");
		load->batches = larger;
		load->capacity = capacity;
	}
	batch = compile_restored(load->service->generation->compiler, &load->builder,
				 load->batch.format);
	batch_builder_reset(&load->builder);
	if (!batch)
		return refuse(load, "out of memory, or a batch has no steps");
	batch->continues = load->batch.continues;
	batch->pack = load->batch.pack;
	batch->block_bytes = load->batch.block_bytes;
	plan = plan_of(load, load->batch.plan, batch);
	batch->plan = plan ? plan->number : 0;
	load->batches[load->n_batches++] = batch;
	return true;
}

static bool
load_batch(struct pass_load *load)
{
	struct record_reader *reader = load->reader;

	if (record_number(reader, BATCH_NUMBER) != (uint64_t)load->n_batches + 1)
		return malformed(load);
	load->batch.open = true;
	load->batch.plan = (uint32_t)record_number(reader, BATCH_PLAN);
	load->batch.format = (uint16_t)record_number(reader, BATCH_FORMAT);
	load->batch.block_bytes = (uint16_t)record_number(reader, BATCH_BLOCK_BYTES);
	load->batch.continues = record_number(reader, BATCH_CONTINUES) != 0;
	load->batch.pack = record_number(reader, BATCH_PACK) != 0;
	return true;
}

static bool
load_step(struct pass_load *load)
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
		return malformed(load);
	return batch_builder_copy(&load->builder, &like, options, payload) == 0 ||
	       refuse(load, "out of memory, or a batch is too large");
}

const struct batch *
pass_load_batch(void *ctx, uint32_t number)
{
	const struct pass_load *load = ctx;

	return number && number <= load->n_batches ? load->batches[number - 1] : NULL;
}

/* ---- the first reading: what sessions need ---- */

/* Made of the same: who was judged by it need not be judged again. */
static bool
load_trust(struct pass_load *load)
{
	const struct policy_trust *trust = load->service->generation->policy->trust;
	size_t len;
	const uint8_t *content = record_bytes(load->reader, TRUST_CONTENT, &len);

	if (trust && len == sizeof trust->content && memcmp(content, trust->content, len) == 0)
		load->trust = ec_trust_generation(trust->ec);
	return true;
}

uint32_t
pass_load_trust(const struct pass_load *load)
{
	return load->trust;
}

static bool
take_first(struct pass_load *load)
{
	uint16_t kind = load->reader->kind;

	if (kind != PASSED_STEP && !close_batch(load))
		return false;
	switch (kind) {
	case PASSED_CLOCK:
		dataplane_load_clock(load->reader);
		return true;
	case PASSED_TRUST:
		return load_trust(load);
	case PASSED_PLAN:
		return load_plan(load);
	case PASSED_PLAN_TASK:
		return load_plan_task(load);
	case PASSED_BATCH:
		return load_batch(load);
	case PASSED_STEP:
		return load_step(load);
	default:
		return true;
	}
}

struct pass_load *
pass_load_begin(struct service *service, struct record_reader *reader, char error[PASS_ERROR_MAX])
{
	struct pass_load *load = calloc(1, sizeof *load);
	bool good;

	if (!load) {
		snprintf(error, PASS_ERROR_MAX, "out of memory");
		return NULL;
	}
	load->service = service;
	load->reader = reader;
	load->error = error;
	load->trust = EC_TRUST_FORMER;
	batch_builder_init(&load->builder);
	good = find_tasks(load);
	load->start = *reader;
	while (good && record_next(reader))
		good = take_first(load);
	good = good && close_batch(load) && (!reader->malformed || malformed(load));
	if (!good) {
		pass_load_drop(load);
		return NULL;
	}
	load->start.shift_us = reader->shift_us;
	return load;
}

/* ---- the second: what the service needs ---- */

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

static bool
load_live(struct pass_load *load)
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
		return malformed(load);
	if (!device || device->live)
		return true; /* its session ends with nobody to tell */
	live = live_add(&service->live);
	if (!live)
		return refuse(load, "out of memory");
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
	device->started_us = live->started_us;
	live->plan = plan_of(load, record_number(reader, LIVE_PLAN), NULL);
	live->began = plan_of(load, record_number(reader, LIVE_BEGAN), NULL);
	read_diagnostics(reader, live);
	read_memory(reader, &live->memory);
	still_in_progress(service, live);
	return !reader->malformed || malformed(load);
}

static bool
load_answer(struct pass_load *load)
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
	       refuse(load, "out of memory, or too many answers of a device");
}

/* A copy with a NUL behind it; there may be others in it. */
static char *
text_of(struct record_reader *reader, uint8_t field)
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

static bool
load_effect(struct pass_load *load)
{
	struct record_reader *reader = load->reader;
	struct run_effect *effect;

	if (!load->live)
		return true;
	effect = calloc(1, sizeof *effect);
	if (!effect)
		return refuse(load, "out of memory");
	effect->kind = (uint8_t)record_number(reader, EFFECT_KIND);
	effect->task = (uint8_t)record_number(reader, EFFECT_TASK);
	effect->secret = record_number(reader, EFFECT_SECRET) != 0;
	effect->name = text_of(reader, EFFECT_NAME);
	effect->text = text_of(reader, EFFECT_TEXT);
	if (!effect->name || !effect->text) {
		free(effect->name);
		free(effect->text);
		free(effect);
		return refuse(load, "out of memory");
	}
	run_memory_effect(&load->live->memory, effect);
	return true;
}

/* Of a run whose device is gone they are nobody's. */
static bool
load_keys(struct pass_load *load)
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
		return refuse(load, "out of memory");
	return result == 0 || malformed(load);
}

/* ---- what is not in the store yet ---- */

/* A task that is done until it is rerun is no part of the device's next run. */
static void
renew(struct pass_load *load, uint32_t id, uint32_t number, uint8_t status)
{
	const struct policy_task *task = number < load->n_tasks ? load->tasks[number] : NULL;
	struct device *device = inventory_at(&load->service->inventory, id);

	if (!task || !device || status == TASK_IN_PROGRESS ||
	    (task->repetition != REPETITION_ONCE && task->automatic_restart))
		return;
	if (publish_device(load->service, device) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a device keeps a task that it has done: out of memory");
}

static bool
take_report(struct pass_load *load, const struct store_waiting *waiting)
{
	struct reports *reports = &load->service->reports;
	const struct report_change change = {
		.device = waiting->device,
		.task = waiting->task,
		.status = (enum task_status)waiting->status,
		.member = (uint32_t)waiting->count,
		.started_ms = waiting->started_ms,
		.finished_ms = waiting->finished_ms,
		.summary = waiting->name,
		.log = waiting->more,
	};

	if (waiting->status >= REPORT_STATUSES || waiting->task >= reports->n_tasks ||
	    !reports->tasks[waiting->task].name)
		return true; /* of a task that no policy has */
	if (!inventory_at(&load->service->inventory, waiting->device))
		return true;
	reports_set(reports, &change);
	renew(load, waiting->device, waiting->task, waiting->status);
	return true;
}

static void
take_visit(struct pass_load *load, const struct store_waiting *waiting)
{
	struct device *device = inventory_at(&load->service->inventory, waiting->device);

	if (!device)
		return;
	device->last_bootstrap_ms = waiting->finished_ms;
	if (!waiting->format || device->format == waiting->format)
		return;
	device->format = waiting->format;
	if (publish_device(load->service, device) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a device keeps its former batch: out of memory");
}

static bool
take_waiting(struct pass_load *load, const struct store_waiting *waiting)
{
	struct service *service = load->service;
	const struct store_unknown unknown = {
		.name = (const uint8_t *)waiting->name,
		.name_len = waiting->name_len,
		.address = waiting->more ? waiting->more : "",
		.first_ms = waiting->started_ms,
		.last_ms = waiting->finished_ms,
		.count = waiting->count,
		.over = (uint8_t)waiting->format,
		.device = waiting->device,
	};
	int result;

	load->waiting++;
	switch (store_waiting_kind(waiting)) {
	case STORE_WAITING_REPORT:
		return take_report(load, waiting);
	case STORE_WAITING_VISIT:
		take_visit(load, waiting);
		break;
	case STORE_WAITING_UNKNOWN:
		unknown_devices_load(service->unknowns, &unknown);
		break;
	case STORE_WAITING_OTHER:
		break;
	}
	result = service->store ? store_put_waiting(service->store, waiting) : 0;
	if (result == -ENOMEM)
		return refuse(load, "out of memory");
	return result == 0 || malformed(load);
}

static void
end_together(struct pass_load *load)
{
	if (load->together)
		store_end_together(load->service->store);
	load->together = false;
}

/*
 * A message and the report of its run stay one transaction, and neither is lost alone from a full queue. Whether the
 * next entry belongs to this one is not known yet: each begins what may go on.
 */
static void
put_together(struct pass_load *load, bool joins)
{
	if (joins || !load->service->store)
		return;
	end_together(load);
	store_begin_together(load->service->store);
	load->together = true;
}

static bool
load_waiting(struct pass_load *load)
{
	struct record_reader *reader = load->reader;
	char *name = text_of(reader, JOURNAL_ENTRY_NAME);
	char *more = text_of(reader, JOURNAL_ENTRY_MORE);
	size_t name_len, more_len;
	const struct store_waiting waiting = {
		.kind = (uint8_t)record_number(reader, JOURNAL_ENTRY_KIND),
		.status = (uint8_t)record_number(reader, JOURNAL_ENTRY_STATUS),
		.format = (uint16_t)record_number(reader, JOURNAL_ENTRY_FORMAT),
		.device = (uint32_t)record_number(reader, JOURNAL_ENTRY_DEVICE),
		.task = (uint32_t)record_number(reader, JOURNAL_ENTRY_TASK),
		.started_ms = record_number(reader, JOURNAL_ENTRY_STARTED),
		.finished_ms = record_number(reader, JOURNAL_ENTRY_FINISHED),
		.count = record_number(reader, JOURNAL_ENTRY_COUNT),
		.name = name,
		.name_len = (record_bytes(reader, JOURNAL_ENTRY_NAME, &name_len), name_len),
		.more = record_bytes(reader, JOURNAL_ENTRY_MORE, &more_len) ? more : NULL,
		.joins = record_number(reader, JOURNAL_ENTRY_JOINS),
	};
	bool good;

	put_together(load, waiting.joins);
	good = name && more ? take_waiting(load, &waiting) : refuse(load, "out of memory");
	if (name)
		explicit_bzero(name, name_len); /* a message's has keys */
	free(name);
	free(more);
	return good;
}

/* Strings of a spec that a record holds. */
struct device_texts {
	char endpoint[ENDPOINT_NAME_MAX + 1], identity[ENDPOINT_NAME_MAX + 1];
	char domain[DOMAIN_MAX + 1], groups[DEVICE_LIST_MAX];
};

static bool
read_device(struct record_reader *reader, struct device_texts *texts, struct device_spec *spec)
{
	size_t identity_len, key_len, values_len;
	const uint8_t *identity = record_bytes(reader, DEVICE_IDENTITY, &identity_len);
	const uint8_t *key = record_bytes(reader, DEVICE_KEY, &key_len);
	const uint8_t *values = record_bytes(reader, DEVICE_VALUES, &values_len);

	record_text(reader, DEVICE_ENDPOINT, texts->endpoint, sizeof texts->endpoint);
	record_text(reader, DEVICE_DOMAIN, texts->domain, sizeof texts->domain);
	record_text(reader, DEVICE_GROUPS, texts->groups, sizeof texts->groups);
	if (reader->malformed || identity_len > DTLS_IDENTITY_MAX || key_len > DTLS_KEY_MAX ||
	    (values_len && !setting_values_check(values, values_len)))
		return false;
	if (identity_len)
		memcpy(texts->identity, identity, identity_len);
	*spec = (struct device_spec){
		.endpoint = texts->endpoint,
		.identity = identity_len ? texts->identity : NULL,
		.identity_len = (uint8_t)identity_len,
		.key_len = (uint8_t)key_len,
		.key_is_hex = record_number(reader, DEVICE_KEY_IS_HEX) != 0,
		.nosec = record_number(reader, DEVICE_SERVED_NOSEC) != 0,
		.domain = texts->domain,
		.groups = texts->groups,
		.values = values_len ? values : NULL,
		.created_ms = record_number(reader, DEVICE_CREATED),
	};
	if (key_len)
		memcpy(spec->key, key, key_len);
	return true;
}

static bool
take_device(struct pass_load *load, const struct device_spec *spec)
{
	struct service *service = load->service;
	uint32_t id = (uint32_t)record_number(load->reader, DEVICE_NUMBER);
	struct device_draft draft;
	struct device *device;

	if (!inventory_at(&service->inventory, id))
		return true;
	if (inventory_draft(&service->inventory, spec, id, &draft) < 0)
		return malformed(load);
	if (publish_draft(service, &draft) < 0)
		return refuse(load, "out of memory");
	device = inventory_at(&service->inventory, id);
	if (device)
		inventory_effects_remember(service, device);
	return true;
}

static bool
load_device(struct pass_load *load)
{
	struct device_texts *texts = calloc(1, sizeof *texts);
	struct device_spec spec = { 0 };
	bool good = texts && read_device(load->reader, texts, &spec) ? take_device(load, &spec)
								     : malformed(load);

	explicit_bzero(&spec, sizeof spec);
	free(texts);
	return good;
}

static bool
take_second(struct pass_load *load)
{
	if (load->reader->kind != PASSED_JOURNAL)
		end_together(load);
	switch (load->reader->kind) {
	case PASSED_LIVE:
		return load_live(load);
	case PASSED_ANSWER:
		return load_answer(load);
	case PASSED_EFFECT:
		return load_effect(load);
	case PASSED_CREDENTIALS:
	case PASSED_CREDENTIAL:
	case PASSED_MESSAGE:
		return load_keys(load);
	case PASSED_JOURNAL:
		return load_waiting(load);
	case PASSED_DEVICE:
		return load_device(load);
	default:
		return member_pass_load(load->service, load->reader) || malformed(load);
	}
}

/* ---- the end ---- */

/* Its worker has no such session: it could not be taken there. */
static void
end_lost(struct service *service, struct live_session *live)
{
	struct device *device = inventory_at(&service->inventory, live->device);
	const struct session_event event = { .started_us = live->started_us,
					     .time_us = dataplane_now_us(),
					     .device = live->device };
	struct reported_run reported = {
		.service = service,
		.device = device,
		.event = &event,
		.plan = live->began,
		.live = live,
	};

	if (live->began)
		report_unfinished(&reported, "the session did not pass to the next process");
	if (device)
		credentials_ended(service, device, NULL);
	live_end(service, device);
}

static uint32_t
end_all_lost(struct service *service)
{
	struct session_progress progress;
	uint32_t lost = 0;

	for (uint32_t i = 0; i < service->live.used; i++) {
		struct live_session *live = service->live.places[i];

		if (!live ||
		    dataplane_progress(service->dp, live->worker, live->session, &progress))
			continue;
		end_lost(service, live);
		lost++;
	}
	return lost;
}

/* Sessions hold the batches now. One that none took is free at the next look. */
static void
retire_batches(struct pass_load *load)
{
	for (uint32_t i = 0; i < load->n_batches; i++)
		if (retired_add(&load->service->retired, load->batches[i]) < 0)
			log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
				  "a batch cannot be freed: out of memory");
	load->n_batches = 0;
}

void
pass_load_drop(struct pass_load *load)
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
	free(load);
}

bool
pass_load_end(struct pass_load *load, struct pass_totals *totals)
{
	struct record_reader again = load->start;
	bool good = true;

	load->reader = &again;
	while (good && record_next(&again))
		good = take_second(load);
	end_together(load);
	totals->waiting = load->waiting;
	totals->live = load->service->live.count;
	totals->lost_live = end_all_lost(load->service);
	retire_batches(load);
	pass_load_drop(load);
	return good;
}
