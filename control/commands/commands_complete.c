/* What may follow the words of a command line: for shells, which ask while somebody types. */
#include <string.h>

#include "control/commands/show.h"
#include "control/policy/policy.h"
#include "control/runs/unknown_devices.h"

enum {
	WORDS_MAX = 32,
	CANDIDATES_MAX = 500,
	DEVICES_MAX =
		20000, /* that are looked at: some milliseconds, whatever the inventory's size */
};

static const char separator = '\x1f'; /* between words: no shell passes it on by accident */

/* The words so far, the last one being typed. */
struct line {
	char *words[WORDS_MAX];
	unsigned n;
	const char *typed; /* words[n - 1], or what follows the last comma in it */
};

struct completing {
	struct call *call;
	struct line line;
	json_t *list;
};

/* The whole word that it would be, with what stands before a comma: it takes the place of what is typed. */
static void
offer(struct completing *it, const char *text, size_t len)
{
	const struct line *line = &it->line;
	size_t typed = strlen(line->typed);
	struct text word;

	if (len < typed || memcmp(text, line->typed, typed) != 0 ||
	    json_array_size(it->list) >= CANDIDATES_MAX)
		return;
	text_init(&word);
	text_put(&word, line->words[line->n - 1], (size_t)(line->typed - line->words[line->n - 1]));
	text_put(&word, text, len);
	json_array_append_new(it->list, show_json(text_str(&word), word.len));
	text_show(&it->call->text, "%s\n", text_str(&word));
	text_fini(&word);
}

static void
offer_word(struct completing *it, const char *word)
{
	offer(it, word, strlen(word));
}

/* Those of "on|off". */
static void
offer_choices(struct completing *it, const char *choices)
{
	while (*choices) {
		size_t len = strcspn(choices, "|");

		offer(it, choices, len);
		choices += len + (choices[len] != '\0');
	}
}

/* ---- names ---- */

static void
offer_devices(struct completing *it)
{
	const struct inventory *inventory = &it->call->service->inventory;
	char endpoint[ENDPOINT_NAME_MAX + 1];
	const struct device *device = inventory_find(inventory, it->line.typed);
	unsigned looked_at = 0;

	/* The one that is typed whole may be beyond those that are looked at. */
	if (device)
		offer_word(it, device_endpoint(device, endpoint));
	for (uint32_t id = 0; looked_at < DEVICES_MAX && (device = inventory_next(inventory, &id));
	     id++, looked_at++) {
		device_endpoint(device, endpoint);
		if (strcmp(endpoint, it->line.typed) != 0)
			offer_word(it, endpoint);
	}
}

static void
offer_groups(struct completing *it)
{
	const struct policy *policy = it->call->service->generation->policy;
	const char *comma = strrchr(it->line.typed, ',');

	if (comma)
		it->line.typed = comma + 1;
	for (unsigned i = 0; i < policy->n_groups; i++)
		offer_word(it, policy->groups[i].name);
}

static void
offer_tasks(struct completing *it)
{
	const struct policy *policy = it->call->service->generation->policy;

	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++)
			offer_word(it, policy->groups[i].tasks[k].id);
}

static void
offer_servers(struct completing *it)
{
	const struct policy *policy = it->call->service->generation->policy;

	for (unsigned i = 0; i < policy->n_servers; i++)
		offer_word(it, policy->servers[i].id);
}

static void
offer_unknowns(struct completing *it)
{
	const struct unknown_devices *unknowns = it->call->service->unknowns;

	for (unsigned i = 0; i < unknowns->count; i++)
		offer(it, (const char *)unknowns->items[i].name, unknowns->items[i].name_len);
}

/* By what help calls a value, of a command that begins so; NULL: of any. The first that fits counts. */
static const struct {
	const char *called, *command;
	void (*offer)(struct completing *it);
	const char *choices;
} kinds[] = {
	{ "ENDPOINT", NULL, offer_devices, NULL },
	{ "TASK", NULL, offer_tasks, NULL },
	{ "ID", "task", offer_tasks, NULL },
	{ "ID", "report", offer_tasks, NULL },
	{ "ID", "server", offer_servers, NULL },
	{ "GROUP", NULL, offer_groups, NULL },
	{ "A,B", NULL, offer_groups, NULL },
	{ "NAME", "group", offer_groups, NULL },
	{ "NAME", "task", offer_groups, NULL },
	{ "NAME", "unknown", offer_unknowns, NULL },
	{ "STATUS", NULL, NULL, "NotStarted|InProgress|Success|Warning|Error|Registered" },
	{ "STATE", NULL, NULL, "ready|nothing|bootstrapping|returning" },
	{ "LEVEL", "log", NULL, "error|warning|notice|info|debug" },
	{ "LEVEL", "task", NULL, "trace|debug|info|warning|error" },
	{ "FORMAT", NULL, NULL, "csv|jsonl" },
	{ "SHELL", NULL, NULL, "bash" },
};

static void
offer_values(struct completing *it, const char *called, size_t len)
{
	const char *first = it->line.words[0];

	if (memchr(called, '|', len)) {
		char choices[128];

		if (len < sizeof choices) {
			memcpy(choices, called, len);
			choices[len] = '\0';
			offer_choices(it, choices);
		}
		return;
	}
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strlen(kinds[i].called) != len || memcmp(kinds[i].called, called, len) != 0 ||
		    (kinds[i].command && strcmp(kinds[i].command, first) != 0))
			continue;
		if (kinds[i].choices)
			offer_choices(it, kinds[i].choices);
		else
			kinds[i].offer(it);
		return;
	}
}

/* ---- words of commands ---- */

/* How many of the words before the typed one are the command's first ones. */
static unsigned
words_shared(const struct line *line, const char *words, const char **next)
{
	unsigned n = 0;

	for (; n + 1 < line->n; n++) {
		size_t len = strcspn(words, " ");

		if (!*words || strlen(line->words[n]) != len ||
		    memcmp(line->words[n], words, len) != 0)
			break;
		words += len + (words[len] != '\0');
	}
	*next = words;
	return n;
}

/* The next words of commands that begin with what was said; each once, as such commands stand together. */
static void
offer_commands(struct completing *it)
{
	const char *before = "";
	size_t before_len = 0;

	for (unsigned i = 0; i < n_commands; i++) {
		const char *next;
		size_t len;

		if (words_shared(&it->line, commands[i].words, &next) + 1 != it->line.n || !*next)
			continue;
		len = strcspn(next, " ");
		if (len != before_len || memcmp(next, before, len) != 0)
			offer(it, next, len);
		before = next;
		before_len = len;
	}
}

/* The command that was said whole, and how many words that took; NULL: none. */
static const struct command *
command_said(const struct line *line, unsigned *taken)
{
	const char *next;

	for (unsigned i = 0; i < n_commands; i++) {
		*taken = words_shared(line, commands[i].words, &next);
		if (*taken && !*next)
			return &commands[i];
	}
	return NULL;
}

static const struct command_option *
option_of(const struct command *command, const char *word)
{
	for (unsigned i = 0; i < command->n_options; i++)
		if (strcmp(command->options[i].name, word) == 0)
			return &command->options[i];
	return NULL;
}

static void
offer_options(struct completing *it, const struct command *command)
{
	for (unsigned i = 0; i < command->n_options; i++)
		offer_word(it, command->options[i].name);
}

/* The n-th argument as help calls it, without "[ ]"; its length 0: there is none. */
static size_t
argument_called(const struct command *command, unsigned n, const char **called)
{
	const char *at = command->arguments;

	for (; n && *at; n--) {
		at += strcspn(at, " ");
		at += *at == ' ';
	}
	at += *at == '[';
	*called = at;
	return strcspn(at, " ]");
}

static void
complete_command(struct completing *it, const struct command *command, unsigned taken)
{
	const struct command_option *option = NULL;
	unsigned arguments = 0;
	const char *called;
	size_t len;

	for (unsigned i = taken; i + 1 < it->line.n; i++) {
		const struct command_option *before = option;

		option = before && before->argument ? NULL : option_of(command, it->line.words[i]);
		arguments +=
			!option && !(before && before->argument) && it->line.words[i][0] != '-';
	}
	if (option && option->argument) {
		offer_values(it, option->argument, strlen(option->argument));
		return;
	}
	if (it->line.typed[0] == '-') {
		offer_options(it, command);
		return;
	}
	len = argument_called(command, arguments, &called);
	if (len)
		offer_values(it, called, len);
}

static bool
split(struct line *line, char *text)
{
	line->n = 0;
	while (text && line->n < WORDS_MAX) {
		char *end = strchr(text, separator);

		line->words[line->n++] = text;
		if (end)
			*end++ = '\0';
		text = end;
	}
	line->typed = line->words[line->n - 1];
	return !text;
}

void
command_complete(struct call *call)
{
	struct completing it = { .call = call, .list = json_array() };
	char *text = strdup(call->arguments[0]);
	const struct command *command;
	unsigned taken;

	if (text && split(&it.line, text)) {
		offer_commands(&it);
		command = command_said(&it.line, &taken);
		if (command)
			complete_command(&it, command, taken);
	}
	if (text)
		explicit_bzero(text, strlen(call->arguments[0]));
	free(text);
	call->result = json_pack("{s:o}", "candidates", it.list);
}
