#include "control/runs/rejected_devices.h"

#include <string.h>

static unsigned
longest_silent(const struct rejected_devices *list)
{
	unsigned oldest = 0;

	for (unsigned i = 1; i < REJECTED_DEVICES_MAX; i++)
		if (list->items[i].last_ms < list->items[oldest].last_ms)
			oldest = i;
	return oldest;
}

static unsigned
index_of(const struct rejected_devices *list, uint32_t device)
{
	unsigned i = 0;

	while (i < list->count && list->devices[i] != device)
		i++;
	return i;
}

static struct rejected_device *
find_or_make(struct rejected_devices *list, uint32_t device, uint64_t now_ms)
{
	unsigned at = index_of(list, device);

	if (at < list->count)
		return &list->items[at];
	at = list->count < REJECTED_DEVICES_MAX ? list->count++ : longest_silent(list);
	list->devices[at] = device;
	list->items[at] = (struct rejected_device){ .first_ms = now_ms };
	return &list->items[at];
}

void
rejected_devices_see(struct rejected_devices *list, const struct session_event *event,
		     uint64_t now_ms)
{
	struct rejected_device *item = find_or_make(list, event->device, now_ms);
	size_t len = event->name_len < sizeof item->name ? event->name_len : sizeof item->name;

	item->cause = event->cause;
	item->name_len = (uint8_t)len;
	memcpy(item->name, event->name, len);
	address_format_peer(&event->peer, item->address);
	item->last_ms = now_ms;
	item->count++;
}

const struct rejected_device *
rejected_devices_find(const struct rejected_devices *list, uint32_t device)
{
	unsigned at = index_of(list, device);

	return at < list->count ? &list->items[at] : NULL;
}

void
rejected_devices_forget(struct rejected_devices *list, uint32_t device)
{
	unsigned at = index_of(list, device);

	if (at == list->count)
		return;
	list->count--;
	list->items[at] = list->items[list->count];
	list->devices[at] = list->devices[list->count];
}

const char *
rejected_why(const struct rejected_device *item)
{
	return item->cause == CAUSE_KEY ? "wrong key" : "asked as another";
}
