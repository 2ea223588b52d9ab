/*
 * device_change.h - what operators change of one device: checked, stored, and then live.
 *
 * Control thread; runs the service's pump while the disk writes. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/inventory/inventory.h"
#include "control/store/store.h"

struct service;

enum { DEVICE_CHANGE_WAIT_MS = 10000 }; /* the longest a command waits for the disk */

/*
 * One device as an operator wants it: checked, stored, then live. *created says which it was. 0, or
 * -errno and a sentence in `error`; then nothing has changed.
 */
int device_change_put(struct service *service, const struct device_spec *spec, bool *created,
		      char error[STORE_ERROR_MAX]);
int device_change_remove(struct service *service, struct device *device,
			 char error[STORE_ERROR_MAX]);

/* It is in the inventory now. That it stays listed for a while does no harm, so no error is returned. */
void device_change_forget_unknown(struct service *service, const char *name, size_t len);

/* Whether the device can be, but for what is in the store: as device_change_put() checks it. */
int device_change_draft(struct service *service, const struct device_spec *spec,
			struct device_draft *draft, char error[STORE_ERROR_MAX]);
/*
 * Whether the device's tasks can be evaluated with what is new of its values and groups: what takes
 * too long would cost its time at every compilation, and at every start. 0, or -EINVAL and a
 * sentence. Compiles the device's tasks.
 */
int device_change_try(struct service *service, const struct device_draft *draft,
		      char error[STORE_ERROR_MAX]);
/* The draft as the store keeps it; borrowed from `spec`. */
struct store_device device_change_record(const struct service *service,
					 const struct device_draft *draft,
					 const struct device_spec *spec);
