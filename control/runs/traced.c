#include "control/runs/traced.h"

#include <assert.h>
#include <errno.h>

#include "control/clock.h"

enum { TRACE_MAX_MS = 600000 }; /* a trace that nobody ends */

struct traced *
traced_find(struct traced_devices *devices, uint32_t device)
{
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (devices->items[i].trace && devices->items[i].device == device)
			return &devices->items[i];
	return NULL;
}

static void
take_record(void *ctx, const struct trace_record *record)
{
	struct traced_devices *devices = ctx;

	for (unsigned i = 0; i < TRACED_MAX; i++) {
		if (devices->items[i].file)
			capture_file_take(devices->items[i].file, record);
		if (devices->ending[i])
			capture_file_take(devices->ending[i], record);
	}
}

static struct trace *
start_trace(struct traced_devices *devices, struct dataplane *dp, uint32_t device,
	    enum trace_wish wish, int *error)
{
	*error = -ENOMEM;
	if (!devices->traces)
		devices->traces = traces_new(dp);
	if (!devices->traces)
		return NULL;
	traces_set_sink(devices->traces, take_record, devices);
	return traces_start(devices->traces, device, wish, error);
}

struct trace *
traced_follow(struct traced_devices *devices, struct dataplane *dp, uint32_t device, int *error)
{
	return start_trace(devices, dp, device, TRACE_WISH_MESSAGES, error);
}

void
traced_unfollow(struct traced_devices *devices, struct trace *trace)
{
	assert(devices->traces);
	traces_stop(devices->traces, trace);
}

static struct traced *
start(struct traced_devices *devices, struct dataplane *dp, uint32_t device, enum trace_wish wish,
      int *error)
{
	struct traced *free_place = NULL;

	for (unsigned i = 0; i < TRACED_MAX && !free_place; i++)
		free_place = devices->items[i].trace ? NULL : &devices->items[i];
	*error = -ENOSPC;
	if (!free_place)
		return NULL;
	free_place->trace = start_trace(devices, dp, device, wish, error);
	if (!free_place->trace)
		return NULL;
	free_place->device = device;
	return free_place;
}

struct traced *
traced_start(struct traced_devices *devices, struct dataplane *dp, uint32_t device, int *error)
{
	return start(devices, dp, device, TRACE_WISH_MESSAGES, error);
}

struct traced *
traced_capture(struct traced_devices *devices, struct dataplane *dp,
	       const struct capture_file_options *options, int *error)
{
	struct capture_file *file = capture_file_new(dp, options);
	struct traced *traced;

	*error = -EIO;
	if (!file)
		return NULL;
	traced = start(devices, dp, options->device, TRACE_WISH_DATAGRAMS, error);
	if (traced)
		traced->file = file;
	else
		capture_file_free(file);
	return traced;
}

/* Where its file waits; one that waits already makes way. */
static void
let_end(struct traced_devices *devices, struct capture_file *file)
{
	unsigned at = 0;

	while (at < TRACED_MAX - 1 && devices->ending[at])
		at++;
	capture_file_free(devices->ending[at]);
	devices->ending[at] = file;
	capture_file_end(file, clock_now_ms());
}

void
traced_end(struct traced_devices *devices, struct traced *traced)
{
	assert(devices->traces && traced->trace);
	traces_stop(devices->traces, traced->trace);
	if (traced->file)
		let_end(devices, traced->file);
	*traced = (struct traced){ 0 };
}

static bool
is_due(const struct traced *traced, uint64_t now_ms)
{
	return traced->file ? capture_file_is_due(traced->file, now_ms)
			    : now_ms - traced->asked_ms > TRACE_MAX_MS;
}

void
traced_poll(struct traced_devices *devices, uint64_t now_ms)
{
	if (!devices->traces)
		return;
	traces_poll(devices->traces);
	for (unsigned i = 0; i < TRACED_MAX; i++) {
		if (devices->items[i].trace && is_due(&devices->items[i], now_ms))
			traced_end(devices, &devices->items[i]);
		if (devices->ending[i] && capture_file_is_over(devices->ending[i], now_ms)) {
			capture_file_free(devices->ending[i]);
			devices->ending[i] = NULL;
		}
	}
}

void
traced_fini(struct traced_devices *devices)
{
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (devices->items[i].trace)
			traced_end(devices, &devices->items[i]);
	if (devices->traces)
		traces_poll(devices->traces);
	for (unsigned i = 0; i < TRACED_MAX; i++) {
		capture_file_free(devices->ending[i]);
		devices->ending[i] = NULL;
	}
	traces_free(devices->traces);
	devices->traces = NULL;
}
