/* servers.conf: LwM2M servers, and the rules that their accounts must keep. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy/policy_help.h"
#include "control/policy/policy_reading.h"
#include "control/policy/server_uri.h"

static const struct words types = { server_type_names, SERVER_TYPES, "management, bootstrap" };
static const struct words modes = { server_mode_names, SERVER_MODES,
				    "psk, certificate, rpk, nosec" };

static const struct conf_member server_members[] = {
	{ "id",
	  "letters, digits, \"-\", \"_\" and \".\": for serverId in tasks, and for commands" },
	{ "name", "for serverName in tasks; the id without it" },
	{ "type", "\"management\" (without it) or \"bootstrap\"" },
	{ "uri", "of the server; scheme and port come from `security` where they are left out" },
	{ "security", "\"psk\" (without it), \"nosec\", \"certificate\" or \"rpk\"" },
	{ "ssid", "Short Server ID, 1 to 65534" },
	{ "binding", "letters of U, T, S, N, Q; \"U\" without it" },
	{ "lifetime", "seconds of a registration; 86400 without it" },
	{ "identity", "template of the identity for `psk`; \"${sv.managementId}\" without it" },
	{ "psk", "template of the key; \"${string.secureRandom(24)}\" without it" },
	{ "psk_hex", "true: `psk` gives hex digits" },
	{ "store_notifications",
	  "true: the device keeps notifications while it is offline or disabled" },
	{ "public_key",
	  "the device's certificate or public key, as hex or \"file:NAME\" of keys/" },
	{ "secret_key", "the device's private key (PKCS#8), as hex or \"file:NAME\" of keys/" },
	{ "server_public_key",
	  "the server's certificate or public key, as hex or \"file:NAME\" of keys/" },
	{ "security_instance", "instance of object 0; the SSID without it" },
	{ "server_instance", "instance of object 1; the SSID without it" },
};

const struct policy_section policy_section_servers = {
	"SERVERS",
	"servers = ( { ... }, { ... } ): the LwM2M servers that tasks write by "
	"lwm2mBootstrapConfiguration.",
	server_members, COUNT(server_members)
};

enum {
	ID_MAX = 64,
	SSID_MAX = 65534,     /* 65535 is reserved (OMA TS Core E.1) */
	INSTANCE_MAX = 65534, /* so is this one */
	LIFETIME_PRESET_S = 86400,
};

static uint32_t
read_number(struct server_reading *in, const char *name, struct conf_range range)
{
	return (uint32_t)conf_number(in->reading->conf, in->member, name, range,
				     in->reading->diags);
}

/* --- names --- */

static bool
id_is_good(const char *id)
{
	size_t len = strlen(id);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("-_.", id[i]))
			return false;
	return len && len <= ID_MAX;
}

static void
read_names(struct server_reading *in)
{
	struct policy_server *server = in->server;

	server->id = server_text(in, "id", NULL);
	if (!server->id) {
		if (!server_says(in, "id"))
			server_wrong(in, "id", "\"id\" is missing here");
		return;
	}
	if (!id_is_good(server->id))
		server_wrong(in, "id",
			     "\"%.80s\" is no id: 1 to %d letters, digits, '-', '_' and '.'",
			     server->id, ID_MAX);
	server->name = server_text(in, "name", server->id);
	if (server->name && (!*server->name || strlen(server->name) > POLICY_FILE_NAME_MAX))
		server_wrong(in, "name", "a name has 1 to %d bytes", POLICY_FILE_NAME_MAX);
}

/* --- address --- */

/* Letters of OMA TS Core E.2, resource 7, each once. */
static bool
binding_is_good(const char *binding)
{
	for (const char *at = binding; *at; at++)
		if (!strchr("UTSNQ", *at) || strchr(at + 1, *at))
			return false;
	return *binding;
}

static void
check_binding(struct server_reading *in, bool tcp)
{
	const char *binding = in->server->binding;

	if (in->server->type == SERVER_MANAGEMENT && !strchr(binding, tcp ? 'T' : 'U'))
		server_wrong(in, "binding", "the binding \"%s\" lacks %s, but the URI %s is of %s",
			     binding, tcp ? "T" : "U", in->server->uri, tcp ? "TCP" : "UDP");
}

static void
read_address(struct server_reading *in)
{
	struct policy_server *server = in->server;
	const char *text = server_text(in, "uri", NULL);
	bool secured = server->mode != SERVER_NOSEC;
	struct server_uri uri;
	char error[SERVER_URI_ERROR_MAX];

	server->binding = server_text(in, "binding", "U");
	if (!server->binding || !binding_is_good(server->binding)) {
		server_wrong(
			in, "binding",
			"a binding is made of U (UDP), T (TCP), S (SMS), N (non-IP) and Q (queue "
			"mode), each once");
		server->binding = "U";
	}
	if (!text) {
		if (!server_says(in, "uri"))
			server_wrong(in, "uri", "\"uri\" is missing here");
		return;
	}
	if (server_uri_complete(text, secured,
				strchr(server->binding, 'T') && !strchr(server->binding, 'U'), &uri,
				error) < 0) {
		server_wrong(in, "uri", "%s", error);
		return;
	}
	server->uri = policy_keep(in->reading, uri.text);
	if (uri.secured != secured)
		server_wrong(in, "uri", "%s does not go with security \"%s\": %s", uri.text,
			     server_mode_names[server->mode],
			     secured ? "write coaps, or security = \"nosec\""
				     : "write coap, or another security");
	check_binding(in, uri.tcp);
}

/* --- accounts --- */

static void
read_account(struct server_reading *in)
{
	bool bootstrap = in->server->type == SERVER_BOOTSTRAP;
	static const char *const unused[] = { "binding", "lifetime", "store_notifications",
					      "server_instance" };
	struct policy_server *server = in->server;

	server->ssid = (uint16_t)read_number(in, "ssid", (struct conf_range){ 1, SSID_MAX, 0 });
	if (!server->ssid && !bootstrap && !server_says(in, "ssid"))
		server_wrong(in, "ssid",
			     "\"ssid\" is missing here: 1 to %d, another one for each server of a "
			     "device",
			     SSID_MAX);
	server->lifetime_s =
		read_number(in, "lifetime", (struct conf_range){ 1, INT32_MAX, LIFETIME_PRESET_S });
	server->store_notifications = conf_bool(in->reading->conf, in->member,
						"store_notifications", true, in->reading->diags);
	server->security_instance = (uint16_t)read_number(
		in, "security_instance",
		(struct conf_range){ 0, INSTANCE_MAX, bootstrap ? 0 : server->ssid });
	server->server_instance = (uint16_t)read_number(
		in, "server_instance", (struct conf_range){ 0, INSTANCE_MAX, server->ssid });
	for (size_t i = 0; bootstrap && i < COUNT(unused); i++)
		if (server_says(in, unused[i]))
			server_wrong(
				in, unused[i],
				"a bootstrap server has no Server instance, and no %s: take it out",
				unused[i]);
}

/* What must be told apart: ids and names. Servers with one SSID are alternatives, for different devices. */
static void
check_unique(struct server_reading *in)
{
	const struct policy *policy = in->reading->policy;
	const struct policy_server *server = in->server;

	for (unsigned i = 0; i < policy->n_servers; i++) {
		const struct policy_server *other = &policy->servers[i];

		if (strcmp(other->id, server->id) == 0)
			server_wrong(in, "id", "server %s is duplicated", server->id);
		else if (strcmp(other->name, server->name) == 0)
			server_wrong(in, "name", "server %s has the name \"%s\" already", other->id,
				     server->name);
	}
}

static void
read_server(struct reading *reading, const config_setting_t *member)
{
	struct policy_server *server = &reading->policy->servers[reading->policy->n_servers];
	struct place place = conf_place(reading->conf, member);
	struct server_reading in = { reading, member, server, { 0 } };
	size_t errors = reading->diags->errors;

	place.tag = "servers";
	if (!config_setting_is_group(member)) {
		diag_error(reading->diags, &place, "a server must be a group { }");
		return;
	}
	conf_check_members(reading->conf, member, server_members, COUNT(server_members),
			   reading->diags);
	*server = (struct policy_server){ .line = place.line };
	server->type =
		(enum server_type)policy_word(reading, member, "type", &types, SERVER_MANAGEMENT);
	server->mode =
		(enum server_mode)policy_word(reading, member, "security", &modes, SERVER_PSK);
	read_names(&in);
	read_account(&in);
	read_address(&in);
	server_read_keys(&in);
	if (!server->id || !server->name)
		return;
	check_unique(&in);
	if (reading->diags->errors == errors)
		policy_make_server_task(reading, member, server, &in.keys);
	reading->policy->n_servers++;
}

static void
read_list(struct reading *reading)
{
	static const struct conf_member known[] = { { "servers", "" } };
	const config_setting_t *root = conf_text_root(reading->conf);
	const config_setting_t *list;
	struct place place = { .file = reading->conf->name, .tag = "servers" };
	int n;

	conf_check_members(reading->conf, root, known, 1, reading->diags);
	list = conf_list(reading->conf, root, "servers", reading->diags);
	n = list ? config_setting_length(list) : 0;
	if (n > POLICY_SERVERS_MAX) {
		diag_error(reading->diags, &place, "more than %d servers", POLICY_SERVERS_MAX);
		return;
	}
	if (n == 0)
		return;
	reading->policy->servers =
		arena_alloc(reading->arena, (size_t)n * sizeof *reading->policy->servers);
	if (!reading->policy->servers) {
		diag_error(reading->diags, &place, "out of memory");
		return;
	}
	for (int i = 0; i < n; i++)
		read_server(reading, config_setting_get_elem(list, (unsigned)i));
}

int
policy_read_servers(struct reading *reading)
{
	char path[POLICY_PATH_MAX];
	struct conf_text conf;
	size_t len;
	char *text;
	int result;

	if (!policy_has_file(reading, "servers.conf"))
		return 0;
	text = policy_read_file(reading, "servers.conf", path, &len);
	if (!text)
		return -EINVAL;
	result = conf_text_parse(&conf, path, text, len, reading->diags);
	explicit_bzero(text, len);
	free(text);
	if (result < 0)
		return result;
	reading->conf = &conf;
	read_list(reading);
	conf_text_fini(&conf);
	reading->conf = NULL;
	return 0;
}

/* --- look-ups --- */

const struct policy_server *
policy_server_find(const struct policy *policy, bool by_name, const char *name, size_t len)
{
	for (unsigned i = 0; i < policy->n_servers; i++) {
		const struct policy_server *server = &policy->servers[i];
		const char *text = by_name ? server->name : server->id;

		if (strlen(text) == len && memcmp(text, name, len) == 0)
			return server;
	}
	return NULL;
}

const char *
policy_nearest_server(const struct policy *policy, const char *id)
{
	const char **ids = calloc(policy->n_servers + 1, sizeof *ids);
	const char *nearest;

	if (!ids)
		return NULL;
	for (unsigned i = 0; i < policy->n_servers; i++)
		ids[i] = policy->servers[i].id;
	nearest = diag_nearest(id, ids, policy->n_servers);
	free(ids);
	return nearest;
}
