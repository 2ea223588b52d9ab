/*
 * The task that writes a configured LwM2M server: XML, as an operator would write it, so that one
 * reader checks it and one compiler runs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy/policy_reading.h"
#include "control/text.h"

/* The variables of lwm2mBootstrapConfiguration (tasks/compile.h, compile_hooks.server). */
#define VAR_SECURITY_INSTANCE "securityInstanceId"
#define VAR_SERVER_INSTANCE   "serverInstanceId"

enum {
	LINES_MAX = 32,
	XML_BYTES = 4096, /* of tags and keys */
	ESCAPED = 6,      /* bytes of the longest escape: &quot; */

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

/* The XML, and which setting each of its lines comes from. */
struct writer {
	struct text text;
	const char *settings[LINES_MAX]; /* by line, from 1 */
	unsigned line;
	/* Where writes go. */
	unsigned object, instance;
	const char *variable;
};

/* Ends a line that comes from a setting; NULL: from the server as such. */
static void
end_line(struct writer *writer, const char *setting)
{
	text_put(&writer->text, "\n", 1);
	writer->settings[++writer->line] = setting;
}

static void
put_escaped(struct text *text, const char *value)
{
	for (; *value; value++) {
		switch (*value) {
		case '&':
			text_printf(text, "&amp;");
			break;
		case '<':
			text_printf(text, "&lt;");
			break;
		case '"':
			text_printf(text, "&quot;");
			break;
		case '\t':
		case '\n':
		case '\r':
			/* An XML reader makes a blank of these as they are. */
			text_printf(text, "&#%d;", *value);
			break;
		default:
			text_put(text, value, 1);
		}
	}
}

static void
put_store(struct writer *writer, const char *name, const char *value)
{
	text_printf(&writer->text, "<store target=\"%s\" value=\"", name);
	put_escaped(&writer->text, value);
	text_printf(&writer->text, "\"/>");
	end_line(writer, name);
}

static void
put_write(struct writer *writer, unsigned resource, const char *value, const char *setting)
{
	text_printf(&writer->text, "<write key=\"/%u/${#%s ? '%u'}/%u\" value=\"", writer->object,
		    writer->variable, writer->instance, resource);
	put_escaped(&writer->text, value);
	text_printf(&writer->text, "\"/>");
	end_line(writer, setting);
}

static void
put_number(struct writer *writer, unsigned resource, uint32_t number, const char *setting)
{
	char text[16];

	snprintf(text, sizeof text, "%u", number);
	put_write(writer, resource, text, setting);
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
	text_printf(&writer->text, "<config>");
	end_line(writer, NULL);
	if (server->mode == SERVER_PSK) {
		put_store(writer, "identity", server->identity);
		put_store(writer, "psk", server->psk);
	}
	text_printf(&writer->text, "<lwm2mBootstrap performBootstrapFinish=\"false\">");
	end_line(writer, NULL);
	put_security(writer, server, keys);
	if (server->type == SERVER_MANAGEMENT)
		put_server(writer, server);
	text_printf(&writer->text, "</lwm2mBootstrap>");
	end_line(writer, NULL);
	text_printf(&writer->text, "</config>");
	end_line(writer, NULL);
}

static size_t
length(const char *text)
{
	return text ? strlen(text) : 0;
}

/* All at once: what holds keys is not copied about as it grows. */
static bool
reserve(struct writer *writer, const struct policy_server *server, const struct server_keys *keys)
{
	size_t values = strlen(server->uri) + length(server->identity) + length(server->psk) +
			length(keys->public_key) + length(keys->server_public_key) +
			length(keys->secret_key);

	writer->text.capacity = XML_BYTES + ESCAPED * values;
	writer->text.at = malloc(writer->text.capacity);
	return writer->text.at != NULL;
}

/*
 * What the task's checks say stands in XML that nobody wrote: it is told where the setting is. Its
 * warnings are about tasks that an operator writes by hand; for a server the rules are errors.
 */
static void
tell(struct reading *reading, const struct writer *writer, const config_setting_t *member,
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
	struct place place = conf_place(reading->conf, member);
	struct writer writer = { 0 };
	struct diag_list diags;
	char name[128];

	if (!reserve(&writer, server, keys)) {
		diag_error(reading->diags, &place, "out of memory");
		return;
	}
	put_task(&writer, server, keys);
	diag_list_init(&diags);
	snprintf(name, sizeof name, "server %s", server->id);
	server->hash = policy_text_hash(writer.text.at, writer.text.len);
	server->task = task_load(name, writer.text.at, writer.text.len, reading->objects, &diags);
	tell(reading, &writer, member, &diags);
	diag_list_fini(&diags);
	explicit_bzero(writer.text.at, writer.text.len);
	text_fini(&writer.text);
}
