#include "control/runs/confirm.h"

#include "control/log.h"
#include "control/runs/credentials_private.h"
#include "control/runs/on_demand.h"

static void
fail(struct service *service, struct run_credentials *credentials)
{
	credentials_unlink(credentials);
	credentials->stage = STAGE_FAILED;
	on_demand_refuse(service, &credentials->event, credentials->worker);
}

static void
go_on(struct service *service, struct run_credentials *credentials, enum delivery_counter counter)
{
	struct device *device = inventory_at(&service->inventory, credentials->device);
	const struct session_event event = credentials->event;

	credentials_unlink(credentials);
	credentials->stage = STAGE_CONFIRMED;
	service->deliveries.counters[counter]++;
	on_demand_go_on(service, device, &event, credentials->worker);
}

/* A run that does not go on without what is still on its way: to a target, or to a disk that does not take it. */
static bool
must_fail(const struct service *service, const struct run_credentials *credentials)
{
	bool written = store_is_written(service->store, credentials->until);

	for (unsigned i = 0; i < credentials->n_put; i++)
		if (credentials->put[i].fails && (credentials->put[i].waited || !written))
			return true;
	return false;
}

static void
give_up(struct service *service, struct run_credentials *credentials)
{
	if (!must_fail(service, credentials)) {
		go_on(service, credentials, DELIVERIES_UNCONFIRMED);
		return;
	}
	service->deliveries.counters[DELIVERIES_UNCONFIRMED]++;
	fail(service, credentials);
}

static void
note_end(struct service *service, const struct sender_end *end)
{
	struct run_credentials *credentials = service->deliveries.waiting, *next;

	for (; credentials; credentials = next) {
		next = credentials->next;
		for (unsigned i = 0; i < credentials->n_put; i++) {
			struct put_message *put = &credentials->put[i];

			if (put->id != end->id || !put->waited)
				continue;
			if (!end->delivered) { /* a dead letter: waiting is of no use */
				give_up(service, credentials);
				return;
			}
			put->waited = false;
			credentials->n_waited--;
			return;
		}
	}
}

static void
poll_waiting(struct service *service, uint64_t now_ms)
{
	struct run_credentials *credentials = service->deliveries.waiting, *next;

	for (; credentials; credentials = next) {
		next = credentials->next;
		if (credentials->too_many) {
			log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
				  "a run's credentials cannot be kept: out of memory, or more than "
				  "%d "
				  "accounts",
				  CREDENTIALS_MAX);
			fail(service, credentials);
		} else if (!credentials->n_waited &&
			   store_is_written(service->store, credentials->until)) {
			go_on(service, credentials, DELIVERIES_CONFIRMED);
		} else if (now_ms >= credentials->deadline_ms) {
			give_up(service, credentials);
		}
	}
}

bool
confirm_poll(struct service *service, uint64_t now_ms)
{
	struct sender_end ends[SENDER_ENDS_MAX];
	unsigned n;

	do {
		n = service->deliveries.sender ? sender_take(service->deliveries.sender, ends) : 0;
		for (unsigned i = 0; i < n; i++)
			note_end(service, &ends[i]);
	} while (n == SENDER_ENDS_MAX);
	poll_waiting(service, now_ms);
	return service->deliveries.waiting;
}
