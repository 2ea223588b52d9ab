#include "control/commands/call_audit.h"

#include <assert.h>
#include <string.h>

#include "control/clock.h"
#include "control/commands/show.h"
#include "control/inventory/setting_values.h"
#include "tasks/utf8.h"

enum { WORD_MAX = 1000 }; /* of a word that is told */

const char *
call_find_secret(const struct call *call, const char *word)
{
	const struct command *command = call->command;
	const char *end = word + strlen(word);

	assert(command->secret_argument <= COMMAND_ARGUMENTS_MAX);
	for (unsigned i = 0; i < command->n_options; i++)
		if (command->options[i].secret && call->options[i] && call->options[i] >= word &&
		    call->options[i] <= end)
			return call->options[i];
	return command->secret_argument && call->arguments[command->secret_argument - 1] == word
		       ? word
		       : NULL;
}

/* Its command changes something, or gives keys away. */
static bool
is_audited(const struct call *call)
{
	return call->daemon && call->daemon->audit && call->command && call->command->changes;
}

bool
call_audit_begin(struct call *call)
{
	struct audit_info info;

	if (!is_audited(call) || audit_works(call->daemon->audit))
		return true;
	audit_info(call->daemon->audit, &info);
	call_refuse(call, CTL_REFUSED, "nothing was changed, for it could not be told: %s",
		    info.error);
	return false;
}

static json_t *
words_json(const struct call *call)
{
	const struct ctl_request *request = call->request;
	json_t *words = json_array();
	struct text shown;

	for (int i = 0; i < request->argc; i++) {
		const char *word = request->argv[i], *secret = call_find_secret(call, word);
		size_t len = secret ? (size_t)(secret - word)
				    : utf8_cut(word, strlen(word), WORD_MAX);

		text_init(&shown);
		text_put_untrusted(&shown, word, len);
		if (secret)
			text_printf(&shown, SHOW_MASK);
		json_array_append_new(words, json_string(text_str(&shown)));
		text_fini(&shown);
	}
	return words;
}

void
call_audit_end(const struct call *call)
{
	const struct ctl_request *request = call->request;
	struct audit_event event = {
		.time_ms = clock_now_ms(),
		.uid = request->peer.uid,
		.pid = request->peer.pid,
		.actor = request->actor,
		.done = call->exit == CTL_DONE,
		.before = call->before,
		.after = call->after,
	};
	json_t *words;

	if (!is_audited(call))
		return;
	words = words_json(call);
	event.command = words;
	if (!event.done && call->error.len)
		event.error = text_str(&call->error);
	audit_append(call->daemon->audit, &event); /* what fails shows in status, and at the next change */
	json_decref(words);
}

void
call_audit_tell(struct call *call, json_t *before, json_t *after)
{
	json_decref(call->before);
	json_decref(call->after);
	call->before = before;
	call->after = after;
}

static json_t *
values_json(const uint8_t *values)
{
	json_t *json = json_object();
	struct setting_value value = { 0 };
	char name[SETTING_NAME_MAX + 1];

	while (setting_values_next(values, &value)) {
		memcpy(name, value.name, value.name_len);
		name[value.name_len] = 0;
		if (utf8_valid(name, value.name_len))
			json_object_set_new(json, name,
					    value.secret ? json_string(SHOW_MASK)
							 : show_json(value.text, value.text_len));
	}
	return json;
}

json_t *
call_audit_device(const struct call *call, const struct device *device)
{
	const struct inventory *inventory = &call->service->inventory;
	char endpoint[ENDPOINT_NAME_MAX + 1], identity[ENDPOINT_NAME_MAX + 1];
	size_t identity_len;

	if (!device)
		return NULL;
	identity_len = device_identity(device, identity);
	device_endpoint(device, endpoint);
	return json_pack("{s:o, s:o, s:i, s:o, s:s, s:o}", "endpoint",
			 show_json(endpoint, strlen(endpoint)), "identity",
			 show_json(identity, identity_len), "key_bytes", (int)device->entry->key_len,
			 "groups", show_groups_json(inventory, device), "domain",
			 names_text(&inventory->domains, device->domain), "values",
			 values_json(device->values));
}
