/* Answers that go on: sent as they are taken, cut where nobody reads, over where the client leaves. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tools/web/http_stream.h"

enum { STEP = 16384, PUTS_MAX = 100000, TICK_US = 1000 };

static struct loop *loop;
static struct http_server *server;
static struct http_stream *stream;
static bool closed, cut;
static unsigned puts_left;
static int client_fd;

static void
on_closed(void *ctx)
{
	closed = true;
	stream = NULL;
	loop_stop(loop);
}

static void
handle(void *ctx, struct http_request *request)
{
	stream = http_stream_begin(request, "text/plain", on_closed, NULL);
	cr_assert_not_null(stream);
}

static const struct http_route routes[] = { { "/s", handle }, { NULL, NULL } };

/* A port that is free now; the next moment somebody may have it, so another one is tried. */
static void
start(unsigned timeout_s)
{
	struct diag_list diags;
	char listen[32];

	loop = loop_new();
	for (unsigned port = 20000 + (unsigned)getpid() % 20000, last = port + 1000;
	     !server && port < last; port++) {
		const struct http_settings settings = { .listen = listen,
							.connections = 8,
							.connections_per_address = 8,
							.timeout_s = timeout_s,
							.request_bytes = 16384,
							.bodies_bytes = 16384,
							.routes = routes };
		struct sockaddr_in address = { .sin_family = AF_INET,
					       .sin_port = htons((uint16_t)port),
					       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		static const char request[] = "GET /s HTTP/1.0\r\nHost: x\r\n\r\n";
		int small = 4096;

		snprintf(listen, sizeof listen, "127.0.0.1:%u", port);
		diag_list_init(&diags);
		server = http_server_new(loop, &settings, &diags);
		diag_list_fini(&diags);
		if (!server)
			continue;
		client_fd = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(client_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
		cr_assert_eq(connect(client_fd, (struct sockaddr *)&address, sizeof address), 0);
		cr_assert_eq(send(client_fd, request, sizeof request - 1, 0),
			     (ssize_t)sizeof request - 1);
	}
	cr_assert_not_null(server);
}

static void
stop(void)
{
	if (stream)
		http_stream_abandon(stream);
	http_server_free(server);
	loop_free(loop);
	close(client_fd);
}

TestSuite(http_stream, .fini = stop);

/* Puts as long as it may. */
static void
fill(void *ctx, uint32_t events)
{
	static char block[STEP];

	memset(block, 'x', sizeof block);
	if (!stream || cut)
		return;
	if (puts_left == 0) {
		http_stream_end(stream);
	} else {
		puts_left--;
		cut = !http_stream_put(stream, block, sizeof block);
	}
}

Test(http_stream, who_does_not_read_is_cut)
{
	start(600);
	puts_left = PUTS_MAX;
	cr_assert_eq(loop_tick(loop, TICK_US, fill, NULL), 0);
	cr_assert_eq(loop_run(loop), 0);
	cr_expect(closed && cut);
	cr_expect_gt(puts_left, PUTS_MAX / 2, "it should be behind by now");
}

static void
leave(void *ctx, uint32_t events)
{
	if (stream && client_fd >= 0) {
		close(client_fd);
		client_fd = -1;
	}
}

/* There is nothing to send: no write would ever fail. */
Test(http_stream, a_client_that_leaves_is_noticed_at_once)
{
	start(600);
	cr_assert_eq(loop_tick(loop, TICK_US, leave, NULL), 0);
	cr_assert_eq(loop_run(loop), 0);
	cr_expect(closed && !cut);
}

static char got[4 * STEP + 1024];
static size_t got_len;

/* Bytes behind the head. */
static size_t
body_len(void)
{
	const char *end = memmem(got, got_len, "\r\n\r\n", 4);

	return end ? got_len - (size_t)(end + 4 - got) : 0;
}

static bool
receive(int flags)
{
	ssize_t n = recv(client_fd, got + got_len, sizeof got - got_len, flags);

	got_len += n > 0 ? (size_t)n : 0;
	return n > 0;
}

static void
read_and_fill(void *ctx, uint32_t events)
{
	(void)receive(MSG_DONTWAIT);
	fill(ctx, events);
}

Test(http_stream, what_was_put_comes_before_the_end)
{
	start(600);
	puts_left = 4;
	cr_assert_eq(loop_tick(loop, TICK_US, read_and_fill, NULL), 0);
	cr_assert_eq(loop_run(loop), 0);
	cr_expect(closed && !cut);
	while (body_len() < 4 * STEP && receive(0))
		continue;
	cr_expect_eq(body_len(), 4 * STEP);
}

static void
put_once(void *ctx, uint32_t events)
{
	fill(ctx, events);
	if (stream && !puts_left)
		loop_stop(loop);
}

/* The program ends while pages are open. */
Test(http_stream, an_abandoned_one_tells_nobody)
{
	start(600);
	puts_left = 1;
	cr_assert_eq(loop_tick(loop, TICK_US, put_once, NULL), 0);
	cr_assert_eq(loop_run(loop), 0);
	http_stream_abandon(stream);
	stream = NULL;
	http_server_free(server);
	server = NULL;
	cr_expect_not(closed);
}
