#include "tools/web/appliance.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/clock.h"
#include "tools/client/ctl_client.h"

enum { ASKED_MAX = 64, OUT_MAX = 1 << 20, READ_BYTES = 65536 };

/* A command on its way. */
struct asked {
	appliance_done *done;
	void *ctx;
	uint64_t deadline_ms;
};

struct appliance {
	struct loop *loop;
	const char *socket;
	uint32_t timeout_ms;
	int fd; /* -1: not connected */
	struct loop_source *source;
	struct ctl_reader reader;
	struct asked asked[ASKED_MAX]; /* a ring, the oldest at `first` */
	unsigned first, count;
	uint8_t *out; /* what the socket did not take yet */
	size_t out_len;
};

struct appliance *
appliance_new(struct loop *loop, const char *socket, uint32_t timeout_ms)
{
	struct appliance *appliance = calloc(1, sizeof *appliance);

	if (appliance) {
		appliance->loop = loop;
		appliance->socket = socket;
		appliance->timeout_ms = timeout_ms;
		appliance->fd = -1;
	}
	return appliance;
}

static void
disconnect(struct appliance *appliance)
{
	if (appliance->fd < 0)
		return;
	loop_remove(appliance->loop, appliance->source);
	close(appliance->fd);
	appliance->fd = -1;
	ctl_reader_fini(&appliance->reader);
	free(appliance->out);
	appliance->out = NULL;
	appliance->out_len = 0;
}

/* The connection is of no more use: everything asked fails. What is asked meanwhile goes over a new one. */
static void
fail_all(struct appliance *appliance, const char *why)
{
	struct asked failed[ASKED_MAX];
	unsigned count = appliance->count;

	for (unsigned i = 0; i < count; i++)
		failed[i] = appliance->asked[(appliance->first + i) % ASKED_MAX];
	appliance->count = 0;
	disconnect(appliance);
	for (unsigned i = 0; i < count; i++)
		failed[i].done(failed[i].ctx, NULL, why);
}

void
appliance_free(struct appliance *appliance)
{
	if (!appliance)
		return;
	fail_all(appliance, "this program ends");
	disconnect(appliance);
	free(appliance);
}

/* 0, or -errno. */
static int
flush(struct appliance *appliance)
{
	size_t sent = 0;
	ssize_t n = 0;

	while (sent < appliance->out_len) {
		n = ctl_send(appliance->fd, appliance->out + sent, appliance->out_len - sent, -1);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	appliance->out_len -= sent;
	memmove(appliance->out, appliance->out + sent, appliance->out_len);
	loop_change(appliance->loop, appliance->source,
		    EPOLLIN | (appliance->out_len ? (uint32_t)EPOLLOUT : 0));
	return 0;
}

/* Progress is for people; everything else answers the oldest question. */
static void
take_frame(struct appliance *appliance, const json_t *frame)
{
	struct asked *oldest = &appliance->asked[appliance->first];
	struct asked asked = *oldest;

	if (json_object_get(frame, "progress") || !appliance->count)
		return;
	appliance->first = (appliance->first + 1) % ASKED_MAX;
	appliance->count--;
	if (json_object_get(frame, "want"))
		asked.done(asked.ctx, NULL, "the command wants a file, which nobody can give here");
	else
		asked.done(asked.ctx, frame, NULL);
}

/* False: garbage. A frame's answer may ask again, and even find this connection broken: then its reader is gone. */
static bool
take_frames(struct appliance *appliance)
{
	json_t *frame;
	int got = 0;

	while (appliance->fd >= 0 && (got = ctl_reader_next(&appliance->reader, &frame)) == 1) {
		take_frame(appliance, frame);
		json_decref(frame);
	}
	return got >= 0;
}

static void
on_socket(void *ctx, uint32_t events)
{
	struct appliance *appliance = ctx;
	uint8_t bytes[READ_BYTES];
	ssize_t n;
	int fd;

	if ((events & EPOLLOUT) && flush(appliance) < 0) {
		fail_all(appliance, "the appliance closed the connection");
		return;
	}
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	n = ctl_receive(appliance->fd, bytes, sizeof bytes, &fd);
	if (fd >= 0)
		close(fd);
	if (n == -EAGAIN)
		return;
	if (n <= 0)
		fail_all(appliance, "the appliance closed the connection");
	else if (ctl_reader_feed(&appliance->reader, bytes, (size_t)n) || !take_frames(appliance))
		fail_all(appliance, "the appliance does not speak the control protocol");
}

static int
ensure_connected(struct appliance *appliance)
{
	if (appliance->fd >= 0)
		return 0;
	appliance->fd = ctl_client_connect(appliance->socket, false, 0);
	if (appliance->fd < 0) {
		int error = appliance->fd;

		appliance->fd = -1;
		return error;
	}
	appliance->source = loop_add(appliance->loop, appliance->fd, EPOLLIN, on_socket, appliance);
	if (!appliance->source) {
		close(appliance->fd);
		appliance->fd = -1;
		return -ENOMEM;
	}
	ctl_reader_init(&appliance->reader);
	return 0;
}

static int
append(struct appliance *appliance, const uint8_t *bytes, size_t len)
{
	uint8_t *out;

	if (appliance->out_len + len > OUT_MAX)
		return -EAGAIN;
	out = realloc(appliance->out, appliance->out_len + len);
	if (!out)
		return -ENOMEM;
	memcpy(out + appliance->out_len, bytes, len);
	appliance->out = out;
	appliance->out_len += len;
	return 0;
}

int
appliance_ask(struct appliance *appliance, const char *const *argv, int argc, appliance_done *done,
	      void *ctx)
{
	const struct ctl_client_request request = { .argc = argc, .argv = argv, .json = true };
	struct asked *asked = &appliance->asked[(appliance->first + appliance->count) % ASKED_MAX];
	uint8_t *bytes;
	size_t len;
	int error;

	if (appliance->count == ASKED_MAX)
		return -EAGAIN;
	error = ensure_connected(appliance);
	if (error)
		return error;
	bytes = ctl_client_encode(&request, &len);
	error = bytes ? append(appliance, bytes, len) : -ENOMEM;
	free(bytes);
	if (error)
		return error;
	*asked = (struct asked){ done, ctx, clock_now_us() / 1000 + appliance->timeout_ms };
	appliance->count++;
	/* A connection that broke is noticed by the loop: what is asked fails there, as a whole. */
	(void)flush(appliance);
	return 0;
}

void
appliance_tick(struct appliance *appliance, uint64_t now_ms)
{
	if (appliance->count && now_ms >= appliance->asked[appliance->first].deadline_ms)
		fail_all(appliance, "the appliance does not answer in time");
}
