/* help and completion: text made from the tables of commands, settings and counters. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/delivery/delivery_conf.h"
#include "control/policy/policy_help.h"
#include "control/table.h"

static const char *const severities[] = {
	[COUNTER_INFO] = "info", [COUNTER_WARN] = "warning", [COUNTER_ERROR] = "error"
};

enum { OPTIONS_IN_USAGE = 4 }; /* more do not fit a line: they stand below it anyway */

static void
put_usage(const struct command *command, struct text *text)
{
	text_show(text, "%s", command->words);
	if (command->n_options > OPTIONS_IN_USAGE)
		text_show(text, " [OPTION...]");
	for (unsigned i = 0; command->n_options <= OPTIONS_IN_USAGE && i < command->n_options; i++)
		text_show(text, " [%s%s%s]", command->options[i].name,
			  command->options[i].argument ? " " : "",
			  command->options[i].argument ? command->options[i].argument : "");
	if (*command->arguments)
		text_show(text, " %s", command->arguments);
}

static void
put_command(const struct command *command, struct text *text)
{
	put_usage(command, text);
	text_show(text, "\n    %s\n", command->help);
	for (unsigned i = 0; i < command->n_options; i++)
		text_show(text, "    %s%s%s: %s\n", command->options[i].name,
			  command->options[i].argument ? " " : "",
			  command->options[i].argument ? command->options[i].argument : "",
			  command->options[i].help);
}

static size_t
usage_width(const struct command *command)
{
	return strlen(command->words) + (*command->arguments != '\0') + strlen(command->arguments);
}

/* Nothing is left out: who asks for help does not know yet what to ask for. */
static void
put_commands(struct text *text)
{
	static const char hint[] =
		"`help COMMAND` shows options, `help settings` cradle.conf, "
		"`help groups.conf` that file, `help counters` counters.";
	unsigned width = text->view ? text->view->width : 0;
	size_t widest = 0;

	for (unsigned i = 0; i < n_commands; i++)
		if (usage_width(&commands[i]) > widest)
			widest = usage_width(&commands[i]);
	for (unsigned i = 0; i < n_commands; i++) {
		const struct command *command = &commands[i];

		text_printf(text, "%s%s%s%*s", command->words, *command->arguments ? " " : "",
			    command->arguments, (int)(widest - usage_width(command) + 2), "");
		/* The first half of the sentence; `help COMMAND` has the rest. */
		text_wrap(text, command->help, strcspn(command->help, ";"), (unsigned)widest + 2, width);
	}
	text_put(text, "\n", 1);
	text_wrap(text, hint, sizeof hint - 1, 0, width);
}

static void
put_counters(struct text *text)
{
	for (unsigned i = 0; i < COUNTERS; i++)
		text_show(text, "%s (%s)\n    %s\n", counter_infos[i].name,
			  severities[counter_infos[i].severity], counter_infos[i].text);
}

static void
put_manual(struct text *text)
{
	text_show(text, "COMMANDS\n\n");
	for (unsigned i = 0; i < n_commands; i++)
		put_command(&commands[i], text);
	/* The table has none of these: they are the client's own. */
	text_show(text, "\nCOMMANDS OF cradlectl ITSELF\n\n"
			"shell\n"
			"    a command a line, with completion by Tab and earlier lines by Up; Ctrl-D or exit ends it\n"
			"    Words are quoted as in a shell. Without a terminal each line of standard input is run;\n"
			"    the exit code is the last command's. Lines without secrets are kept in\n"
			"    $XDG_STATE_HOME/cradle/history, else ~/.local/state/cradle/history.\n"
			"top [--interval S] [--count N]\n"
			"    rates, workers and the fastest counters, drawn anew every second; q ends it\n");
	text_show(text, "\nEXIT CODES\n\n0 done, 1 refused, 2 not understood, 3 not running\n");
	text_show(text, "\nSETTINGS OF cradle.conf\n\n");
	config_help(text);
	text_show(text, "\nCOUNTERS\n\n");
	put_counters(text);
}

static json_t *
option_json(const struct command_option *option)
{
	return json_pack("{s:s, s:s*, s:s, s:b, s:b}", "name", option->name, "argument",
			 option->argument, "help", option->help, "secret", option->secret, "file",
			 option->file);
}

/* The table of commands for programs: what cradle-web makes its interface of. */
static json_t *
schema_json(void)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < n_commands; i++) {
		const struct command *command = &commands[i];
		json_t *options = json_array();

		for (unsigned k = 0; k < command->n_options; k++)
			json_array_append_new(options, option_json(&command->options[k]));
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:i, s:i, s:i, s:b, s:s*, s:b, s:s, s:o}",
					"words", command->words, "arguments", command->arguments,
					"min", (int)command->min, "max", (int)command->max,
					"secret_argument", (int)command->secret_argument, "changes",
					command->changes, "file",
					command->file == CTL_WANT_READ    ? "read"
					: command->file == CTL_WANT_WRITE ? "write"
									  : NULL,
					"file_optional", command->file_optional, "help",
					command->help, "options", options));
	}
	return json_pack("{s:o}", "commands", list);
}

static void
put_schema(struct call *call)
{
	char *text;

	call->result = schema_json();
	text = call->result ? json_dumps(call->result, JSON_INDENT(1)) : NULL;
	if (text)
		text_printf(&call->text, "%s\n", text);
	else
		call_refuse(call, CTL_REFUSED, "out of memory");
	free(text);
}

/* "task", or "task list": every command that begins so. */
static bool
put_matching(const char *words, struct text *text)
{
	size_t len = strlen(words);
	bool found = false;

	for (unsigned i = 0; i < n_commands; i++)
		if (strncmp(commands[i].words, words, len) == 0 &&
		    (!commands[i].words[len] || commands[i].words[len] == ' ')) {
			put_command(&commands[i], text);
			found = true;
		}
	return found;
}

static void
no_such_help(struct call *call, const char *words)
{
	const char *candidates[COMMANDS_MAX + 8];
	const char *nearest;
	size_t n = 0;

	for (; n < n_commands; n++)
		candidates[n] = commands[n].words;
	candidates[n++] = "settings";
	candidates[n++] = "counters";
	candidates[n++] = "groups.conf";
	candidates[n++] = "servers.conf";
	candidates[n++] = "trust.conf";
	candidates[n++] = "outbox.conf";
	candidates[n++] = "manual";
	candidates[n++] = "schema";
	nearest = diag_nearest(words, candidates, n);
	call_refuse(call, CTL_USAGE, "there is no help on \"%.100s\"", words);
	if (nearest)
		text_show(&call->error, "; did you mean \"%s\"?", nearest);
}

void
command_help(struct call *call)
{
	const char *first = call->arguments[0], *second = call->arguments[1];
	const char *third = call->arguments[2];
	struct text words;

	assert((first || !second) && (second || !third));
	text_init(&words);
	if (first)
		text_printf(&words, "%s%s%s%s%s", first, second ? " " : "", second ? second : "",
			    third ? " " : "", third ? third : "");
	if (!first)
		put_commands(&call->text);
	else if (strcmp(first, "settings") == 0 && !second)
		config_help(&call->text);
	else if (strcmp(first, "settings") == 0 && config_help_one(second, &call->text))
		;
	else if (strcmp(first, "counters") == 0 && !second)
		put_counters(&call->text);
	else if (strcmp(first, "manual") == 0 && !second)
		put_manual(&call->text);
	else if (strcmp(first, "schema") == 0 && !second)
		put_schema(call);
	else if (!second && policy_help(first, &call->text))
		;
	else if (strcmp(first, "outbox.conf") == 0 && !second)
		delivery_conf_help(&call->text);
	else if (strcmp(first, "outbox.conf") == 0 && delivery_conf_help_one(second, &call->text))
		;
	else if (!put_matching(text_str(&words), &call->text) &&
		 !config_help_one(first, &call->text))
		no_such_help(call, text_str(&words));
	text_fini(&words);
	if (call->exit == CTL_DONE && !call->result)
		call->result = json_pack("{s:s}", "help", text_str(&call->text));
}

/* What of `words` follows the first `n` words: its start; NULL where there is no more. */
static const char *
after_words(const char *words, unsigned n)
{
	for (; n && words; n--) {
		words = strchr(words, ' ');
		words = words ? words + 1 : NULL;
	}
	return words;
}

/* Whether two commands begin with the same `n` words. */
static bool
share_words(const char *a, const char *b, unsigned n)
{
	for (; n; n--) {
		size_t len = strcspn(a, " ");

		if (strcspn(b, " ") != len || memcmp(a, b, len) != 0)
			return false;
		a += len + (a[len] != '\0');
		b += len + (b[len] != '\0');
	}
	return true;
}

/* The words that may follow the first `n` of `like`, each once: commands that share them stand together. */
static void
put_words(const char *like, unsigned n, struct text *text)
{
	const char *before = NULL;

	for (unsigned i = 0; i < n_commands; i++) {
		const char *next = after_words(commands[i].words, n);

		if (!next || !share_words(commands[i].words, like, n))
			continue;
		if (!before || !share_words(before, next, 1))
			text_show(text, "%.*s ", (int)strcspn(next, " "), next);
		before = next;
	}
}

static void
put_options(const struct command *command, struct text *text)
{
	text_show(text, "\t\"%s\"*) words=\"", command->words);
	for (unsigned k = 0; k < command->n_options; k++)
		text_show(text, "%s%s", k ? " " : "", command->options[k].name);
	text_show(text, "\" ;;\n");
}

static void
put_cases(struct text *text)
{
	for (unsigned i = 0; i < n_commands; i++) {
		const char *words = commands[i].words, *next;

		if (commands[i].n_options)
			put_options(&commands[i], text);
		for (unsigned n = 1; (next = after_words(words, n)); n++) {
			if (i && share_words(commands[i - 1].words, words, n))
				continue;
			text_show(text, "\t\"%.*s\") words=\"", (int)(next - words), words);
			put_words(words, n, text);
			text_show(text, "\" ;;\n");
		}
	}
}

static void
put_bash(struct text *text)
{
	text_show(text, "# bash completion of cradlectl, made by `cradlectl completion bash`\n"
			"_cradlectl() {\n"
			"\tlocal word=${COMP_WORDS[COMP_CWORD]} said= words= i line typed ctl=()\n"
			"\tline=${COMP_LINE:0:COMP_POINT}\n"
			"\tread -ra typed <<<\"$line\"\n"
			"\t[[ $line == *[[:space:]] ]] && typed+=(\"\")\n"
			"\ttyped=(\"${typed[@]:1}\")\n"
			"\twhile [[ ${#typed[@]} -gt 1 && ${typed[0]} == -* ]]; do\n"
			"\t\tcase ${typed[0]} in\n"
			"\t\t-s|--socket) ctl=(-s \"${typed[1]}\"); typed=(\"${typed[@]:2}\") ;;\n"
			"\t\t*) typed=(\"${typed[@]:1}\") ;;\n"
			"\t\tesac\n"
			"\tdone\n"
			"\t# The appliance knows names; when it is away, the words below are known "
			"all the same.\n"
			"\tmapfile -t COMPREPLY < <(\"${COMP_WORDS[0]}\" \"${ctl[@]}\" __complete "
			"\"${typed[@]}\" 2>/dev/null)\n"
			"\tif ((${#COMPREPLY[@]})); then\n"
			"\t\tword=${typed[-1]}\n"
			"\t\t[[ $word == *:* && $COMP_WORDBREAKS == *:* ]] && "
			"COMPREPLY=(\"${COMPREPLY[@]#\"${word%%\"${word##*:}\"}\"}\")\n"
			"\t\tfor i in \"${!COMPREPLY[@]}\"; do\n"
			"\t\t\t[[ ${COMPREPLY[i]} == *[[:space:]\\'\\\"\\\\\\$]* ]] && printf -v "
			"\"COMPREPLY[i]\" %%q \"${COMPREPLY[i]}\"\n"
			"\t\tdone\n"
			"\t\treturn\n"
			"\tfi\n"
			"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			"\t\tcase ${COMP_WORDS[i]} in\n"
			"\t\t-s|--socket) ((i++)) ;;\n"
			"\t\t-*) ;;\n"
			"\t\t*) said+=\"${COMP_WORDS[i]} \" ;;\n"
			"\t\tesac\n"
			"\tdone\n"
			"\tcase $said in\n"
			"\t\"\") words=\"--socket --json shell top ");
	put_words("", 0, text);
	text_show(text, "\" ;;\n"
			"\t\"task check \"*|\"check \"*) COMPREPLY=($(compgen -f -- \"$word\")); "
			"return ;;\n"
			"\t\"log level \") words=\"error warning notice info debug\" ;;\n"
			"\t\"completion \") words=\"bash\" ;;\n"
			"\t\"help \") words=\"settings groups.conf servers.conf trust.conf outbox.conf counters manual schema ");
	put_words("", 0, text);
	text_show(text, "\" ;;\n");
	put_cases(text);
	text_show(text, "\tesac\n"
			"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
			"}\n"
			"complete -o default -F _cradlectl cradlectl\n");
}

void
command_completion(struct call *call)
{
	if (strcmp(call->arguments[0], "bash") != 0) {
		call_refuse(call, CTL_USAGE, "there is completion for bash only");
		return;
	}
	put_bash(&call->text);
	call->result = json_pack("{s:s}", "completion", text_str(&call->text));
}
