/*
 * publish.h - what is ready for devices, put where workers read it, and the old taken away after
 * its grace period.
 *
 * Adding, changing or removing one device is O(1) and visible to workers from their next turn on.
 * Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/inventory/inventory.h"
#include "control/runs/device_run.h"

struct service;

/*
 * The draft becomes the device, with everything compiled, and workers find it. The draft is empty
 * then. 0, or -errno: then there is no device of that name.
 */
int publish_draft(struct service *service, struct device_draft *draft);
/* The same without a batch yet: publish_devices() follows. */
int publish_loaded(struct service *service, struct device_draft *draft);
/* Takes the device away from workers and out of the inventory; its session is cancelled. */
void publish_removal(struct service *service, struct device *device);
/* Compiles the device anew: its values, groups or tasks changed. 0 or -ENOMEM: it keeps what it has. */
int publish_device(struct service *service, struct device *device);
/* Puts a run in place of the device's present one, and its format, too. The run is taken over. */
void publish_run(struct service *service, struct device *device, struct device_run *run);

/*
 * Many devices: those of all groups whose number is marked, or all where `marked` is NULL. Runs
 * the service's pump between slices, so that workers' events are answered meanwhile, which may change
 * devices; then `tell`. When the program is to stop, the rest keeps what it has. Returns how many
 * could not be for lack of memory.
 */
struct publish_progress {
	bool (*marked)(void *ctx, uint32_t groups);
	void (*tell)(void *ctx, uint32_t done, uint32_t total);
	void *ctx;
	uint32_t done;
};
uint32_t publish_devices(struct service *service, struct publish_progress *progress);
/*
 * publish_draft() for each, in their order, each of another device. Between slices the pump runs, and `tell`; `marked` is
 * nobody's. Threads that compile are asked where there are enough drafts. Returns how many could not be: they are no devices.
 */
uint32_t publish_drafts(struct service *service, struct device_draft *drafts, uint32_t n,
			struct publish_progress *progress);
