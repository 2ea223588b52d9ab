#include "control/commands/commands.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/clock.h"
#include "control/commands/call_audit.h"
#include "control/commands/console_mask.h"
#include "control/commands/jobs.h"
#include "control/log.h"
#include "tasks/diag.h"
#include "tasks/utf8.h"

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
		if (!*taken && commands[i].alias)
			*taken = words_matched(commands[i].alias, argc, argv);
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
			text_show(&call->error, "%s%s",
				  found ? ", " : "say one of: ", commands[i].words);
			found = true;
		}
	return found;
}

/* The first command whose words begin so: who broke off in a word is nearer to it than to a shorter one. */
static const char *
beginning_with(const char *said)
{
	for (unsigned i = 0; strlen(said) >= 3 && i < n_commands; i++)
		if (strncmp(commands[i].words, said, strlen(said)) == 0)
			return commands[i].words;
	return NULL;
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
	nearest = beginning_with(said);
	if (!nearest)
		nearest = diag_nearest(said, candidates, n);
	if (!nearest)
		nearest = diag_nearest(argv[0], candidates, n);
	if (!nearest && offer_next_words(call, argv[0]))
		return;
	text_show(&call->error, "unknown command \"");
	text_put_untrusted(&call->error, said, strlen(said));
	text_show(&call->error, "\"");
	if (nearest)
		text_show(&call->error, "; did you mean \"%s\"?", nearest);
	else
		text_show(&call->error, "; `cradlectl help` lists all");
}

static int
option_index(const struct command *command, const char *word)
{
	size_t len = strcspn(word, "=");

	for (unsigned i = 0; i < command->n_options; i++)
		if (strlen(command->options[i].name) == len &&
		    memcmp(command->options[i].name, word, len) == 0)
			return (int)i;
	return -1;
}

static void
unknown_option(struct call *call, const char *word)
{
	const char *candidates[COMMAND_OPTIONS_MAX];
	const char *nearest;
	size_t n = 0;

	assert(call->command->n_options <= COMMAND_OPTIONS_MAX);
	for (; n < call->command->n_options; n++)
		candidates[n] = call->command->options[n].name;
	nearest = diag_nearest(word, candidates, n);
	call_refuse(call, CTL_USAGE, "%s has no option \"%.60s\"", call->command->words, word);
	if (nearest)
		text_show(&call->error, "; did you mean %s?", nearest);
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
	if (equals && call->command->options[index].file) {
		call_refuse(call, CTL_USAGE, "%s stands in a word of its own before its file",
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
			call_refuse(call, CTL_USAGE, "unexpected argument \"%.60s\"; usage: %s%s%s",
				    argv[i], command->words, *command->arguments ? " " : "",
				    command->arguments);
			return false;
		} else {
			assert(n < COMMAND_ARGUMENTS_MAX);
			call->arguments[n++] = argv[i++];
		}
	}
	if (n >= command->min)
		return true;
	call_refuse(call, CTL_USAGE, "usage: %s %s", command->words, command->arguments);
	return false;
}

/* The word of the command line that names a file which the client is to open; NULL: there is none. */
static const char *
find_file(const struct call *call, enum ctl_want *want)
{
	const struct command *command = call->command;

	for (unsigned i = 0; i < command->n_options; i++) {
		*want = command->options[i].file;
		if (*want && call->options[i])
			return call->options[i];
	}
	*want = command->file;
	return call->arguments[0];
}

/* The command's file has not come yet: the client is told which word of argv names it. */
static bool
wants_file(const struct call *call, struct ctl_answer *answer)
{
	const struct ctl_request *request = call->request;
	enum ctl_want want;
	const char *file = find_file(call, &want);

	if (want == CTL_WANT_NOTHING || request->fd >= 0 || (call->command->file_optional && !file))
		return false;
	answer->want = want;
	answer->want_word = -1;
	for (int i = 0; i < request->argc; i++)
		if (file == request->argv[i])
			answer->want_word = i;
	return true;
}

/* What came with the request is of the kind that the command works on. */
static bool
has_right_file(struct call *call)
{
	struct stat found;
	bool folder = call->command->file == CTL_WANT_FOLDER;

	if (call->fd < 0 || (fstat(call->fd, &found) == 0 && S_ISDIR(found.st_mode) == folder))
		return true;
	call_refuse(call, CTL_USAGE, folder ? "the command needs a folder" : "a folder is no file");
	return false;
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
	assert(call->command && call->command->run);
	call->command->run(call);
	if (call->text.failed || call->error.failed) {
		call->exit = CTL_REFUSED;
		text_fini(&call->text);
	}
}

/* The command as it was said, each word behind a blank; secrets are masked. */
static void
put_words(const struct call *call, const struct ctl_request *request, struct text *words)
{
	for (int i = 0; i < request->argc; i++) {
		const char *word = request->argv[i], *secret = NULL;
		size_t len;

		if (call->command)
			secret = call_find_secret(call, word);
		len = secret ? (size_t)(secret - word) : utf8_cut(word, strlen(word), 200);
		text_put(words, " ", 1);
		text_put_untrusted(words, word, len);
		if (secret)
			text_printf(words, "********");
	}
}

/* What changes something is told in any case, what looks at something at level debug. */
static void
log_command(const struct call *call, const struct ctl_request *request, uint64_t begun_us)
{
	bool changes = call->command && call->command->changes;
	struct text words, actor;

	if (!changes && log_level() < SEVERITY_DEBUG)
		return;
	text_init(&words);
	text_init(&actor);
	if (request->actor)
		text_put_untrusted(&actor, request->actor,
				   utf8_cut(request->actor, strlen(request->actor), 64));
	put_words(call, request, &words);
	if (changes)
		log_event(SEVERITY_NOTICE, LOG_EVENT_command, NULL,
			   "command%s by %s%suid %u, pid %d: %s%s", text_str(&words), text_str(&actor),
			   actor.len ? ", " : "", (unsigned)request->peer.uid, (int)request->peer.pid,
			   call->exit == CTL_DONE ? "done" : "refused",
			   call->client_gone ? ", though its client has gone" : "");
	log_event(SEVERITY_DEBUG, LOG_EVENT_command, NULL, "command%s took %llu us",
		  text_str(&words), (unsigned long long)(clock_now_us() - begun_us));
	text_fini(&words);
	text_fini(&actor);
}

/* Of a page of a list only the form that the client shows is encoded: that is half of the work. */
static void
leave_one_form(const struct ctl_request *request, struct ctl_answer *answer)
{
	if (request->json) {
		free(answer->text);
		answer->text = NULL;
	} else {
		json_decref(answer->result);
		answer->result = NULL;
	}
}

/* From here on it has a number, and goes on without its client. */
static void
begin_job(struct call *call, const struct ctl_request *request)
{
	struct text words;

	if ((!call->command->changes && !call->command->takes_long) || call->command->at_once)
		return;
	text_init(&words);
	put_words(call, request, &words);
	call->job = jobs_begin(call->daemon->jobs, *text_str(&words) ? text_str(&words) + 1 : "",
			       &request->peer);
	text_fini(&words);
	ctl_job(request, call->job->number);
}

/* What the console may not have, whoever asks through it. */
static bool
keeps_secrets(struct call *call)
{
	bool reveals = call->command->reveals;

	for (unsigned i = 0; i < call->command->n_options; i++)
		reveals |= call->command->options[i].reveals && call->options[i];
	if (!reveals || !call->request->console)
		return true;
	call_refuse(call, CTL_REFUSED, "keys and secret values do not leave the appliance this way: use cradlectl");
	return false;
}

/* Two people edit one thing: who saw what is not there any more changes nothing. */
static bool
is_expected(struct call *call, struct ctl_answer *answer)
{
	const char *expect = call->request->expect;

	if (!expect || !call->command->changes || strcmp(expect, answer->generation) == 0)
		return true;
	answer->stale = true;
	call_refuse(call, CTL_REFUSED, "the policy has changed meanwhile: look at it, and try again");
	return false;
}

void
commands_serve(void *ctx, const struct ctl_request *request, struct ctl_answer *answer)
{
	struct daemon *daemon = ctx;
	struct call call = { .daemon = daemon,
			     .service = &daemon->service,
			     .request = request,
			     .fd = request->fd,
			     .view = { .width = request->width,
				       .columns = request->columns,
				       .sort = request->sort } };
	uint64_t begun_us = clock_now_us();
	bool good = call_parse(&call, request->argc, request->argv);

	call.text.view = &call.view;
	if (call.command)
		turns_cause(&daemon->turns, call.command->words);
	if (request->console && daemon->service.generation)
		snprintf(answer->generation, sizeof answer->generation, "%u",
			 (unsigned)daemon->service.generation->number);
	good = good && keeps_secrets(&call) && is_expected(&call, answer);
	if (good && wants_file(&call, answer))
		return;
	if (good && has_right_file(&call) && call_audit_begin(&call)) {
		begin_job(&call, request);
		call_run(&call);
	}
	if (good && request->console)
		console_mask(&call);
	log_command(&call, request, begun_us);
	call_audit_end(&call);
	call_audit_tell(&call, NULL, NULL);
	/* What was begun before it was refused (a table's heading) is no answer. */
	if (call.exit != CTL_DONE && call.error.len)
		text_fini(&call.text);
	text_clean(&call.text);
	text_clean(&call.error);
	answer->exit = call.exit;
	answer->text = call.text.at;
	answer->error = call.error.at;
	answer->result = call.result;
	answer->next = call.next;
	answer->source = call.source;
	if (call.job)
		jobs_end(daemon->jobs, answer);
	if (call.in_slices && (call.next || request->page))
		leave_one_form(request, answer);
}

bool
commands_may_run_while_busy(void *ctx, int argc, const char *const *argv)
{
	int taken;
	const struct command *command = find_command(argc, argv, &taken);

	return !command || command->while_busy; /* what is no command is told so at once */
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
