/*
 * ctl_client.h - the client's side of the control protocol: connecting, requests out, frames in.
 *
 * Shared by what speaks to the appliance: cradlectl waits, cradle-web does not. Any thread; a connection belongs to one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "control/socket/ctl_proto.h"

/*
 * A connected socket, or -errno. `timeout_s` bounds connecting and every later wait, 0 is for ever. Where `waits` is
 * false nothing ever blocks: a server whose queue of connections is full is -EAGAIN.
 */
int ctl_client_connect(const char *path, bool waits, int timeout_s);

struct ctl_client_request {
	int argc;
	const char *const *argv;
	bool json;    /* `result` is shown, not `text` */
	unsigned width;             /* of tables; 0: no limit */
	const char *columns, *sort; /* of tables; NULL: as they are */
	const char *page;           /* of a list: "" or the "next" of the answer before; NULL: no pages */
	const char *actor;  /* for whom, where the console asks (ctl_proto.h); NULL: for whoever it is */
	const char *expect; /* the policy's generation that an edit is meant for; NULL: any */
	bool with_fd; /* a descriptor goes with its first byte (ctl_proto.h) */
};

/* The request as bytes, malloc'ed. NULL: the words are not UTF-8, or out of memory. */
uint8_t *ctl_client_encode(const struct ctl_client_request *request, size_t *len);

/* For a socket that waits: sends it all, `fd` (-1: none) with the first byte. 0 or -errno. */
int ctl_client_send(int socket, const uint8_t *bytes, size_t len, int fd);

/*
 * For a socket that waits: the next frame (a new reference). NULL with *error: 0 the end of the connection, EBADMSG no
 * frame of this protocol, else the socket's errno.
 */
json_t *ctl_client_receive(int socket, struct ctl_reader *reader, int *error);
