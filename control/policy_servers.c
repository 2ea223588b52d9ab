/* servers.conf: LwM2M servers, and the rules that their accounts must keep. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy_internal.h"
#include "control/server_uri.h"

const char *const server_type_names[SERVER_TYPES] = {
	[SERVER_MANAGEMENT] = "management",
	[SERVER_BOOTSTRAP] = "bootstrap",
};
const char *const server_mode_names[SERVER_MODES] = {
	[SERVER_PSK] = "psk",
	[SERVER_RPK] = "rpk",
	[SERVER_CERTIFICATE] = "certificate",
	[SERVER_NOSEC] = "nosec",
};

static const struct words types = { server_type_names, SERVER_TYPES, "management, bootstrap" };
static const struct words modes = { server_mode_names, SERVER_MODES,
				    "psk, certificate, rpk, nosec" };

static const char *const server_members[] = {
	"id",
	"name",
	"type",
	"uri",
	"security",
	"ssid",
	"binding",
	"lifetime",
	"identity",
	"psk",
	"psk_hex",
	"store_notifications",
	"public_key",
	"secret_key",
	"server_public_key",
	"security_instance",
	"server_instance",
};

enum {
	ID_MAX = 64,
	SSID_MAX = 65534,     /* 65535 is reserved (OMA TS Core E.1) */
	INSTANCE_MAX = 65534, /* so is this one */
	IDENTITY_MAX = 128,   /* OMA TS Transport 5.2.9.1: what every client must take */
	PSK_MAX = 64,
	KEY_FILE_MAX = 16384,
	LIFETIME_PRESET_S = 86400,
};

/* One server in reading. */
struct server_reading {
	struct reading *reading;
	const config_setting_t *member;
	struct policy_server *server;
	struct server_keys keys;
	bool good; /* nothing wrong yet: its task may be made */
};

static void __attribute__((format(printf, 3, 4)))
wrong(struct server_reading *in, const char *setting, const char *format, ...)
{
	const config_setting_t *said = config_setting_get_member(in->member, setting);
	struct place place = conf_place(in->reading->conf, said ? said : in->member);
	va_list args;

	place.tag = setting;
	va_start(args, format);
	diag_add(in->reading->diags, DIAG_ERROR, &place, format, args);
	va_end(args);
	in->good = false;
}

static const char *
read_text(struct server_reading *in, const char *name, const char *preset)
{
	const char *text =
		conf_string(in->reading->conf, in->member, name, preset, in->reading->diags);

	if (text && strlen(text) > 2 * KEY_FILE_MAX)
		wrong(in, name, "longer than %d bytes", 2 * KEY_FILE_MAX);
	return policy_keep(in->reading, text);
}

static uint32_t
read_number(struct server_reading *in, const char *name, struct conf_range range)
{
	return (uint32_t)conf_number(in->reading->conf, in->member, name, range,
				     in->reading->diags);
}

static bool
said(const struct server_reading *in, const char *name)
{
	return config_setting_get_member(in->member, name) != NULL;
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

	server->id = read_text(in, "id", NULL);
	if (!server->id) {
		if (!said(in, "id"))
			wrong(in, "id", "\"id\" is missing here");
		return;
	}
	if (!id_is_good(server->id))
		wrong(in, "id", "\"%.80s\" is no id: 1 to %d letters, digits, '-', '_' and '.'",
		      server->id, ID_MAX);
	server->name = read_text(in, "name", server->id);
	if (server->name && (!*server->name || strlen(server->name) > POLICY_FILE_NAME_MAX))
		wrong(in, "name", "a name has 1 to %d bytes", POLICY_FILE_NAME_MAX);
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
		wrong(in, "binding", "the binding \"%s\" lacks %s, but the URI %s is of %s",
		      binding, tcp ? "T" : "U", in->server->uri, tcp ? "TCP" : "UDP");
}

static void
read_address(struct server_reading *in)
{
	struct policy_server *server = in->server;
	const char *text = read_text(in, "uri", NULL);
	bool secured = server->mode != SERVER_NOSEC;
	struct server_uri uri;
	char error[SERVER_URI_ERROR_MAX];

	server->binding = read_text(in, "binding", "U");
	if (!server->binding || !binding_is_good(server->binding)) {
		wrong(in, "binding",
		      "a binding is made of U (UDP), T (TCP), S (SMS), N (non-IP) and Q (queue "
		      "mode), each once");
		server->binding = "U";
	}
	if (!text) {
		if (!said(in, "uri"))
			wrong(in, "uri", "\"uri\" is missing here");
		return;
	}
	if (server_uri_complete(text, secured,
				strchr(server->binding, 'T') && !strchr(server->binding, 'U'), &uri,
				error) < 0) {
		wrong(in, "uri", "%s", error);
		return;
	}
	server->uri = policy_keep(in->reading, uri.text);
	if (uri.secured != secured)
		wrong(in, "uri", "%s does not go with security \"%s\": %s", uri.text,
		      server_mode_names[server->mode],
		      secured ? "write coaps, or security = \"nosec\""
			      : "write coap, or another security");
	check_binding(in, uri.tcp);
}

/* --- keys --- */

/* Settings that the mode has no use for. */
static void
check_unused(struct server_reading *in, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (said(in, names[i]))
			wrong(in, names[i], "security \"%s\" has no %s: take it out, or change one",
			      server_mode_names[in->server->mode], names[i]);
}

/* A template's text that goes out as it stands; NULL when it is computed. */
static const char *
literal(const char *text)
{
	return strstr(text, "${") ? NULL : text;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Hex digits to bytes; the count, or -1: other characters, an odd number, or too many. */
static ssize_t
decode_hex(const char *text, uint8_t *bytes, size_t size)
{
	size_t n = 0;

	for (; *text; text += 2) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || n == size)
			return -1;
		bytes[n++] = (uint8_t)(high << 4 | low);
	}
	return (ssize_t)n;
}

static void
check_psk(struct server_reading *in)
{
	const char *psk = in->server->psk;
	uint8_t bytes[PSK_MAX];
	ssize_t len = psk ? (ssize_t)strlen(psk) : 0;

	if (!len) {
		wrong(in, "psk", "an empty psk is none");
		return;
	}
	if (!literal(psk))
		return;
	if (in->server->psk_hex)
		len = decode_hex(psk, bytes, sizeof bytes);
	explicit_bzero(bytes, sizeof bytes);
	if (len < 0)
		wrong(in, "psk", "this is no hex of 1 to %d bytes, two digits each", PSK_MAX);
	else if (len > PSK_MAX)
		wrong(in, "psk", "longer than %d bytes: clients take no more", PSK_MAX);
}

static void
read_psk(struct server_reading *in)
{
	struct policy_server *server = in->server;

	server->identity = read_text(in, "identity", "${sv.managementId}");
	server->psk = read_text(in, "psk", "${string.secureRandom(24)}");
	server->psk_hex =
		conf_bool(in->reading->conf, in->member, "psk_hex", false, in->reading->diags);
	if (!server->identity || !*server->identity)
		wrong(in, "identity", "a psk needs an identity");
	else if (literal(server->identity) && strlen(server->identity) > IDENTITY_MAX)
		wrong(in, "identity", "%zu bytes: clients take up to %d", strlen(server->identity),
		      IDENTITY_MAX);
	check_psk(in);
}

/* One DER SEQUENCE and nothing else: X.509, SPKI (RFC 7250) and PKCS#8 (RFC 5958) alike. */
static bool
is_der(const uint8_t *bytes, size_t len)
{
	size_t n, said = 0;

	if (len < 2 || bytes[0] != 0x30)
		return false;
	if (bytes[1] < 0x80)
		return len == 2 + (size_t)bytes[1];
	n = bytes[1] & 0x7f;
	if (n < 1 || n > 3 || len < 2 + n)
		return false;
	for (size_t i = 0; i < n; i++)
		said = said << 8 | bytes[2 + i];
	return len == 2 + n + said;
}

static void
check_der(struct server_reading *in, const char *setting, const void *bytes, size_t len)
{
	static const char pem[] = "-----BEGIN";

	if (len >= sizeof pem - 1 && strncmp(bytes, pem, sizeof pem - 1) == 0)
		wrong(in, setting,
		      "this is PEM, but clients take DER (OMA TS Transport 5.2.9): convert it with "
		      "`openssl x509`, `openssl pkey` or `openssl pkcs8`, and -outform DER");
	else if (!is_der(bytes, len))
		wrong(in, setting,
		      "this is no DER: X.509, SubjectPublicKeyInfo and PKCS#8 begin with 30 and "
		      "say "
		      "their own length");
}

/* keys/NAME as hex in the arena; NULL after adding an error. */
static const char *
read_key_file(struct server_reading *in, const char *setting, const char *name)
{
	char path[POLICY_PATH_MAX], in_folder[POLICY_FILE_NAME_MAX + 8];
	size_t len, errors = in->reading->diags->errors;
	char *bytes, *hex = NULL;

	if (!policy_file_name_is_good(name)) {
		wrong(in, setting, "\"%.80s\" must be the name of a file in keys/", name);
		return NULL;
	}
	snprintf(in_folder, sizeof in_folder, "keys/%s", name);
	bytes = policy_read_file(in->reading, in_folder, path, &len);
	if (!bytes) {
		in->good = false;
		return NULL;
	}
	if (len > KEY_FILE_MAX)
		wrong(in, setting, "%s is longer than %d bytes", in_folder, KEY_FILE_MAX);
	else
		check_der(in, setting, bytes, len);
	if (in->reading->diags->errors == errors)
		hex = arena_alloc(in->reading->arena, 2 * len + 1);
	for (size_t i = 0; hex && i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (uint8_t)bytes[i]);
	explicit_bzero(bytes, len);
	free(bytes);
	return hex;
}

/* "file:NAME", a template, or hex. What goes into the task; NULL after adding an error. */
static const char *
read_key(struct server_reading *in, const char *setting, const char **text)
{
	uint8_t bytes[KEY_FILE_MAX];
	ssize_t len;

	*text = read_text(in, setting, NULL);
	if (!*text || !**text) {
		wrong(in, setting,
		      "security \"%s\" needs a %s: hex, file:NAME of keys/, or a "
		      "template that gives hex",
		      server_mode_names[in->server->mode], setting);
		return NULL;
	}
	if (strncmp(*text, "file:", 5) == 0)
		return read_key_file(in, setting, *text + 5);
	if (!literal(*text))
		return *text;
	len = decode_hex(*text, bytes, sizeof bytes);
	if (len >= 0)
		check_der(in, setting, bytes, (size_t)len);
	else if (strncmp(*text, "-----BEGIN", 10) == 0)
		check_der(in, setting, *text, strlen(*text));
	else
		wrong(in, setting, "neither hex digits, two a byte, nor file:NAME");
	explicit_bzero(bytes, sizeof bytes);
	return *text;
}

static void
read_keys(struct server_reading *in)
{
	static const char *const psk[] = { "identity", "psk", "psk_hex" };
	static const char *const keys[] = { "public_key", "server_public_key", "secret_key" };
	struct policy_server *server = in->server;

	if (server->mode != SERVER_PSK)
		check_unused(in, psk, COUNT(psk));
	if (server->mode == SERVER_PSK || server->mode == SERVER_NOSEC)
		check_unused(in, keys, COUNT(keys));
	if (server->mode == SERVER_PSK)
		read_psk(in);
	if (server->mode != SERVER_RPK && server->mode != SERVER_CERTIFICATE)
		return;
	in->keys.public_key = read_key(in, keys[0], &server->public_key);
	in->keys.server_public_key = read_key(in, keys[1], &server->server_public_key);
	in->keys.secret_key = read_key(in, keys[2], &server->secret_key);
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
	if (!server->ssid && !bootstrap && !said(in, "ssid"))
		wrong(in, "ssid", "\"ssid\" is missing here: 1 to %d, another one for each server",
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
		if (said(in, unused[i]))
			wrong(in, unused[i],
			      "a bootstrap server has no Server instance, and no %s: take it out",
			      unused[i]);
}

/* What must be told apart: ids, names, SSIDs. */
static void
check_unique(struct server_reading *in)
{
	const struct policy *policy = in->reading->policy;
	const struct policy_server *server = in->server;

	for (unsigned i = 0; i < policy->n_servers; i++) {
		const struct policy_server *other = &policy->servers[i];

		if (strcmp(other->id, server->id) == 0)
			wrong(in, "id", "server %s is there twice", server->id);
		else if (strcmp(other->name, server->name) == 0)
			wrong(in, "name", "server %s has the name \"%s\" already", other->id,
			      server->name);
		if (server->ssid && other->ssid == server->ssid)
			wrong(in, "ssid",
			      "server %s has the Short Server ID %u already: a device could not "
			      "have both",
			      other->id, server->ssid);
	}
}

static void
read_server(struct reading *reading, const config_setting_t *member)
{
	struct policy_server *server = &reading->policy->servers[reading->policy->n_servers];
	struct place place = conf_place(reading->conf, member);
	struct server_reading in = { reading, member, server, { 0 }, true };
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
	read_keys(&in);
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
	static const char *const known[] = { "servers" };
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
