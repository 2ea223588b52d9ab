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
 * Request:  {"v":1,"argv":["task","list"],"json":false,"data":"..."}      one at a time; `data` is optional, and so are
 *           "width":80, "columns":"task,name", "sort":"-name": how tables in `text` are to look
 * Answer:   ... "next":"1200/500"}: there is more of a list; the same request is sent again with it as "page". Every list
 *           comes so, in slices of some hundred rows; all but the only one hold what "json" says, `result` or `text`.
 * Want:     {"v":1,"want":"read","word":2}                               instead of an answer: see below
 * Progress: {"v":1,"progress":"reading devices: 40 %","job":3}           any number, before the answer; "" is no news
 *           `job`: the command goes on without its client, under this number (commands job list, show, wait, cancel).
 *           "waits":true: it has not begun, as another one runs, and does not if its client leaves.
 * Answer:   {"v":1,"exit":0,"text":"...","error":"...","result":{...}}   `text` for people, `result` for machines
 *
 * The console (cradle-web) is known by its user id. Its requests may say for whom it asks, "actor":"ann", which is logged
 * with every change; from anybody else that is refused, and ignored where no console is configured.
 * Whatever it asks for, no secret is in the answer. Its answers carry the policy's number,
 * "generation":"7"; a request with "expect":"7" changes nothing once that is another one: the
 * answer says "stale":true.
 *
 * Watch:    {"v":1,"watch":true,"exit":0,...}                            the answer goes on: until either side closes the
 *           connection, or the client sends another request, any number of
 *           {"v":1,"event":{"kind":"report",...},"missed":3}             `text` in place of `event` where "json" was false;
 *           `missed`, where it stands: so many were not sent, for the client read too slowly. A last answer without
 *           "watch" ends it, where the server does. At most CTL_WATCHES_MAX clients watch at a time.
 *
 * The server never waits for a client: what a client does not read is dropped with the connection when it exceeds
 * CTL_BACKLOG_MAX. Requests have at most CTL_REQUEST_MAX bytes, for what is longer travels as a file:
 *
 * A command that reads or writes a file gets it from the client as a descriptor, opened with the client's own
 * permissions. Only the server knows which word of a command that is, so it says: `want` is "read", "write", "folder"
 * (a new one, that nobody else may enter) or "create" (a new file, which the server may go on writing after its answer),
 * and `word` the index into argv, or -1: standard input or output. The client opens what it named
 * itself, nothing else, and sends the same request again with "fd":true and the descriptor
 * (SCM_RIGHTS) at the frame's first byte. A file must be a regular one, or the server might wait
 * for whoever is at its other end: a client spools pipes and terminals through a memory file
 * (memfd_create), both ways. The client makes a written file live only when the answer's exit is 0.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "control/buffer.h"

enum {
	CTL_VERSION = 1,
	CTL_FRAME_MAX = 16 * 1024 * 1024,
	CTL_REQUEST_MAX = 1024 * 1024,
	CTL_BACKLOG_MAX = 32 * 1024 * 1024, /* of one client */
	CTL_CLIENTS_MAX = 128,
	CTL_WATCHES_MAX = 64,
	CTL_WATCH_BACKLOG = 65536, /* a watch's client gets no more before it has read down to this */
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
	struct buffer buffer; /* taken: the frames that were */
	size_t frame_max;     /* CTL_FRAME_MAX; may be lowered before the first byte is fed */
};

void ctl_reader_init(struct ctl_reader *reader);
void ctl_reader_fini(struct ctl_reader *reader);
/* 0; -EMSGSIZE when the frame announced is above frame_max; -ENOMEM. */
int ctl_reader_feed(struct ctl_reader *reader, const void *bytes, size_t len);
/* 1 and *frame (a new reference, to be decref'ed); 0 when no frame is complete; -EBADMSG when a frame is no JSON
 * object or carries another version: the connection is of no more use. */
int ctl_reader_next(struct ctl_reader *reader, json_t **frame);

/* A frame as bytes, malloc'ed; *len is header and JSON. NULL: out of memory or too large. */
uint8_t *ctl_frame_encode(const json_t *object, size_t *len);

/*
 * Like send() and recv() without SIGPIPE, with a descriptor beside the bytes: -1 is none. The bytes that carry one must
 * be sent whole by further calls without it. Received descriptors are close-on-exec; *fd is set in every case, and of
 * several that came together all but the first are closed. Count, or -errno.
 */
ssize_t ctl_send(int socket, const void *bytes, size_t len, int fd);
ssize_t ctl_receive(int socket, void *bytes, size_t len, int *fd);
