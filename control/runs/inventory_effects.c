#include "control/runs/inventory_effects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/inventory/setting_values.h"
#include "control/log.h"
#include "control/runs/publish.h"
#include "control/runs/service.h"
#include "tasks/compile/secrets.h"

enum {
	KEEP_EVERY_MS = 50,
	KEEP_WAIT_MS = 5000,
	RETRY_MS = 1000,
	SAVE_AT_ONCE = 1000,
};

static int
store_property(struct service *service, struct device *device, const struct run_effect *effect)
{
	uint8_t *values = setting_values_copy(device->values);
	struct setting_value value = {
		.name = effect->name,
		.name_len = (uint8_t)strlen(effect->name),
		.text = effect->text,
		.text_len = (uint16_t)strlen(effect->text),
		.secret = effect->secret || policy_name_is_secret(effect->name),
	};
	int result;

	if (device->values && !values)
		return -ENOMEM;
	if (strlen(effect->name) > SETTING_NAME_MAX || strlen(effect->text) > SETTING_TEXT_MAX)
		result = -EINVAL;
	else
		result = setting_values_set(&values, &value);
	if (result < 0) {
		setting_values_free(values);
		return result;
	}
	inventory_set_values(&service->inventory, device, values);
	return 0;
}

static int
remove_property(struct service *service, struct device *device, const struct run_effect *effect)
{
	uint8_t *values = setting_values_copy(device->values);
	int result;

	if (device->values && !values)
		return -ENOMEM;
	result = setting_values_unset(&values, effect->name, strlen(effect->name));
	if (result == -ENOENT)
		result = 0; /* it is not there: what was wanted */
	inventory_set_values(&service->inventory, device, values);
	return result;
}

/* The list without the group. False: it was not in it. */
static bool
list_without(const char *list, const char *group, char out[DEVICE_LIST_MAX])
{
	size_t used = 0, wanted = strlen(group);
	bool found = false;

	while (*list) {
		size_t len = strcspn(list, ",");

		if (len == wanted && memcmp(list, group, len) == 0) {
			found = true;
		} else {
			if (used)
				out[used++] = ',';
			memcpy(out + used, list, len);
			used += len;
		}
		list += len + (list[len] == ',');
	}
	out[used] = '\0';
	return found;
}

static int
change_groups(struct service *service, struct device *device, const struct run_effect *effect)
{
	const char *present = device_groups(&service->inventory, device);
	char list[DEVICE_LIST_MAX];
	size_t len;

	if (!policy_group(service->generation->policy, effect->name, strlen(effect->name)))
		return -ENOENT;
	list_without(present, effect->name, list);
	len = strlen(list);
	if (effect->kind == EFFECT_JOIN) {
		if (len + strlen(effect->name) + 2 > sizeof list)
			return -E2BIG;
		if (len)
			list[len++] = ',';
		memcpy(list + len, effect->name, strlen(effect->name) + 1);
	}
	return inventory_set_groups(&service->inventory, device, list);
}

static int
apply(struct service *service, struct device *device, const struct run_effect *effect)
{
	switch (effect->kind) {
	case EFFECT_STORE_PROPERTY:
		return store_property(service, device, effect);
	case EFFECT_REMOVE_PROPERTY:
		return remove_property(service, device, effect);
	case EFFECT_JOIN:
	case EFFECT_LEAVE:
		return change_groups(service, device, effect);
	default:
		return 0;
	}
}

/* ---- keeping ---- */

static void
remember_unsaved(struct unsaved_devices *unsaved, struct device *device)
{
	if (device->unsaved)
		return;
	if (device_ring_put(&unsaved->ring, device_id(device)) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "what a task changed of a device is not kept: out of memory");
		return;
	}
	device->unsaved = true;
}

void
inventory_effects_remember(struct service *service, struct device *device)
{
	remember_unsaved(&service->unsaved, device);
}

/* False: there is no such device any more. */
static bool
put_unsaved(struct service *service, struct store_change *change, uint32_t id)
{
	struct device *device = inventory_at(&service->inventory, id);
	struct store_device record = { .id = id };
	struct device_names names;

	if (!device)
		return false;
	device->unsaved = false; /* what changes while this is written is to be written, too */
	record.last_bootstrap_ms = device->last_bootstrap_ms;
	record.format = device->format;
	device_to_spec(&service->inventory, device, &names, &record.spec);
	store_change_put_device(change, &record);
	explicit_bzero(record.spec.key, sizeof record.spec.key);
	return true;
}

static void
put_back(struct service *service, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct device *device = inventory_at(&service->inventory, ids[i]);

		if (device)
			remember_unsaved(&service->unsaved, device);
	}
}

void
inventory_effects_save(struct service *service, uint64_t now_ms)
{
	struct unsaved_devices *unsaved = &service->unsaved;
	uint32_t ids[SAVE_AT_ONCE];
	char error[STORE_ERROR_MAX];
	struct store_change *change;
	size_t n = 0;

	if (!unsaved->ring.count || !service->store || now_ms < unsaved->next_ms)
		return;
	change = store_change_begin(service->store);
	if (!change)
		return;
	unsaved->next_ms = now_ms + KEEP_EVERY_MS;
	while (unsaved->ring.count && n < SAVE_AT_ONCE) {
		ids[n] = device_ring_take(&unsaved->ring);
		n += put_unsaved(service, change, ids[n]);
	}
	if (store_change_commit(change, KEEP_WAIT_MS, &service->pump, error) == 0)
		return;
	put_back(service, ids, n);
	log_event(SEVERITY_WARNING, LOG_EVENT_store_trouble, NULL,
		  "what tasks changed of %zu devices is not kept yet: %s", unsaved->ring.count, error);
	unsaved->next_ms = now_ms + RETRY_MS;
}

void
inventory_effects_save_all(struct service *service)
{
	size_t before;

	do {
		before = service->unsaved.ring.count;
		service->unsaved.next_ms = 0;
		inventory_effects_save(service, 0);
	} while (service->unsaved.ring.count && service->unsaved.ring.count < before);
}

/* A group's name that holds a secret of the device is not shown; a property's name is no value. */
static const char *
shown_name(const struct run_effect *effect)
{
	bool group = effect->kind == EFFECT_JOIN || effect->kind == EFFECT_LEAVE;

	return group && effect->secret ? SECRET_MASK : effect->name;
}

void
inventory_effects_apply(struct service *service, struct device *device,
			const struct run_memory *memory)
{
	char endpoint[ENDPOINT_NAME_MAX + 1];
	bool changed = false;

	for (const struct run_effect *effect = memory->effects; effect; effect = effect->next) {
		int result = apply(service, device, effect);

		if (result < 0)
			log_event(SEVERITY_WARNING, LOG_EVENT_device_trouble,
				  device_endpoint(device, endpoint),
				  "device %s: a task's \"%s\" cannot be done: %s", endpoint,
				  shown_name(effect),
				  result == -ENOENT ? "there is no such group" : strerror(-result));
		changed |= result == 0 && effect->kind != EFFECT_HISTORY;
	}
	if (!changed)
		return;
	remember_unsaved(&service->unsaved, device);
	replica_device_changed(service, device);
	if (publish_device(service, device) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory,
			  device_endpoint(device, endpoint),
			  "device %s keeps its former batch: out of memory", endpoint);
}
