#include "control/runs/traced.h"

#include <assert.h>
#include <errno.h>

enum { TRACE_MAX_MS = 600000 }; /* a trace that nobody ends */

struct traced *
traced_find(struct traced_devices *devices, uint32_t device)
{
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (devices->items[i].trace && devices->items[i].device == device)
			return &devices->items[i];
	return NULL;
}

struct trace *
traced_follow(struct traced_devices *devices, struct dataplane *dp, uint32_t device, int *error)
{
	*error = -ENOMEM;
	if (!devices->traces)
		devices->traces = traces_new(dp);
	return devices->traces ? traces_start(devices->traces, device, error) : NULL;
}

void
traced_unfollow(struct traced_devices *devices, struct trace *trace)
{
	assert(devices->traces);
	traces_stop(devices->traces, trace);
}

struct traced *
traced_start(struct traced_devices *devices, struct dataplane *dp, uint32_t device, int *error)
{
	struct traced *free_place = NULL;

	for (unsigned i = 0; i < TRACED_MAX && !free_place; i++)
		free_place = devices->items[i].trace ? NULL : &devices->items[i];
	*error = -ENOSPC;
	if (!free_place)
		return NULL;
	free_place->trace = traced_follow(devices, dp, device, error);
	if (!free_place->trace)
		return NULL;
	free_place->device = device;
	return free_place;
}

void
traced_end(struct traced_devices *devices, struct traced *traced)
{
	assert(devices->traces && traced->trace);
	traces_stop(devices->traces, traced->trace);
	*traced = (struct traced){ 0 };
}

void
traced_poll(struct traced_devices *devices, uint64_t now_ms)
{
	if (!devices->traces)
		return;
	traces_poll(devices->traces);
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (devices->items[i].trace && now_ms - devices->items[i].asked_ms > TRACE_MAX_MS)
			traced_end(devices, &devices->items[i]);
}

void
traced_fini(struct traced_devices *devices)
{
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (devices->items[i].trace)
			traced_end(devices, &devices->items[i]);
	traces_free(devices->traces);
	devices->traces = NULL;
}
