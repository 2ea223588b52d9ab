#include "control/runs/restore.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/runs/publish.h"
#include "control/runs/service.h"

/* ---- at the start ---- */

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

	unknowns_load(loading->service->unknowns, unknown);
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
		log_error("device %s cannot be loaded: %s", kept->spec.endpoint,
			  result == -EEXIST ? "its identity belongs to another device"
					    : strerror(-result));
	loading->devices += result == 0;
	loading->refused += result < 0;
	loading->result = result == -ENOMEM ? result : 0;
	return result != -ENOMEM;
}

/* Devices may be in groups that the files lost meanwhile: they are served without them. */
static void
warn_of_missing_groups(struct service *service)
{
	struct diag_list diags;

	diag_list_init(&diags);
	generation_check_groups(service->generation, &service->inventory, &diags);
	for (size_t i = 0; i < diags.count; i++)
		log_warning("%s", diags.items[i].text);
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
	result = store_load_devices(store, load_device, loading, error);
	if (result == 0)
		result = store_load_reports(store, load_report, loading, error);
	if (result == 0)
		result = store_load_unknowns(store, load_unknown, loading, error);
	/* What a device has done decides what it runs. */
	if (result == 0 && publish_devices(service, &(struct publish_progress){ 0 }))
		result = -ENOMEM;
	return result;
}

int
kept_load(struct service *service)
{
	struct loading loading = { .service = service };
	uint64_t begun_us = clock_now_us();
	char error[STORE_ERROR_MAX] = "out of memory";
	int result;

	service->inventory.next_id = store_next_device(service->store);
	result = load_all(&loading, error);

	if (result == 0)
		result = store_start(service->store);
	if (result < 0) {
		log_error("%s",
			  result == -ECANCELED || result == -ENOMEM ? "out of memory" : error);
		return -1;
	}
	warn_of_missing_groups(service);
	log_notice("store: %u devices and their reports loaded in %.3f s", loading.devices,
		   (double)(clock_now_us() - begun_us) / 1e6);
	return 0;
}

/* ---- changes ---- */

/* The first name of a list that is no group. */
struct group_search {
	const struct policy *policy;
	char missing[ENDPOINT_NAME_MAX + 1];
};

static bool
find_missing(void *ctx, const char *name, size_t len)
{
	struct group_search *search = ctx;

	if (policy_group(search->policy, name, len))
		return true;
	snprintf(search->missing, sizeof search->missing, "%.*s", (int)len, name);
	return false;
}

static int
check_groups(const struct service *service, const char *groups, char error[STORE_ERROR_MAX])
{
	struct group_search search = { .policy = service->generation->policy };
	char list[DEVICE_LIST_MAX];
	const char *nearest;

	if (group_list_canonical(groups, list) < 0) {
		snprintf(error, STORE_ERROR_MAX,
			 "its groups must be 1 to %d names with ',' between", DEVICE_GROUPS_MAX);
		return -EINVAL;
	}
	group_list_each(list, find_missing, &search);
	if (!*search.missing)
		return 0;
	nearest = policy_nearest_group(search.policy, search.missing);
	snprintf(error, STORE_ERROR_MAX, "there is no group \"%s\"%s%s%s", search.missing,
		 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	return -ENOENT;
}

static void
draft_error(const struct service *service, const struct device_spec *spec, int result,
	    char error[STORE_ERROR_MAX])
{
	const struct device *holder;
	char endpoint[ENDPOINT_NAME_MAX + 1];

	switch (result) {
	case -EEXIST:
		holder = inventory_find_identity(&service->inventory,
						 spec->identity ? spec->identity : spec->endpoint);
		snprintf(error, STORE_ERROR_MAX, "its identity belongs to device %s",
			 holder ? device_endpoint(holder, endpoint) : "(another one)");
		break;
	case -EINVAL:
		snprintf(
			error, STORE_ERROR_MAX,
			"an endpoint name has 1 to %d bytes (%d where it is the identity, too), an "
			"identity 1 to %d, a key up to %d",
			ENDPOINT_NAME_MAX, DTLS_IDENTITY_MAX, DTLS_IDENTITY_MAX, DTLS_KEY_MAX);
		break;
	default:
		snprintf(error, STORE_ERROR_MAX, "out of memory");
		break;
	}
}

int
kept_draft_device(struct service *service, const struct device_spec *spec,
		  struct device_draft *draft, char error[STORE_ERROR_MAX])
{
	int result = check_groups(service, spec->groups, error);

	*draft = (struct device_draft){ 0 };
	if (result < 0)
		return result;
	result = inventory_draft(&service->inventory, spec, NAMES_NONE, draft);
	if (result < 0)
		draft_error(service, spec, result, error);
	return result;
}

struct store_device
kept_device(const struct service *service, const struct device_draft *draft,
	    const struct device_spec *spec)
{
	const struct device *present = inventory_at(&service->inventory, draft->entry->id);
	struct store_device kept = {
		.id = draft->entry->id,
		.spec = *spec,
		.last_bootstrap_ms = present ? present->last_bootstrap_ms : 0,
		.format = present ? present->format : 0,
	};

	kept.spec.groups = names_text(&service->inventory.groups, draft->groups);
	kept.spec.created_ms = (uint64_t)draft->created_s * 1000;
	return kept;
}

static int
keep(struct service *service, const struct store_device *kept, uint32_t removed,
     char error[STORE_ERROR_MAX])
{
	struct store_change *change;

	if (!service->store)
		return 0;
	change = store_change_begin(service->store);
	if (!change) {
		snprintf(error, STORE_ERROR_MAX,
			 "another change is being written, or there is no memory: try again");
		return -EBUSY;
	}
	if (kept)
		store_change_put_device(change, kept);
	else
		store_change_remove_device(change, removed);
	return store_change_commit(change, KEPT_WAIT_MS, &service->pump, error);
}

int
kept_put_device(struct service *service, const struct device_spec *spec, bool *created,
		char error[STORE_ERROR_MAX])
{
	struct device_draft draft;
	struct store_device kept;
	int result = kept_draft_device(service, spec, &draft, error);

	if (result < 0)
		return result;
	*created = draft.is_new;
	kept = kept_device(service, &draft, spec);
	result = keep(service, &kept, 0, error);
	explicit_bzero(kept.spec.key, sizeof kept.spec.key);
	if (result < 0) {
		device_draft_fini(&draft);
		return result;
	}
	result = publish_draft(service, &draft);
	if (result < 0)
		snprintf(error, STORE_ERROR_MAX,
			 "it is kept, but cannot be served before a restart: %s",
			 strerror(-result));
	return result;
}

int
kept_remove_device(struct service *service, struct device *device, char error[STORE_ERROR_MAX])
{
	uint32_t id = device_id(device);
	int result = keep(service, NULL, id, error);

	if (result < 0)
		return result;
	/* Looked up again: workers were looked after meanwhile. */
	device = inventory_at(&service->inventory, id);
	if (device)
		publish_removal(service, device);
	return 0;
}

void
kept_forget_unknown(struct service *service, const char *name, size_t len)
{
	char error[STORE_ERROR_MAX];
	struct store_change *change = service->store ? store_change_begin(service->store) : NULL;

	if (!change)
		return;
	store_change_remove_unknown(change, (const uint8_t *)name, len);
	if (store_change_commit(change, KEPT_WAIT_MS, &service->pump, error) < 0)
		log_warning("%s", error);
}
