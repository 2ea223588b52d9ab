/* What the former process had not in its store yet, out of records: devices, reports, messages. */
#include "control/runs/pass_load_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/inventory/setting_values.h"
#include "control/log.h"
#include "control/runs/publish.h"

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
	case STORE_WAITING_NOTE:
	case STORE_WAITING_OTHER:
		break;
	}
	result = service->store ? store_put_waiting(service->store, waiting) : 0;
	/* Behind what waits: of a task that is no more, the note goes. */
	if (result == 0 && store_waiting_kind(waiting) == STORE_WAITING_NOTE &&
	    !version_counts_take(service, waiting->name, waiting->more))
		result = -ENOMEM;
	if (result == -ENOMEM)
		return pass_refuse(load, "out of memory");
	return result == 0 || pass_malformed(load);
}

void
pass_end_together(struct pass_load *load)
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
	pass_end_together(load);
	store_begin_together(load->service->store);
	load->together = true;
}

bool
pass_load_waiting(struct pass_load *load)
{
	struct record_reader *reader = load->reader;
	char *name = pass_text_of(reader, JOURNAL_ENTRY_NAME);
	char *more = pass_text_of(reader, JOURNAL_ENTRY_MORE);
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
	good = name && more ? take_waiting(load, &waiting) : pass_refuse(load, "out of memory");
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
		return pass_malformed(load);
	if (publish_draft(service, &draft) < 0)
		return pass_refuse(load, "out of memory");
	device = inventory_at(&service->inventory, id);
	if (device)
		inventory_effects_remember(service, device);
	return true;
}

bool
pass_load_device(struct pass_load *load)
{
	struct device_texts *texts = calloc(1, sizeof *texts);
	struct device_spec spec = { 0 };
	bool good = texts && read_device(load->reader, texts, &spec) ? take_device(load, &spec)
								     : pass_malformed(load);

	explicit_bzero(&spec, sizeof spec);
	free(texts);
	return good;
}
