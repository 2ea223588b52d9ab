#include "control/commands/console_mask.h"

#include <string.h>

#include "control/policy/profile.h"
#include "tasks/compile/secrets.h"

struct masking {
	struct arena arena;
	struct secrets secrets;
	bool failed;
};

static bool
take_value(void *ctx, const struct profile_value *value)
{
	struct masking *masking = ctx;

	if (value->secret && value->text_len)
		masking->failed |= !secrets_add(&masking->secrets, &masking->arena, value->text,
						value->text_len);
	return true;
}

/* What the text is to be; NULL: it may stay. */
static const char *
masked(struct masking *masking, const char *text, size_t len, size_t *masked_len)
{
	struct value value = { .kind = VALUE_STRING, .text = { text, len } };
	bool found = false;

	if (!secrets_mask(&masking->secrets, &masking->arena, &value, &found)) {
		masking->failed = true;
		return NULL;
	}
	*masked_len = value.text.len;
	return found ? value.text.at : NULL;
}

static void
mask_text(struct masking *masking, struct text *text)
{
	size_t len;
	const char *at = masked(masking, text_str(text), text->len, &len);

	if (!at)
		return;
	text_fini(text);
	text_put(text, at, len);
}

static void
mask_json(struct masking *masking, json_t *json)
{
	const char *key, *at;
	json_t *value;
	size_t i, len;

	if (json_is_string(json)) {
		at = masked(masking, json_string_value(json), json_string_length(json), &len);
		if (at)
			masking->failed |= json_string_setn(json, at, len) != 0;
	}
	json_object_foreach(json, key, value)
		mask_json(masking, value);
	json_array_foreach(json, i, value)
		mask_json(masking, value);
}

static const struct device *
device_of(const struct call *call)
{
	if (strncmp(call->command->arguments, "ENDPOINT", 8) != 0 || !call->arguments[0])
		return NULL;
	return inventory_find(&call->service->inventory, call->arguments[0]);
}

/* False: they are not known. */
static bool
take_secrets(struct masking *masking, const struct service *service, const struct device *device)
{
	struct profile profile = { .values = device->values };

	profile.set = generation_task_set(service->generation, &service->inventory, device->groups);
	if (!profile.set)
		return false;
	profile_each(&profile, take_value, masking);
	return !masking->failed;
}

/* Of every device that a plan names. False: one of them is not known. */
static bool
take_named(struct masking *masking, const struct service *service, const json_t *json)
{
	const char *endpoint = json_string_value(json_object_get(json, "endpoint")), *key;
	const struct device *device = endpoint ? inventory_find(&service->inventory, endpoint) : NULL;
	bool good = !endpoint || (device && take_secrets(masking, service, device));
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)json, key, value)
		good = good && take_named(masking, service, value);
	json_array_foreach(json, i, value)
		good = good && take_named(masking, service, value);
	return good;
}

/* What a plan answers, by its writes of some devices. */
static bool
is_plan(const struct call *call)
{
	return json_object_get(call->result, "samples") != NULL;
}

static void
mask_all(struct call *call, struct masking *masking)
{
	mask_json(masking, call->result);
	mask_text(masking, &call->text);
	mask_text(masking, &call->error);
}

static void
refuse_all(struct call *call, const char *why)
{
	json_decref(call->result);
	call->result = NULL;
	text_fini(&call->text);
	text_fini(&call->error);
	call_refuse(call, CTL_REFUSED, "%s", why);
}

void
console_mask(struct call *call)
{
	const struct device *device = device_of(call);
	struct masking masking = { .failed = false };
	bool known;

	if (!device && !is_plan(call))
		return;
	arena_init(&masking.arena, 0);
	known = device ? take_secrets(&masking, call->service, device)
		       : take_named(&masking, call->service, call->result);
	if (known)
		mask_all(call, &masking);
	if (masking.failed)
		refuse_all(call, "out of memory");
	else if (!known)
		refuse_all(call, "a device went, or changed, while it was asked about: try again");
	arena_fini(&masking.arena);
}
