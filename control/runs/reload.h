/*
 * reload.h - the transaction: new files become live as a whole, or nothing changes and every
 * reason is told.
 *
 * What can be wrong is known before anything changes: files are read and checked first, and devices
 * are tried for tasks that take too long (costly_tasks.h). What else a device's values make of a
 * task is that device's affair, told in its reports. Control thread;
 * workers' events are answered meanwhile. Sessions in flight finish on the generation they began
 * with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/text.h"

struct service;

/* How far it is, between slices of devices. */
typedef void reload_pump(void *ctx, uint32_t done, uint32_t total);

/*
 * 0 and what changed; or -EINVAL, every diagnostic and "still running generation N". *result: a
 * new reference. `pump` may be NULL.
 */
int reload_run(struct service *service, reload_pump *pump, void *ctx, struct text *text,
	       json_t **result);

/* What a check says: `text` is appended to, `result` a new reference. */
struct check_outcome {
	struct text *text;
	json_t *result;
	bool host; /* asked for: also against this machine (config_host.h) */
	struct service *service; /* whose devices try it; NULL: nobody's */
	const struct inventory *inventory; /* ... and the devices there are; NULL: none are known */
};
/*
 * The same checks without publishing, without a service. 0 or -EINVAL; every diagnostic either
 * way.
 */
int reload_check(const char *file, struct check_outcome *outcome);
/*
 * The same for a configuration that a client read with its own permissions; `file` is its path. Of
 * what it names nothing is read but what runs anyway: the control socket's users may be allowed
 * less than we are.
 */
struct check_source {
	const char *file, *text;
	size_t len;
};
int reload_check_text(struct service *service, const struct check_source *source,
		      struct check_outcome *outcome);
