/*
 * cradled - the appliance. Options and exit codes; everything else is in daemon.c.
 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/commands/commands.h"
#include "control/config/config.h"
#include "control/config/config_host.h"
#include "control/config/diag_text.h"
#include "control/daemon.h"
#include "control/handover/channel.h"
#include "control/log.h"
#include "control/runs/reload.h"
#include "control/store/store_backup.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct options {
	const char *config, *task, *shell;
	const char *restore, *kek;
	bool check, host, help_commands, verbose, json, replace;
	const char *word;
	int standby; /* 0: it starts alone */
};

static void
usage(FILE *to)
{
	fprintf(to,
		"usage: cradled [-v] [-c FILE]\n"
		"       cradled --check [--host] [-c FILE] | --check-task FILE [-c FILE]\n"
		"       cradled --make-kek FILE\n"
		"       cradled --restore DIR [--replace] [-c FILE]\n"
		"  -c, --config FILE     configuration (default " CONFIG_FILE_DEFAULT ")\n"
		"      --check           check the configuration and the policy, and end\n"
		"      --host            with --check: also against this machine (CPUs, memory,\n"
		"                        interfaces, groups), as a start would find it\n"
		"      --check-task FILE check one task file, and end\n"
		"      --json            the outcome of a check for machines\n"
		"      --command-table [WORD]  what cradlectl can ask for, and end\n"
		"      --completion SHELL      completion of cradlectl for a shell, and end\n"
		"      --make-kek FILE   put a new key-encryption key in front of those in a file, or\n"
		"                        make the file, and end\n"
		"      --restore DIR     take what `cradlectl store backup DIR` copied in place of the\n"
		"                        store, and end; --replace moves a store that is there aside\n"
		"  -v, --verbose         log level debug\n"
		"  -V, --version\n"
		"  -h, --help\n"
		"Signals: SIGTERM and SIGINT stop, SIGHUP reloads.\n"
		"Exit code: 0 done, 1 refused or failed, 2 not understood\n");
}

enum {
	OPTION_CHECK = 256,
	OPTION_TASK,
	OPTION_TABLE,
	OPTION_COMPLETION,
	OPTION_JSON,
	OPTION_HOST,
	OPTION_RESTORE,
	OPTION_REPLACE,
	OPTION_KEK,
	OPTION_STANDBY,
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "host", no_argument, NULL, OPTION_HOST },
	{ "check-task", required_argument, NULL, OPTION_TASK },
	{ "command-table", no_argument, NULL, OPTION_TABLE },
	{ "completion", required_argument, NULL, OPTION_COMPLETION },
	{ "restore", required_argument, NULL, OPTION_RESTORE },
	{ "replace", no_argument, NULL, OPTION_REPLACE },
	{ "make-kek", required_argument, NULL, OPTION_KEK },
	{ "standby", required_argument, NULL, OPTION_STANDBY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* The descriptor of a channel that was inherited; -1: there is none of that number. */
static int
inherited_fd(const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	return *end || fd < 0 || fd > INT_MAX || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : (int)fd;
}

/* 0; or 1 when all is said and done, with *exit_code set. */
static int
take_option(int option, struct options *options, int *exit_code)
{
	switch (option) {
	case 'c':
		options->config = optarg;
		return 0;
	case OPTION_CHECK:
		options->check = true;
		return 0;
	case OPTION_HOST:
		options->host = true;
		return 0;
	case OPTION_TASK:
		options->task = optarg;
		return 0;
	case OPTION_TABLE:
		options->help_commands = true;
		return 0;
	case OPTION_COMPLETION:
		options->shell = optarg;
		return 0;
	case OPTION_RESTORE:
		options->restore = optarg;
		return 0;
	case OPTION_KEK:
		options->kek = optarg;
		return 0;
	case OPTION_STANDBY:
		options->standby = inherited_fd(optarg);
		if (options->standby > STDERR_FILENO)
			return 0;
		fprintf(stderr, "cradled: --standby is for the appliance itself: use `cradlectl upgrade`\n");
		*exit_code = EXIT_USAGE;
		return 1;
	case OPTION_REPLACE:
		options->replace = true;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case 'V':
		printf("%s\n", CRADLE_VERSION_TEXT);
		*exit_code = EXIT_DONE;
		return 1;
	case 'h':
		usage(stdout);
		*exit_code = EXIT_DONE;
		return 1;
	default:
		usage(stderr);
		*exit_code = EXIT_USAGE;
		return 1;
	}
}

static int
parse_options(int argc, char **argv, struct options *options, int *exit_code)
{
	int option;

	*options = (struct options){ 0 };
	while ((option = getopt_long(argc, argv, "c:vVh", long_options, NULL)) != -1)
		if (take_option(option, options, exit_code))
			return 1;
	if (options->help_commands && optind < argc)
		options->word = argv[optind++];
	if (optind == argc)
		return 0;
	fprintf(stderr, "cradled: unexpected argument \"%s\"\n", argv[optind]);
	usage(stderr);
	*exit_code = EXIT_USAGE;
	return 1;
}

/* What a check says: good news to standard output, bad to standard error. */
static int
tell(struct text *text, json_t *result, int status, bool json)
{
	if (json) {
		json_object_set_new(result, "schema", json_integer(CTL_VERSION));
		json_dumpf(result, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		fputs(text_str(text), status == 0 ? stdout : stderr);
	}
	text_fini(text);
	json_decref(result);
	return status == 0 ? EXIT_DONE : EXIT_REFUSED;
}

static int
check(const struct options *options)
{
	struct text text;
	struct check_outcome outcome = { .text = &text, .host = options->host };
	int status;

	text_init(&text);
	status = reload_check(options->config, &outcome);
	return tell(&text, outcome.result, status, options->json);
}

/*
 * The objects that a task is checked against: the built-in ones, and those of the configured
 * folder.
 */
static struct objects *
objects_of(const char *file, struct diag_list *diags)
{
	struct objects *objects = objects_new();
	struct config *config;

	if (!file && access(CONFIG_FILE_DEFAULT, R_OK) == 0)
		file = CONFIG_FILE_DEFAULT;
	if (!objects || !file)
		return objects;
	config = config_load(file, diags);
	if (config && access(config->objects, F_OK) == 0)
		objects_load_folder(objects, config->objects, diags);
	config_free(config);
	return objects;
}

static int
check_task(const struct options *options)
{
	struct diag_list diags;
	struct objects *objects;
	struct task *task = NULL;
	struct text text;
	json_t *result;
	bool good;

	diag_list_init(&diags);
	text_init(&text);
	objects = objects_of(options->config, &diags);
	if (objects)
		task = task_load_file(options->task, objects, &diags);
	diag_text_put(&diags, &text);
	good = task && diags.errors == 0;
	text_printf(&text, "%s: %s, %zu error%s, %zu warning%s\n", options->task,
		    good ? "good" : "refused", diags.errors, diags.errors == 1 ? "" : "s",
		    diags.warnings, diags.warnings == 1 ? "" : "s");
	result = json_pack("{s:b, s:o}", "good", good, "diagnostics", diag_text_json(&diags));
	if (task)
		task_free(task);
	if (objects)
		objects_free(objects);
	diag_list_fini(&diags);
	return tell(&text, result, good ? 0 : -1, options->json);
}

static int
make_kek(const char *path)
{
	char error[KEYRING_ERROR_MAX], id_text[KEK_ID_TEXT_MAX];
	uint8_t id[KEK_ID_LEN];

	if (keyring_add(path, id, error) < 0) {
		fprintf(stderr, "no key was made: %s\n", error);
		return EXIT_REFUSED;
	}
	printf("%s: the key %s is the first now, and seals; `cradlectl store rekey` seals what is "
	       "stored under it. Without this file the store is lost: keep a copy elsewhere.\n",
	       path, kek_id_text(id, id_text));
	return EXIT_DONE;
}

static int
restore(const struct options *options)
{
	struct diag_list diags;
	struct config *config;
	struct store_restore restore = { .folder = options->restore, .replace = options->replace };
	char error[STORE_ERROR_MAX];
	struct text text;
	int result = -1;

	diag_list_init(&diags);
	text_init(&text);
	config = config_load(options->config, &diags);
	diag_text_put(&diags, &text);
	if (config) {
		restore.path = config->store;
		result = store_restore(&restore, error);
		if (result < 0)
			text_show(&text, "nothing was restored: %s\n", error);
		else
			text_show(&text, "%s: the copy of %s, %llu MB\n", restore.path, restore.made,
				  (unsigned long long)(restore.bytes / 1000000));
		if (*restore.aside)
			text_show(&text, "what was there: %s%s\n", restore.path, restore.aside);
	}
	config_free(config);
	diag_list_fini(&diags);
	return tell(&text, json_pack("{s:b, s:s}", "good", result == 0, "made", restore.made), result,
		    options->json);
}

static int
serve(const char *file, bool verbose, int standby)
{
	struct config_host host;
	struct diag_list diags;
	struct config *config;
	struct text text;

	diag_list_init(&diags);
	text_init(&text);
	config = config_load(file, &diags);
	if (config) {
		config_host_read(&host);
		config_check_host(config, &host, &diags);
	}
	diag_text_put(&diags, &text);
	fputs(text_str(&text), stderr);
	if (diags.errors && standby >= 0)
		(void)channel_send(standby, "refused", json_pack("{s:s}", "reason", text_str(&text)), NULL, 0);
	text_fini(&text);
	if (diags.errors) {
		config_free(config);
		config = NULL;
	}
	diag_list_fini(&diags);
	if (!config)
		return EXIT_REFUSED;
	if (verbose)
		config->log_level = SEVERITY_DEBUG;
	return daemon_run(config, standby) ? EXIT_REFUSED : EXIT_DONE;
}

int
main(int argc, char **argv)
{
	struct options options;
	int exit_code = EXIT_DONE;

	if (parse_options(argc, argv, &options, &exit_code))
		return exit_code;
	if (options.shell)
		return commands_completion_offline(options.shell);
	if (options.help_commands)
		return commands_help_offline(options.word);
	if (options.task)
		return check_task(&options);
	if (!options.config)
		options.config = CONFIG_FILE_DEFAULT;
	if (options.check)
		return check(&options);
	if (options.kek)
		return make_kek(options.kek);
	if (options.restore)
		return restore(&options);
	return serve(options.config, options.verbose, options.standby ? options.standby : -1);
}
