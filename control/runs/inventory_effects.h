/*
 * inventory_effects.h - what a task asks of the inventory, done once its run has finished: properties kept
 * and removed, groups joined and left.
 *
 * Control thread. Allocates.
 */
#pragma once

#include "control/runs/device_ring.h"
#include "control/runs/device_run.h"

struct service;

/*
 * Does the effects of the session's last compilation, in their order, and makes the device's batch
 * anew when anything changed. What cannot be done (a group that is not there) is logged, the rest
 * is done all the same.
 */
void inventory_effects_apply(struct service *service, struct device *device,
			     const struct run_memory *memory);

/*
 * Devices that the store has otherwise (device.unsaved), each once, in the order of their changes. No
 * operator waits for them: they are written together, a moment later, and again when the disk did
 * not take them.
 */
struct unsaved_devices {
	struct device_ring ring;
	uint64_t next_ms; /* not before */
};
/* The store has this device otherwise. */
void inventory_effects_remember(struct service *service, struct device *device);
void inventory_effects_save(struct service *service, uint64_t now_ms);
/* At the end of the program: as long as the disk takes them. */
void inventory_effects_save_all(struct service *service);
