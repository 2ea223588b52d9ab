/*
 * on_demand.h - batches on demand: made while the device waits, because its run needs the moment, an
 * answer of the device or another format, or because it asked for a Bootstrap-Pack.
 *
 * Of a SESSION_NEEDS_BATCH. What cannot be made, for lack of memory, too, is answered by a refusal:
 * nobody is left waiting, and no error is returned. Control thread. Allocates.
 */
#pragma once

#include "control/inventory/inventory.h"
#include "dataplane/dataplane.h"

struct service;

/* The device has a live session, and the event is of it. Its plan becomes that of the new batch. */
void on_demand_meet(struct service *service, struct device *device,
		    const struct session_event *event, unsigned worker);
/* Its credentials are kept or delivered: the run goes on behind the step of the event that waited for it. */
void on_demand_go_on(struct service *service, struct device *device,
		     const struct session_event *event, unsigned worker);
/* Nothing is to be sent, or there is nobody to send it to. */
void on_demand_refuse(struct service *service, const struct session_event *event, unsigned worker);
