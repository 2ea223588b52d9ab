/*
 * restore.h - what the store kept becomes the inventory, its reports and its strangers again; and what
 * operators change is kept before it is live.
 *
 * Control thread. Allocates.
 */
#pragma once

#include "control/runs/service.h"

enum { KEPT_WAIT_MS = 10000 }; /* the longest a command waits for the disk */

/* At the start, with generation and store open: loads all of it and begins the store's thread. 0,
 * or -1 after logging why. */
int kept_load(struct service *service);

/*
 * One device as an operator wants it: checked, kept, then live. *created tells which it was. 0, or
 * -errno and a sentence in `error`; then nothing has changed.
 */
int kept_put_device(struct service *service, const struct device_spec *spec, bool *created,
		    char error[STORE_ERROR_MAX]);
int kept_remove_device(struct service *service, struct device *device, char error[STORE_ERROR_MAX]);

/* A stranger is none any more. That it stays known for a while does no harm: nothing is told. */
void kept_forget_unknown(struct service *service, const char *name, size_t len);

/* Whether the device can be, but for what is in the store: as kept_put_device() checks it. */
int kept_draft_device(struct service *service, const struct device_spec *spec,
		      struct device_draft *draft, char error[STORE_ERROR_MAX]);
/* The draft as the store keeps it; borrowed from `spec`. */
struct store_device kept_device(const struct service *service, const struct device_draft *draft,
				const struct device_spec *spec);
