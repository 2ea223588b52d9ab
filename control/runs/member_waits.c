#include "control/runs/member_waits.h"

#include <assert.h>
#include <stdlib.h>

#include "control/clock.h"
#include "control/cluster/cluster_claim.h"
#include "control/runs/member_claims.h"
#include "control/runs/member_reports.h"
#include "control/runs/on_demand.h"
#include "control/runs/service.h"

struct member_wait {
	uint64_t number; /* of the claim; 0: the slot is free */
	uint64_t end_us;
	uint32_t device;
	unsigned worker;
	struct session_event event;
};

static struct member_wait *
free_slot(struct member_waits *waits)
{
	if (!waits->slots)
		waits->slots = calloc(CLUSTER_CLAIMS_MAX, sizeof *waits->slots);
	if (!waits->slots || waits->count == CLUSTER_CLAIMS_MAX)
		return NULL;
	for (unsigned i = 0; i < waits->used; i++)
		if (!waits->slots[i].number)
			return &waits->slots[i];
	return &waits->slots[waits->used++];
}

/* That of an earlier run of the device, which is over, as it has one at a time. NULL: none. */
static struct member_wait *
left_slot(const struct member_waits *waits, const struct device *device)
{
	for (unsigned i = 0; i < waits->used; i++)
		if (waits->slots[i].number && waits->slots[i].device == device_id(device))
			return &waits->slots[i];
	return NULL;
}

static uint64_t
wait_us(const struct service *service)
{
	uint64_t worker_ms = service->config->batch_wait_ms * 2ull / 3;

	return 1000ull * (worker_ms < MEMBER_WAIT_MS ? worker_ms : MEMBER_WAIT_MS);
}

bool
member_waits_begin(struct service *service, struct device *device,
		   const struct session_event *event, unsigned worker)
{
	struct member_waits *waits = &service->replica.waits;
	struct live_session *live = device->live;
	struct cluster_claim claim = { .started_ms = live->started_ms };
	struct member_wait *wait;

	if (!live->must_claim || event->ask == ASK_REST)
		return false;
	live->must_claim = false;
	/* The claim is the device's: who asks again and again takes one slot, and waits no longer for that. */
	wait = left_slot(waits, device);
	if (wait) {
		wait->worker = worker;
		wait->event = *event;
		live->waits_claim = true;
		return true;
	}
	wait = free_slot(waits);
	claim.end_us = clock_now_us() + wait_us(service);
	device_endpoint(device, claim.endpoint);
	if (wait)
		claim.number =
			++waits->serial * CLUSTER_CLAIMS_MAX + (uint64_t)(wait - waits->slots);
	if (!wait || !cluster_claim_ask(service->cluster, &claim)) {
		waits->given_up++;
		return false;
	}
	*wait = (struct member_wait){ .number = claim.number,
				      .end_us = claim.end_us,
				      .device = device_id(device),
				      .worker = worker,
				      .event = *event };
	waits->count++;
	live->waits_claim = true;
	return true;
}

/* The device whose run waits by this wait; NULL: it is over. */
static struct device *
waiting_device(const struct service *service, const struct member_wait *wait)
{
	struct device *device = inventory_at(&service->inventory, wait->device);
	const struct live_session *live = device ? device->live : NULL;

	return live && live->waits_claim && live->worker == wait->worker &&
			       live->session.slot == wait->event.session.slot &&
			       live->session.serial == wait->event.session.serial
		       ? device
		       : NULL;
}

/* `reports`: what others did meanwhile; NULL: the claim was not granted. */
static void
go_on(struct service *service, struct member_wait *wait, const struct records *reports)
{
	struct member_waits *waits = &service->replica.waits;
	struct device *device = waiting_device(service, wait);
	const struct session_event event = wait->event;

	wait->number = 0;
	waits->count--;
	if (!device)
		return;
	device->live->waits_claim = false;
	if (reports) {
		waits->granted++;
		member_reports_learn(service, device, reports);
	} else {
		waits->given_up++;
	}
	on_demand_go_on(service, device, &event, wait->worker);
}

/* What came for a run that is over is let go of by nobody else. */
static bool
is_claimed(const struct service *service, const struct cluster_claim *claim)
{
	const struct device *device = inventory_find(&service->inventory, claim->endpoint);

	return device && device->live && device->live->claimed;
}

static void
take_answer(struct service *service, struct cluster_claimed *claimed)
{
	struct member_waits *waits = &service->replica.waits;
	struct member_wait *wait = &waits->slots[claimed->claim.number % CLUSTER_CLAIMS_MAX];

	if (wait->number == claimed->claim.number)
		go_on(service, wait, claimed->granted ? &claimed->reports : NULL);
	if (claimed->granted && !is_claimed(service, &claimed->claim))
		member_claims_let_go(service, claimed->claim.endpoint, claimed->claim.started_ms);
	records_clear(&claimed->reports);
}

bool
member_waits_poll(struct service *service)
{
	struct member_waits *waits = &service->replica.waits;
	struct cluster_claimed claimed;
	uint64_t now_us;

	if (!waits->slots)
		return false;
	while (cluster_claim_take(service->cluster, &claimed))
		take_answer(service, &claimed);
	now_us = waits->count ? clock_now_us() : 0;
	for (unsigned i = 0; waits->count && i < waits->used; i++)
		if (waits->slots[i].number && waits->slots[i].end_us <= now_us)
			go_on(service, &waits->slots[i], NULL);
	return waits->count > 0;
}

void
member_waits_end_all(struct service *service)
{
	struct member_waits *waits = &service->replica.waits;

	for (unsigned i = 0; i < waits->used; i++)
		if (waits->slots[i].number)
			go_on(service, &waits->slots[i], NULL);
	assert(!waits->count);
}
