#include "control/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/dataplane.h"

/*
 * Names seen so far, to find duplicates: open addressing over indices into the devices, 0 is
 * free.
 */
struct name_set {
	uint32_t *slots;
	size_t mask;
};

/* One reading of devices.conf. */
struct reading {
	const struct conf_text *conf;
	const struct policy *policy;
	struct arena *arena;
	struct inventory *inventory;
	struct name_set endpoints, identities;
	struct diag_list *diags;
};

static const char *const members[] = {
	"endpoint", "identity", "key", "key_hex", "groups", "values"
};

static int
name_set_init(struct name_set *set, size_t expected)
{
	size_t size = 16;

	while (size < expected * 2)
		size *= 2;
	set->mask = size - 1;
	set->slots = calloc(size, sizeof *set->slots);
	return set->slots ? 0 : -1;
}

/* Adds device `index` under `name`; returns the device that has it already, or NULL. */
static const struct device *
name_set_add(struct name_set *set, const struct inventory *inventory, uint32_t index,
	     const char *name, const char *(*name_of)(const struct device *device))
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *at = name; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3;
	for (size_t slot = hash & set->mask;; slot = (slot + 1) & set->mask) {
		if (!set->slots[slot]) {
			set->slots[slot] = index + 1;
			return NULL;
		}
		if (strcmp(name_of(&inventory->devices[set->slots[slot] - 1]), name) == 0)
			return &inventory->devices[set->slots[slot] - 1];
	}
}

static const char *
endpoint_of(const struct device *device)
{
	return device->endpoint;
}

static const char *
identity_of(const struct device *device)
{
	return device->identity;
}

static const char *
keep(struct reading *reading, const char *text, const struct place *place)
{
	const char *copy = text ? arena_copy(reading->arena, text, strlen(text)) : NULL;

	if (text && !copy)
		diag_error(reading->diags, place, "out of memory");
	return copy;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Decodes into the arena. Returns the count of bytes, or -1; what is wrong is told without
 * showing the key.
 */
static int
key_from_hex(struct reading *reading, const char *hex, const uint8_t **key,
	     const struct place *place)
{
	size_t len = strlen(hex);
	uint8_t *bytes;

	if (len % 2) {
		diag_error(reading->diags, place, "key_hex has an odd number of digits");
		return -1;
	}
	bytes = arena_alloc(reading->arena, len / 2 + 1);
	if (!bytes) {
		diag_error(reading->diags, place, "out of memory");
		return -1;
	}
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);

		if (high < 0 || low < 0) {
			diag_error(reading->diags, place, "key_hex: byte %zu is no hex digit",
				   i + (high < 0 ? 1 : 2));
			return -1;
		}
		bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	*key = bytes;
	return (int)(len / 2);
}

static void
read_key(struct reading *reading, struct device *device, const config_setting_t *member,
	 const struct place *place)
{
	const char *text = conf_string(reading->conf, member, "key", NULL, reading->diags);
	const char *hex = conf_string(reading->conf, member, "key_hex", NULL, reading->diags);
	int len = 0;

	if (text && hex) {
		diag_error(reading->diags, place, "has both key and key_hex: leave one out");
		return;
	}
	if (text) {
		device->key = (const uint8_t *)keep(reading, text, place);
		len = strlen(text) > DTLS_KEY_MAX ? DTLS_KEY_MAX + 1 : (int)strlen(text);
	} else if (hex) {
		len = key_from_hex(reading, hex, &device->key, place);
	}
	if ((text || hex) && (len == 0 || len > DTLS_KEY_MAX)) {
		diag_error(reading->diags, place, "its key must have 1 to %d bytes", DTLS_KEY_MAX);
		return;
	}
	if (len > 0)
		device->key_len = (uint8_t)len;
}

static void
read_device_group(struct reading *reading, struct device *device, const config_setting_t *item)
{
	struct place place = conf_place(reading->conf, item);
	const char *name = config_setting_type(item) == CONFIG_TYPE_STRING
				   ? config_setting_get_string(item)
				   : NULL;
	const struct policy_group *group;
	const char *nearest;

	place.tag = "groups";
	if (!name) {
		diag_error(reading->diags, &place, "a group must be text in quotes, not %s",
			   conf_type_name(item));
		return;
	}
	group = policy_group(reading->policy, name, strlen(name));
	if (!group && reading->policy->incomplete)
		return;
	if (!group) {
		nearest = policy_nearest_group(reading->policy, name);
		diag_error(reading->diags, &place, "device %s: no group \"%s\"%s%s%s",
			   device->endpoint, name, nearest ? "; did you mean \"" : "",
			   nearest ? nearest : "", nearest ? "\"?" : "");
		return;
	}
	for (unsigned i = 0; i < device->n_groups; i++)
		if (device->groups[i] == group) {
			diag_error(reading->diags, &place,
				   "device %s: group \"%s\" is listed twice", device->endpoint,
				   name);
			return;
		}
	device->groups[device->n_groups++] = group;
}

static void
read_device_groups(struct reading *reading, struct device *device, const config_setting_t *member,
		   const struct place *place)
{
	const config_setting_t *list = conf_list(reading->conf, member, "groups", reading->diags);
	int n = list ? config_setting_length(list) : 0;

	if (n > DEVICE_GROUPS_MAX) {
		diag_error(reading->diags, place, "device %s is in more than %d groups",
			   device->endpoint, DEVICE_GROUPS_MAX);
		return;
	}
	/* Every device is under "root": whoever names no group is in it directly. */
	device->groups = arena_alloc(reading->arena, ((size_t)n + 1) * sizeof *device->groups);
	if (!device->groups) {
		diag_error(reading->diags, place, "out of memory");
		return;
	}
	for (int i = 0; i < n; i++)
		read_device_group(reading, device, config_setting_get_elem(list, (unsigned)i));
	if (n == 0 && !config_setting_get_member(member, "groups"))
		device->groups[device->n_groups++] = policy_group(reading->policy, "root", 4);
}

static bool
length_is_good(struct reading *reading, const char *what, const char *text, size_t max,
	       const struct place *place)
{
	if (*text && strlen(text) <= max)
		return true;
	diag_error(reading->diags, place, "%s must have 1 to %zu bytes", what, max);
	return false;
}

/* The names of a device, kept; false when it can't be read on without them. */
static bool
read_names(struct reading *reading, struct device *device, const config_setting_t *member,
	   const struct place *place)
{
	const char *endpoint = conf_string(reading->conf, member, "endpoint", NULL, reading->diags);
	const char *identity =
		conf_string(reading->conf, member, "identity", endpoint, reading->diags);

	if (!endpoint) {
		if (!config_setting_get_member(member, "endpoint"))
			diag_error(reading->diags, place, "\"endpoint\" is missing here");
		return false;
	}
	if (!length_is_good(reading, "endpoint", endpoint, ENDPOINT_NAME_MAX, place))
		return false;
	device->endpoint = keep(reading, endpoint, place);
	if (!device->endpoint)
		return false;
	device->endpoint_len = (uint8_t)strlen(endpoint);
	device->identity = device->endpoint;
	device->identity_len = device->endpoint_len;
	if (strcmp(identity, endpoint) == 0)
		return true;
	if (!length_is_good(reading, "identity", identity, DTLS_IDENTITY_MAX, place))
		return true;
	identity = keep(reading, identity, place);
	if (!identity)
		return false;
	device->identity = identity;
	device->identity_len = (uint8_t)strlen(identity);
	return true;
}

static void
check_unique(struct reading *reading, uint32_t index, const struct place *place)
{
	const struct device *device = &reading->inventory->devices[index], *other;

	other = name_set_add(&reading->endpoints, reading->inventory, index, device->endpoint,
			     endpoint_of);
	if (other) {
		diag_error(reading->diags, place,
			   "endpoint \"%s\" is listed twice, first in line %u", device->endpoint,
			   other->line);
		return;
	}
	other = name_set_add(&reading->identities, reading->inventory, index, device->identity,
			     identity_of);
	if (other)
		diag_error(reading->diags, place,
			   "identity \"%s\" is that of device %s in line %u, too", device->identity,
			   other->endpoint, other->line);
}

static void
read_device(struct reading *reading, const config_setting_t *member)
{
	struct inventory *inventory = reading->inventory;
	struct device *device = &inventory->devices[inventory->count];
	struct place place = conf_place(reading->conf, member);

	place.tag = "devices";
	*device = (struct device){ .line = place.line };
	if (!config_setting_is_group(member)) {
		diag_error(reading->diags, &place, "a device must be a group { }, not %s",
			   conf_type_name(member));
		return;
	}
	conf_check_members(reading->conf, member, members, sizeof members / sizeof members[0],
			   reading->diags);
	if (!read_names(reading, device, member, &place))
		return;
	read_key(reading, device, member, &place);
	read_device_groups(reading, device, member, &place);
	policy_values_read(reading->conf, member, false, reading->arena, &device->values,
			   reading->diags);
	check_unique(reading, (uint32_t)inventory->count, &place);
	inventory->count++;
}

static void
read_devices(struct reading *reading)
{
	static const char *const known[] = { "devices" };
	const config_setting_t *root = conf_text_root(reading->conf);
	const config_setting_t *list;
	size_t n;

	conf_check_members(reading->conf, root, known, 1, reading->diags);
	list = conf_list(reading->conf, root, "devices", reading->diags);
	n = list ? (size_t)config_setting_length(list) : 0;
	reading->inventory->devices = calloc(n ? n : 1, sizeof *reading->inventory->devices);
	if (!reading->inventory->devices || name_set_init(&reading->endpoints, n) < 0 ||
	    name_set_init(&reading->identities, n) < 0) {
		struct place place = { .file = reading->conf->name };

		diag_error(reading->diags, &place, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++)
		read_device(reading, config_setting_get_elem(list, (unsigned)i));
}

static struct inventory *
inventory_read(const struct conf_text *conf, const struct policy *policy, struct arena *arena,
	       struct diag_list *diags)
{
	struct reading reading = { .conf = conf, .policy = policy, .arena = arena, .diags = diags };
	struct place place = { .file = conf->name };

	reading.inventory = calloc(1, sizeof *reading.inventory);
	if (!reading.inventory) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	read_devices(&reading);
	free(reading.endpoints.slots);
	free(reading.identities.slots);
	return reading.inventory;
}

struct inventory *
inventory_parse(const char *file, const char *text, size_t len, const struct policy *policy,
		struct arena *arena, struct diag_list *diags)
{
	struct conf_text conf;
	struct inventory *inventory;

	if (conf_text_parse(&conf, file, text, len, diags) < 0)
		return NULL;
	inventory = inventory_read(&conf, policy, arena, diags);
	conf_text_fini(&conf);
	return inventory;
}

struct inventory *
inventory_load(const char *file, const struct policy *policy, struct arena *arena,
	       struct diag_list *diags)
{
	struct conf_text conf;
	struct inventory *inventory;

	if (conf_text_load(&conf, file, INVENTORY_FILE_MAX, diags) < 0)
		return NULL;
	inventory = inventory_read(&conf, policy, arena, diags);
	conf_text_fini(&conf);
	return inventory;
}

void
inventory_free(struct inventory *inventory)
{
	if (!inventory)
		return;
	free(inventory->devices);
	free(inventory);
}
