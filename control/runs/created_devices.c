#include "control/runs/created_devices.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/runs/device_change.h"
#include "control/runs/publish.h"
#include "control/runs/service.h"
#include "tasks/utf8.h"

enum {
	MINUTE_US = 60 * 1000000,
	MAKE_WAIT_MS = 2000, /* nobody waits for the answer, and all commands for the end of it */
};

/* ---- asking ---- */

static const struct session_event *
queued(const struct created_devices *created, unsigned i)
{
	assert(i < created->n_queued);
	return &created->queue[(created->first + i) % CREATED_QUEUED_MAX];
}

static bool
is_queued(const struct created_devices *created, const struct session_event *event)
{
	for (unsigned i = 0; i < created->n_queued; i++) {
		const struct session_event *other = queued(created, i);

		if (other->name_len == event->name_len &&
		    memcmp(other->name, event->name, event->name_len) == 0)
			return true;
	}
	return false;
}

/* A name that came whole, can be shown, and is no identity: those an operator gives. */
static bool
name_is_good(const struct session_event *event)
{
	if (!event->name_len || event->name_len == sizeof event->name ||
	    identity_is_hash(event->name, event->name_len))
		return false;
	for (unsigned i = 0; i < event->name_len; i++)
		if (event->name[i] < ' ' || event->name[i] == 0x7f)
			return false;
	return utf8_valid((const char *)event->name, event->name_len);
}

static void
copy_name(const struct session_event *event, char name[sizeof event->name + 1])
{
	memcpy(name, event->name, event->name_len);
	name[event->name_len] = '\0';
}

/* A full bucket holds a minute's devices; a new one is full. */
static bool
take_credit(struct created_bucket *bucket, uint32_t per_minute, uint64_t now_us)
{
	const uint64_t cost = MINUTE_US / per_minute;
	uint64_t gained = MINUTE_US;

	assert(per_minute && per_minute <= MINUTE_US);
	/* Workers' events come a little out of order. */
	if (bucket->last_us)
		gained = now_us > bucket->last_us ? now_us - bucket->last_us : 0;
	if (now_us > bucket->last_us)
		bucket->last_us = now_us;
	bucket->credit_us += gained < MINUTE_US ? gained : MINUTE_US;
	if (bucket->credit_us > MINUTE_US)
		bucket->credit_us = MINUTE_US;
	if (bucket->credit_us < cost)
		return false;
	bucket->credit_us -= cost;
	return true;
}

bool
created_devices_ask(struct service *service, const struct policy_anchor *anchor,
		    const struct session_event *event)
{
	struct created_devices *created = service->created;
	char name[sizeof event->name + 1];

	assert(event->anchor && event->anchor <= POLICY_ANCHORS_MAX);
	if (!name_is_good(event)) {
		created->counts.failed++;
		return false;
	}
	copy_name(event, name);
	if (is_queued(created, event) || inventory_find(&service->inventory, name))
		return true;
	if (created->n_queued == CREATED_QUEUED_MAX || event->time_us < created->paused_until_us) {
		created->counts.full++;
		return false;
	}
	if (!take_credit(&created->buckets[event->anchor - 1], anchor->create_per_minute,
			 event->time_us)) {
		created->counts.over_rate++;
		return false;
	}
	created->queue[(created->first + created->n_queued) % CREATED_QUEUED_MAX] = *event;
	created->n_queued++;
	return true;
}

/* ---- making ---- */

/* One that is being made. */
struct making {
	struct session_event event;
	const struct policy_anchor *anchor;
	char name[sizeof((struct session_event *)0)->name + 1];
	struct device_draft draft;
};

static void
list_instead(struct service *service, const struct making *making, const char *why)
{
	char peer[ADDRESS_TEXT_MAX];

	service->created->counts.failed++;
	unknown_devices_see(service->unknowns, &making->event,
			    clock_wall_ms(making->event.time_us, dataplane_now_us()));
	address_format_peer(&making->event.peer, peer);
	log_event(SEVERITY_WARNING, LOG_EVENT_device_not_created, making->name,
		  "device %s from %s cannot be created, and is among the unknown devices: %s",
		  making->name, peer, why);
}

/* The anchor of an event, if it still may create; NULL: trust has changed meanwhile. */
static const struct policy_anchor *
anchor_of(const struct service *service, const struct session_event *event)
{
	const struct policy_anchor *anchor = policy_trust_anchor(service->generation->policy->trust,
								 event->anchor, event->generation);

	return anchor && anchor->unknown == POLICY_UNKNOWN_CREATE ? anchor : NULL;
}

/* The next that waits, as a draft. False: there is nothing to make of it. */
static bool
draft_next(struct service *service, struct making *making)
{
	struct created_devices *created = service->created;
	char error[STORE_ERROR_MAX];
	struct device_spec spec = { .endpoint = making->name };

	making->event = *queued(created, 0);
	created->first = (created->first + 1) % CREATED_QUEUED_MAX;
	created->n_queued--;
	copy_name(&making->event, making->name);
	making->anchor = anchor_of(service, &making->event);
	if (!making->anchor || inventory_find(&service->inventory, making->name))
		return false;
	spec.groups = making->anchor->groups;
	if (device_change_draft(service, &spec, &making->draft, error) == 0)
		return true;
	list_instead(service, making, error);
	return false;
}

static void
put(struct service *service, struct store_change *change, const struct making *making)
{
	const struct device_spec spec = { .endpoint = making->name,
					  .groups = making->anchor->groups };
	const struct store_device kept = device_change_record(service, &making->draft, &spec);

	if (!change)
		return;
	store_change_put_device(change, &kept);
	store_change_remove_unknown(change, making->event.name, making->event.name_len);
}

static void
remember(struct created_devices *created, const struct making *making)
{
	struct created_device *kept = &created->kept[created->n_kept++ % CREATED_KEPT_MAX];

	created->counts.made++;
	*kept = (struct created_device){ .made_ms = clock_now_ms() };
	memcpy(kept->endpoint, making->name, sizeof kept->endpoint);
	snprintf(kept->anchor, sizeof kept->anchor, "%.*s", (int)sizeof kept->anchor - 1,
		 making->anchor->file);
	address_format_peer(&making->event.peer, kept->address);
	log_event(SEVERITY_NOTICE, LOG_EVENT_device_created, making->name,
		  "device %s created: asked from %s with a certificate that %s vouches for",
		  making->name, kept->address, making->anchor->file);
}

/* They are in the store. */
static void
make_live(struct service *service, struct making *making, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct device *device;

		unknown_devices_remove(service->unknowns, making[i].event.name,
				       making[i].event.name_len);
		if (publish_draft(service, &making[i].draft) < 0)
			log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, making[i].name,
				  "device %s is kept, but cannot be served before a restart: out "
				  "of memory",
				  making[i].name);
		device = inventory_find(&service->inventory, making[i].name);
		if (device)
			replica_device_changed(service, device);
		remember(service->created, &making[i]);
	}
}

static void
give_up(struct service *service, struct making *making, unsigned n, const char *why)
{
	for (unsigned i = 0; i < n; i++) {
		device_draft_fini(&making[i].draft);
		list_instead(service, &making[i], why);
	}
	service->created->paused_until_us = dataplane_now_us() + CREATED_PAUSE_MS * 1000ull;
}

static void
make_some(struct service *service, struct store_change *change, struct making *making)
{
	uint32_t first_id = service->inventory.next_id;
	char error[STORE_ERROR_MAX];
	unsigned n = 0;
	int result = 0;

	while (service->created->n_queued && n < CREATED_AT_ONCE)
		n += draft_next(service, &making[n]);
	for (unsigned i = 0; i < n; i++)
		put(service, change, &making[i]);
	if (change && n)
		result = store_change_commit(change, MAKE_WAIT_MS, &service->pump, error);
	else if (change)
		store_change_rollback(change);
	if (result == 0) {
		make_live(service, making, n);
		return;
	}
	give_up(service, making, n, error);
	service->inventory.next_id = first_id;
}

void
created_devices_make(struct service *service)
{
	struct created_devices *created = service->created;
	struct store_change *change = NULL;
	struct making *making;

	if (!created->n_queued)
		return;
	/* Both failures pass: what waits goes on waiting. */
	making = calloc(CREATED_AT_ONCE, sizeof *making);
	if (!making)
		return;
	if (service->store)
		change = store_change_begin(service->store);
	if (change || !service->store)
		make_some(service, change, making);
	free(making);
}

const struct created_device *
created_devices_at(const struct created_devices *created, unsigned i)
{
	if (i >= CREATED_KEPT_MAX || i >= created->n_kept)
		return NULL;
	return &created->kept[(created->n_kept - 1 - i) % CREATED_KEPT_MAX];
}
