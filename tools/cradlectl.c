/*
 * cradlectl - one command to the running appliance, over its control socket.
 *
 * Knows the protocol and nothing else: commands, help and completion come from the daemon. What works without one is asked
 * of the `cradled` beside this program, so that one code checks.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/ctl_proto.h"

struct options {
	const char *socket;
	bool json;
	int argc;
	char **argv;
};

static void
usage(FILE *to)
{
	fprintf(to, "usage: cradlectl [-s SOCKET] [--json] COMMAND [ARGUMENT...]\n"
		    "  -s, --socket SOCKET  control socket (default $CRADLE_SOCKET "
		    "or " CTL_SOCKET_DEFAULT ")\n"
		    "  -j, --json           the answer for machines, one line of JSON\n"
		    "  -h, --help           this text; `cradlectl help` lists the commands\n"
		    "Exit code: 0 done, 1 refused, 2 not understood, 3 not running\n");
}

static int
parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *socket = getenv("CRADLE_SOCKET");
	int option;

	*options = (struct options){ .socket = socket && *socket ? socket : CTL_SOCKET_DEFAULT };
	/* '+': options behind the command belong to the command. */
	while ((option = getopt_long(argc, argv, "+s:jh", longs, NULL)) != -1) {
		if (option == 's') {
			options->socket = optarg;
		} else if (option == 'j') {
			options->json = true;
		} else if (option == 'h') {
			usage(stdout);
			exit(CTL_DONE);
		} else {
			usage(stderr);
			return -1;
		}
	}
	options->argc = argc - optind;
	options->argv = argv + optind;
	if (!options->argc) {
		usage(stderr);
		return -1;
	}
	return 0;
}

/* --- without a daemon --- */

/* Becomes `cradled ARGUMENTS`: the one beside this program, else the one in PATH. Returns only on failure. */
static int
become_cradled(char **arguments)
{
	char self[PATH_MAX], beside[PATH_MAX + 32];
	/* In the build tree, and installed (bin, sbin). */
	static const char *const places[] = { "cradled", "../control/cradled", "../sbin/cradled" };
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	arguments[0] = (char *)"cradled";
	if (len > 0) {
		self[len] = '\0';
		const char *folder = dirname(self);

		for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
			snprintf(beside, sizeof beside, "%s/%s", folder, places[i]);
			execv(beside, arguments);
		}
	}
	execvp("cradled", arguments);
	fprintf(stderr, "cradlectl: this command runs cradled, which is neither beside cradlectl "
			"nor in PATH\n");
	return CTL_REFUSED;
}

static bool
is_command(const struct options *options, const char *first, const char *second)
{
	return options->argc > (second ? 1 : 0) && !strcmp(options->argv[0], first) &&
	       (!second || !strcmp(options->argv[1], second));
}

/* `task check FILE [-c CONF]` and `check --offline [-c CONF]` never need a daemon: -1 when it is neither. */
static int
run_offline(const struct options *options)
{
	char *arguments[8] = { NULL };
	int n = 1, from;

	if (is_command(options, "task", "check") && options->argc >= 3 && options->argc <= 5) {
		arguments[n++] = (char *)"--check-task";
		from = 2;
	} else if (is_command(options, "check", "--offline") && options->argc <= 4) {
		arguments[n++] = (char *)"--check";
		from = 2;
	} else {
		return -1;
	}
	while (from < options->argc)
		arguments[n++] = options->argv[from++];
	if (options->json)
		arguments[n++] = (char *)"--json";
	return become_cradled(arguments);
}

/* Nobody listens: help and completion are still to be had. */
static int
run_without_daemon(const struct options *options, int error)
{
	char *arguments[4] = { NULL };

	if (is_command(options, "help", NULL)) {
		arguments[1] = (char *)"--command-table";
		arguments[2] = options->argc > 1 ? options->argv[1] : NULL;
		return become_cradled(arguments);
	}
	if (is_command(options, "completion", NULL)) {
		arguments[1] = (char *)"--completion";
		arguments[2] = options->argc > 1 ? options->argv[1] : (char *)"bash";
		return become_cradled(arguments);
	}
	fprintf(stderr,
		"cradlectl: nobody answers on %s: %s\n"
		"Is cradled running? `systemctl status cradle`; another socket: -s SOCKET\n",
		options->socket, strerror(error));
	return CTL_NOT_RUNNING;
}

/* --- with one --- */

/* `check FILE`: the daemon stands in another folder, so it gets the whole path. One that does not
 * exist goes as it is: the daemon says so. */
static void
make_path_absolute(struct options *options, char path[PATH_MAX])
{
	if (is_command(options, "check", NULL) && options->argc == 2 &&
	    options->argv[1][0] != '-' && realpath(options->argv[1], path))
		options->argv[1] = path;
}

/* A connected socket, or -errno. */
static int
connect_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
		error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

static int
send_request(int fd, const struct options *options)
{
	json_t *argv = json_array();
	json_t *frame = NULL;
	uint8_t *bytes = NULL;
	size_t len, sent = 0;

	for (int i = 0; argv && i < options->argc; i++)
		json_array_append_new(argv, json_string(options->argv[i]));
	/* json_string() is NULL for what is not UTF-8; appending it fails, and the count tells. */
	if (argv && json_array_size(argv) == (size_t)options->argc)
		frame = json_pack("{s:i, s:O, s:b}", "v", CTL_VERSION, "argv", argv, "json",
				  options->json);
	json_decref(argv);
	if (frame)
		bytes = ctl_frame_encode(frame, &len);
	json_decref(frame);
	if (!bytes)
		return -EILSEQ;
	while (sent < len) {
		ssize_t n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	free(bytes);
	return sent == len ? 0 : -errno;
}

/* Reads one frame; NULL when the connection ends first. */
static json_t *
receive_frame(int fd, struct ctl_reader *reader)
{
	json_t *frame;
	char bytes[65536];
	int got;

	while ((got = ctl_reader_next(reader, &frame)) == 0) {
		ssize_t n = recv(fd, bytes, sizeof bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || ctl_reader_feed(reader, bytes, (size_t)n))
			return NULL;
	}
	return got == 1 ? frame : NULL;
}

static void
put_text(FILE *to, const json_t *text)
{
	const char *string = json_string_value(text);
	size_t len = json_string_length(text);

	if (!string || !len)
		return;
	fputs(string, to);
	if (string[len - 1] != '\n')
		fputc('\n', to);
}

/* One line: the schema version, the exit code and error where there is one, then the command's own keys. */
static void
put_json(const json_t *answer)
{
	const json_t *result = json_object_get(answer, "result");
	json_t *line = json_pack("{s:i}", "schema", CTL_VERSION);

	if (json_object_get(answer, "error") && !json_is_null(json_object_get(answer, "error")))
		json_object_set(line, "error", json_object_get(answer, "error"));
	if (json_is_object(result))
		json_object_update_missing(line, (json_t *)result);
	else if (result && !json_is_null(result))
		json_object_set(line, "result", (json_t *)result);
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

static int
show(const json_t *answer, const struct options *options)
{
	if (options->json) {
		put_json(answer);
	} else {
		put_text(stdout, json_object_get(answer, "text"));
		fflush(stdout);
		put_text(stderr, json_object_get(answer, "error"));
	}
	return (int)json_integer_value(json_object_get(answer, "exit"));
}

static void
show_progress(const json_t *frame)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s",
			json_string_value(json_object_get(frame, "progress")));
}

static int
converse(int fd, const struct options *options)
{
	struct ctl_reader reader;
	json_t *frame;
	int result = CTL_REFUSED, sent = send_request(fd, options);

	if (sent == -EILSEQ) {
		fprintf(stderr, "cradlectl: the arguments are not UTF-8\n");
		return CTL_USAGE;
	}
	if (sent) {
		fprintf(stderr, "cradlectl: the request could not be sent: %s\n", strerror(-sent));
		return CTL_REFUSED;
	}
	ctl_reader_init(&reader);
	while ((frame = receive_frame(fd, &reader)) && json_object_get(frame, "progress")) {
		show_progress(frame);
		json_decref(frame);
	}
	if (frame)
		result = show(frame, options);
	else
		fprintf(stderr,
			"cradlectl: the appliance closed the connection without an answer\n");
	json_decref(frame);
	ctl_reader_fini(&reader);
	return result;
}

int
main(int argc, char **argv)
{
	struct options options;
	char path[PATH_MAX];
	int fd, result;

	if (parse_options(argc, argv, &options))
		return CTL_USAGE;
	result = run_offline(&options);
	if (result >= 0)
		return result;
	fd = connect_socket(options.socket);
	if (fd < 0)
		return run_without_daemon(&options, -fd);
	make_path_absolute(&options, path);
	result = converse(fd, &options);
	close(fd);
	return result;
}
