/* The inventory changed by hand: add, edit, remove, setting values. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/call_audit.h"
#include "control/commands/show.h"
#include "control/inventory/hash_identity.h"
#include "control/inventory/key_hex.h"
#include "control/inventory/setting_values.h"
#include "control/runs/device_change.h"
#include "dataplane/ec/ec_identity.h"
#include "tasks/show.h"
#include "tasks/utf8.h"

enum { CHANGES_MAX = 64 };

/* ---- keys ---- */

static bool
take_hex(struct call *call, const char *hex, struct device_spec *spec)
{
	int wrong = key_from_hex(hex, strlen(hex), spec);

	if (wrong < 0)
		call_refuse(call, CTL_USAGE, "--key-hex needs 2 to %zu hex digits in pairs",
			    2 * sizeof spec->key);
	else if (wrong)
		call_refuse(call, CTL_USAGE, "--key-hex: character %d is no hex digit", wrong);
	return wrong == 0;
}

static bool
take_text(struct call *call, const char *option, const char *text, struct device_spec *spec)
{
	size_t len = strlen(text);

	if (!len || len > sizeof spec->key) {
		call_refuse(call, CTL_USAGE, "%s must have 1 to %zu bytes", option,
			    sizeof spec->key);
		return false;
	}
	spec->key_len = (uint8_t)len;
	spec->key_is_hex = false;
	memcpy(spec->key, text, len);
	return true;
}

/* The key in the file that came with the request, which argv and a list of processes do not show. */
static bool
take_key_file(struct call *call, bool hex, struct device_spec *spec)
{
	enum { KEY_FILE_MAX = 1024 };
	size_t len;
	char *text = call_read_file(call, KEY_FILE_MAX, &len);
	bool good;

	if (!text)
		return false;
	while (len && strchr("\r\n", text[len - 1]))
		len--;
	text[len] = '\0';
	if (strlen(text) < len) {
		call_refuse(call, CTL_REFUSED,
			    "a key in a file has no NUL byte: use --key-hex-file");
		good = false;
	} else {
		good = hex ? take_hex(call, text, spec)
			   : take_text(call, "the key in --key-file", text, spec);
	}
	explicit_bzero(text, len);
	free(text);
	return good;
}

/* --key, --key-hex, their files, or --no-key; false after refusing. */
static bool
take_key(struct call *call, struct device_spec *spec)
{
	static const char *const names[] = { "--key", "--key-hex", "--key-file", "--key-hex-file",
					     "--no-key" };
	const char *given[5];
	unsigned n = 0;

	for (unsigned i = 0; i < 5; i++) {
		given[i] = call_option(call, names[i]);
		n += given[i] != NULL;
	}
	if (n > 1) {
		call_refuse(
			call, CTL_USAGE,
			"--key, --key-hex, --key-file, --key-hex-file and --no-key exclude each "
			"other");
		return false;
	}
	if (given[4])
		spec->key_len = 0;
	if (given[2] || given[3])
		return take_key_file(call, given[3] != NULL, spec);
	if (given[1])
		return take_hex(call, given[1], spec);
	return !given[0] || take_text(call, "--key", given[0], spec);
}

/* ---- what else it is ---- */

/* Bytes of names that were given as they are shown, or in hex. They last as long as the spec. */
struct given_names {
	char endpoint[4 * ENDPOINT_NAME_MAX + 1], identity[4 * ENDPOINT_NAME_MAX + 1];
};

/* A name as commands show it: \xNN is a byte. False after refusing. */
static bool
take_shown(struct call *call, const char *text, char out[4 * ENDPOINT_NAME_MAX + 1], size_t *len)
{
	*len = strlen(text);
	if (*len > 4 * ENDPOINT_NAME_MAX) {
		call_refuse(call, CTL_USAGE, "a name has at most %d bytes", ENDPOINT_NAME_MAX);
		return false;
	}
	memcpy(out, text, *len + 1);
	*len = show_undo(out, *len);
	out[*len] = '\0';
	return true;
}

static bool
take_endpoint(struct call *call, const char *text, struct given_names *names,
	      struct device_spec *spec)
{
	size_t len;

	if (!take_shown(call, text, names->endpoint, &len))
		return false;
	spec->endpoint = names->endpoint;
	if (strlen(names->endpoint) != len)
		call_refuse(call, CTL_REFUSED, "an endpoint name has no NUL byte");
	else if (!utf8_valid(names->endpoint, len)) /* a file could not hold it, nor a request */
		call_refuse(call, CTL_REFUSED,
			    "\"%s\" is no UTF-8, as an endpoint name must be (RFC 7252 5.10.1); "
			    "where it "
			    "is an identity, say another endpoint name",
			    text);
	return call->exit == CTL_DONE;
}

/* Whether more than one of some options is given; then the call is refused. */
static bool
exclude_each_other(struct call *call, const char *const *names, unsigned n)
{
	const char *first = NULL;

	for (unsigned i = 0; i < n; i++) {
		if (!call_option(call, names[i]))
			continue;
		if (first) {
			call_refuse(call, CTL_USAGE, "%s and %s exclude each other", first,
				    names[i]);
			return true;
		}
		first = names[i];
	}
	return false;
}

/* --certificate FILE or --raw-key FILE: the identity is its hash. */
static bool
take_hash_of_file(struct call *call, bool certificate, struct given_names *names,
		  struct device_spec *spec)
{
	enum { HASHED_FILE_MAX = 1 << 20 };
	char error[EC_ERROR_MAX];
	struct ec_bytes file;
	uint8_t hash[32];
	char *bytes = call_read_file(call, HASHED_FILE_MAX, &file.len), *at = names->identity;
	int result;

	if (!bytes)
		return false;
	file.at = bytes;
	result = certificate ? ec_identity_of_certificate(file, hash, error)
			     : ec_identity_of_key(file, hash, error);
	explicit_bzero(bytes, file.len); /* it may be a private key by mistake */
	free(bytes);
	if (result < 0) {
		call_refuse(call, CTL_REFUSED, "%s: %s",
			    call_option(call, certificate ? "--certificate" : "--raw-key"), error);
		return false;
	}
	at = stpcpy(at, certificate ? IDENTITY_CERTIFICATE : IDENTITY_RAW_KEY);
	for (unsigned i = 0; i < sizeof hash; i++)
		at += snprintf(at, 3, "%02x", hash[i]);
	spec->identity = names->identity;
	spec->identity_len = (uint8_t)(at - names->identity);
	spec->key_len = 0;
	return true;
}

static bool
take_identity(struct call *call, struct given_names *names, struct device_spec *spec)
{
	static const char *const own[] = { "--identity", "--identity-hex", "--certificate",
					   "--raw-key",  "--key",          "--key-hex",
					   "--key-file", "--key-hex-file" };
	const char *shown = call_option(call, "--identity"),
		   *hex = call_option(call, "--identity-hex");
	size_t len;
	int wrong;

	bool certificate = call_option(call, "--certificate");

	if (exclude_each_other(call, own, 4))
		return false;
	if (certificate || call_option(call, "--raw-key"))
		return !exclude_each_other(call, own + 2, 6) &&
		       take_hash_of_file(call, certificate, names, spec);
	if (!shown && !hex)
		return true;
	if (hex) {
		wrong = bytes_from_hex(hex, strlen(hex), (uint8_t *)names->identity,
				       DTLS_IDENTITY_MAX, &len);
		if (wrong) {
			call_refuse(call, CTL_USAGE,
				    "--identity-hex needs 2 to %d hex digits in pairs",
				    2 * DTLS_IDENTITY_MAX);
			return false;
		}
	} else if (!take_shown(call, shown, names->identity, &len)) {
		return false;
	}
	if (len > DTLS_IDENTITY_MAX) {
		call_refuse(call, CTL_USAGE, "an identity has at most %d bytes", DTLS_IDENTITY_MAX);
		return false;
	}
	if (hash_identity_normalise(names->identity, &len) == HASH_IDENTITY_WRONG) {
		call_refuse(call, CTL_USAGE, "an identity of this kind is " HASH_IDENTITY_WANTED);
		return false;
	}
	spec->identity = len ? names->identity : NULL;
	spec->identity_len = (uint8_t)len;
	return true;
}

/* Names of groups as operators write them: ',' or ';' between, as in CSV. */
static const char *
take_groups(const char *given, char out[DEVICE_LIST_MAX])
{
	snprintf(out, DEVICE_LIST_MAX, "%s", given);
	for (char *at = out; (at = strchr(at, ';'));)
		*at = ',';
	return strlen(given) < DEVICE_LIST_MAX ? out : given; /* too long: told by who takes it */
}

/* Until the spec is put. */
struct taken {
	struct given_names names;
	char groups[DEVICE_LIST_MAX];
};

static bool
take_nosec(struct call *call, struct device_spec *spec)
{
	const char *word = call_option(call, "--nosec");

	if (!word)
		return true;
	spec->nosec = strcmp(word, "on") == 0;
	if (spec->nosec || strcmp(word, "off") == 0)
		return true;
	call_refuse(call, CTL_USAGE, "--nosec is on or off, not \"%.60s\"", word);
	return false;
}

static bool
take_options(struct call *call, struct taken *taken, struct device_spec *spec)
{
	const char *groups = call_option(call, "--groups");
	const char *domain = call_option(call, "--domain");

	if (groups)
		spec->groups = take_groups(groups, taken->groups);
	if (domain)
		spec->domain = *domain ? domain : NULL;
	return take_nosec(call, spec) && take_identity(call, &taken->names, spec) &&
	       take_key(call, spec);
}

/* ---- add, edit, remove ---- */

static void
put(struct call *call, const struct device_spec *spec, const char *what)
{
	struct inventory *inventory = &call->service->inventory;
	json_t *before = call_audit_device(call, inventory_find(inventory, spec->endpoint));
	char error[STORE_ERROR_MAX];
	bool created;

	if (device_change_put(call->service, spec, &created, error) < 0) {
		json_decref(before);
		call_refuse(call, CTL_REFUSED, "device %s: %s", spec->endpoint, error);
		return;
	}
	call_audit_tell(call, before,
			call_audit_device(call, inventory_find(inventory, spec->endpoint)));
	text_show(&call->text, "device %s %s\n", spec->endpoint, what);
	call->result = json_pack("{s:s, s:b}", "endpoint", spec->endpoint, "created", created);
}

void
command_device_add(struct call *call)
{
	struct device_spec spec = { 0 };
	struct taken taken;

	if (!take_endpoint(call, call->arguments[0], &taken.names, &spec))
		return;
	if (inventory_find(&call->service->inventory, spec.endpoint)) {
		call_refuse(call, CTL_REFUSED,
			    "device %s is there already: `device edit` changes it", spec.endpoint);
		return;
	}
	if (take_options(call, &taken, &spec))
		put(call, &spec, "added");
	explicit_bzero(spec.key, sizeof spec.key);
}

void
command_device_edit(struct call *call)
{
	const struct device *device = call_device(call);
	struct device_names names;
	struct device_spec spec;
	struct taken taken;

	if (!device)
		return;
	device_to_spec(&call->service->inventory, device, &names, &spec);
	/* What is put must not be freed on its way: the values are the device's own. */
	spec.values = setting_values_copy(device->values);
	if (take_options(call, &taken, &spec))
		put(call, &spec, "changed");
	setting_values_free((uint8_t *)(uintptr_t)spec.values);
	explicit_bzero(spec.key, sizeof spec.key);
}

void
command_device_remove(struct call *call)
{
	struct device *device = call_device(call);
	char error[STORE_ERROR_MAX];

	if (!device)
		return;
	call_audit_tell(call, call_audit_device(call, device), NULL);
	if (device_change_remove(call->service, device, error) < 0) {
		call_refuse(call, CTL_REFUSED, "device %s: %s", call->arguments[0], error);
		return;
	}
	text_show(&call->text, "device %s removed, with its reports\n", call->arguments[0]);
	call->result = json_pack("{s:s}", "endpoint", call->arguments[0]);
}

/* ---- unknown devices ---- */

/* Of a name that a known device asked as: taking it into the inventory alone lets nobody in. */
static void
warn_of_owner(struct call *call, uint32_t id)
{
	const struct device *owner = inventory_at(&call->service->inventory, id);
	char endpoint[ENDPOINT_NAME_MAX + 1];
	struct text warning;

	if (!owner)
		return;
	device_endpoint(owner, endpoint);
	text_init(&warning);
	text_show(&warning,
		  "it asked with the identity of device %s, and is refused as long as it does: let "
		  "it "
		  "ask as %s, or give it an identity of its own",
		  endpoint, endpoint);
	text_show(&call->text, "warning: %s\n", text_str(&warning));
	if (call->result)
		json_object_set_new(call->result, "warning", json_string(text_str(&warning)));
	text_fini(&warning);
}

/* Refuses what cannot become a device, with what can be done instead. */
static bool
may_adopt(struct call *call, const struct unknown *unknown, const char *name, size_t len)
{
	if (!unknown)
		call_refuse(call, CTL_REFUSED,
			    "nobody asked as \"%s\": `unknown list` shows who did",
			    call->arguments[0]);
	else if (len == sizeof unknown->name)
		call_refuse(
			call, CTL_REFUSED,
			"\"%s\" is as much as is kept of a name, which may be longer: `device add` "
			"it with its whole name",
			call->arguments[0]);
	else if (!call_option(call, "--endpoint") && identity_is_hash(name, len))
		call_refuse(call, CTL_REFUSED,
			    "\"%s\" is the hash of a key: say --endpoint NAME, as which the device "
			    "asks",
			    call->arguments[0]);
	else if (!call_option(call, "--endpoint") && strlen(name) < len)
		call_refuse(call, CTL_REFUSED,
			    "\"%s\" has a NUL byte: it is an identity, so say --endpoint NAME",
			    call->arguments[0]);
	return call->exit == CTL_DONE;
}

/*
 * Who asked becomes a device. Its name is what it showed: the endpoint name, or the DTLS identity
 * where it came that far only; they are recommended to be equal.
 */
void
command_unknown_adopt(struct call *call)
{
	const char *endpoint = call_option(call, "--endpoint");
	struct service *service = call->service;
	char name[4 * ENDPOINT_NAME_MAX + 1];
	struct device_spec spec = { 0 };
	const struct unknown *unknown;
	struct taken taken;
	bool has_owner;
	uint32_t owner;
	size_t len;

	if (!take_shown(call, call->arguments[0], name, &len))
		return;
	unknown = unknown_devices_find(service->unknowns, name, len);
	if (!may_adopt(call, unknown, name, len))
		return;
	if (endpoint) {
		spec.identity = name;
		spec.identity_len = (uint8_t)len;
	}
	has_owner = unknown->over == UNKNOWN_OVER_DEVICE;
	owner = unknown->device;
	if (take_endpoint(call, endpoint ? endpoint : call->arguments[0], &taken.names, &spec) &&
	    take_options(call, &taken, &spec))
		put(call, &spec, "adopted");
	explicit_bzero(spec.key, sizeof spec.key);
	if (call->exit != CTL_DONE)
		return;
	if (has_owner)
		warn_of_owner(call, owner);
	unknown_devices_remove(service->unknowns, name, len);
	device_change_forget_unknown(service, name, len);
}

/* ---- setting values ---- */

static void
put_with_values(struct call *call, const struct device *device, uint8_t *values, const char *what)
{
	struct device_names names;
	struct device_spec spec;

	device_to_spec(&call->service->inventory, device, &names, &spec);
	spec.values = values;
	put(call, &spec, what);
	explicit_bzero(spec.key, sizeof spec.key);
}

void
command_device_value_set(struct call *call)
{
	const struct device *device = call_device(call);
	const char *name = call->arguments[1], *text = call->arguments[2];
	uint8_t *values;
	int result;

	if (!device)
		return;
	assert(name && text);
	if (!*name || strlen(name) > SETTING_NAME_MAX || strlen(text) > SETTING_TEXT_MAX) {
		call_refuse(call, CTL_REFUSED,
			    "a value has a name of 1 to %d bytes and a text of up to %d",
			    SETTING_NAME_MAX, SETTING_TEXT_MAX);
		return;
	}
	values = setting_values_copy(device->values);
	result = setting_values_set(&values, &(struct setting_value){
						     .name = name,
						     .name_len = (uint8_t)strlen(name),
						     .text = text,
						     .text_len = (uint16_t)strlen(text),
						     .secret = call_option(call, "--secret") ||
							       policy_name_is_secret(name),
					     });
	if (result < 0)
		call_refuse(call, CTL_REFUSED, "value %s cannot be set: %s", name,
			    strerror(-result));
	else
		put_with_values(call, device, values, "changed");
	setting_values_free(values);
}

void
command_device_value_unset(struct call *call)
{
	const struct device *device = call_device(call);
	const char *name = call->arguments[1];
	uint8_t *values;

	if (!device)
		return;
	assert(name);
	values = setting_values_copy(device->values);
	if (setting_values_unset(&values, name, strlen(name)) < 0)
		call_refuse(
			call, CTL_REFUSED,
			"device %s has no value \"%s\" of its own: `device profile` shows where "
			"values come from",
			call->arguments[0], name);
	else
		put_with_values(call, device, values, "changed");
	setting_values_free(values);
}
