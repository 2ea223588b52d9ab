/*
 * capture_file.h - a traced device's datagrams on their way into a pcapng file.
 *
 * What workers tell comes in pieces (dataplane/core/sessions/capture.h) and is put together here. The
 * file ends by itself: at its time, at CAPTURE_FILE_MAX bytes, or when it cannot be written. Once its
 * end is asked for it stays open for a moment, for what workers still hold.
 *
 * Owner: the traced devices. Control thread. Allocates; writes to a regular file without waiting for
 * the disk. What passes through is wiped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

enum {
	CAPTURE_FILE_MAX = 64 << 20,
	CAPTURE_FILE_GRACE_MS = 500,
	CAPTURE_NAME_MAX = 512, /* of a device, as it is shown */
};

struct capture_file;

struct capture_file_options {
	uint32_t device;
	const char *name;  /* as it is shown, in the file and the log */
	int fd;            /* a new file; taken over */
	uint64_t until_ms; /* wall clock */
};
/* With its beginning written; NULL, and `fd` closed: it cannot be. */
struct capture_file *capture_file_new(struct dataplane *dp,
				      const struct capture_file_options *options);
/* Closes it, and tells the log what is in it. */
void capture_file_free(struct capture_file *file);

/* A TRACE_DATAGRAM_IN, TRACE_DATAGRAM_OUT or TRACE_SECRET; others, and other devices', are ignored. */
void capture_file_take(struct capture_file *file, const struct trace_record *record);
/* The device is captured no more: the file is over a little later. */
void capture_file_end(struct capture_file *file, uint64_t now_ms);

/* Whether it is time to let the device go (capture_file_end()), and to free it. */
bool capture_file_is_due(const struct capture_file *file, uint64_t now_ms);
bool capture_file_is_over(const struct capture_file *file, uint64_t now_ms);
