/* Credentials of a run into the store, and what becomes of them there when the run is over. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/runs/credentials_private.h"

/* ---- into the store ---- */

/* The device is known to lack it: it refused the write, or was not sent it, as an earlier refusal led to the Finish. */
static bool
is_unreached(const struct run_credentials *credentials, const struct credential *item,
	     const struct session_event *event)
{
	unsigned refused = event->refused_step;

	if (!event->refused_steps || item->step == BATCH_STEPS_MAX)
		return false;
	if (item->step == refused)
		return true;
	return item->step > refused && credentials->finishing[refused / 8] & 1 << refused % 8;
}

/* False: out of memory. */
static bool
put_one(struct service *service, struct run_credentials *credentials, unsigned number,
	const struct delivery_target *target, bool before_finish)
{
	const struct credential *item = &credentials->items[number];
	bool waited = before_finish && target->confirm == CONFIRM_DELIVERED;
	int64_t id;
	struct device *device = inventory_at(&service->inventory, credentials->device);
	char endpoint[ENDPOINT_NAME_MAX + 1] = "";
	struct store_message message = {
		.state = before_finish && !waited ? MESSAGE_HELD : MESSAGE_DUE,
		.what = (uint8_t)(EVENT_CREDENTIALS | (waited ? SENDER_WAITED : 0)),
		.device = credentials->device + 1,
		.account = item->ssid ? item->ssid : item->instance,
		.subject = endpoint,
	};

	if (device)
		device_endpoint(device, endpoint);
	assert(credentials->n_put < PUT_MAX);
	id = deliveries_put(service, target, &message, &item->facts);
	if (!id)
		return false;
	credentials->put[credentials->n_put++] = (struct put_message){
		.id = id,
		.credential = (uint8_t)number,
		.waited = waited,
		.fails = before_finish && target->confirm != CONFIRM_NOTHING &&
			 target->on_timeout == TIMEOUT_FAIL,
	};
	credentials->n_waited += waited;
	return true;
}

/* Each to each target that wants it. False: out of memory. */
static bool
put_all(struct service *service, struct run_credentials *credentials,
	const struct session_event *event, bool before_finish)
{
	const struct delivery_conf *conf = service->deliveries.conf;
	bool whole = true;

	credentials->put = calloc(PUT_MAX, sizeof *credentials->put);
	if (!credentials->put)
		return false;
	for (unsigned k = 0; k < credentials->n; k++) {
		if (is_unreached(credentials, &credentials->items[k], event)) {
			service->deliveries.counters[DELIVERIES_UNREACHED]++;
			continue;
		}
		for (unsigned i = 0; conf && i < conf->n_targets; i++)
			if (delivery_wants_credentials(&conf->targets[i],
						       credentials->items[k].ssid))
				whole &= put_one(service, credentials, k, &conf->targets[i],
						 before_finish);
	}
	return whole;
}

/* ---- before the Finish ---- */

void
credentials_wait(struct service *service, struct device *device, const struct session_event *event,
		 unsigned worker)
{
	struct run_credentials *credentials = device->live->memory.credentials;
	struct deliveries *deliveries = &service->deliveries;
	unsigned timeout_s;

	(void)credentials_confirm(service, credentials, &timeout_s);
	credentials->event = *event;
	credentials->event.answer = NULL; /* lent */
	credentials->event.answer_len = 0;
	credentials->worker = worker;
	credentials->deadline_ms = clock_now_ms() + 1000 * timeout_s;
	credentials->stage = STAGE_WAITING;
	store_begin_together(service->store);
	credentials->too_many |= !put_all(service, credentials, event, true);
	store_end_together(service->store);
	credentials->until = store_hurry(service->store);
	credentials->next = deliveries->waiting;
	credentials->pprev = &deliveries->waiting;
	if (credentials->next)
		credentials->next->pprev = &credentials->next;
	deliveries->waiting = credentials;
}

/* ---- the end of the run ---- */

void
credentials_finished(struct service *service, struct device *device,
		     const struct session_event *event)
{
	struct run_credentials *credentials = device->live->memory.credentials;

	if (!credentials || !service->store)
		return;
	if (!credentials->put) {
		if (credentials->too_many || !put_all(service, credentials, event, false))
			log_event(SEVERITY_ERROR, LOG_EVENT_outbox_trouble, NULL,
				  "a run's credentials are lost: out of memory, or more than %d "
				  "accounts",
				  CREDENTIALS_MAX);
		return;
	}
	for (unsigned i = 0; i < credentials->n_put; i++)
		if (!store_release_message(service->store, credentials->put[i].id))
			log_event(SEVERITY_ERROR, LOG_EVENT_outbox_trouble, NULL,
				  "message %lld waits until the next start: out of memory",
				  (long long)credentials->put[i].id);
}

/* Its Finish was out, or may have been. */
static bool
may_have_finished(const struct live_session *live, const struct session_event *event)
{
	char step[PLAN_STEP_NAME_MAX];

	if (live->memory.credentials->stage == STAGE_FAILED)
		return false;
	if (!event)
		return live->memory.credentials->stage == STAGE_CONFIRMED;
	if (event->cause == CAUSE_REPLY || event->cause == CAUSE_RESET || !live->plan)
		return false;
	return strcmp(plan_step_name(live->plan, event->step, step), "POST /bs") == 0;
}

void
credentials_ended(struct service *service, struct device *device, const struct session_event *event)
{
	struct run_credentials *credentials = device->live->memory.credentials;

	if (!credentials || !service->store)
		return;
	if (may_have_finished(device->live, event)) {
		const struct session_event none = { 0 };

		credentials_finished(service, device, event ? event : &none);
		return;
	}
	for (unsigned i = 0; i < credentials->n_put; i++)
		store_drop_message(service->store, credentials->put[i].id);
	service->deliveries.counters[DELIVERIES_WITHDRAWN] += credentials->n;
}
