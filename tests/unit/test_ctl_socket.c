/* The control socket against clients that send garbage, half frames, nothing, or do not read. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/clock.h"
#include "control/socket/ctl_socket.h"

static char folder[64], path[96];
static char complaint[CTL_ERROR_MAX];
static struct ctl_server *server;
static size_t answer_size;
static unsigned n_served;
static bool client_stays; /* what the last ctl_progress() said */
static char order[256];   /* first words, as they were served */
static bool is_ready;     /* what "held" and "held-watch" wait for */
static unsigned n_filled, n_freed;

static bool
only_looks(void *ctx, int argc, const char *const *argv)
{
	return strcmp(argv[0], "look") == 0;
}

/* A command that takes long; who only looks is served meanwhile, even those that nest. */
static void
take_long(const struct ctl_request *request)
{
	client_stays = ctl_progress(request, "half of it");
	for (int i = 0; i < 20; i++)
		ctl_server_run_while_busy(server, only_looks);
	client_stays = ctl_progress(request, "all of it");
	strcat(order, "longed ");
}

static bool
ready(void *ctx)
{
	return is_ready;
}

static bool
fill(void *ctx, struct ctl_client *client, struct ctl_answer *end)
{
	n_filled++;
	ctl_watch_send(client, &(struct ctl_news){ .text = "news" });
	return true;
}

static void
freed(void *ctx)
{
	n_freed++;
}

/* "want-read" and "want-write" ask for word 1 and then tell of the file; "progress" speaks in between. */
static void
handler(void *ctx, const struct ctl_request *request, struct ctl_answer *answer)
{
	n_served++;
	cr_assert_eq(request->peer.uid, getuid());
	if (strlen(order) + strlen(request->argv[0]) + 2 < sizeof order)
		strcat(strcat(order, request->argv[0]), " ");
	if (strcmp(request->argv[0], "long") == 0)
		take_long(request);
	if (strcmp(request->argv[0], "slice") ==
	    0) /* as long as a slice of a list may take, and more */
		for (uint64_t until_us = clock_now_us() + 3000; clock_now_us() < until_us;)
			continue;
	if (strcmp(request->argv[0], "look") == 0)
		ctl_server_run_while_busy(server, only_looks);
	if (strncmp(request->argv[0], "want-", 5) == 0 && request->fd < 0) {
		answer->want = request->argv[0][5] == 'r' ? CTL_WANT_READ : CTL_WANT_WRITE;
		answer->want_word = 1;
		return;
	}
	if (request->fd >= 0) {
		char bytes[16] = "";

		cr_assert_geq(read(request->fd, bytes, sizeof bytes - 1), 0);
		answer->error = strdup(bytes);
	}
	for (int i = 0; strcmp(request->argv[0], "progress") == 0 && i < 10000; i++)
		client_stays = ctl_progress(request, "reading devices: %d", i);
	answer->exit = CTL_DONE;
	answer->text = malloc(answer_size + 1);
	memset(answer->text, 'x', answer_size);
	answer->text[answer_size] = '\0';
	if (strcmp(request->argv[0], "no-text") == 0)
		answer->text[0] = '\xff';
	answer->result = json_pack("{s:s, s:i}", "first", request->argv[0], "argc", request->argc);
	if (strncmp(request->argv[0], "held", 4) == 0)
		answer->source = (struct ctl_source){ .fill = fill,
						      .free = freed,
						      .answers_later = request->argv[0][4] == '\0',
						      .ready = ready };
}

static void
set_up(void)
{
	snprintf(folder, sizeof folder, "/tmp/ctl-test-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/sock", folder);
	answer_size = 2;
	n_served = n_filled = n_freed = 0;
	is_ready = false;
	order[0] = '\0';
	server = ctl_server_new(path, NULL, handler, NULL, complaint);
	cr_assert(server, "%s", complaint);
}

static void
tear_down(void)
{
	ctl_server_free(server);
	cr_assert_eq(access(path, F_OK), -1, "the socket file stays behind");
	rmdir(folder);
}

TestSuite(ctl_socket, .init = set_up, .fini = tear_down);

static int
client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void
run(void)
{
	for (int i = 0; i < 20; i++)
		ctl_server_run(server);
}

static void
send_json(int fd, const char *json)
{
	uint8_t header[4] = { 0, 0, (uint8_t)(strlen(json) >> 8), (uint8_t)strlen(json) };

	cr_assert_eq(send(fd, header, 4, MSG_NOSIGNAL), 4);
	cr_assert_eq(send(fd, json, strlen(json), MSG_NOSIGNAL), (ssize_t)strlen(json));
}

static json_t *
answer_on(int fd)
{
	struct ctl_reader reader;
	uint8_t bytes[4096];
	json_t *json = NULL;
	ssize_t n;

	ctl_reader_init(&reader);
	run();
	while (!json && (n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
		cr_assert_eq(ctl_reader_feed(&reader, bytes, (size_t)n), 0);
		while (ctl_reader_next(&reader, &json) == 1 && json_object_get(json, "progress")) {
			json_decref(json);
			json = NULL;
		}
		run();
	}
	ctl_reader_fini(&reader);
	return json;
}

static bool
is_served(void)
{
	int fd = client();
	json_t *json;
	bool served;

	send_json(fd, "{\"v\":1,\"argv\":[\"status\"]}");
	json = answer_on(fd);
	served = json && json_integer_value(json_object_get(json, "exit")) == CTL_DONE;
	json_decref(json);
	close(fd);
	run();
	return served;
}

Test(ctl_socket, answers_a_request_in_two_halves)
{
	int fd = client();
	json_t *json;

	cr_assert_eq(send(fd, "\0\0", 2, 0), 2);
	run();
	cr_assert_eq(send(fd, "\0\x1e{\"v\":1,\"argv\":[\"a\",\"b\"]", 25, 0), 25);
	run();
	cr_assert_eq(send(fd, "      }", 7, 0), 7);
	json = answer_on(fd);
	cr_assert(json);
	cr_assert_eq(json_integer_value(json_object_get(json_object_get(json, "result"), "argc")),
		     2);
	json_decref(json);
	close(fd);
}

Test(ctl_socket, garbage_costs_its_sender_the_connection_and_nobody_else)
{
	static const struct {
		const char *bytes;
		size_t len;
	} garbage[] = { { "\xff\xff\xff\xff", 4 },
			{ "\0\0\0\2[]", 6 },
			{ "\0\0\0\1{", 5 },
			{ "\0\0\0\7{\"v\":9}", 11 } };

	for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
		int fd = client();
		char byte;

		cr_assert_eq(send(fd, garbage[i].bytes, garbage[i].len, 0),
			     (ssize_t)garbage[i].len);
		run();
		cr_assert_eq(recv(fd, &byte, 1, 0), 0, "case %zu is still connected", i);
		close(fd);
		cr_assert(is_served());
	}
}

Test(ctl_socket, a_request_without_argv_is_told_so)
{
	static const char *const bad[] = { "{\"v\":1}", "{\"v\":1,\"argv\":[]}",
					   "{\"v\":1,\"argv\":[1]}",
					   "{\"v\":1,\"argv\":\"status\"}" };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int fd = client();
		json_t *json;

		send_json(fd, bad[i]);
		json = answer_on(fd);
		cr_assert(json);
		cr_assert_eq(json_integer_value(json_object_get(json, "exit")), CTL_USAGE);
		cr_assert(json_is_string(json_object_get(json, "error")));
		json_decref(json);
		close(fd);
	}
}

/* Sends `n` requests in one write. */
static void
send_many(int fd, unsigned n)
{
	static const char frame[] = "\0\0\0\x17{\"v\":1,\"argv\":[\"many\"]}";
	char bytes[100 * (sizeof frame - 1)];

	cr_assert_leq(n, 100);
	for (unsigned i = 0; i < n; i++)
		memcpy(bytes + i * (sizeof frame - 1), frame, sizeof frame - 1);
	cr_assert_eq(send(fd, bytes, n * (sizeof frame - 1), 0), (ssize_t)(n * (sizeof frame - 1)));
}

static bool
is_connected(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) != 0;
}

Test(ctl_socket, idle_clients_and_more_than_fit)
{
	int fds[CTL_CLIENTS_MAX];

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		fds[i] = client();
		run();
	}
	cr_assert(is_served(), "the idle ones keep others out");
	cr_assert(!is_connected(fds[0]), "the one that was silent longest makes way");
	for (unsigned i = 1; i < CTL_CLIENTS_MAX; i++) {
		cr_assert(is_connected(fds[i]), "client %u", i);
		close(fds[i]);
	}
	close(fds[0]);
	run();
}

Test(ctl_socket, half_requests_keep_nobody_out_and_a_request_under_way_stays)
{
	int fds[CTL_CLIENTS_MAX], busy = client();
	json_t *json;

	send_many(busy, 3);
	ctl_server_run(server); /* one of them served: two wait */
	for (unsigned i = 1; i < CTL_CLIENTS_MAX; i++) {
		fds[i] = client();
		cr_assert_eq(send(fds[i], "\0\0\0", 3, 0), 3);
		ctl_server_run(server);
	}
	for (unsigned i = 0; i < 2 * CTL_CLIENTS_MAX; i++)
		cr_assert(is_served());
	json = answer_on(busy);
	cr_assert_not_null(json);
	json_decref(json);
	for (unsigned i = 1; i < CTL_CLIENTS_MAX; i++)
		close(fds[i]);
	close(busy);
	run();
}

Test(ctl_socket, the_rest_of_a_request_must_follow_in_time)
{
	int half = client(), idle = client(), whole = client();
	uint64_t now = 1000;

	cr_assert_eq(send(half, "\0\0\0\x17{", 5, 0), 5);
	run();
	ctl_server_tick(server, now);
	ctl_server_tick(server, now += 3600 * 1000); /* we were busy: not its fault */
	cr_assert(is_connected(half));
	for (unsigned i = 0; i < 8; i++)
		ctl_server_tick(server, now += 1000);
	cr_assert(is_connected(half));
	send_json(whole, "{\"v\":1,\"argv\":[\"status\"]}");
	run();
	for (unsigned i = 0; i < 2; i++)
		ctl_server_tick(server, now += 1000);
	cr_assert(!is_connected(half));
	cr_assert(is_connected(idle), "who says nothing may stay");
	cr_assert(is_connected(whole));
	close(half);
	close(idle);
	close(whole);
	run();
}

Test(ctl_socket, what_listens_and_is_no_stream_is_left_alone)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int other = socket(AF_UNIX, SOCK_DGRAM, 0);
	char alive[96];

	snprintf(alive, sizeof alive, "%s/other", folder);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", alive);
	cr_assert_eq(bind(other, (struct sockaddr *)&address, sizeof address), 0);
	cr_assert_null(ctl_server_new(alive, NULL, handler, NULL, complaint));
	cr_assert(strstr(complaint, alive), "%s", complaint);
	cr_assert_eq(access(alive, F_OK), 0, "it was taken away from who listens there");
	close(other);
	unlink(alive);
}

Test(ctl_socket, a_client_that_never_reads_is_dropped_at_the_limit)
{
	int fd = client();
	unsigned asked = 0;

	answer_size = 8 * 1024 * 1024;
	while (asked < 20) {
		uint8_t header[4] = { 0, 0, 0, 23 };

		if (send(fd, header, 4, MSG_NOSIGNAL) != 4 ||
		    send(fd, "{\"v\":1,\"argv\":[\"huge\"]}", 23, MSG_NOSIGNAL) != 23)
			break;
		asked++;
		run();
	}
	cr_assert_lt(asked, 20, "the backlog has no limit");
	close(fd);
	answer_size = 2;
	cr_assert(is_served());
}

Test(ctl_socket, mode_and_second_server)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0660);
	cr_assert_null(ctl_server_new(path, NULL, handler, NULL, complaint));
	cr_assert(strstr(complaint, path) && strstr(complaint, "another cradled"), "%s", complaint);
	cr_assert(is_served());
}

Test(ctl_socket, a_stale_socket_is_replaced_and_a_file_is_not)
{
	char other[128];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ctl_server *second;
	int fd;

	snprintf(other, sizeof other, "%s/other", folder);
	snprintf(address.sun_path, sizeof address.sun_path, "%.100s", other);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	second = ctl_server_new(other, NULL, handler, NULL, complaint);
	cr_assert(second, "%s", complaint);
	ctl_server_free(second);

	fd = open(other, O_CREAT | O_WRONLY, 0600);
	close(fd);
	cr_assert_null(ctl_server_new(other, NULL, handler, NULL, complaint));
	cr_assert(strstr(complaint, "no socket"), "%s", complaint);
	unlink(other);
	cr_assert_null(ctl_server_new(other, "no-such-group-here", handler, NULL, complaint));
	cr_assert(strstr(complaint, "no-such-group-here"), "%s", complaint);
	unlink(other);
}

/* Whoever takes a socket over may fail before it serves: then the other one's clients still find it. */
Test(ctl_socket, a_path_stays_until_who_adopted_it_keeps_it)
{
	struct ctl_server *next = ctl_server_adopt(dup(ctl_server_listener(server)), path, handler,
						   NULL, complaint);

	cr_assert(next, "%s", complaint);
	ctl_server_free(next);
	cr_assert(is_served());

	next = ctl_server_adopt(dup(ctl_server_listener(server)), path, handler, NULL, complaint);
	cr_assert(next, "%s", complaint);
	ctl_server_leave(server);
	ctl_server_free(server);
	ctl_server_keep_path(next);
	server = next;
	cr_assert(is_served());
}

Test(ctl_socket, a_request_byte_by_byte)
{
	static const char json[] = "{\"v\":1,\"argv\":[\"a\",\"b\"]}";
	uint8_t bytes[4 + sizeof json - 1] = { 0, 0, 0, sizeof json - 1 };
	int fd = client();
	json_t *answer;

	memcpy(bytes + 4, json, sizeof json - 1);
	for (size_t i = 0; i < sizeof bytes; i++) {
		cr_assert_eq(n_served, 0);
		cr_assert_eq(send(fd, bytes + i, 1, 0), 1);
		ctl_server_run(server);
		ctl_server_run(server);
	}
	answer = answer_on(fd);
	cr_assert(answer);
	json_decref(answer);
	cr_assert_eq(n_served, 1);
	close(fd);
}

/* The epoll descriptor tells that there is work, or that there is none. */
static bool
has_work(void)
{
	struct pollfd poller = { .fd = ctl_server_fd(server), .events = POLLIN };

	return poll(&poller, 1, 0) == 1;
}

Test(ctl_socket, many_requests_in_one_write_take_turns_with_other_clients)
{
	int many = client(), other = client();
	json_t *json;

	run();
	send_many(many, 100);
	send_json(other, "{\"v\":1,\"argv\":[\"other\"]}");
	ctl_server_run(server);
	ctl_server_run(server);
	cr_assert_leq(n_served, 4, "one client had %u requests served in two turns", n_served);
	json = answer_on(other);
	cr_assert(json);
	json_decref(json);
	for (unsigned i = 0; has_work() && i < 1000; i++)
		ctl_server_run(server);
	cr_assert_eq(n_served, 101);
	cr_assert_not(has_work());
	close(many);
	close(other);
}

Test(ctl_socket, many_clients_with_a_slice_each_do_not_keep_the_thread)
{
	int fds[8];

	for (unsigned i = 0; i < 8; i++) {
		fds[i] = client();
		send_json(fds[i], "{\"v\":1,\"argv\":[\"slice\"]}");
	}
	ctl_server_run(server); /* they come */
	while (n_served < 8) {
		unsigned before = n_served;

		ctl_server_run(server);
		cr_assert_eq(n_served, before + 1);
	}
	for (unsigned i = 0; i < 8; i++)
		close(fds[i]);
}

Test(ctl_socket, one_hundred_clients_at_once)
{
	int fds[100];
	json_t *json;

	for (unsigned i = 0; i < 100; i++) {
		fds[i] = client();
		send_many(fds[i], 3);
	}
	for (unsigned i = 0; has_work() && i < 10000; i++)
		ctl_server_run(server);
	cr_assert_eq(n_served, 300);
	for (unsigned i = 0; i < 100; i++) {
		json = answer_on(fds[i]);
		cr_assert(json, "client %u", i);
		json_decref(json);
		close(fds[i]);
	}
	run();
	cr_assert(is_served());
}

Test(ctl_socket, many_requests_of_a_client_that_never_reads_cost_a_bounded_backlog)
{
	int fd = client();

	answer_size = 1000 * 1000;
	send_many(fd, 100);
	for (unsigned i = 0; has_work() && i < 1000; i++)
		ctl_server_run(server);
	cr_assert_lt(n_served, 40, "32 MiB of backlog hold %u answers of 1 MB", n_served);
	cr_assert_gt(n_served, 30);
	close(fd);
	answer_size = 2;
	cr_assert(is_served());
}

Test(ctl_socket, a_client_that_leaves_in_the_middle_of_its_answer)
{
	int fd = client();

	answer_size = 8 * 1024 * 1024;
	send_json(fd, "{\"v\":1,\"argv\":[\"huge\"]}");
	run();
	cr_assert_eq(n_served, 1);
	close(fd);
	run();
	cr_assert_not(has_work());
	answer_size = 2;
	cr_assert(is_served());
}

/* It was watched for input until its answers were gone: the end of input is input, and the loop spun. */
Test(ctl_socket, a_client_that_closed_its_sending_side_does_not_keep_the_loop_busy)
{
	int fd = client();
	json_t *json;

	answer_size = 1024 * 1024;
	send_json(fd, "{\"v\":1,\"argv\":[\"large\"]}");
	cr_assert_eq(shutdown(fd, SHUT_WR), 0);
	run();
	cr_assert_not(has_work(), "the loop spins");
	json = answer_on(fd);
	cr_assert(json, "what it asked for is not answered");
	json_decref(json);
	run();
	close(fd);
}

Test(ctl_socket, an_answer_too_large_for_a_frame_is_refused_with_a_sentence)
{
	int fd = client();
	json_t *json;

	answer_size = CTL_FRAME_MAX;
	send_json(fd, "{\"v\":1,\"argv\":[\"huge\"]}");
	json = answer_on(fd);
	cr_assert(json);
	cr_assert_eq(json_integer_value(json_object_get(json, "exit")), CTL_REFUSED);
	cr_assert(strstr(json_string_value(json_object_get(json, "error")), "ask for less"));
	json_decref(json);
	close(fd);
}

/* --- progress --- */

Test(ctl_socket, progress_never_waits_and_the_answer_follows)
{
	int fd = client();
	json_t *json;

	send_json(fd, "{\"v\":1,\"argv\":[\"progress\"]}");
	run(); /* nobody reads meanwhile: most lines are left out */
	cr_assert_eq(n_served, 1);
	cr_assert(client_stays);
	json = answer_on(fd);
	cr_assert(json);
	cr_assert_eq(json_integer_value(json_object_get(json, "exit")), CTL_DONE);
	json_decref(json);
	close(fd);
}

Test(ctl_socket, a_handler_hears_that_nobody_waits_any_more)
{
	int fd = client();

	send_json(fd, "{\"v\":1,\"argv\":[\"progress\"]}");
	close(fd);
	run();
	cr_assert_eq(n_served, 1);
	cr_assert_not(client_stays);
	cr_assert(is_served());
}

/* --- answers that are held --- */

static void
run_and_watch(void)
{
	run();
	ctl_server_watch(server);
	run();
}

static void
assert_silence(int fd)
{
	char byte;

	run_and_watch();
	cr_assert_eq(recv(fd, &byte, 1, 0), -1);
	cr_assert_eq(errno, EAGAIN);
}

/* The first answer; its "text" is that of the handler. */
static void
assert_answer(int fd, bool watch)
{
	json_t *json = answer_on(fd);

	cr_assert(json);
	cr_expect_eq(json_integer_value(json_object_get(json, "exit")), CTL_DONE);
	cr_expect_str_eq(json_string_value(json_object_get(json, "text")), "xx");
	cr_expect_eq(json_is_true(json_object_get(json, "watch")), watch);
	json_decref(json);
}

Test(ctl_socket, an_answer_is_held_until_it_is_ready)
{
	char byte;

	for (int closed = 0; closed < 2; closed++) {
		int fd = client();

		is_ready = false;
		send_json(fd, "{\"v\":1,\"argv\":[\"held\"]}");
		if (closed)
			cr_assert_eq(shutdown(fd, SHUT_WR), 0);
		assert_silence(fd);
		is_ready = true;
		run_and_watch();
		assert_answer(fd, false);
		cr_expect_eq(n_filled, 0);
		cr_expect_eq(n_freed, closed + 1u);
		cr_expect_eq(ctl_server_watches(server), 0);
		cr_expect_eq(recv(fd, &byte, 1, 0), closed ? 0 : -1, "who sends no more is let go");
		close(fd);
		run();
	}
}

Test(ctl_socket, a_watch_begins_when_it_is_ready)
{
	int fd = client();
	json_t *json;

	send_json(fd, "{\"v\":1,\"argv\":[\"held-watch\"]}");
	assert_silence(fd);
	cr_expect_eq(n_filled, 0);
	is_ready = true;
	run_and_watch();
	assert_answer(fd, true);
	run_and_watch();
	json = answer_on(fd);
	cr_expect_str_eq(json_string_value(json_object_get(json, "text")), "news");
	json_decref(json);
	close(fd);
	run();
	cr_expect_eq(n_freed, 1);
}

Test(ctl_socket, a_held_answer_comes_before_the_next_ones)
{
	int fd = client();

	send_json(fd, "{\"v\":1,\"argv\":[\"held\"]}");
	send_json(fd, "{\"v\":1,\"argv\":[\"status\"]}");
	assert_answer(fd, false);
	cr_expect_eq(n_freed, 1);
	cr_expect_eq(n_served, 2);
	close(fd);
	run();
}

Test(ctl_socket, who_leaves_before_the_answer_is_ready_leaves_nothing)
{
	int fd = client();

	send_json(fd, "{\"v\":1,\"argv\":[\"held\"]}");
	run_and_watch();
	close(fd);
	run_and_watch();
	cr_expect_eq(n_freed, 1);
	cr_expect_eq(ctl_server_watches(server), 0);
}

/* --- files --- */

static unsigned
open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
send_json_with(int socket, const char *json, int fd)
{
	uint8_t bytes[256] = { 0, 0, 0, (uint8_t)strlen(json) };

	memcpy(bytes + 4, json, strlen(json));
	cr_assert_eq(ctl_send(socket, bytes, strlen(json) + 4, fd), (ssize_t)strlen(json) + 4);
}

static int
regular_file(void)
{
	FILE *file = tmpfile();
	int fd;

	cr_assert(file);
	fputs("content", file);
	fflush(file);
	fd = dup(fileno(file));
	fclose(file);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

Test(ctl_socket, who_only_looks_is_served_while_a_request_takes_long)
{
	int busy = client(), looks = client(), changes = client();
	json_t *answer;

	send_json(busy, "{\"v\":1,\"argv\":[\"long\"]}");
	send_json(changes, "{\"v\":1,\"argv\":[\"change\"]}");
	send_json(looks, "{\"v\":1,\"argv\":[\"look\"]}");
	answer = answer_on(looks);
	cr_assert(answer);
	json_decref(answer);
	cr_expect_str_eq(order, "long look longed change ");
	cr_expect_str_eq(ctl_server_progress(server), "", "nothing runs any more");
	for (int i = 0; i < 2; i++) {
		answer = answer_on(i ? changes : busy);
		cr_expect(answer, "%d", i);
		json_decref(answer);
	}
	close(busy);
	close(looks);
	close(changes);
}

Test(ctl_socket, a_client_waits_for_its_own_request)
{
	int fd = client();

	send_json(fd, "{\"v\":1,\"argv\":[\"long\"]}");
	send_json(fd, "{\"v\":1,\"argv\":[\"look\"]}");
	run();
	cr_expect_str_eq(order, "long longed look ");
	close(fd);
}

Test(ctl_socket, a_client_may_leave_and_others_come_while_its_request_takes_long)
{
	int busy = client(), garbage = client(), looks = client();

	send_json(busy, "{\"v\":1,\"argv\":[\"long\"]}");
	ctl_server_run(server); /* both are accepted, nothing was read */
	close(busy);
	cr_assert_eq(send(garbage, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
	send_json(looks, "{\"v\":1,\"argv\":[1]}");
	run();
	cr_expect_str_eq(order, "long longed ");
	cr_expect_not(client_stays);
	cr_expect(is_served());
	close(garbage);
	close(looks);
}

Test(ctl_socket, outside_a_handler_nothing_is_served)
{
	int fd = client();

	send_json(fd, "{\"v\":1,\"argv\":[\"look\"]}");
	for (int i = 0; i < 20; i++)
		ctl_server_run_while_busy(server, only_looks);
	cr_expect_eq(n_served, 0);
	run();
	cr_expect_eq(n_served, 1);
	close(fd);
}

Test(ctl_socket, a_command_says_which_word_names_its_file)
{
	int fd = client();
	json_t *json;

	send_json(fd, "{\"v\":1,\"argv\":[\"want-read\",\"devices.csv\"]}");
	json = answer_on(fd);
	cr_assert_str_eq(json_string_value(json_object_get(json, "want")), "read");
	cr_assert_eq(json_integer_value(json_object_get(json, "word")), 1);
	cr_assert_null(json_object_get(json, "exit"));
	json_decref(json);
	send_json(fd, "{\"v\":1,\"argv\":[\"want-write\",\"-\"]}");
	json = answer_on(fd);
	cr_assert_str_eq(json_string_value(json_object_get(json, "want")), "write");
	json_decref(json);
	close(fd);
}

Test(ctl_socket, a_passed_file_reaches_the_handler_and_is_closed_after_it)
{
	int fd = client(), file = regular_file();
	unsigned before = open_descriptors();
	json_t *json;

	for (unsigned i = 0; i < 20; i++) {
		lseek(file, 0, SEEK_SET);
		send_json_with(fd, "{\"v\":1,\"argv\":[\"want-read\",\"x\"],\"fd\":true}", file);
		json = answer_on(fd);
		cr_assert_str_eq(json_string_value(json_object_get(json, "error")), "content");
		json_decref(json);
	}
	cr_assert_eq(open_descriptors(), before + 1, "20 passed files leave descriptors open");
	close(fd);
	close(file);
}

Test(ctl_socket, bad_descriptors_are_refused_and_closed)
{
	int fd, file = regular_file(), pipes[2];
	unsigned before;
	json_t *json;

	cr_assert_eq(pipe(pipes), 0);
	run();
	before = open_descriptors();
	/* A promise without a descriptor; a pipe, on which the server would wait. */
	for (int with_pipe = 0; with_pipe < 2; with_pipe++) {
		fd = client();
		send_json_with(fd, "{\"v\":1,\"argv\":[\"want-read\"],\"fd\":true}",
			       with_pipe ? pipes[0] : -1);
		json = answer_on(fd);
		cr_assert_eq(json_integer_value(json_object_get(json, "exit")), CTL_USAGE);
		cr_assert(strstr(json_string_value(json_object_get(json, "error")),
				 with_pipe ? "regular" : "has none"));
		json_decref(json);
		close(fd);
		run();
	}
	/* Nobody asked for it: closed with the request. */
	fd = client();
	send_json_with(fd, "{\"v\":1,\"argv\":[\"status\"]}", file);
	json = answer_on(fd);
	cr_assert(json);
	json_decref(json);
	cr_assert_eq(open_descriptors(), before + 2, "an unwanted descriptor stays open");
	/* One after the other without a request. */
	for (unsigned i = 0; i < 10; i++) {
		if (ctl_send(fd, "\0", 1, file) != 1)
			break;
		run();
	}
	cr_assert_leq(open_descriptors(), before + 2, "a client piles up descriptors");
	close(fd);
	run();
	cr_assert_eq(open_descriptors(), before);
	cr_assert(is_served());
	close(file);
	close(pipes[0]);
	close(pipes[1]);
}

/* What a client is told of an answer that could not be sent as it is. */
static void
refused_with(const char *request, const char *words)
{
	int fd = client();
	json_t *json;

	send_json(fd, request);
	json = answer_on(fd);
	cr_assert_not_null(json);
	cr_expect_eq(json_integer_value(json_object_get(json, "exit")), CTL_REFUSED);
	cr_expect(strstr(json_string_value(json_object_get(json, "error")), words), "%s",
		  json_string_value(json_object_get(json, "error")));
	json_decref(json);
	close(fd);
}

Test(ctl_socket, an_answer_that_is_no_text_and_one_that_is_too_long_are_told_apart)
{
	refused_with("{\"v\":1,\"argv\":[\"no-text\"]}", "no UTF-8");
	answer_size = CTL_FRAME_MAX;
	refused_with("{\"v\":1,\"argv\":[\"huge\"]}", "does not fit");
	answer_size = 2;
}
