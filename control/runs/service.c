#include "control/runs/service.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "control/runs/created_devices.h"

int
service_init(struct service *service, size_t devices)
{
	worker_commands_init(&service->worker_commands);
	retired_init(&service->retired);
	service->unknowns = calloc(1, sizeof *service->unknowns);
	service->rejected = calloc(1, sizeof *service->rejected);
	service->unserved = calloc(1, sizeof *service->unserved);
	service->created = calloc(1, sizeof *service->created);
	service->maker = run_maker_new();
	if (service->unknowns && service->rejected && service->unserved && service->created &&
	    service->maker && plans_init(&service->plans) == 0 &&
	    reports_init(&service->reports) == 0 &&
	    inventory_init(&service->inventory, devices) == 0) {
		service->reports.feed = &service->feed;
		return 0;
	}
	service_fini(service);
	return -ENOMEM;
}

static void
forget_devices(struct service *service)
{
	struct device *device;

	for (uint32_t id = 0; (device = inventory_next(&service->inventory, &id)); id++) {
		if (device->live)
			live_end(service, device);
		/* Relaxed: no worker is left. */
		plan_free_batch(&service->plans,
				(struct batch *)(uintptr_t)atomic_load_explicit(
					&device->entry->batch, memory_order_relaxed));
		plan_release(&service->plans, device->plan);
	}
}

void
service_fini(struct service *service)
{
	forget_devices(service);
	live_fini(&service->live);
	retired_fini(&service->retired, &service->plans);
	if (service->generation)
		generation_release(service->generation);
	service->generation = NULL;
	inventory_fini(&service->inventory);
	plans_fini(&service->plans);
	reports_fini(&service->reports);
	feed_fini(&service->feed);
	policy_versions_fini(&service->versions);
	policy_share_fini(&service->share);
	version_counts_fini(&service->version_counts);
	run_maker_free(service->maker);
	free(service->unknowns);
	free(service->rejected);
	free(service->unserved);
	free(service->created);
	device_ring_fini(&service->unsaved.ring);
	replica_fini(&service->replica);
	service->unsaved = (struct unsaved_devices){ 0 };
	service->maker = NULL;
	service->unknowns = NULL;
	service->rejected = NULL;
	service->unserved = NULL;
	service->created = NULL;
}
