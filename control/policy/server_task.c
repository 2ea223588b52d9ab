/*
 * The task that writes a configured LwM2M server: a tree of tags, as an operator would write it, so that one
 * checker checks it and one compiler runs it. The values never are XML text.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "control/policy/policy_reading.h"
#include "tasks/hash.h"
#include "tasks/model/task_builder.h"

/* The variables of lwm2mBootstrapConfiguration (tasks/compile.h, compile_hooks.server). */
#define VAR_SECURITY_INSTANCE "securityInstanceId"
#define VAR_SERVER_INSTANCE   "serverInstanceId"

enum {
	LINES_MAX = 32,

	SECURITY_URI = 0, /* OMA TS Core E.1 */
	SECURITY_BOOTSTRAP = 1,
	SECURITY_MODE = 2,
	SECURITY_IDENTITY = 3,
	SECURITY_SERVER_KEY = 4,
	SECURITY_SECRET = 5,
	SECURITY_SSID = 10,
	SERVER_SSID = 0, /* OMA TS Core E.2 */
	SERVER_LIFETIME = 1,
	SERVER_STORING = 6,
	SERVER_BINDING = 7,
};

/* The task so far, and which setting each of its tags comes from. */
struct writer {
	struct arena arena;
	struct task_builder builder;
	uint64_t hash;                   /* of all of it */
	const char *settings[LINES_MAX]; /* by number of the tag, from 1 */
	uint32_t line;
	/* Where writes go. */
	unsigned object, instance;
	const char *variable;
};

/* Opens a tag that comes from a setting; NULL: from the server as such. */
static void
open_tag(struct writer *writer, const char *name, const char *setting)
{
	assert(writer->line + 1 < LINES_MAX);
	writer->settings[++writer->line] = setting;
	writer->hash = hash64_bytes(writer->hash, name, strlen(name) + 1);
	task_builder_open(&writer->builder, name, writer->line);
}

static void
put_attribute(struct writer *writer, const char *name, const char *value)
{
	writer->hash = hash64_bytes(writer->hash, name, strlen(name) + 1);
	writer->hash = hash64_bytes(writer->hash, value, strlen(value) + 1);
	task_builder_attribute(&writer->builder, name, value);
}

/* The number tells a tag inside from one behind. */
static void
close_tag(struct writer *writer)
{
	writer->hash = hash64_word(writer->hash, UINT64_MAX);
	task_builder_close(&writer->builder);
}

/* A copy that lives as long as the writer; without memory the task is refused. */
static const char *
keep(struct writer *writer, const char *text)
{
	const char *kept = arena_copy(&writer->arena, text, strlen(text));

	writer->builder.failed |= !kept;
	return kept ? kept : "";
}

static void
put_store(struct writer *writer, const char *name, const char *value)
{
	open_tag(writer, "store", name);
	put_attribute(writer, "target", name);
	put_attribute(writer, "value", value);
	close_tag(writer);
}

static void
put_write(struct writer *writer, unsigned resource, const char *value, const char *setting)
{
	char text[80];
	int len = snprintf(text, sizeof text, "/%u/${#%s ? '%u'}/%u", writer->object,
			   writer->variable, writer->instance, resource);

	assert(len > 0 && (size_t)len < sizeof text);
	open_tag(writer, "write", setting);
	put_attribute(writer, "key", keep(writer, text));
	put_attribute(writer, "value", value);
	close_tag(writer);
}

static void
put_number(struct writer *writer, unsigned resource, uint32_t number, const char *setting)
{
	char text[16];

	snprintf(text, sizeof text, "%u", number);
	put_write(writer, resource, keep(writer, text), setting);
}

/* Resources 3, 4 and 5: what the mode has none of is written empty, as LwM2M 1.0 wants it. */
static void
put_keys(struct writer *writer, const struct policy_server *server, const struct server_keys *keys)
{
	static const char empty[] = "${''}";

	if (server->mode == SERVER_PSK) {
		put_write(writer, SECURITY_IDENTITY, "${#identity.encodeHex}", "identity");
		put_write(writer, SECURITY_SERVER_KEY, empty, NULL);
		put_write(writer, SECURITY_SECRET,
			  server->psk_hex ? "${#psk}" : "${#psk.encodeHex}", "psk");
		return;
	}
	put_write(writer, SECURITY_IDENTITY, keys->public_key ? keys->public_key : empty,
		  "public_key");
	put_write(writer, SECURITY_SERVER_KEY,
		  keys->server_public_key ? keys->server_public_key : empty, "server_public_key");
	put_write(writer, SECURITY_SECRET, keys->secret_key ? keys->secret_key : empty,
		  "secret_key");
}

static void
put_security(struct writer *writer, const struct policy_server *server,
	     const struct server_keys *keys)
{
	writer->object = 0;
	writer->instance = server->security_instance;
	writer->variable = VAR_SECURITY_INSTANCE;
	put_write(writer, SECURITY_URI, server->uri, "uri");
	put_write(writer, SECURITY_BOOTSTRAP,
		  server->type == SERVER_BOOTSTRAP ? "${true}" : "${false}", "type");
	put_number(writer, SECURITY_MODE, server->mode, "security");
	put_keys(writer, server, keys);
	if (server->ssid)
		put_number(writer, SECURITY_SSID, server->ssid, "ssid");
}

static void
put_server(struct writer *writer, const struct policy_server *server)
{
	writer->object = 1;
	writer->instance = server->server_instance;
	writer->variable = VAR_SERVER_INSTANCE;
	put_number(writer, SERVER_SSID, server->ssid, "ssid");
	put_number(writer, SERVER_LIFETIME, server->lifetime_s, "lifetime");
	put_write(writer, SERVER_STORING, server->store_notifications ? "${true}" : "${false}",
		  "store_notifications");
	put_write(writer, SERVER_BINDING, server->binding, "binding");
}

static void
put_task(struct writer *writer, const struct policy_server *server, const struct server_keys *keys)
{
	open_tag(writer, "config", NULL);
	if (server->mode == SERVER_PSK) {
		put_store(writer, "identity", server->identity);
		put_store(writer, "psk", server->psk);
	}
	open_tag(writer, "lwm2mBootstrap", NULL);
	put_attribute(writer, "performBootstrapFinish", "false");
	put_security(writer, server, keys);
	if (server->type == SERVER_MANAGEMENT)
		put_server(writer, server);
	close_tag(writer);
	close_tag(writer);
}

/*
 * What the task's checks say stands in XML that nobody wrote: it is told where the setting is. Its
 * warnings are about tasks that an operator writes by hand; for a server the rules are errors.
 */
static void
report(struct reading *reading, const struct writer *writer, const config_setting_t *member,
       const struct diag_list *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		const struct diag *diag = &diags->items[i];
		uint32_t line = diag->place.line < LINES_MAX ? diag->place.line : 0;
		const char *setting = writer->settings[line];
		const config_setting_t *said =
			setting ? config_setting_get_member(member, setting) : NULL;
		struct place place = conf_place(reading->conf, said ? said : member);

		place.tag = setting ? setting : "servers";
		if (diag->level == DIAG_ERROR)
			diag_error(reading->diags, &place, "%s", diag->text);
	}
}

void
policy_make_server_task(struct reading *reading, const config_setting_t *member,
			struct policy_server *server, const struct server_keys *keys)
{
	struct writer writer = { .hash = HASH64_EMPTY };
	struct diag_list diags;
	char name[128];

	arena_init(&writer.arena, 0);
	task_builder_init(&writer.builder, &writer.arena);
	put_task(&writer, server, keys);
	diag_list_init(&diags);
	snprintf(name, sizeof name, "server %s", server->id);
	server->hash = writer.hash;
	server->task = task_builder_load(&writer.builder, name, reading->objects, &diags);
	report(reading, &writer, member, &diags);
	diag_list_fini(&diags);
	arena_fini(&writer.arena);
}
