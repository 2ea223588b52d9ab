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

struct policy_note;

struct reload_wish {
	reload_pump *pump; /* NULL: nobody wants to know how far it is */
	void *pump_ctx;
	/* Whose change it is: it becomes the cluster's, where there is one, before it is live (policy_share.h). */
	const struct policy_note *note;
	bool make_first; /* ... also where the cluster has no policy yet */
	bool urgent;     /* ... and here alone while the database is away */
	bool from_cluster; /* it is the cluster's already, and only its policy becomes live, not the settings */
	bool devices_follow; /* devices are about to be the cluster's: groups that those here are in may be missing */
};

/*
 * 0 and what changed; or -EINVAL, every diagnostic and "still running generation N". *result: a
 * new reference.
 */
int reload_run(struct service *service, const struct reload_wish *wish, struct text *text,
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
