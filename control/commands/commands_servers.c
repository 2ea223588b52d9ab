/* LwM2M servers: server list, show, add, edit, remove. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/command_settings.h"
#include "control/commands/commands.h"
#include "control/commands/page.h"
#include "control/commands/policy_edit.h"
#include "control/policy/mask_template.h"

static const struct setting_option options[] = {
	{ "--name", "name", SETTING_TEXT },
	{ "--type", "type", SETTING_TEXT },
	{ "--uri", "uri", SETTING_TEXT },
	{ "--security", "security", SETTING_TEXT },
	{ "--ssid", "ssid", SETTING_NUMBER },
	{ "--binding", "binding", SETTING_TEXT },
	{ "--lifetime", "lifetime", SETTING_SECONDS },
	{ "--store-notifications", "store_notifications", SETTING_SWITCH },
	{ "--identity", "identity", SETTING_TEXT },
	{ "--psk", "psk", SETTING_TEXT },
	{ "--psk-hex", "psk_hex", SETTING_SWITCH },
	{ "--public-key", "public_key", SETTING_TEXT },
	{ "--server-public-key", "server_public_key", SETTING_TEXT },
	{ "--secret-key", "secret_key", SETTING_TEXT },
	{ "--security-instance", "security_instance", SETTING_NUMBER },
	{ "--server-instance", "server_instance", SETTING_NUMBER },
};
enum { OPTIONS = sizeof options / sizeof options[0] };

/* --- shown --- */

/* A template that gives a key, or the file of one, for a person and for JSON. */
static json_t *
key_json(const char *text)
{
	struct text shown;
	json_t *json;

	if (!text)
		return json_null();
	if (strncmp(text, "file:", 5) == 0)
		return json_string(text);
	text_init(&shown);
	mask_template(&shown, text);
	json = json_string(text_str(&shown));
	text_fini(&shown);
	return json;
}

static json_t *
server_json(const struct policy_server *server)
{
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:s?, s:o, s:s?, s:s?, s:o}", "id",
		server->id, "name", server->name, "type", server_type_names[server->type], "uri",
		server->uri, "security", server_mode_names[server->mode], "ssid", (int)server->ssid,
		"security_instance", (int)server->security_instance, "per_session",
		task_depends_on_session(server->task), "identity", server->identity, "psk",
		key_json(server->psk), "public_key", server->public_key, "server_public_key",
		server->server_public_key, "secret_key", key_json(server->secret_key));

	if (json && server->type == SERVER_MANAGEMENT) {
		json_object_set_new(json, "server_instance", json_integer(server->server_instance));
		json_object_set_new(json, "binding", json_string(server->binding));
		json_object_set_new(json, "lifetime", json_integer(server->lifetime_s));
		json_object_set_new(json, "store_notifications",
				    json_boolean(server->store_notifications));
	}
	return json;
}

static int
by_id(const void *a, const void *b)
{
	const struct policy_server *const *left = a, *const *right = b;

	return strcmp((*left)->id, (*right)->id);
}

static void
put_server(const struct policy_server *server, struct table *table, json_t *list)
{
	table_cell(table, "%s", server->id);
	table_cell(table, "%s", server->name);
	table_cell(table, "%s", server_type_names[server->type]);
	table_cell(table, "%s", server->uri);
	table_cell(table, "%s", server_mode_names[server->mode]);
	table_cell(table, "%u", server->ssid);
	table_cell(table, "%s", task_depends_on_session(server->task) ? "yes" : "no");
	json_array_append_new(list, server_json(server));
}

/* Those from the slice's beginning on, by id. NULL: out of memory, and refused. */
static const struct policy_server **
servers_from(const struct page *page, unsigned *n)
{
	const struct policy *policy = page->call->service->generation->policy;
	const struct policy_server **found = calloc(policy->n_servers + 1, sizeof *found);

	*n = 0;
	if (!found) {
		call_refuse(page->call, CTL_REFUSED, "out of memory");
		return NULL;
	}
	for (unsigned i = 0; i < policy->n_servers; i++)
		if (strcmp(policy->servers[i].id, page->from_name) >= 0)
			found[(*n)++] = &policy->servers[i];
	qsort(found, *n, sizeof *found, by_id);
	return found;
}

void
command_server_list(struct call *call)
{
	const struct policy_server **found;
	unsigned n, i;
	struct table table;
	struct page page;
	json_t *list;

	if (!page_begin_names(&page, call, PAGE_ALL))
		return;
	found = servers_from(&page, &n);
	if (!found)
		return;
	list = json_array();
	page_table(&page, &table, "id|~name:1|type:3|uri|security|ssid:2|per session:4");
	for (i = 0; i < n && !page_full(&page); i++)
		if (page_shows_name(&page, found[i]->id))
			put_server(found[i], &table, list);
	table_finish(&table, &call->text);
	call->result = json_pack("{s:o}", "servers", list);
	page_finish_name(&page, i < n ? found[i]->id : NULL);
	free(found);
}

static void
refuse_unknown(struct call *call, const struct policy *policy, const char *id)
{
	const char *nearest = policy_nearest_server(policy, id);

	call_refuse(call, CTL_REFUSED, "there is no server \"%.80s\"%s%s%s", id,
		    nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		    nearest ? "\"?" : "");
}

struct task_search {
	const struct policy_server *server;
	bool found;
};

static bool
names_server(void *ctx, const struct task_server *named)
{
	struct task_search *search = ctx;
	const char *text = named->by_name ? search->server->name : search->server->id;

	search->found |= named->name && strlen(text) == named->len &&
			 memcmp(text, named->name, named->len) == 0;
	return !search->found;
}

/* The tasks whose file names it. */
static void
put_tasks(struct call *call, const struct policy_server *server)
{
	const struct policy *policy = call->service->generation->policy;
	json_t *list = json_array();

	text_show(&call->text, "tasks that write it:");
	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++) {
			const struct policy_task *task = &policy->groups[i].tasks[k];
			struct task_search search = { server, false };

			task_each_server(task->source->task, names_server, &search);
			if (!search.found)
				continue;
			text_show(&call->text, "%s %s (%s)", json_array_size(list) ? "," : "",
				  task->id, task->name);
			json_array_append_new(list, json_string(task->id));
		}
	text_show(&call->text, "%s\n", json_array_size(list) ? "" : " none");
	json_object_set_new(call->result, "tasks", list);
}

static void
put_row(struct table *table, const char *name, const char *value)
{
	table_cell(table, "%s", name);
	table_cell(table, "%s", value);
}

static void
put_number(struct table *table, const char *name, long number)
{
	table_cell(table, "%s", name);
	table_cell(table, "%ld", number);
}

void
command_server_show(struct call *call)
{
	const struct policy *policy = call->service->generation->policy;
	const char *id = call->arguments[0];
	const struct policy_server *server = policy_server_find(policy, false, id, strlen(id));
	static const char *const keys[] = { "identity", "psk", "public_key", "server_public_key",
					    "secret_key" };
	struct table table;

	if (!server) {
		refuse_unknown(call, policy, id);
		return;
	}
	call->result = server_json(server);
	table_init(&table, "setting|~value");
	put_row(&table, "id", server->id);
	put_row(&table, "name", server->name);
	put_row(&table, "type", server_type_names[server->type]);
	put_row(&table, "uri", server->uri);
	put_row(&table, "security", server_mode_names[server->mode]);
	if (server->ssid)
		put_number(&table, "ssid", server->ssid);
	put_number(&table, "security instance", server->security_instance);
	if (server->type == SERVER_MANAGEMENT) {
		put_number(&table, "server instance", server->server_instance);
		put_row(&table, "binding", server->binding);
		put_number(&table, "lifetime", (long)server->lifetime_s);
		put_row(&table, "store notifications", server->store_notifications ? "yes" : "no");
	}
	for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (json_is_string(json_object_get(call->result, keys[i])))
			put_row(&table, keys[i],
				json_string_value(json_object_get(call->result, keys[i])));
	put_row(&table, "per session", task_depends_on_session(server->task) ? "yes" : "no");
	table_finish(&table, &call->text);
	put_tasks(call, server);
}

/* --- changed --- */

/* The element of an id in servers.conf, or -1 and the call refused. */
static int
find(struct policy_edit *edit, const char *id)
{
	int element = policy_edit_find(edit, "id", id);

	if (element < 0)
		refuse_unknown(edit->call, edit->call->service->generation->policy, id);
	return element;
}

void
command_server_add(struct call *call)
{
	const char *id = call->arguments[0];
	struct command_settings settings;
	struct policy_edit edit;

	command_settings_init(&settings);
	command_settings_text(&settings, "id", id);
	if (command_settings_take(&settings, call, options, OPTIONS) &&
	    policy_edit_begin(&edit, call, "servers")) {
		if (policy_edit_find(&edit, "id", id) >= 0)
			call_refuse(call, CTL_REFUSED,
				    "there is a server \"%s\" already: `server edit` changes it",
				    id);
		else if (policy_edit_append(&edit, -1, settings.pairs, settings.count))
			policy_edit_commit(&edit, "server %s added", id);
		policy_edit_end(&edit);
	}
	command_settings_fini(&settings);
}

void
command_server_edit(struct call *call)
{
	const char *id = call->arguments[0];
	struct command_settings settings;
	struct policy_edit edit;
	int element;

	command_settings_init(&settings);
	if (!command_settings_take(&settings, call, options, OPTIONS))
		goto out;
	if (!settings.count) {
		call_refuse(call, CTL_USAGE, "say what to change: `help server edit` lists it");
		goto out;
	}
	if (!policy_edit_begin(&edit, call, "servers"))
		goto out;
	element = find(&edit, id);
	if (element >= 0 && policy_edit_set(&edit, (struct edit_place){ element, -1 },
					    settings.pairs, settings.count))
		policy_edit_commit(&edit, "server %s changed", id);
	policy_edit_end(&edit);
out:
	command_settings_fini(&settings);
}

/* The first tasks that write the server, or would miss it; "" where none does. */
static void
put_users(const struct policy *policy, const struct policy_server *server, struct text *users)
{
	enum { NAMED_MAX = 5 };
	unsigned n = 0;

	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++) {
			const struct policy_task *task = &policy->groups[i].tasks[k];
			struct task_search search = { server, false };

			task_each_server(task->source->task, names_server, &search);
			if (search.found && n++ < NAMED_MAX)
				text_show(users, "%s%s", users->len ? ", " : "", task->id);
		}
	if (n > NAMED_MAX)
		text_show(users, " and %u more", n - NAMED_MAX);
}

void
command_server_remove(struct call *call)
{
	const struct policy *policy = call->service->generation->policy;
	const char *id = call->arguments[0];
	const struct policy_server *server = policy_server_find(policy, false, id, strlen(id));
	struct policy_edit edit;
	struct text users;
	int element;

	text_init(&users);
	if (server)
		put_users(policy, server, &users);
	if (users.len)
		call_refuse(call, CTL_REFUSED,
			    "server %s is written by %s: change or remove what names it first", id,
			    text_str(&users));
	text_fini(&users);
	if (call->exit != CTL_DONE || !policy_edit_begin(&edit, call, "servers"))
		return;
	element = find(&edit, id);
	if (element >= 0 && policy_edit_remove(&edit, (struct edit_place){ element, -1 }))
		policy_edit_commit(&edit, "server %s removed", id);
	policy_edit_end(&edit);
}
