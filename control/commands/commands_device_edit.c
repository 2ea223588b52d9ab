/* The inventory changed by hand: add, edit, remove, setting values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/show.h"
#include "control/inventory/key_hex.h"
#include "control/inventory/setting_values.h"
#include "control/runs/device_change.h"

enum { CHANGES_MAX = 64 };

/* ---- keys ---- */

static bool
take_hex(struct call *call, const char *hex, struct device_spec *spec)
{
	int wrong = key_from_hex(hex, strlen(hex), spec);

	if (wrong < 0)
		call_refuse(call, CTL_USAGE, "--key-hex needs 2 to %zu hex digits in pairs",
			    2 * sizeof spec->key);
	else if (wrong)
		call_refuse(call, CTL_USAGE, "--key-hex: character %d is no hex digit", wrong);
	return wrong == 0;
}

/* --key, --key-hex or --no-key; false after refusing. */
static bool
take_key(struct call *call, struct device_spec *spec)
{
	const char *text = call_option(call, "--key"), *hex = call_option(call, "--key-hex");

	if (!!text + !!hex + !!call_option(call, "--no-key") > 1) {
		call_refuse(call, CTL_USAGE, "--key, --key-hex and --no-key exclude each other");
		return false;
	}
	if (call_option(call, "--no-key"))
		spec->key_len = 0;
	if (hex)
		return take_hex(call, hex, spec);
	if (!text)
		return true;
	if (!*text || strlen(text) > sizeof spec->key) {
		call_refuse(call, CTL_USAGE, "--key must have 1 to %zu bytes", sizeof spec->key);
		return false;
	}
	spec->key_len = (uint8_t)strlen(text);
	spec->key_is_hex = false;
	memcpy(spec->key, text, spec->key_len);
	return true;
}

static bool
take_options(struct call *call, struct device_spec *spec)
{
	const char *identity = call_option(call, "--identity");
	const char *groups = call_option(call, "--groups");
	const char *domain = call_option(call, "--domain");

	if (identity)
		spec->identity = *identity ? identity : NULL;
	if (groups)
		spec->groups = groups;
	if (domain)
		spec->domain = *domain ? domain : NULL;
	return take_key(call, spec);
}

/* ---- add, edit, remove ---- */

static void
put(struct call *call, const struct device_spec *spec, const char *what)
{
	char error[STORE_ERROR_MAX];
	bool created;

	if (device_change_put(call->service, spec, &created, error) < 0) {
		call_refuse(call, CTL_REFUSED, "device %s: %s", spec->endpoint, error);
		return;
	}
	text_show(&call->text, "device %s %s\n", spec->endpoint, what);
	call->result = json_pack("{s:s, s:b}", "endpoint", spec->endpoint, "created", created);
}

void
command_device_add(struct call *call)
{
	struct device_spec spec = { .endpoint = call->arguments[0] };

	if (inventory_find(&call->service->inventory, spec.endpoint)) {
		call_refuse(call, CTL_REFUSED,
			    "device %s is there already: `device edit` changes it", spec.endpoint);
		return;
	}
	if (take_options(call, &spec))
		put(call, &spec, "added");
	explicit_bzero(spec.key, sizeof spec.key);
}

void
command_device_edit(struct call *call)
{
	const struct device *device = call_device(call);
	struct device_names names;
	struct device_spec spec;

	if (!device)
		return;
	device_to_spec(&call->service->inventory, device, &names, &spec);
	/* What is put must not be freed on its way: the values are the device's own. */
	spec.values = setting_values_copy(device->values);
	if (take_options(call, &spec))
		put(call, &spec, "changed");
	setting_values_free((uint8_t *)(uintptr_t)spec.values);
	explicit_bzero(spec.key, sizeof spec.key);
}

void
command_device_remove(struct call *call)
{
	struct device *device = call_device(call);
	char error[STORE_ERROR_MAX];

	if (!device)
		return;
	if (device_change_remove(call->service, device, error) < 0) {
		call_refuse(call, CTL_REFUSED, "device %s: %s", call->arguments[0], error);
		return;
	}
	text_show(&call->text, "device %s removed, with its reports\n", call->arguments[0]);
	call->result = json_pack("{s:s}", "endpoint", call->arguments[0]);
}

/* ---- unknown devices ---- */

/*
 * Who asked becomes a device. Its name is what it showed: the endpoint name, or the DTLS identity
 * where it came that far only; they are recommended to be equal.
 */
void
command_unknown_adopt(struct call *call)
{
	struct device_spec spec = { .endpoint = call->arguments[0] };
	size_t len = strlen(call->arguments[0]);
	struct service *service = call->service;

	if (!unknown_devices_find(service->unknowns, call->arguments[0], len)) {
		call_refuse(call, CTL_REFUSED,
			    "nobody asked as \"%s\": `unknown list` shows who did",
			    call->arguments[0]);
		return;
	}
	if (call_option(call, "--endpoint")) {
		spec.identity = spec.endpoint;
		spec.endpoint = call_option(call, "--endpoint");
	}
	if (take_options(call, &spec))
		put(call, &spec, "adopted");
	explicit_bzero(spec.key, sizeof spec.key);
	if (call->exit != CTL_DONE)
		return;
	unknown_devices_remove(service->unknowns, call->arguments[0], len);
	device_change_forget_unknown(service, call->arguments[0], len);
}

/* ---- setting values ---- */

static void
put_with_values(struct call *call, const struct device *device, uint8_t *values, const char *what)
{
	struct device_names names;
	struct device_spec spec;

	device_to_spec(&call->service->inventory, device, &names, &spec);
	spec.values = values;
	put(call, &spec, what);
	explicit_bzero(spec.key, sizeof spec.key);
}

void
command_device_value_set(struct call *call)
{
	const struct device *device = call_device(call);
	const char *name = call->arguments[1], *text = call->arguments[2];
	uint8_t *values;
	int result;

	if (!device)
		return;
	if (!*name || strlen(name) > SETTING_NAME_MAX || strlen(text) > SETTING_TEXT_MAX) {
		call_refuse(call, CTL_REFUSED,
			    "a value has a name of 1 to %d bytes and a text of up to %d",
			    SETTING_NAME_MAX, SETTING_TEXT_MAX);
		return;
	}
	values = setting_values_copy(device->values);
	result = setting_values_set(&values, &(struct setting_value){
						     .name = name,
						     .name_len = (uint8_t)strlen(name),
						     .text = text,
						     .text_len = (uint16_t)strlen(text),
						     .secret = call_option(call, "--secret") ||
							       policy_name_is_secret(name),
					     });
	if (result < 0)
		call_refuse(call, CTL_REFUSED, "value %s cannot be set: %s", name,
			    strerror(-result));
	else
		put_with_values(call, device, values, "changed");
	setting_values_free(values);
}

void
command_device_value_unset(struct call *call)
{
	const struct device *device = call_device(call);
	const char *name = call->arguments[1];
	uint8_t *values;

	if (!device)
		return;
	values = setting_values_copy(device->values);
	if (setting_values_unset(&values, name, strlen(name)) < 0)
		call_refuse(
			call, CTL_REFUSED,
			"device %s has no value \"%s\" of its own: `device profile` shows where "
			"values come from",
			call->arguments[0], name);
	else
		put_with_values(call, device, values, "changed");
	setting_values_free(values);
}
