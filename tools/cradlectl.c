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
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "control/socket/ctl_proto.h"
#include "tools/client/ctl_client.h"
#include "tools/cradlectl_colour.h"
#include "tools/cradlectl_file.h"
#include "tools/cradlectl_shell.h"
#include "tools/cradlectl_top.h"

enum { ASK_TIMEOUT_S = 2 }; /* of what somebody waits for while typing */

struct options {
	const char *socket;
	bool json, progress, wide;
	enum colour_wish colour;
	const char *columns, *sort; /* of tables; NULL: as they come */
	int timeout_s;              /* for connecting and for every wait; 0: as long as it takes */
	int argc;
	char **argv;
};

static void
usage(FILE *to)
{
	fprintf(to,
		"usage: cradlectl [-s SOCKET] [--json] COMMAND [ARGUMENT...]\n"
		"  -s, --socket SOCKET  control socket (default $CRADLE_SOCKET "
		"or " CTL_SOCKET_DEFAULT ")\n"
		"  -j, --json           the answer for machines, one line of JSON; errors, too\n"
		"  -t, --timeout S      give up when the appliance says nothing for S seconds\n"
		"  -p, --progress       show how far a long command is even where standard error "
		"is no terminal\n"
		"      --wide           whole tables, however narrow the terminal is\n"
		"      --columns A,B    these columns of tables, in this order\n"
		"      --sort COLUMN    rows of tables by a column; -COLUMN: downwards\n"
		"      --colour WHEN    words of a status in colour: auto (on a terminal, unless "
		"NO_COLOR is set), always, never\n"
		"  -V, --version\n"
		"  -h, --help           this text; `cradlectl help` lists the commands\n"
		"`cradlectl top [--interval S] [--count N]` shows rates and workers, again and "
		"again; "
		"\"q\" ends it.\n"
		"`cradlectl shell` takes a command a line, completed by Tab; \"exit\" or Ctrl-D ends "
		"it.\n"
		"A FILE of a command may be \"-\": standard input or output.\n"
		"Exit code: 0 done, 1 refused, 2 not understood, 3 not running\n");
}

/* Says why there is no answer: as people, or with --json machines, look for it. */
static int fail(const struct options *options, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int
fail(const struct options *options, int exit_code, const char *format, ...)
{
	char sentence[PATH_MAX + 512];
	json_t *line;
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	if (!options->json) {
		fprintf(stderr, "cradlectl: %s\n", sentence);
		return exit_code;
	}
	/* "%" leaves NULL for what is not UTF-8: a path, say. */
	line = json_pack("{s:i, s:i, s:s}", "schema", CTL_VERSION, "exit", exit_code, "error",
			 sentence);
	if (!line)
		line = json_pack("{s:i, s:i, s:s}", "schema", CTL_VERSION, "exit", exit_code,
				 "error",
				 "failed, and the reason is not UTF-8: ask without --json");
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
	return exit_code;
}

/* The value of `--NAME VALUE` or `--NAME=VALUE` at argv[0] into *value; how many words it was, 0: it is another word. */
static int
take_value(int argc, char **argv, const char *name, const char **value)
{
	size_t len = strlen(name);

	if (strncmp(argv[0], name, len) != 0 || (argv[0][len] && argv[0][len] != '='))
		return 0;
	if (argv[0][len] == '=') {
		*value = argv[0] + len + 1;
		return 1;
	}
	if (argc < 2)
		return 0;
	*value = argv[1];
	return 2;
}

/* 0, or the exit code after saying what is wrong. */
static int
take_colour(struct options *options, const char *word)
{
	if (colour_wish_of(word, &options->colour))
		return 0;
	return fail(options, CTL_USAGE, "--colour is auto, always or never, not \"%s\"", word);
}

/* Ours behind the command: how many words it was, 0: it is the command's. */
static int
take_late_option(struct options *options, int argc, char **argv, int *wrong)
{
	int n = take_value(argc, argv, "--columns", &options->columns);
	const char *colour = NULL;

	if (!n)
		n = take_value(argc, argv, "--sort", &options->sort);
	if (!n)
		n = take_value(argc, argv, "--colour", &colour);
	if (!n)
		n = take_value(argc, argv, "--color", &colour);
	if (colour)
		*wrong = take_colour(options, colour);
	if (n)
		return n;
	if (strcmp(argv[0], "--json") == 0)
		options->json = true;
	else if (strcmp(argv[0], "--progress") == 0)
		options->progress = true;
	else if (strcmp(argv[0], "--wide") == 0)
		options->wide = true;
	else
		return 0;
	return 1;
}

/* Options behind the command are taken for ours up to "--", where they are: no command has one of these names. 0, or the
 * exit code after saying what is wrong. */
static int
take_late_options(struct options *options)
{
	int kept = 0, i = 0, taken, wrong = 0;

	while (i < options->argc && strcmp(options->argv[i], "--") != 0) {
		taken = take_late_option(options, options->argc - i, options->argv + i, &wrong);
		if (!taken) {
			options->argv[kept++] = options->argv[i];
			taken = 1;
		}
		i += taken;
	}
	while (i < options->argc)
		options->argv[kept++] = options->argv[i++];
	options->argc = kept;
	return wrong;
}

/* Columns of the terminal that the answer is shown on; 0: it goes elsewhere, or the user wants all. */
static unsigned
terminal_width(const struct options *options)
{
	struct winsize size;

	if (options->wide || !isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static bool
take_timeout(const char *word, int *timeout_s)
{
	char *end;
	long seconds = strtol(word, &end, 10);

	*timeout_s = (int)seconds;
	return *word >= '0' && *word <= '9' && !*end && seconds > 0 && seconds <= 86400;
}

static int
take_option(int option, struct options *options)
{
	switch (option) {
	case 's':
		options->socket = optarg;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'p':
		options->progress = true;
		return 0;
	case 'w':
		options->wide = true;
		return 0;
	case 'c':
		options->columns = optarg;
		return 0;
	case 'o':
		options->sort = optarg;
		return 0;
	case 'C':
		return take_colour(options, optarg);
	case 't':
		if (take_timeout(optarg, &options->timeout_s))
			return 0;
		return fail(options, CTL_USAGE, "--timeout takes 1 to 86400 seconds, not \"%s\"",
			    optarg);
	case 'V':
		printf("cradlectl %s\n", CRADLE_VERSION);
		exit(CTL_DONE);
	case 'h':
		usage(stdout);
		exit(CTL_DONE);
	default: /* getopt has said which on standard error */
		if (options->json)
			return fail(options, CTL_USAGE,
				    "an option is wrong; `cradlectl --help` lists them");
		usage(stderr);
		return CTL_USAGE;
	}
}

static struct options
default_options(void)
{
	const char *socket = getenv("CRADLE_SOCKET");

	return (struct options){ .socket = socket && *socket ? socket : CTL_SOCKET_DEFAULT };
}

/* Over those that *options has. 0, or the exit code after saying what is wrong. */
static int
parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "timeout", required_argument, NULL, 't' },
		{ "progress", no_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ "wide", no_argument, NULL, 'w' },
		{ "columns", required_argument, NULL, 'c' },
		{ "sort", required_argument, NULL, 'o' },
		{ "colour", required_argument, NULL, 'C' },
		{ "color", required_argument, NULL, 'C' },
		{ NULL, 0, NULL, 0 },
	};
	int option, wrong;

	optind = 0; /* a line of the shell is not the first that getopt reads */
	/* '+': options behind the command belong to the command. */
	while ((option = getopt_long(argc, argv, "+s:jt:pVh", longs, NULL)) != -1) {
		wrong = take_option(option, options);
		if (wrong)
			return wrong;
	}
	options->argc = argc - optind;
	options->argv = argv + optind;
	/* What is typed so far is no option of ours. */
	wrong = options->argc && strcmp(options->argv[0], "__complete") == 0
			? 0
			: take_late_options(options);
	if (wrong)
		return wrong;
	if (options->argc)
		return 0;
	usage(stderr);
	return CTL_USAGE;
}

/* --- without a daemon --- */

/* Becomes `cradled ARGUMENTS`: the one beside this program, else the one in PATH. Returns only on failure. */
static int
become_cradled(const struct options *options, char **arguments)
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
	return fail(options, CTL_REFUSED,
		    "this command runs cradled, which is neither beside cradlectl nor in PATH");
}

static bool
is_command(const struct options *options, const char *first, const char *second)
{
	return options->argc > (second ? 1 : 0) && !strcmp(options->argv[0], first) &&
	       (!second || !strcmp(options->argv[1], second));
}

/*
 * `task check FILE [-c CONF]`, `check --offline [-c CONF]` and `store restore DIR [--replace] [-c CONF]` never need a
 * daemon: -1 when it is none of them.
 */
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
	} else if (is_command(options, "store", "restore") && options->argc >= 3 &&
		   options->argc <= 6) {
		arguments[n++] = (char *)"--restore";
		from = 2;
	} else {
		return -1;
	}
	while (from < options->argc)
		arguments[n++] = options->argv[from++];
	if (options->json)
		arguments[n++] = (char *)"--json";
	return become_cradled(options, arguments);
}

/* Nobody listens: help and completion are still to be had. */
static int
run_without_daemon(const struct options *options, int error)
{
	char *arguments[4] = { NULL };

	if (is_command(options, "help", NULL)) {
		arguments[1] = (char *)"--command-table";
		arguments[2] = options->argc > 1 ? options->argv[1] : NULL;
		return become_cradled(options, arguments);
	}
	if (is_command(options, "completion", NULL)) {
		arguments[1] = (char *)"--completion";
		arguments[2] = options->argc > 1 ? options->argv[1] : (char *)"bash";
		return become_cradled(options, arguments);
	}
	if (error == EACCES || error == EPERM)
		return fail(options, CTL_REFUSED,
			    "%s: %s; ask as root, or as a member of the socket's group (setting "
			    "control.group)",
			    options->socket, strerror(error));
	if (error == EAGAIN)
		return fail(options, CTL_REFUSED,
			    "%s: no connection within %d s: the appliance is busy, or stopped by a "
			    "signal; `systemctl status cradle`",
			    options->socket, options->timeout_s);
	return fail(options, CTL_NOT_RUNNING,
		    "nobody answers on %s: %s. Is cradled running? `systemctl status cradle`; "
		    "another socket: -s SOCKET",
		    options->socket, strerror(error));
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

/* What becomes of the command when nobody waits for it any more: a sentence that follows what happened. */
static char if_left[160] = "the command may still be carried out: `cradlectl job list` and "
			   "`cradlectl status` show what is in progress";

/* As the appliance says it of the command. */
static void
note_progress(const json_t *frame)
{
	json_int_t job = json_integer_value(json_object_get(frame, "job"));
	char sentence[sizeof if_left];

	if (json_is_true(json_object_get(frame, "waits")))
		snprintf(sentence, sizeof sentence,
			 "the command had not begun yet, and is not carried out");
	else if (job)
		snprintf(sentence, sizeof sentence,
			 "the command goes on as job %lld: `cradlectl job wait %lld` waits for it, "
			 "`cradlectl job cancel %lld` ends it",
			 (long long)job, (long long)job, (long long)job);
	else
		return;
	/* An interrupt in between shows a mixture, still with its end. */
	memcpy(if_left, sentence, sizeof if_left);
}

/* Nothing that was asked for is taken back by who gives up waiting. Async-signal-safe. */
static void
on_interrupt(int number)
{
	static const char said[] = "cradlectl: interrupted; ";

	(void)!write(STDERR_FILENO, said, sizeof said - 1);
	(void)!write(STDERR_FILENO, if_left, strlen(if_left));
	(void)!write(STDERR_FILENO, "\n", 1);
	raise(number); /* SA_RESETHAND: ends the program */
}

static void
watch_interrupts(void)
{
	const struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* Whoever watches ends it so. What was to be written was. Async-signal-safe. */
static void
on_end_of_watch(int number)
{
	_exit(CTL_DONE);
}

/* A command's conversation. */
struct talk {
	int socket;
	const struct options *options;
	struct ctl_reader reader;
	struct carried carried;
	bool progress_shown;
	bool to_stdout; /* the file is standard output: nothing else goes there */
	json_t *page;   /* the "next" of the last answer: the list goes on; NULL: its first page */
	json_t *whole;  /* for machines: results of the pages so far; NULL: none */
	bool watching;  /* the answer goes on */
};

/* 0, or the exit code after saying why. */
static int
send_request(const struct talk *talk)
{
	const struct options *options = talk->options;
	const struct ctl_client_request request = {
		.argc = options->argc,
		.argv = (const char *const *)options->argv,
		.json = options->json,
		.width = terminal_width(options),
		.columns = options->columns,
		.sort = options->sort,
		.page = talk->page ? json_string_value(talk->page) : "",
		.with_fd = talk->carried.fd >= 0,
	};
	size_t len;
	uint8_t *bytes = ctl_client_encode(&request, &len);
	int error;

	if (!bytes)
		return fail(options, CTL_USAGE, "the arguments are not UTF-8");
	if (len > CTL_REQUEST_MAX) {
		free(bytes);
		return fail(options, CTL_USAGE,
			    "the arguments are longer than the %d kB that a request may have: put what is "
			    "long into a file",
			    CTL_REQUEST_MAX / 1024);
	}
	if (talk->carried.fd < 0)
		watch_interrupts();
	error = ctl_client_send(talk->socket, bytes, len, talk->carried.fd);
	free(bytes);
	if (error)
		return fail(options, CTL_REFUSED, "the request could not be sent: %s",
			    strerror(-error));
	return 0;
}

static void
put_text(const struct options *options, FILE *to, const json_t *text)
{
	const char *string = json_string_value(text);
	size_t len = json_string_length(text);

	if (!string || !len)
		return;
	if (colour_wanted(options->colour, to))
		colour_put(to, string);
	else
		fputs(string, to);
	if (string[len - 1] != '\n')
		fputc('\n', to);
}

/* One line: the schema version, the exit code and error where there is one, then the command's own keys. */
static void
put_json(FILE *to, const json_t *answer)
{
	const json_t *result = json_object_get(answer, "result");
	json_t *line = json_pack("{s:i}", "schema", CTL_VERSION);

	if (json_integer_value(json_object_get(answer, "exit")))
		json_object_set(line, "exit", json_object_get(answer, "exit"));
	if (json_is_string(json_object_get(answer, "error")))
		json_object_set(line, "error", json_object_get(answer, "error"));
	if (json_is_object(result))
		json_object_update_missing(line, (json_t *)result);
	else if (result && !json_is_null(result))
		json_object_set(line, "result", (json_t *)result);
	json_dumpf(line, to, JSON_COMPACT);
	fputc('\n', to);
	json_decref(line);
}

static void
show_progress(struct talk *talk, const json_t *frame)
{
	const char *line = json_string_value(json_object_get(frame, "progress"));

	note_progress(frame);
	if (!line || !*line)
		return;
	if (isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r\033[K%s", line);
		talk->progress_shown = true;
	} else if (talk->options->progress) {
		fprintf(stderr, "%s\n", line);
	}
}

static void
erase_progress(struct talk *talk)
{
	if (talk->progress_shown)
		fputs("\r\033[K", stderr);
	talk->progress_shown = false;
}

/* Pages of a list make one result: arrays are put together, of all else the last page's counts. */
static void
add_page(struct talk *talk, json_t *answer)
{
	json_t *result = json_object_get(answer, "result"), *more, *so_far;
	const char *key;

	if (!json_is_object(result))
		return;
	if (talk->whole) {
		json_object_foreach(result, key, more)
		{
			so_far = json_object_get(talk->whole, key);
			if (json_is_array(so_far) && json_is_array(more))
				json_array_extend(so_far, more);
			else
				json_object_set(talk->whole, key, more);
		}
		json_object_set(answer, "result", talk->whole);
	} else {
		talk->whole = json_incref(result);
	}
}

/* A list goes on: 0 once the next page is asked for, else the exit code. */
static int
next_page(struct talk *talk, const json_t *answer)
{
	json_decref(talk->page);
	talk->page = json_incref(json_object_get(answer, "next"));
	if (!talk->options->json)
		put_text(talk->options, stdout, json_object_get(answer, "text"));
	return send_request(talk);
}

static int
show(struct talk *talk, const json_t *answer)
{
	FILE *to = talk->to_stdout ? stderr : stdout;
	int exit_code = (int)json_integer_value(json_object_get(answer, "exit"));
	char error[PATH_MAX + 128];

	if (carried_close(&talk->carried, exit_code == CTL_DONE, error, sizeof error))
		return fail(talk->options, CTL_REFUSED, "%s", error);
	if (talk->options->json) {
		put_json(to, answer);
	} else {
		put_text(talk->options, to, json_object_get(answer, "text"));
		fflush(to);
		put_text(talk->options, stderr, json_object_get(answer, "error"));
	}
	if (fflush(to) || ferror(to))
		return fail(talk->options, CTL_REFUSED, "the answer could not be written: %s",
			    strerror(errno));
	return exit_code;
}

static int
no_answer(const struct talk *talk, int error)
{
	if (talk->watching)
		return error == EAGAIN ? fail(talk->options, CTL_REFUSED,
					      "nothing has happened for %d s", talk->options->timeout_s)
				       : fail(talk->options, CTL_NOT_RUNNING,
					      "the appliance has gone: nothing is watched any more");
	if (error == EAGAIN)
		return fail(talk->options, CTL_REFUSED, "no answer within %d s; %s",
			    talk->options->timeout_s, if_left);
	return fail(talk->options, CTL_REFUSED,
		    "the appliance closed the connection without an answer%s%s", error ? ": " : "",
		    error ? strerror(error) : "");
}

/* The command wants a file: 0 once the request went out again with it, or the exit code. */
static int
bring_file(struct talk *talk, const json_t *frame)
{
	const struct options *options = talk->options;
	const char *want = json_string_value(json_object_get(frame, "want"));
	json_int_t word = json_integer_value(json_object_get(frame, "word"));
	enum carried_as as = want && strcmp(want, "write") == 0    ? CARRIED_WRITE
			     : want && strcmp(want, "folder") == 0 ? CARRIED_FOLDER
			     : want && strcmp(want, "create") == 0 ? CARRIED_CREATE
								   : CARRIED_READ;
	char error[PATH_MAX + 128];
	const char *path;

	/* Nothing but what the command line names is opened, and only once. */
	if (!want || talk->carried.fd >= 0 || word >= options->argc)
		return no_answer(talk, EBADMSG);
	path = word < 0 ? "-" : options->argv[word];
	talk->to_stdout = as == CARRIED_WRITE && strcmp(path, "-") == 0;
	if (carried_open(&talk->carried, path, as, error, sizeof error))
		return fail(options, CTL_REFUSED, "%s", error);
	return send_request(talk);
}

/* The answer goes on from here: 0, or the exit code. */
static int
begin_watch(struct talk *talk, const json_t *answer)
{
	const struct sigaction action = { .sa_handler = on_end_of_watch };

	talk->watching = true;
	if (json_is_string(json_object_get(answer, "text")) ||
	    json_is_object(json_object_get(answer, "result")))
		(void)show(talk, answer);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return 0;
}

/* What happened, a line or some; for machines one line of JSON. */
static int
show_event(const struct talk *talk, json_t *frame)
{
	json_t *event = json_object_get(frame, "event"), *missed = json_object_get(frame, "missed");

	if (talk->options->json) {
		json_object_set_new(event, "schema", json_integer(CTL_VERSION));
		if (missed)
			json_object_set(event, "missed", missed);
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		if (missed)
			printf("... %lld missed\n", (long long)json_integer_value(missed));
		put_text(talk->options, stdout, json_object_get(frame, "text"));
	}
	if (fflush(stdout) || ferror(stdout))
		return fail(talk->options, CTL_REFUSED, "what happened could not be written: %s",
			    strerror(errno));
	return 0;
}

/* The last answer, or one of those before it: true when it was the last. */
static bool
take_answer(struct talk *talk, json_t *answer, int *result)
{
	bool last = !json_is_string(json_object_get(answer, "next"));

	erase_progress(talk);
	if (talk->watching && !json_integer_value(json_object_get(answer, "exit")))
		return true; /* as its user wanted it */
	if (talk->options->json && !talk->watching)
		add_page(talk, answer);
	if (last && talk->page && talk->options->sort)
		fputs("cradlectl: a long list is sorted page by page\n", stderr);
	if (json_is_true(json_object_get(answer, "watch"))) {
		*result = begin_watch(talk, answer);
		return false;
	}
	*result = last ? show(talk, answer) : next_page(talk, answer);
	return last;
}

static int
converse(struct talk *talk)
{
	int error, result = send_request(talk);
	json_t *frame;

	while (!result && (frame = ctl_client_receive(talk->socket, &talk->reader, &error))) {
		bool last = false;

		if (json_object_get(frame, "progress"))
			show_progress(talk, frame);
		else if (json_object_get(frame, "want"))
			result = bring_file(talk, frame);
		else if (!json_object_get(frame, "exit"))
			result = show_event(talk, frame);
		else
			last = take_answer(talk, frame, &result);
		json_decref(frame);
		if (last)
			return result;
	}
	erase_progress(talk);
	return result ? result : no_answer(talk, error);
}

/* `top [--interval S] [--count N]`: the exit code. */
static int
run_top(const struct options *options, int socket)
{
	struct top_options top = { .socket = socket, .interval_s = 1 };
	const char *value;
	int number;

	if (options->json)
		return fail(options, CTL_USAGE,
			    "top is a picture for people; machines ask `stats`");
	for (int i = 1, taken; i < options->argc; i += taken) {
		taken = take_value(options->argc - i, options->argv + i, "--interval", &value);
		if (taken && take_timeout(value, &number)) {
			top.interval_s = (unsigned)number;
			continue;
		}
		taken = taken ? 0
			      : take_value(options->argc - i, options->argv + i, "--count", &value);
		if (!taken || !take_timeout(value, &number))
			return fail(options, CTL_USAGE,
				    "usage: cradlectl top [--interval S] [--count N]");
		top.pictures = (unsigned)number;
	}
	number = top_run(&top);
	if (number == CTL_NOT_RUNNING)
		return fail(options, number, "the appliance has gone, or does not answer");
	return number;
}

/* ---- completion ---- */

/* The answer to a question of ours, or NULL: silently. */
static json_t *
ask(const struct options *options, bool json, int argc, const char *const *argv)
{
	const struct ctl_client_request request = { .argc = argc, .argv = argv, .json = json };
	int socket = ctl_client_connect(options->socket, true, ASK_TIMEOUT_S), error;
	struct ctl_reader reader;
	json_t *answer = NULL;
	uint8_t *bytes;
	size_t len;

	if (socket < 0)
		return NULL;
	ctl_reader_init(&reader);
	bytes = ctl_client_encode(&request, &len);
	if (bytes && ctl_client_send(socket, bytes, len, -1) == 0)
		answer = ctl_client_receive(socket, &reader, &error);
	free(bytes);
	ctl_reader_fini(&reader);
	close(socket);
	return answer;
}

/* Commands of this program, which the appliance does not know. */
static const char *const own_commands[] = { "shell", "top" };

/* What may follow the words, a line each, malloc'ed; NULL: nobody answers. */
static char *
complete_words(const struct options *options, int argc, char **argv)
{
	const char *request[] = { "complete", "--", NULL };
	char *text = NULL, *words = NULL;
	size_t size;
	FILE *to = open_memstream(&words, &size);
	json_t *answer;

	if (!to)
		return NULL;
	for (int i = 0; i < argc; i++)
		fprintf(to, "%s%s", i ? "\x1f" : "", argv[i]);
	fclose(to);
	request[2] = words;
	answer = ask(options, false, 3, request);
	free(words);
	if (!json_is_integer(json_object_get(answer, "exit")) || !(to = open_memstream(&text, &size))) {
		json_decref(answer);
		return NULL;
	}
	if (json_is_string(json_object_get(answer, "text")))
		fputs(json_string_value(json_object_get(answer, "text")), to);
	for (size_t i = 0; argc == 1 && i < sizeof own_commands / sizeof *own_commands; i++)
		if (strncmp(own_commands[i], argv[0], strlen(argv[0])) == 0)
			fprintf(to, "%s\n", own_commands[i]);
	fclose(to);
	json_decref(answer);
	return text;
}

/* For shells: what may follow, a line each; nothing at all when nobody answers. */
static int
print_completion(struct options *options)
{
	static char none[] = "", *nothing[] = { none };
	char *text = options->argc > 1
			     ? complete_words(options, options->argc - 1, options->argv + 1)
			     : complete_words(options, 1, nothing);

	if (text)
		fputs(text, stdout);
	free(text);
	return CTL_DONE;
}

/* ---- one command ---- */

/* With the appliance that listens at talk->socket. */
static int
run_with_daemon(struct options *options, struct talk *talk)
{
	char path[PATH_MAX], error[PATH_MAX + 128];
	int result;

	if (is_command(options, "top", NULL))
		return run_top(options, talk->socket);
	make_path_absolute(options, path);
	ctl_reader_init(&talk->reader);
	result = converse(talk);
	(void)carried_close(&talk->carried, false, error, sizeof error);
	ctl_reader_fini(&talk->reader);
	json_decref(talk->page);
	json_decref(talk->whole);
	return result;
}

static int
run_command(struct options *options)
{
	struct talk talk = { .options = options, .carried = { .fd = -1 } };
	int result;

	if (is_command(options, "__complete", NULL))
		return print_completion(options);
	result = run_offline(options);
	if (result >= 0)
		return result;
	talk.socket = ctl_client_connect(options->socket, true, options->timeout_s);
	if (talk.socket < 0)
		return run_without_daemon(options, -talk.socket);
	result = run_with_daemon(options, &talk);
	close(talk.socket);
	return result;
}

/* ---- the shell ---- */

/* A line of it, with the options that the shell was started with. */
static int
run_shell_line(void *context, int argc, char **argv)
{
	struct options options = *(const struct options *)context;
	char **with_name = calloc((size_t)argc + 2, sizeof *with_name);
	int result;

	if (!with_name)
		return fail(&options, CTL_REFUSED, "out of memory");
	with_name[0] = (char *)"cradlectl";
	memcpy(with_name + 1, argv, (size_t)argc * sizeof *argv);
	result = parse_options(argc + 1, with_name, &options);
	if (!result && is_command(&options, "shell", NULL))
		result = fail(&options, CTL_USAGE, "this is the shell");
	else if (!result && is_command(&options, "exit", NULL))
		result = fail(&options, CTL_USAGE, "usage: exit");
	else if (!result)
		result = run_command(&options);
	free(with_name);
	return result;
}

static char *
complete_shell_line(void *context, int argc, char **argv)
{
	return complete_words(context, argc, argv);
}

static json_t *
ask_schema(void *context)
{
	static const char *const words[] = { "help", "schema" };
	json_t *answer = ask(context, true, 2, words);
	json_t *result = json_incref(json_object_get(answer, "result"));

	json_decref(answer);
	return result;
}

static int
run_shell(struct options *options)
{
	const struct shell_calls calls = {
		.context = options,
		.run = run_shell_line,
		.complete = complete_shell_line,
		.schema = ask_schema,
	};

	if (options->argc != 1)
		return fail(options, CTL_USAGE, "usage: cradlectl shell");
	return shell_run(&calls);
}

int
main(int argc, char **argv)
{
	struct options options = default_options();
	int result = parse_options(argc, argv, &options);

	if (result)
		return result;
	return is_command(&options, "shell", NULL) ? run_shell(&options) : run_command(&options);
}
