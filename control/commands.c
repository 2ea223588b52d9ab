#include "control/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/log.h"
#include "tasks/diag.h"

enum { TELL_US = 100000 };

const struct command commands[] = {
	{ "status", "", 0, 0, .aside = true, .run = command_status,
	  .help = "one screen: generation, workers, sessions, devices, ports" },
	{ "stats",
	  "[GLOB]",
	  0,
	  1,
	  { { "--worker", "N", "of one worker" }, { "--all", NULL, "those at zero, too" } },
	  .aside = true,
	  .run = command_stats,
	  .help = "counters whose names match; they never reset" },
	{ "check", "[FILE]", 0, 1, .run = command_check,
	  .help = "check the files on disk, or another cradle.conf, without making them live; "
		  "--offline [-c FILE] needs no daemon" },
	{ "reload", "", 0, 0, .changes = true, .run = command_reload,
	  .help = "make the files on disk live as a whole, or refuse them and say why" },
	{ "stop", "", 0, 0, .changes = true, .run = command_stop, .help = "end the appliance" },
	{ "drain", "", 0, 0, .changes = true, .run = command_drain,
	  .help = "answer new devices 5.03 and finish those that bootstrap" },
	{ "undrain", "", 0, 0, .changes = true, .run = command_undrain,
	  .help = "take new devices again" },
	{ "server list", "", 0, 0, .run = command_server_list,
	  .help = "the LwM2M servers that tasks write by lwm2mBootstrapConfiguration" },
	{ "server show", "ID", 1, 1, .run = command_server_show,
	  .help = "one server with the tasks that write it; keys are masked" },
	{ "server add",
	  "ID",
	  1,
	  1,
	  { { "--name", "TEXT", "for serverName in tasks; the id without it" },
	    { "--type", "TYPE", "management or bootstrap" },
	    { "--uri", "URI", "scheme and port come from the security mode where left out" },
	    { "--security", "MODE", "psk, nosec, certificate or rpk" },
	    { "--ssid", "N", "Short Server ID, 1 to 65534" },
	    { "--binding", "LETTERS", "of U, T, S, N, Q" },
	    { "--lifetime", "S", "of a registration" },
	    { "--store-notifications", "on|off", "while disabled or offline" },
	    { "--identity", "TEMPLATE", "of the psk; ${sv.managementId} without it" },
	    { "--psk", "TEMPLATE", "${string.secureRandom(24)} without it", true },
	    { "--psk-hex", "on|off", "the psk is given as hex digits" },
	    { "--public-key", "HEX|file:NAME", "the device's certificate or public key, DER" },
	    { "--server-public-key", "HEX|file:NAME", "the server's certificate or public key" },
	    { "--secret-key", "HEX|file:NAME", "the device's private key, PKCS#8", true },
	    { "--security-instance", "N", "of object 0; the SSID without it" },
	    { "--server-instance", "N", "of object 1; the SSID without it" } },
	  .changes = true,
	  .run = command_server_add,
	  .help = "add a server to servers.conf and make it live" },
	{ "server edit",
	  "ID",
	  1,
	  1,
	  { { "--name", "TEXT", "for serverName in tasks; the id without it" },
	    { "--type", "TYPE", "management or bootstrap" },
	    { "--uri", "URI", "scheme and port come from the security mode where left out" },
	    { "--security", "MODE", "psk, nosec, certificate or rpk" },
	    { "--ssid", "N", "Short Server ID, 1 to 65534" },
	    { "--binding", "LETTERS", "of U, T, S, N, Q" },
	    { "--lifetime", "S", "of a registration" },
	    { "--store-notifications", "on|off", "while disabled or offline" },
	    { "--identity", "TEMPLATE", "of the psk; ${sv.managementId} without it" },
	    { "--psk", "TEMPLATE", "${string.secureRandom(24)} without it", true },
	    { "--psk-hex", "on|off", "the psk is given as hex digits" },
	    { "--public-key", "HEX|file:NAME", "the device's certificate or public key, DER" },
	    { "--server-public-key", "HEX|file:NAME", "the server's certificate or public key" },
	    { "--secret-key", "HEX|file:NAME", "the device's private key, PKCS#8", true },
	    { "--security-instance", "N", "of object 0; the SSID without it" },
	    { "--server-instance", "N", "of object 1; the SSID without it" } },
	  .changes = true,
	  .run = command_server_edit,
	  .help = "change a server and make it live; an empty value takes a setting back to its "
		  "default" },
	{ "server remove", "ID", 1, 1, .changes = true, .run = command_server_remove,
	  .help = "take a server out of servers.conf; refused while tasks write it" },
	{ "group list", "", 0, 0, .run = command_group_list, .help = "the groups" },
	{ "group show", "NAME", 1, 1, .run = command_group_show,
	  .help = "one group: values, tasks, subgroups, devices; secrets are masked" },
	{ "group add",
	  "NAME",
	  1,
	  1,
	  { { "--description", "TEXT", "for people" },
	    { "--priority", "N", "higher wins between values of equal depth" } },
	  .changes = true,
	  .run = command_group_add,
	  .help = "add a group to groups.conf and make it live" },
	{ "group edit",
	  "NAME",
	  1,
	  1,
	  { { "--description", "TEXT", "for people" },
	    { "--priority", "N", "higher wins between values of equal depth" } },
	  .changes = true,
	  .run = command_group_edit,
	  .help = "change a group and make it live" },
	{ "group remove",
	  "NAME",
	  1,
	  1,
	  { { "--recursive", NULL, "with its subgroups and tasks" } },
	  .changes = true,
	  .run = command_group_remove,
	  .help = "take a group out of groups.conf; refused while it has subgroups, tasks or "
		  "devices" },
	{ "group value set",
	  "GROUP NAME VALUE",
	  3,
	  3,
	  { { "--secret", NULL, "masked wherever it is shown" },
	    { "--locked", NULL, "wins over the groups below" } },
	  .changes = true,
	  .secret_argument = 3,
	  .run = command_group_value_set,
	  .help = "set a setting value of a group and make it live" },
	{ "group value unset", "GROUP NAME", 2, 2, .changes = true,
	  .run = command_group_value_unset, .help = "take a setting value out of a group" },
	{ "task list",
	  "",
	  0,
	  0,
	  { { "--group", "NAME", "of one group" } },
	  .run = command_task_list,
	  .help = "the tasks of the groups, with their devices and reports by status" },
	{ "task check", "FILE", 1, 1, .run = command_task_check,
	  .help = "check one task file; needs no daemon" },
	{ "task show", "ID", 1, 1, .run = command_task_show,
	  .help = "one task: its settings, reports by status, and what its file does" },
	{ "task add",
	  "FILE",
	  1,
	  1,
	  { { "--group", "NAME", "whose task it shall be" },
	    { "--as", "NAME", "what the file is called in tasks/; its own name without it" },
	    { "--replace", NULL, "take the place of a file of that name" },
	    { "--name", "TEXT", "of the task; the file's without it" },
	    { "--active", "on|off", "off: paused" },
	    { "--subgroups", "on|off", "also for devices of groups below" },
	    { "--priority", "N", "lower runs first; 10 without it" },
	    { "--repetition", "WORD", "repeat, once or repeat_without_report" },
	    { "--automatic-restart", "on|off", "off: repeats only when it is rerun" },
	    { "--condition", "TEMPLATE", "runs only where this is true" },
	    { "--min-interval", "S", "between two runs on a device" },
	    { "--schedule", "TIMES", "such as \"Mon-Fri 02:00-05:00, Sat 00:00-24:00\"" },
	    { "--bloodline", "NAME", "of one bloodline a device runs one task" },
	    { "--log-level", "LEVEL", "trace, debug, info, warning or error" },
	    { "--discard-details", "on|off", "reports carry no log" },
	    { "--comment", "TEXT", "for people" } },
	  .changes = true,
	  .file = CTL_WANT_READ,
	  .run = command_task_add,
	  .help = "copy a task file into tasks/ and let a group's devices run it" },
	{ "task edit",
	  "ID",
	  1,
	  1,
	  { { "--name", "TEXT", "of the task" },
	    { "--file", "NAME", "which file of tasks/ it runs" },
	    { "--active", "on|off", "off: paused" },
	    { "--subgroups", "on|off", "also for devices of groups below" },
	    { "--priority", "N", "lower runs first; 10 without it" },
	    { "--repetition", "WORD", "repeat, once or repeat_without_report" },
	    { "--automatic-restart", "on|off", "off: repeats only when it is rerun" },
	    { "--condition", "TEMPLATE", "runs only where this is true" },
	    { "--min-interval", "S", "between two runs on a device" },
	    { "--schedule", "TIMES", "such as \"Mon-Fri 02:00-05:00, Sat 00:00-24:00\"" },
	    { "--bloodline", "NAME", "of one bloodline a device runs one task" },
	    { "--log-level", "LEVEL", "trace, debug, info, warning or error" },
	    { "--discard-details", "on|off", "reports carry no log" },
	    { "--comment", "TEXT", "for people" } },
	  .changes = true,
	  .run = command_task_edit,
	  .help = "change a task's settings and make them live; an empty value takes one back to "
		  "its default" },
	{ "task copy",
	  "ID",
	  1,
	  1,
	  { { "--group", "NAME", "whose task the copy shall be" },
	    { "--name", "TEXT", "of the copy; the same without it" } },
	  .changes = true,
	  .run = command_task_copy,
	  .help = "give another group the same task" },
	{ "task pause", "ID", 1, 1, .changes = true, .run = command_task_pause,
	  .help = "no device runs the task until it is resumed" },
	{ "task resume", "ID", 1, 1, .changes = true, .run = command_task_resume,
	  .help = "devices run the task again" },
	{ "task remove",
	  "ID",
	  1,
	  1,
	  { { "--with-file", NULL, "its file in tasks/ goes, too" } },
	  .changes = true,
	  .run = command_task_remove,
	  .help = "take a task out of its group" },
	{ "task reports",
	  "TASK",
	  1,
	  1,
	  { { "--status", "STATUS", "NotStarted, InProgress, Success, Warning or Error" },
	    { "--limit", "N", "at most N; 100 without it" },
	    { "--offset", "N", "leave out the first N" } },
	  .run = command_task_reports,
	  .help = "the last report of a task on each device" },
	{ "task rerun",
	  "TASK",
	  1,
	  1,
	  { { "--device", "ENDPOINT", "on this one alone" } },
	  .changes = true,
	  .run = command_task_rerun,
	  .help = "let devices that have run a task run it again at their next request" },
	{ "task rerun-failed",
	  "TASK",
	  1,
	  1,
	  { { "--device", "ENDPOINT", "on this one alone" } },
	  .changes = true,
	  .run = command_task_rerun_failed,
	  .help = "the same for those that it failed on" },
	{ "task preview",
	  "ENDPOINT",
	  1,
	  1,
	  { { "--format", "N", "content format; the one the device used last without it" } },
	  .run = command_task_preview,
	  .help = "what a device would be sent now, decoded; secrets are masked" },
	{ "report list",
	  "",
	  0,
	  0,
	  { { "--device", "ENDPOINT", "the last report of each of its tasks" },
	    { "--task", "ID", "of one task" },
	    { "--limit", "N", "the newest N; 50 without it" } },
	  .run = command_report_list,
	  .help = "what became of tasks on devices, oldest first" },
	{ "report show", "TASK ENDPOINT", 2, 2, .run = command_report_show,
	  .help = "one report, with what the task logged" },
	{ "device list",
	  "",
	  0,
	  0,
	  { { "--group", "NAME", "of one group and those below" },
	    { "--match", "GLOB", "whose endpoint name matches" },
	    { "--state", "STATE", "ready, nothing, or bootstrapping" },
	    { "--limit", "N", "at most N; 100 without it" },
	    { "--offset", "N", "leave out the first N" } },
	  .run = command_device_list,
	  .help = "the inventory" },
	{ "device show", "ENDPOINT", 1, 1, .aside = true, .run = command_device_show,
	  .help = "one device: groups, computed values with their origin, tasks; secrets are "
		  "masked" },
	{ "device turned-away", "", 0, 0, .aside = true, .run = command_device_turned_away,
	  .help = "who showed a wrong key or another's name, and has not got in since" },
	{ "device profile", "ENDPOINT", 1, 1, .run = command_device_profile,
	  .help = "the computed setting values of a device, each with its origin" },
	{ "device add",
	  "ENDPOINT",
	  1,
	  1,
	  { { "--key", "TEXT", "pre-shared key as text", .secret = true },
	    { "--key-hex", "HEX", "... or as hex", .secret = true },
	    { "--no-key", NULL, "none: NoSec listeners only" },
	    { "--identity", "TEXT", "DTLS identity; the endpoint name without it" },
	    { "--groups", "A,B", "groups it is in; root without it" },
	    { "--domain", "TEXT", "where it belongs" } },
	  .changes = true,
	  .run = command_device_add,
	  .help = "add a device: kept and live when the command ends" },
	{ "device edit",
	  "ENDPOINT",
	  1,
	  1,
	  { { "--key", "TEXT", "pre-shared key as text", .secret = true },
	    { "--key-hex", "HEX", "... or as hex", .secret = true },
	    { "--no-key", NULL, "none: NoSec listeners only" },
	    { "--identity", "TEXT", "DTLS identity; \"\": the endpoint name" },
	    { "--groups", "A,B", "groups it is in" },
	    { "--domain", "TEXT", "where it belongs" } },
	  .changes = true,
	  .run = command_device_edit,
	  .help = "change what is given, keep the rest" },
	{ "device remove", "ENDPOINT", 1, 1, .changes = true, .run = command_device_remove,
	  .help = "remove a device and its reports; its session is cancelled" },
	{ "device value set",
	  "ENDPOINT NAME TEXT",
	  3,
	  3,
	  { { "--secret", NULL, "masked wherever shown" } },
	  .changes = true,
	  .secret_argument = 3,
	  .run = command_device_value_set,
	  .help = "set a setting value of a device" },
	{ "device value unset", "ENDPOINT NAME", 2, 2, .changes = true,
	  .run = command_device_value_unset,
	  .help = "take a setting value from a device: its groups' counts again" },
	{ "device import",
	  "[FILE]",
	  0,
	  1,
	  { { "--format", "FORMAT", "csv or jsonl; else the file's name or first byte tells" },
	    { "--verify-only", NULL, "change nothing, only say what is wrong" },
	    { "--skip-bad", NULL, "import the good rows all the same" } },
	  .changes = true,
	  .file = CTL_WANT_READ,
	  .run = command_device_import,
	  .help = "add and change devices from a file, or standard input; all of it or nothing" },
	{ "device export",
	  "[FILE]",
	  0,
	  1,
	  { { "--format", "FORMAT", "csv or jsonl; else the file's name tells" },
	    { "--group", "NAME", "of one group and those below" },
	    { "--secrets", NULL, "with keys and secret values: a copy that can be imported" } },
	  .changes = true,
	  .file = CTL_WANT_WRITE,
	  .run = command_device_export,
	  .help = "write the inventory to a file, or standard output" },
	{ "unknown list", "", 0, 0, .aside = true, .run = command_unknown_list,
	  .help = "who asked and is not in the inventory" },
	{ "unknown adopt",
	  "NAME",
	  1,
	  1,
	  { { "--key", "TEXT", "pre-shared key as text", .secret = true },
	    { "--key-hex", "HEX", "... or as hex", .secret = true },
	    { "--no-key", NULL, "none: NoSec listeners only" },
	    { "--identity", "TEXT", "DTLS identity; the endpoint name without it" },
	    { "--endpoint", "NAME", "its endpoint name, where NAME is but its identity" },
	    { "--groups", "A,B", "groups it is in; root without it" },
	    { "--domain", "TEXT", "where it belongs" } },
	  .changes = true,
	  .run = command_unknown_adopt,
	  .help = "make a device of who asked" },
	{ "session list",
	  "",
	  0,
	  0,
	  { { "--limit", "N", "at most N; 100 without it" } },
	  .aside = true,
	  .run = command_session_list,
	  .help = "devices that bootstrap now" },
	{ "session show", "ENDPOINT", 1, 1, .aside = true, .run = command_session_show,
	  .help = "the session of one device, with its steps" },
	{ "trace start", "ENDPOINT", 1, 1, .changes = true, .run = command_trace_start,
	  .help = "follow the dialogue of a device" },
	{ "trace show", "ENDPOINT", 1, 1, .run = command_trace_show,
	  .help = "its messages since they were last shown, decoded; secrets are masked" },
	{ "trace stop", "ENDPOINT", 1, 1, .changes = true, .run = command_trace_stop,
	  .help = "no longer; a trace that nobody looks at ends after ten minutes" },
	{ "log level", "LEVEL", 1, 1, .changes = true, .run = command_log_level,
	  .help = "error, warning, notice, info or debug, until the next reload" },
	{ "help", "[COMMAND|settings|counters|manual]", 0, 3, .aside = true, .run = command_help,
	  .help = "this list, one command, every setting, every counter, or all of it" },
	{ "completion", "SHELL", 1, 1, .aside = true, .run = command_completion,
	  .help = "completion for a shell: bash" },
};
const unsigned n_commands = sizeof commands / sizeof commands[0];
_Static_assert(sizeof commands / sizeof commands[0] <= COMMANDS_MAX, "raise COMMANDS_MAX");

void
call_refuse(struct call *call, int exit, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vprintf(&call->error, format, args);
	va_end(args);
	call->exit = exit;
}

void
call_tell_reload(void *ctx, uint32_t done, uint32_t total)
{
	struct call *call = ctx;
	uint64_t now_us = daemon_now_us();

	if (now_us - call->told_us < TELL_US)
		return;
	call->told_us = now_us;
	ctl_progress(call->request, "making devices live: %u of %u", done, total);
}

const char *
call_option(const struct call *call, const char *name)
{
	for (unsigned i = 0; i < COMMAND_OPTIONS_MAX && call->command->options[i].name; i++)
		if (strcmp(call->command->options[i].name, name) == 0)
			return call->options[i];
	return NULL;
}

long
call_number(struct call *call, const char *name, long preset, long max)
{
	const char *value = call_option(call, name);
	char *end;
	long number;

	if (!value)
		return preset;
	number = strtol(value, &end, 10);
	if (*value >= '0' && *value <= '9' && !*end && number <= max)
		return number;
	call_refuse(call, CTL_USAGE, "%s must be a number of 0 to %ld, not \"%s\"", name, max,
		    value);
	return -1;
}

/* How many words of argv the command takes: 0 when it is another one. */
static int
words_matched(const char *words, int argc, const char *const *argv)
{
	int n = 0;

	for (;;) {
		size_t len = strcspn(words, " ");

		if (n == argc || strlen(argv[n]) != len || memcmp(argv[n], words, len) != 0)
			return 0;
		n++;
		if (!words[len])
			return n;
		words += len + 1;
	}
}

static const struct command *
find_command(int argc, const char *const *argv, int *taken)
{
	for (unsigned i = 0; i < n_commands; i++) {
		*taken = words_matched(commands[i].words, argc, argv);
		if (*taken)
			return &commands[i];
	}
	return NULL;
}

/* The commands that begin with these words, for who left the next one out. */
static bool
offer_next_words(struct call *call, const char *said)
{
	size_t len = strlen(said);
	bool found = false;

	for (unsigned i = 0; i < n_commands; i++)
		if (strncmp(commands[i].words, said, len) == 0 && commands[i].words[len] == ' ') {
			text_printf(&call->error, "%s%s",
				    found ? ", " : "say one of: ", commands[i].words);
			found = true;
		}
	return found;
}

static void
unknown_command(struct call *call, int argc, const char *const *argv)
{
	const char *candidates[COMMANDS_MAX];
	const char *nearest;
	size_t n = 0;
	char said[128];

	call->exit = CTL_USAGE;
	snprintf(said, sizeof said, "%.60s%s%.60s", argv[0], argc > 1 ? " " : "",
		 argc > 1 ? argv[1] : "");
	if (offer_next_words(call, said))
		return;
	for (; n < n_commands; n++)
		candidates[n] = commands[n].words;
	nearest = diag_nearest(said, candidates, n);
	if (!nearest)
		nearest = diag_nearest(argv[0], candidates, n);
	if (!nearest && offer_next_words(call, argv[0]))
		return;
	text_printf(&call->error, "unknown command \"");
	text_put_untrusted(&call->error, said, strlen(said));
	text_printf(&call->error, "\"");
	if (nearest)
		text_printf(&call->error, "; did you mean \"%s\"?", nearest);
	else
		text_printf(&call->error, "; `cradlectl help` lists all");
}

static int
option_index(const struct command *command, const char *word)
{
	size_t len = strcspn(word, "=");

	for (int i = 0; i < COMMAND_OPTIONS_MAX && command->options[i].name; i++)
		if (strlen(command->options[i].name) == len &&
		    memcmp(command->options[i].name, word, len) == 0)
			return i;
	return -1;
}

static void
unknown_option(struct call *call, const char *word)
{
	const char *candidates[COMMAND_OPTIONS_MAX];
	const char *nearest;
	size_t n = 0;

	for (; n < COMMAND_OPTIONS_MAX && call->command->options[n].name; n++)
		candidates[n] = call->command->options[n].name;
	nearest = diag_nearest(word, candidates, n);
	call_refuse(call, CTL_USAGE, "%s has no option \"%.60s\"", call->command->words, word);
	if (nearest)
		text_printf(&call->error, "; did you mean %s?", nearest);
}

/* Takes the option at argv[0]; returns how many words it was, 0 when it is wrong. */
static int
take_option(struct call *call, int argc, const char *const *argv)
{
	int index = option_index(call->command, argv[0]);
	const char *equals = strchr(argv[0], '=');
	bool flag;

	if (index < 0) {
		unknown_option(call, argv[0]);
		return 0;
	}
	flag = !call->command->options[index].argument;
	if (flag != !equals && (flag || argc > 1) && equals) {
		call_refuse(call, CTL_USAGE, "%s takes no value",
			    call->command->options[index].name);
		return 0;
	}
	if (flag || equals) {
		call->options[index] = flag ? "" : equals + 1;
		return 1;
	}
	if (argc < 2) {
		call_refuse(call, CTL_USAGE, "%s needs a value: %s", argv[0],
			    call->command->options[index].argument);
		return 0;
	}
	call->options[index] = argv[1];
	return 2;
}

static bool
take_words(struct call *call, int argc, const char *const *argv)
{
	const struct command *command = call->command;
	unsigned n = 0;
	bool literal = false;

	for (int i = 0; i < argc;) {
		if (!literal && strcmp(argv[i], "--") == 0) {
			literal = true;
			i++;
		} else if (!literal && argv[i][0] == '-' && argv[i][1]) {
			int taken = take_option(call, argc - i, argv + i);

			if (!taken)
				return false;
			i += taken;
		} else if (n == command->max) {
			call_refuse(call, CTL_USAGE,
				    "\"%.60s\" is one word too many; usage: %s%s%s", argv[i],
				    command->words, *command->arguments ? " " : "",
				    command->arguments);
			return false;
		} else {
			call->arguments[n++] = argv[i++];
		}
	}
	if (n >= command->min)
		return true;
	call_refuse(call, CTL_USAGE, "usage: %s %s", command->words, command->arguments);
	return false;
}

/* The command's file has not come yet: the client is told which word of argv names it. */
static bool
wants_file(const struct call *call, struct ctl_answer *answer)
{
	const struct ctl_request *request = call->request;

	if (call->command->file == CTL_WANT_NOTHING || request->fd >= 0)
		return false;
	answer->want = call->command->file;
	answer->want_word = -1;
	for (int i = 0; i < request->argc; i++)
		if (call->arguments[0] == request->argv[i])
			answer->want_word = i;
	return true;
}

/* False: the words are wrong, and the call says why. */
static bool
call_parse(struct call *call, int argc, const char *const *argv)
{
	int taken;

	text_init(&call->text);
	text_init(&call->error);
	call->command = find_command(argc, argv, &taken);
	if (!call->command)
		unknown_command(call, argc, argv);
	else
		return take_words(call, argc - taken, argv + taken);
	return false;
}

static void
call_run(struct call *call)
{
	call->command->run(call);
	if (call->text.failed || call->error.failed) {
		call->exit = CTL_REFUSED;
		text_fini(&call->text);
	}
}

/* Where in a word of argv a secret begins: an argument, or an option's value; NULL: nowhere. */
static const char *
find_secret(const struct call *call, const char *word)
{
	const struct command *command = call->command;
	const char *end = word + strlen(word);

	for (unsigned i = 0; i < COMMAND_OPTIONS_MAX && command->options[i].name; i++)
		if (command->options[i].secret && call->options[i] && call->options[i] >= word &&
		    call->options[i] <= end)
			return call->options[i];
	return command->secret_argument && call->arguments[command->secret_argument - 1] == word
		       ? word
		       : NULL;
}

static void
log_change(const struct call *call, const struct ctl_request *request)
{
	struct text words;

	if (!call->command || !call->command->changes)
		return;
	text_init(&words);
	for (int i = 0; i < request->argc; i++) {
		const char *word = request->argv[i], *secret = find_secret(call, word);
		size_t len = secret ? (size_t)(secret - word) : strlen(word);

		text_put(&words, " ", 1);
		text_put_untrusted(&words, word, len < 200 ? len : 200);
		if (secret)
			text_printf(&words, "********");
	}
	log_notice("command%s by uid %u, pid %d: %s", text_str(&words), (unsigned)request->peer.uid,
		   (int)request->peer.pid, call->exit == CTL_DONE ? "done" : "refused");
	text_fini(&words);
}

void
commands_serve(void *ctx, const struct ctl_request *request, struct ctl_answer *answer)
{
	struct call call = { .daemon = ctx, .request = request, .fd = request->fd };
	bool good = call_parse(&call, request->argc, request->argv);

	if (good && wants_file(&call, answer))
		return;
	if (good)
		call_run(&call);
	log_change(&call, request);
	answer->exit = call.exit;
	answer->text = call.text.at;
	answer->error = call.error.at;
	answer->result = call.result;
}

bool
commands_may_aside(void *ctx, int argc, const char *const *argv)
{
	int taken;
	const struct command *command = find_command(argc, argv, &taken);

	return !command || command->aside; /* what is no command is told so at once */
}

/* Without a daemon, on standard output and error. */
static int
run_offline(int argc, const char *const *argv)
{
	struct call call = { .daemon = NULL, .fd = -1 };

	if (call_parse(&call, argc, argv))
		call_run(&call);
	fputs(text_str(&call.text), stdout);
	if (call.error.len)
		fprintf(stderr, "%s\n", text_str(&call.error));
	text_fini(&call.text);
	text_fini(&call.error);
	json_decref(call.result);
	return call.exit;
}

int
commands_help_offline(const char *word)
{
	const char *argv[] = { "help", word };

	return run_offline(word ? 2 : 1, argv);
}

int
commands_completion_offline(const char *shell)
{
	const char *argv[] = { "completion", shell };

	return run_offline(2, argv);
}
