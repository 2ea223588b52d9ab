#include "tools/cradlectl_options.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <jansson.h>

#include "control/socket/ctl_proto.h"

static void
options_usage(FILE *to)
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
		"`cradlectl shell` takes a command a line, completed by Tab; \"exit\" or Ctrl-D "
		"ends "
		"it.\n"
		"A FILE of a command may be \"-\": standard input or output.\n"
		"Exit code: 0 done, 1 refused, 2 not understood, 3 not running\n");
}

int
options_fail(const struct options *options, int exit_code, const char *format, ...)
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

bool
options_is(const struct options *options, const char *first, const char *second)
{
	return options->argc > (second ? 1 : 0) && !strcmp(options->argv[0], first) &&
	       (!second || !strcmp(options->argv[1], second));
}

int
options_value(int argc, char **argv, const char *name, const char **value)
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
	return options_fail(options, CTL_USAGE, "--colour is auto, always or never, not \"%s\"",
			    word);
}

/* Ours behind the command: how many words it was, 0: it is the command's. */
static int
take_late_option(struct options *options, int argc, char **argv, int *wrong)
{
	int n = options_value(argc, argv, "--columns", &options->columns);
	const char *colour = NULL;

	if (!n)
		n = options_value(argc, argv, "--sort", &options->sort);
	if (!n)
		n = options_value(argc, argv, "--colour", &colour);
	if (!n)
		n = options_value(argc, argv, "--color", &colour);
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

unsigned
options_width(const struct options *options)
{
	struct winsize size;

	if (options->wide || !isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

bool
options_seconds(const char *word, int *timeout_s)
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
		if (options_seconds(optarg, &options->timeout_s))
			return 0;
		return options_fail(options, CTL_USAGE,
				    "--timeout takes 1 to 86400 seconds, not \"%s\"", optarg);
	case 'V':
		printf("cradlectl %s\n", CRADLE_VERSION);
		exit(CTL_DONE);
	case 'h':
		options_usage(stdout);
		exit(CTL_DONE);
	default: /* getopt has said which on standard error */
		if (options->json)
			return options_fail(options, CTL_USAGE,
					    "an option is wrong; `cradlectl --help` lists them");
		options_usage(stderr);
		return CTL_USAGE;
	}
}

struct options
options_default(void)
{
	const char *socket = getenv("CRADLE_SOCKET");

	return (struct options){ .socket = socket && *socket ? socket : CTL_SOCKET_DEFAULT };
}

int
options_parse(int argc, char **argv, struct options *options)
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
	options_usage(stderr);
	return CTL_USAGE;
}
