#include "tools/web/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/buffer.h"
#include "control/clock.h"
#include "tools/client/ctl_client.h"

enum { READ_BYTES = 65536, WRITTEN_MAX = 256 << 20 };

struct exchange {
	struct exchanges *owner; /* NULL: the place is free */
	int fd, file;            /* the socket; the memory file, -1: none */
	struct loop_source *source;
	struct ctl_reader reader;
	struct buffer out;
	uint8_t *again; /* the request with its file; NULL: it has none, or was sent */
	size_t again_len;
	bool pass_file, writes;
	uint64_t deadline_ms;
	exchange_progress *progress;
	exchange_done *done;
	void *ctx;
};

struct exchanges {
	struct loop *loop;
	const char *socket;
	uint64_t timeout_ms;
	struct exchange items[EXCHANGES_MAX];
};

struct exchanges *
exchanges_new(struct loop *loop, const char *socket, uint64_t timeout_ms)
{
	struct exchanges *exchanges = calloc(1, sizeof *exchanges);

	if (exchanges) {
		exchanges->loop = loop;
		exchanges->socket = socket;
		exchanges->timeout_ms = timeout_ms;
	}
	return exchanges;
}

/* Everything of it goes; the place is free before anybody is told. */
static void
release(struct exchange *exchange)
{
	if (exchange->source)
		loop_remove(exchange->owner->loop, exchange->source);
	if (exchange->fd >= 0)
		close(exchange->fd);
	if (exchange->file >= 0)
		close(exchange->file);
	ctl_reader_fini(&exchange->reader);
	buffer_fini(&exchange->out);
	if (exchange->again)
		explicit_bzero(exchange->again, exchange->again_len);
	free(exchange->again);
	*exchange = (struct exchange){ 0 };
}

static void
fail(struct exchange *exchange, const char *why, bool timed_out)
{
	const struct exchange_outcome outcome = { .why = why, .timed_out = timed_out };
	exchange_done *done = exchange->done;
	void *ctx = exchange->ctx;

	release(exchange);
	done(ctx, &outcome);
}

void
exchanges_free(struct exchanges *exchanges)
{
	if (!exchanges)
		return;
	for (unsigned i = 0; i < EXCHANGES_MAX; i++)
		if (exchanges->items[i].owner)
			fail(&exchanges->items[i], "this program ends", false);
	free(exchanges);
}

static void
live_on(struct exchange *exchange)
{
	exchange->deadline_ms = clock_now_us() / 1000 + exchange->owner->timeout_ms;
}

void
exchanges_tick(struct exchanges *exchanges, uint64_t now_ms)
{
	for (unsigned i = 0; i < EXCHANGES_MAX; i++)
		if (exchanges->items[i].owner && now_ms >= exchanges->items[i].deadline_ms)
			fail(&exchanges->items[i], "the appliance does not answer in time", true);
}

/* --- in --- */

/* The file that the command wrote, malloc'ed. */
static char *
read_written(const struct exchange *exchange, size_t *len)
{
	off_t size = lseek(exchange->file, 0, SEEK_END);
	char *bytes = size >= 0 && size <= WRITTEN_MAX ? malloc((size_t)size + 1) : NULL;

	*len = 0;
	while (bytes && *len < (size_t)size) {
		ssize_t n = pread(exchange->file, bytes + *len, (size_t)size - *len, (off_t)*len);

		if (n <= 0) {
			free(bytes);
			return NULL;
		}
		*len += (size_t)n;
	}
	return bytes;
}

static void
finish(struct exchange *exchange, const json_t *answer)
{
	struct exchange_outcome outcome = { .answer = answer };
	exchange_done *done = exchange->done;
	void *ctx = exchange->ctx;
	char *written = NULL;

	if (exchange->writes && !json_integer_value(json_object_get(answer, "exit"))) {
		written = read_written(exchange, &outcome.written_len);
		if (!written)
			outcome = (struct exchange_outcome){
				.why = "the file is too large to be sent"
			};
	}
	outcome.written = written;
	release(exchange);
	done(ctx, &outcome);
	if (written)
		explicit_bzero(written, outcome.written_len);
	free(written);
}

static int flush(struct exchange *exchange);

/* The command's file goes with the same request. */
static int
send_file(struct exchange *exchange, const char *want)
{
	if (!exchange->again)
		return -EPROTO;
	exchange->writes = strcmp(want, "write") == 0;
	if (exchange->writes && ftruncate(exchange->file, 0))
		return -errno;
	if (buffer_put(&exchange->out, exchange->again, exchange->again_len))
		return -ENOMEM;
	explicit_bzero(exchange->again, exchange->again_len);
	free(exchange->again);
	exchange->again = NULL;
	exchange->pass_file = true;
	return flush(exchange);
}

/* False: it has ended. */
static bool
take_frame(struct exchange *exchange, const json_t *frame)
{
	const char *progress = json_string_value(json_object_get(frame, "progress"));
	const char *want = json_string_value(json_object_get(frame, "want"));

	live_on(exchange);
	if (progress) {
		if (exchange->progress)
			exchange->progress(exchange->ctx, progress);
		return true;
	}
	if (!want) {
		finish(exchange, frame);
		return false;
	}
	if (send_file(exchange, want) == 0)
		return true;
	fail(exchange, "the appliance closed the connection", false);
	return false;
}

static void
take_frames(struct exchange *exchange)
{
	json_t *frame;
	int got;

	while ((got = ctl_reader_next(&exchange->reader, &frame)) == 1) {
		bool goes_on = take_frame(exchange, frame);

		json_decref(frame);
		if (!goes_on)
			return;
	}
	if (got < 0)
		fail(exchange, "the appliance does not speak the control protocol", false);
}

/* --- out --- */

/* 0 or -errno. */
static int
flush(struct exchange *exchange)
{
	while (buffer_left(&exchange->out)) {
		ssize_t n = ctl_send(exchange->fd, buffer_front(&exchange->out),
				     buffer_left(&exchange->out),
				     exchange->pass_file ? exchange->file : -1);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return (int)n;
		exchange->pass_file = false;
		buffer_take(&exchange->out, (size_t)n);
	}
	loop_change(exchange->owner->loop, exchange->source,
		    EPOLLIN | (buffer_left(&exchange->out) ? (uint32_t)EPOLLOUT : 0));
	return 0;
}

static void
on_socket(void *ctx, uint32_t events)
{
	struct exchange *exchange = ctx;
	uint8_t bytes[READ_BYTES];
	ssize_t n;
	int fd;

	if ((events & EPOLLOUT) && flush(exchange) < 0) {
		fail(exchange, "the appliance closed the connection", false);
		return;
	}
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	n = ctl_receive(exchange->fd, bytes, sizeof bytes, &fd);
	if (fd >= 0)
		close(fd);
	if (n == -EAGAIN)
		return;
	if (n <= 0 || ctl_reader_feed(&exchange->reader, bytes, (size_t)n))
		fail(exchange, "the appliance closed the connection", false);
	else
		take_frames(exchange);
}

/* --- start --- */

static struct exchange *
free_place(struct exchanges *exchanges)
{
	for (unsigned i = 0; i < EXCHANGES_MAX; i++)
		if (!exchanges->items[i].owner)
			return &exchanges->items[i];
	return NULL;
}

static int
make_file(struct exchange *exchange, const struct exchange_request *request)
{
	const char *bytes = request->file;
	size_t left = request->file_len;

	exchange->file = memfd_create("command", MFD_CLOEXEC);
	if (exchange->file < 0)
		return -errno;
	while (left) {
		ssize_t n = write(exchange->file, bytes, left);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		left -= (size_t)n;
	}
	return lseek(exchange->file, 0, SEEK_SET) < 0 ? -errno
						      : 0; /* the command reads from there */
}

static int
encode(struct exchange *exchange, const struct exchange_request *request)
{
	struct ctl_client_request frame = { .argc = request->argc,
					    .argv = request->argv,
					    .json = true,
					    .page = request->page,
					    .actor = request->actor,
					    .expect = request->expect };
	uint8_t *bytes;
	size_t len;
	int error;

	bytes = ctl_client_encode(&frame, &len);
	if (!bytes)
		return -EINVAL;
	error = buffer_put(&exchange->out, bytes, len);
	explicit_bzero(bytes, len);
	free(bytes);
	frame.with_fd = true;
	exchange->again = ctl_client_encode(&frame, &exchange->again_len);
	return error ? error : exchange->again ? 0 : -ENOMEM;
}

static int
begin(struct exchange *exchange, const struct exchange_request *request)
{
	int error = make_file(exchange, request);

	if (!error)
		error = encode(exchange, request);
	if (error)
		return error;
	exchange->fd = ctl_client_connect(exchange->owner->socket, false, 0);
	if (exchange->fd < 0)
		return exchange->fd;
	exchange->source =
		loop_add(exchange->owner->loop, exchange->fd, EPOLLIN, on_socket, exchange);
	return exchange->source ? flush(exchange) : -ENOMEM;
}

int
exchange_start(struct exchanges *exchanges, const struct exchange_request *request,
	       exchange_progress *progress, exchange_done *done, void *ctx)
{
	struct exchange *exchange = free_place(exchanges);
	int error;

	if (!exchange)
		return -EBUSY;
	*exchange = (struct exchange){ .owner = exchanges,
				       .fd = -1,
				       .file = -1,
				       .progress = progress,
				       .done = done,
				       .ctx = ctx };
	ctl_reader_init(&exchange->reader);
	live_on(exchange);
	error = begin(exchange, request);
	if (error)
		release(exchange);
	return error;
}
