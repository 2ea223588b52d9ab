#include "control/commands/policy_at.h"

#include <stdlib.h>
#include <string.h>

#include "control/commands/conf_json.h"
#include "control/commands/show.h"
#include "control/commands/task_secret.h"
#include "control/config/conf_text.h"

/* ---- reading ---- */

struct reading {
	struct policy_at *at;
	uint32_t wanted; /* 0: the newest */
	bool failed;
};

static bool
take_version(void *ctx, const struct store_version *version)
{
	struct reading *reading = ctx;
	struct policy_at *at = reading->at;

	free(at->who);
	free(at->what);
	free(at->why);
	at->version = version->number;
	at->at_ms = version->at_ms;
	at->who = strdup(version->who);
	at->what = strdup(version->what);
	at->why = strdup(version->why);
	reading->failed = !at->who || !at->what || !at->why;
	return !reading->failed && version->number != reading->wanted;
}

static bool
take_file(void *ctx, const struct store_policy_file *file)
{
	struct reading *reading = ctx;
	struct policy_at *at = reading->at;
	struct policy_at_file *files = realloc(at->files, (at->n_files + 1) * sizeof *files);

	reading->failed = true;
	if (!files)
		return false;
	at->files = files;
	files[at->n_files] = (struct policy_at_file){ .name = strdup(file->name),
						      .text = malloc(file->len + 1),
						      .len = file->len };
	if (files[at->n_files].text) {
		memcpy(files[at->n_files].text, file->bytes, file->len);
		files[at->n_files].text[file->len] = '\0';
	}
	reading->failed = !files[at->n_files].name || !files[at->n_files].text;
	at->n_files++;
	return !reading->failed;
}

static bool
parse_word(struct call *call, const char *word, uint32_t *wanted)
{
	char *end = NULL;
	unsigned long number = word ? strtoul(word, &end, 10) : 0;

	*wanted = (uint32_t)number;
	if (!word || strcmp(word, "latest") == 0) {
		*wanted = 0;
		return true;
	}
	if (*word >= '1' && *word <= '9' && !*end && number <= UINT32_MAX)
		return true;
	call_refuse(call, CTL_USAGE,
		    "a version is a number, or \"latest\", not \"%.40s\"; "
		    "`policy log` lists them",
		    word);
	return false;
}

bool
policy_at_read(struct call *call, const char *word, struct policy_at *at)
{
	struct reading reading = { .at = at };
	struct store *store = call->service->store;
	char error[STORE_ERROR_MAX] = "";
	int result;

	*at = (struct policy_at){ 0 };
	if (!parse_word(call, word, &reading.wanted))
		return false;
	if (!store) {
		call_refuse(call, CTL_REFUSED, "there is no store, so no version is kept");
		return false;
	}
	result = store_read_versions(store, reading.wanted, take_version, &reading, error);
	if (result == 0 && at->version && (!reading.wanted || at->version == reading.wanted))
		result = store_read_policy(store, at->version, take_file, &reading, error);
	else if (result == 0)
		snprintf(error, sizeof error, "there is no version %s; `policy log` lists them",
			 word ? word : "yet");
	if (result == 0 && !error[0] && !reading.failed)
		return true;
	call_refuse(call, CTL_REFUSED, "%s", error[0] ? error : "out of memory");
	policy_at_fini(at);
	return false;
}

void
policy_at_fini(struct policy_at *at)
{
	for (unsigned i = 0; i < at->n_files; i++) {
		if (at->files[i].text)
			explicit_bzero(at->files[i].text, at->files[i].len);
		free(at->files[i].text);
		free(at->files[i].name);
	}
	free(at->files);
	free(at->who);
	free(at->what);
	free(at->why);
	*at = (struct policy_at){ 0 };
}

const struct policy_at_file *
policy_at_find(const struct policy_at *at, const char *name)
{
	for (unsigned i = 0; i < at->n_files; i++)
		if (strcmp(at->files[i].name, name) == 0)
			return &at->files[i];
	return NULL;
}

/* ---- showing ---- */

/* A list of settings; what cannot be read might hold anything. */
static bool
show_settings(const struct policy_at_file *file, struct text *text)
{
	struct diag_list diags;
	struct conf_text conf;
	json_t *json = NULL;
	char *dump = NULL;

	diag_list_init(&diags);
	if (conf_text_parse(&conf, file->name, file->text, file->len, &diags) == 0) {
		json = conf_json(conf_text_root(&conf));
		conf_text_fini(&conf);
	}
	diag_list_fini(&diags);
	dump = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	if (dump)
		text_put(text, dump, strlen(dump));
	text_printf(text, dump ? "\n" : "(not shown: its secrets cannot be told from the rest)\n");
	free(dump);
	return dump != NULL;
}

bool
policy_at_show(struct call *call, const struct policy_at_file *file, struct text *text)
{
	const struct objects *objects = call->service->generation->objects;
	const char *slash = strchr(file->name, '/');
	uint32_t secret = 0;

	if (!slash)
		return show_settings(file, text);
	if (strncmp(file->name, "tasks/", 6) != 0) {
		text_printf(text, "(%zu bytes)\n", file->len);
		return false;
	}
	if (call->request && call->request->console &&
	    (!task_secret_find(file->name, file->text, file->len, objects, &secret) || secret)) {
		text_printf(text, "(not shown: a secret may stand in it in the clear)\n");
		return false;
	}
	text_put(text, file->text, file->len);
	return true;
}
