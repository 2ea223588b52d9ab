#include "tools/web/http_stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "tools/web/http_internal.h"

enum { BLOCK = 16384 };

/* Belongs to the library's response, which frees it with itself: when the request is over, however it ends. */
struct http_stream {
	struct http_request *request;
	struct loop *loop;
	struct loop_source *hangup; /* NULL: the client's end was seen */
	int fd;
	struct buffer out;
	bool suspended; /* nothing to send: the library has put the connection aside */
	bool ended;
	http_stream_closed *closed;
	void *ctx;
};

/* The library asks again. */
static void
go_on(struct http_stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	http_internal_restart_time(stream->request->connection, false);
	MHD_resume_connection(stream->request->connection);
	http_internal_run_soon(stream->request->server);
}

static void
end(struct http_stream *stream)
{
	stream->ended = true;
	go_on(stream);
}

/* The library does not look at a connection that it has put aside. */
static void
on_hangup(void *ctx, uint32_t events)
{
	struct http_stream *stream = ctx;

	loop_remove(stream->loop, stream->hangup);
	stream->hangup = NULL;
	buffer_fini(&stream->out);
	end(stream);
}

static ssize_t
read_stream(void *cls, uint64_t at, char *bytes, size_t size)
{
	struct http_stream *stream = cls;
	size_t len = buffer_left(&stream->out);

	if (len) {
		len = len < size ? len : size;
		memcpy(bytes, buffer_front(&stream->out), len);
		buffer_take(&stream->out, len);
		return (ssize_t)len;
	}
	buffer_fini(&stream->out);
	if (stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	stream->suspended = true;
	http_internal_restart_time(stream->request->connection, true);
	MHD_suspend_connection(stream->request->connection);
	return 0;
}

/* The request may be gone already. */
static void
free_stream(void *cls)
{
	struct http_stream *stream = cls;

	if (stream->hangup)
		loop_remove(stream->loop, stream->hangup);
	buffer_fini(&stream->out);
	if (stream->closed)
		stream->closed(stream->ctx);
	free(stream);
}

struct http_stream *
http_stream_begin(struct http_request *request, const char *content_type,
		  http_stream_closed *closed, void *ctx)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	/* nginx would keep what is put until there is much of it. */
	static const struct http_header unbuffered = { "X-Accel-Buffering", "no" };
	const struct http_answer answer = {
		.status = 200, .content_type = content_type, .headers = &unbuffered, .n_headers = 1
	};
	struct http_stream *stream = calloc(1, sizeof *stream);

	assert(!request->status && !request->suspended);
	if (stream)
		request->response = MHD_create_response_from_callback(
			MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, free_stream);
	if (!stream || !request->response) {
		free(stream);
		http_reply_error(request, 503, "out of memory");
		return NULL;
	}
	*stream = (struct http_stream){ .request = request,
					.loop = http_internal_loop(request->server),
					.fd = info->connect_fd,
					.closed = closed,
					.ctx = ctx };
	/* Without it the end of a client is noticed late, by a write that fails. */
	stream->hangup = loop_add(stream->loop, stream->fd, EPOLLRDHUP, on_hangup, stream);
	request->status = answer.status;
	http_internal_headers(request->response, &answer);
	http_internal_count(request->server, answer.status);
	return stream;
}

bool
http_stream_put(struct http_stream *stream, const void *bytes, size_t len)
{
	if (stream->ended)
		return false;
	if (buffer_left(&stream->out) + len > HTTP_STREAM_BACKLOG ||
	    buffer_put(&stream->out, bytes, len)) {
		/* What waits is not read either: the library sees the end. */
		buffer_fini(&stream->out);
		shutdown(stream->fd, SHUT_RDWR);
		end(stream);
		return false;
	}
	go_on(stream);
	return true;
}

void
http_stream_end(struct http_stream *stream)
{
	end(stream);
}

void
http_stream_abandon(struct http_stream *stream)
{
	stream->closed = NULL;
	buffer_fini(&stream->out);
	end(stream);
}
