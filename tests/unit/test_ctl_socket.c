/* The control socket against clients that send garbage, half frames, nothing, or do not read. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/ctl_socket.h"

static char folder[64], path[96];
static char complaint[CTL_ERROR_MAX];
static struct ctl_server *server;
static size_t answer_size;

static void
handler(void *ctx, const struct ctl_request *request, struct ctl_answer *answer)
{
	cr_assert_eq(request->peer.uid, getuid());
	answer->exit = CTL_DONE;
	answer->text = malloc(answer_size + 1);
	memset(answer->text, 'x', answer_size);
	answer->text[answer_size] = '\0';
	answer->result = json_pack("{s:s, s:i}", "first", request->argv[0], "argc", request->argc);
}

static void
set_up(void)
{
	snprintf(folder, sizeof folder, "/tmp/ctl-test-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/sock", folder);
	answer_size = 2;
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
	while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
		cr_assert_eq(ctl_reader_feed(&reader, bytes, (size_t)n), 0);
		if (ctl_reader_next(&reader, &json) == 1)
			break;
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

Test(ctl_socket, idle_clients_and_more_than_fit)
{
	int fds[CTL_CLIENTS_MAX];
	char byte;
	int late;

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		fds[i] = client();
		run();
	}
	late = client();
	run();
	cr_assert_eq(recv(late, &byte, 1, 0), 0);
	close(late);
	close(fds[0]);
	run();
	cr_assert(is_served());
	for (unsigned i = 1; i < CTL_CLIENTS_MAX; i++)
		close(fds[i]);
	run();
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
