/*
 * ctl_proto.h - what goes over the control socket: frames of JSON, exit codes. Shared by cradled and cradlectl.
 *
 * A UNIX stream socket (mode 0660). Each frame:
 *
 *	 0         4                   4 + length
 *	+---------+---------------------+
 *	| length  | JSON object, UTF-8  |      length: 32 bits, big-endian, of the JSON alone
 *	+---------+---------------------+
 *
 * Request:  {"v":1,"argv":["task","list"],"json":false,"data":"..."}      one a connection at a time; `data` optional
 * Progress: {"v":1,"progress":"reading devices: 40 %"}                   any number, before the answer
 * Answer:   {"v":1,"exit":0,"text":"...","error":"...","result":{...}}   `text` for people, `result` for machines
 *
 * The server never waits for a client: what a client does not read is dropped with the connection when it exceeds
 * CTL_BACKLOG_MAX.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum {
	CTL_VERSION = 1,
	CTL_FRAME_MAX = 16 * 1024 * 1024,
	CTL_BACKLOG_MAX = 64 * 1024 * 1024,
	CTL_CLIENTS_MAX = 128,
};

#define CTL_SOCKET_DEFAULT "/run/cradle/cradle.sock"

/* Exit codes of cradlectl, and the `exit` of answers. */
enum ctl_exit {
	CTL_DONE = 0,
	CTL_REFUSED = 1,     /* understood, and not done: the text says why */
	CTL_USAGE = 2,       /* not understood */
	CTL_NOT_RUNNING = 3, /* nobody listens on the socket */
};

/* Incremental reader of frames: feed bytes, take frames. */
struct ctl_reader {
	uint8_t *buffer;
	size_t len, capacity;
};

void ctl_reader_init(struct ctl_reader *reader);
void ctl_reader_fini(struct ctl_reader *reader);
/* 0; -EMSGSIZE when the frame announced is above CTL_FRAME_MAX; -ENOMEM. */
int ctl_reader_feed(struct ctl_reader *reader, const void *bytes, size_t len);
/* 1 and *frame (a new reference, to be decref'ed); 0 when no frame is complete; -EBADMSG when a frame is no JSON
 * object or carries another version: the connection is of no more use. */
int ctl_reader_next(struct ctl_reader *reader, json_t **frame);

/* A frame as bytes, malloc'ed; *len is header and JSON. NULL: out of memory or too large. */
uint8_t *ctl_frame_encode(const json_t *object, size_t *len);
