#include "control/commands/why_nobody.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control/commands/show.h"
#include "control/runs/rejected_devices.h"
#include "control/runs/unknown_devices.h"
#include "tasks/show.h"

/* A name that may be meant, and why. */
static void
offer(struct call *call, const char *endpoint, const char *how)
{
	json_t *similar = json_object_get(call->result, "similar");
	json_t *known;
	size_t i;

	json_array_foreach(similar, i, known)
	{
		if (strcmp(json_string_value(known), endpoint) == 0)
			return;
	}
	json_array_append_new(similar, show_json(endpoint, strlen(endpoint)));
	text_show(&call->error, "\n  similar       %s: %s", endpoint, how);
}

static void
offer_if_there(struct call *call, const char *name, const char *how)
{
	char endpoint[ENDPOINT_NAME_MAX + 1];
	const struct device *device = inventory_find(&call->service->inventory, name);

	if (device)
		offer(call, device_endpoint(device, endpoint), how);
}

static void
fold(char *out, const char *name, int (*change)(int))
{
	while ((*out++ = (char)change((unsigned char)*name)))
		name++;
}

/* As devices and their lists tend to differ: case, blanks, the prefix of OMA TS Core 6.2.1. Each is one look-up. */
static void
offer_spellings(struct call *call, const char *name)
{
	static const char *const prefixes[] = { "urn:imei:", "urn:esn:",         "urn:meid:",
						"urn:uuid:", "urn:dev:",         "urn:ops:",
						"urn:os:",   "urn:imei-msisdn:", "urn:imei-imsi:" };
	char other[ENDPOINT_NAME_MAX + 32];
	size_t len = strlen(name), blanks = strspn(name, " \t");

	if (len >= ENDPOINT_NAME_MAX)
		return;
	fold(other, name, tolower);
	offer_if_there(call, other, "in lower case");
	fold(other, name, toupper);
	offer_if_there(call, other, "in upper case");
	memcpy(other, name + blanks, len - blanks + 1);
	for (size_t end = len - blanks; end && strchr(" \t\r\n", other[end - 1]);)
		other[--end] = '\0';
	offer_if_there(call, other, "without blanks");
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t prefix = strlen(prefixes[i]);

		if (strncasecmp(name, prefixes[i], prefix) == 0)
			offer_if_there(call, name + prefix, "without its prefix");
		snprintf(other, sizeof other, "%s%s", prefixes[i], name);
		offer_if_there(call, other, "with its prefix");
	}
}

static void
offer_owner(struct call *call, const char *name, size_t len)
{
	const struct device *device = inventory_find_identity(&call->service->inventory, name, len);
	char endpoint[ENDPOINT_NAME_MAX + 1];

	if (device)
		offer(call, device_endpoint(device, endpoint), "its DTLS identity is this name");
}

/* Who asked by this name and is in no inventory. */
static void
put_unknown(struct call *call, const char *name, size_t len)
{
	const struct unknown *unknown = unknown_devices_find(call->service->unknowns, name, len);
	char first[SHOW_TIME_MAX], last[SHOW_TIME_MAX];

	if (!unknown)
		return;
	text_show(&call->error,
		  "\n  unknown       it asked %llu time%s, first at %s,\n"
		  "                last at %s from %s,\n"
		  "                and was refused: `unknown adopt` makes it a device",
		  (unsigned long long)unknown->count, PLURAL(unknown->count),
		  show_time(unknown->first_ms, first), show_time(unknown->last_ms, last),
		  unknown->address);
	json_object_set_new(call->result, "unknown",
			    json_pack("{s:I, s:I, s:I, s:s}", "count", (json_int_t)unknown->count,
				      "first_ms", (json_int_t)unknown->first_ms, "last_ms",
				      (json_int_t)unknown->last_ms, "address", unknown->address));
}

/* Devices of the inventory that asked under this name, which is not theirs. */
static void
put_rejected(struct call *call, const char *name, size_t len)
{
	const struct rejected_devices *all = call->service->rejected;
	json_t *list = json_array();

	for (unsigned i = 0; i < all->count; i++) {
		const struct rejected_device *item = &all->items[i];
		const struct device *device =
			inventory_at(&call->service->inventory, all->devices[i]);
		char endpoint[ENDPOINT_NAME_MAX + 1], last[SHOW_TIME_MAX];

		if (!device || item->cause != CAUSE_IDENTITY || item->name_len != len ||
		    memcmp(item->name, name, len) != 0)
			continue;
		device_endpoint(device, endpoint);
		text_show(&call->error,
			  "\n  rejected      device %s showed its own key or certificate and asked "
			  "as\n"
			  "                this name: %llu time%s, last at %s from %s",
			  endpoint, (unsigned long long)item->count, PLURAL(item->count),
			  show_time(item->last_ms, last), item->address);
		json_array_append_new(list,
				      json_pack("{s:o, s:s, s:I, s:I}", "device",
						show_json(endpoint, strlen(endpoint)), "address",
						item->address, "last_ms", (json_int_t)item->last_ms,
						"count", (json_int_t)item->count));
	}
	json_object_set_new(call->result, "rejected", list);
}

void
why_nobody(struct call *call, const char *name)
{
	char nearest[ENDPOINT_NAME_MAX + 1];
	char bytes[4 * ENDPOINT_NAME_MAX + 1];
	size_t len = strlen(name);

	call_refuse(call, CTL_REFUSED, "there is no device \"%s\"", name);
	call->result = json_pack("{s:o, s:b, s:s, s:[]}", "endpoint", show_json(name, len), "known",
				 false, "verdict", "unknown", "similar");
	if (len < sizeof bytes) {
		memcpy(bytes, name, len + 1);
		len = show_undo(bytes, len);
		offer_owner(call, bytes, len);
		put_unknown(call, bytes, len);
		put_rejected(call, bytes, len);
	}
	offer_spellings(call, name);
	if (show_nearest_device(call->service, name, nearest))
		offer(call, nearest, "the nearest name");
}
