/*
 * traced.h - the devices whose dialogue is followed (trace.h), and until when.
 *
 * A trace that nobody has looked at for ten minutes ends by itself, one into a file with that. Owner: the service. Control
 * thread. Allocates when a trace begins.
 */
#pragma once

#include <stdint.h>

#include "control/runs/capture_file.h"
#include "control/runs/trace.h"
#include "dataplane/dataplane.h"

/* A device whose dialogue is followed. */
struct traced {
	uint32_t device;
	struct trace *trace; /* NULL: the place is free */
	uint64_t asked_ms;   /* when somebody last looked */
	struct capture_file *file; /* NULL: its datagrams are not wanted */
};

struct traced_devices {
	struct traces *traces; /* NULL: nobody was traced yet */
	struct traced items[TRACED_MAX];
	/* Of devices that are traced no more: open for a moment, for what workers still hold. */
	struct capture_file *ending[TRACED_MAX];
};

/* A view of its own on a device's dialogue, for whoever follows it. NULL and *error as traced_start(). */
struct trace *traced_follow(struct traced_devices *devices, struct dataplane *dp, uint32_t device,
			    int *error);
void traced_unfollow(struct traced_devices *devices, struct trace *trace);
/* NULL: the device is not traced. */
struct traced *traced_find(struct traced_devices *devices, uint32_t device);
/* Of a device that is not traced. NULL and *error: -ENOSPC, -EAGAIN, -ENOMEM (traces_start()). */
struct traced *traced_start(struct traced_devices *devices, struct dataplane *dp, uint32_t device,
			    int *error);
/* The same with its datagrams into a file; the descriptor is taken over, or closed. -EIO: it cannot be written. */
struct traced *traced_capture(struct traced_devices *devices, struct dataplane *dp,
			      const struct capture_file_options *options, int *error);
void traced_end(struct traced_devices *devices, struct traced *traced);
/* From the loop: takes what workers recorded, ends traces that nobody looks at any more. */
void traced_poll(struct traced_devices *devices, uint64_t now_ms);
/* Ends all of them, while the dataplane is still there. */
void traced_fini(struct traced_devices *devices);
