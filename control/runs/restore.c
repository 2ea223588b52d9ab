#include "control/runs/restore.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/runs/publish.h"
#include "control/runs/service.h"

enum { PUMP_EVERY = 1000 }; /* devices */

struct loading {
	struct service *service;
	uint32_t devices, refused;
	int result;
};

static bool
load_task(void *ctx, const struct store_task *task)
{
	struct loading *loading = ctx;

	return reports_load_task(&loading->service->reports, task);
}

static bool
load_report(void *ctx, const struct store_report *report)
{
	struct loading *loading = ctx;

	return reports_load(&loading->service->reports, report);
}

static bool
load_unknown(void *ctx, const struct store_unknown *unknown)
{
	struct loading *loading = ctx;

	unknown_devices_load(loading->service->unknowns, unknown);
	return true;
}

static bool
load_device(void *ctx, const struct store_device *kept)
{
	struct loading *loading = ctx;
	struct service *service = loading->service;
	struct device_draft draft;
	int result = inventory_draft(&service->inventory, &kept->spec, kept->id, &draft);

	if (result == 0) {
		draft.format = kept->format;
		draft.last_bootstrap_ms = kept->last_bootstrap_ms;
		result = publish_loaded(service, &draft);
	}
	if (result < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_store_trouble, kept->spec.endpoint,
			  "device %s cannot be loaded: %s", kept->spec.endpoint,
			  result == -EEXIST ? "its identity belongs to another device"
					    : strerror(-result));
	loading->devices += result == 0;
	if (loading->devices % PUMP_EVERY == 0)
		pump_run(&service->pump);
	loading->refused += result < 0;
	loading->result = result == -ENOMEM ? result : 0;
	return result != -ENOMEM && !service->stopping;
}

/* Devices may be in groups that the files lost meanwhile: they are served without them. */
static void
warn_of_devices(struct service *service)
{
	struct diag_list diags;

	diag_list_init(&diags);
	generation_check_groups(service->generation, &service->inventory, &diags);
	generation_check_nosec(service->config, &service->inventory, &diags);
	for (size_t i = 0; i < diags.count; i++)
		log_event(SEVERITY_WARNING, LOG_EVENT_store_trouble, NULL, "%s",
			  diags.items[i].text);
	diag_list_fini(&diags);
}

static int
load_all(struct loading *loading, char error[STORE_ERROR_MAX])
{
	struct service *service = loading->service;
	struct store *store = service->store;
	int result = store_load_tasks(store, load_task, loading, error);

	if (result < 0)
		return result;
	service->reports.store = store;
	store_put_task(store, &(struct store_task){ REPORT_NO_TASK, "", "(no task)" });
	if (generation_number_tasks(service->generation, &service->reports) < 0)
		return -ENOMEM;
	generation_forget_other_tasks(service->generation, &service->reports);
	result = store_load_devices(store, load_device, loading, error);
	if (result == 0)
		result = store_load_reports(store, load_report, loading, error);
	reports_loaded(&service->reports);
	if (result == 0)
		result = store_load_unknowns(store, load_unknown, loading, error);
	if (result == 0)
		result = version_counts_load(service, error);
	/* What a device has done decides what it runs. */
	if (result == 0 && publish_devices(service, &(struct publish_progress){ 0 }))
		result = -ENOMEM;
	return result;
}

int
restore_all(struct service *service)
{
	struct loading loading = { .service = service };
	uint64_t begun_us = clock_now_us();
	char error[STORE_ERROR_MAX] = "out of memory";
	int result;

	service->inventory.next_id = store_next_device(service->store);
	result = load_all(&loading, error);

	if (service->stopping)
		return -1;
	if (result == 0)
		result = store_release_held(service->store, error);
	if (result == 0)
		result = store_start(service->store);
	if (result < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s",
			  result == -ECANCELED || result == -ENOMEM ? "out of memory" : error);
		return -1;
	}
	warn_of_devices(service);
	log_event(SEVERITY_NOTICE, LOG_EVENT_store_loaded, NULL,
		  "store: %u device%s and their reports loaded in %.3f s", loading.devices,
		  PLURAL(loading.devices), (double)(clock_now_us() - begun_us) / 1e6);
	return 0;
}
