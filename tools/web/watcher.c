#include "tools/web/watcher.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/clock.h"
#include "tools/client/ctl_client.h"

enum { READ_BYTES = 65536 };

struct watcher {
	struct loop *loop;
	const char *socket;
	uint8_t *request; /* encoded */
	size_t len, sent; /* ... and how much of it the socket took */
	const struct watcher_calls *calls;
	void *ctx;
	int fd; /* -1: not connected */
	struct loop_source *source;
	struct ctl_reader reader;
	bool watching, refused;
	uint64_t next_ms;     /* not connected: when it is tried again */
	uint64_t deadline_ms; /* of the first answer */
	uint32_t pause_ms;    /* before the next try but one */
};

struct watcher *
watcher_new(struct loop *loop, const struct watcher_wish *wish, const struct watcher_calls *calls,
	    void *ctx)
{
	const struct ctl_client_request request = {
		.argc = wish->argc, .argv = wish->argv, .json = true, .actor = wish->actor
	};
	struct watcher *watcher = calloc(1, sizeof *watcher);

	if (!watcher)
		return NULL;
	*watcher = (struct watcher){ .loop = loop,
				     .socket = wish->socket,
				     .calls = calls,
				     .ctx = ctx,
				     .fd = -1,
				     .pause_ms = WATCHER_PAUSE_MS };
	watcher->request = ctl_client_encode(&request, &watcher->len);
	if (watcher->request)
		return watcher;
	free(watcher);
	return NULL;
}

static void
disconnect(struct watcher *watcher)
{
	if (watcher->fd < 0)
		return;
	if (watcher->source)
		loop_remove(watcher->loop, watcher->source);
	close(watcher->fd);
	watcher->fd = -1;
	watcher->source = NULL;
	watcher->watching = false;
	ctl_reader_fini(&watcher->reader);
}

void
watcher_free(struct watcher *watcher)
{
	if (!watcher)
		return;
	disconnect(watcher);
	free(watcher->request);
	free(watcher);
}

/* It ended: tried again after a while, unless it was refused. */
static void
lose(struct watcher *watcher, const char *why, bool refused)
{
	disconnect(watcher);
	watcher->refused = refused;
	watcher->next_ms = clock_now_us() / 1000 + watcher->pause_ms;
	watcher->pause_ms = watcher->pause_ms * 2 < WATCHER_PAUSE_MAX_MS ? watcher->pause_ms * 2
									 : WATCHER_PAUSE_MAX_MS;
	watcher->calls->down(watcher->ctx, why, refused);
}

/* An answer: the first one, or the last. */
static void
take_answer(struct watcher *watcher, const json_t *frame)
{
	const char *error = json_string_value(json_object_get(frame, "error"));
	json_int_t code = json_integer_value(json_object_get(frame, "exit"));

	if (json_is_true(json_object_get(frame, "watch"))) {
		watcher->watching = true;
		watcher->pause_ms = WATCHER_PAUSE_MS;
		watcher->calls->up(watcher->ctx);
		return;
	}
	/* `error` is the frame's: told before that goes. */
	lose(watcher, error ? error : "the appliance ended it",
	     code == CTL_REFUSED || code == CTL_USAGE);
}

static void
take_frame(struct watcher *watcher, const json_t *frame)
{
	json_t *event = json_object_get(frame, "event");

	if (json_object_get(frame, "exit"))
		take_answer(watcher, frame);
	else if (event && watcher->watching)
		watcher->calls->event(
			watcher->ctx, event,
			(uint64_t)json_integer_value(json_object_get(frame, "missed")));
}

static void
take_frames(struct watcher *watcher)
{
	json_t *frame;
	int got = 0;

	while (watcher->fd >= 0 && (got = ctl_reader_next(&watcher->reader, &frame)) == 1) {
		take_frame(watcher, frame);
		json_decref(frame);
	}
	if (got < 0)
		lose(watcher, "the appliance does not speak the control protocol", false);
}

/* False: the connection is of no more use. */
static bool
send_request(struct watcher *watcher)
{
	while (watcher->sent < watcher->len) {
		ssize_t n = ctl_send(watcher->fd, watcher->request + watcher->sent,
				     watcher->len - watcher->sent, -1);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return false;
		watcher->sent += (size_t)n;
	}
	loop_change(watcher->loop, watcher->source,
		    EPOLLIN | (watcher->sent < watcher->len ? (uint32_t)EPOLLOUT : 0));
	return true;
}

static void
on_socket(void *ctx, uint32_t events)
{
	struct watcher *watcher = ctx;
	uint8_t bytes[READ_BYTES];
	ssize_t n;
	int fd;

	if ((events & EPOLLOUT) && !send_request(watcher)) {
		lose(watcher, "the appliance closed the connection", false);
		return;
	}
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	n = ctl_receive(watcher->fd, bytes, sizeof bytes, &fd);
	if (fd >= 0)
		close(fd);
	if (n == -EAGAIN)
		return;
	if (n <= 0 || ctl_reader_feed(&watcher->reader, bytes, (size_t)n))
		lose(watcher, "the appliance closed the connection", false);
	else
		take_frames(watcher);
}

static void
begin(struct watcher *watcher, uint64_t now_ms)
{
	char why[160];

	watcher->fd = ctl_client_connect(watcher->socket, false, 0);
	if (watcher->fd < 0) {
		snprintf(why, sizeof why, "the appliance cannot be reached: %s",
			 strerror(-watcher->fd));
		watcher->fd = -1;
		lose(watcher, why, false);
		return;
	}
	ctl_reader_init(&watcher->reader);
	watcher->sent = 0;
	watcher->deadline_ms = now_ms + WATCHER_ANSWER_MS;
	watcher->source = loop_add(watcher->loop, watcher->fd, EPOLLIN, on_socket, watcher);
	if (!watcher->source || !send_request(watcher))
		lose(watcher, "the appliance closed the connection", false);
}

void
watcher_tick(struct watcher *watcher, uint64_t now_ms)
{
	if (watcher->refused)
		return;
	if (watcher->fd < 0 && now_ms >= watcher->next_ms)
		begin(watcher, now_ms);
	else if (watcher->fd >= 0 && !watcher->watching && now_ms >= watcher->deadline_ms)
		lose(watcher, "the appliance does not answer in time", false);
}
