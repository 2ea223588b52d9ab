#include "control/inventory/inventory.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "control/inventory/setting_values.h"
#include "tasks/content/encode.h"

enum { MALLOC_HEAD = sizeof(size_t) };

/* What malloc spends on a block. */
static size_t
block_bytes(void *block)
{
	return block ? malloc_usable_size(block) + MALLOC_HEAD : 0;
}

/* ---- life ---- */

int
inventory_init(struct inventory *inventory, size_t expected)
{
	uint8_t seed[16];

	*inventory = (struct inventory){ 0 };
	names_init(&inventory->groups);
	names_init(&inventory->domains);
	if (getrandom(seed, sizeof seed, 0) != sizeof seed)
		return -EIO;
	inventory->directory = directory_new(expected, seed);
	explicit_bzero(seed, sizeof seed);
	if (!inventory->directory || names_add(&inventory->groups, "root") != 0 ||
	    names_add(&inventory->domains, "") != 0) {
		inventory_fini(inventory);
		return -ENOMEM;
	}
	return 0;
}

void
inventory_fini(struct inventory *inventory)
{
	for (uint32_t i = 0; i < inventory->n_chunks; i++) {
		struct device *chunk = inventory->chunks[i];

		for (unsigned k = 0; chunk && k < DEVICE_CHUNK; k++) {
			device_entry_free(chunk[k].entry);
			setting_values_free(chunk[k].values);
		}
		free(chunk);
	}
	free(inventory->chunks);
	free(inventory->group_devices);
	directory_free(inventory->directory);
	names_fini(&inventory->groups);
	names_fini(&inventory->domains);
	*inventory = (struct inventory){ 0 };
}

/* ---- finding ---- */

struct device *
inventory_at(const struct inventory *inventory, uint32_t id)
{
	struct device *chunk = id / DEVICE_CHUNK < inventory->n_chunks
				       ? inventory->chunks[id / DEVICE_CHUNK]
				       : NULL;

	return chunk && chunk[id % DEVICE_CHUNK].entry ? &chunk[id % DEVICE_CHUNK] : NULL;
}

struct device *
inventory_find(const struct inventory *inventory, const char *endpoint)
{
	const struct device_entry *entry =
		directory_find(inventory->directory, endpoint, strlen(endpoint));

	return entry ? inventory_at(inventory, entry->id) : NULL;
}

struct device *
inventory_find_identity(const struct inventory *inventory, const char *identity, size_t len)
{
	const struct device_entry *entry =
		directory_find_identity(inventory->directory, identity, len);

	return entry ? inventory_at(inventory, entry->id) : NULL;
}

void
inventory_note_return(struct inventory *inventory, struct device *device, bool soon)
{
	bool before = device->returns >= DEVICE_RETURNS_MANY;

	if (!soon)
		device->returns = 0;
	else if (device->returns < UINT8_MAX)
		device->returns++;
	inventory->returning += (uint32_t)(device->returns >= DEVICE_RETURNS_MANY) - before;
}

struct device *
inventory_find_holder(const struct inventory *inventory, const struct device_spec *spec)
{
	return spec->identity
		       ? inventory_find_identity(inventory, spec->identity,
						 device_spec_identity_len(spec))
		       : inventory_find_identity(inventory, spec->endpoint, strlen(spec->endpoint));
}

struct device *
inventory_next(const struct inventory *inventory, uint32_t *id)
{
	for (; *id < inventory->next_id; ++*id) {
		struct device *device = inventory_at(inventory, *id);

		if (device)
			return device;
		if (*id / DEVICE_CHUNK >= inventory->n_chunks ||
		    !inventory->chunks[*id / DEVICE_CHUNK])
			*id |= DEVICE_CHUNK - 1;
	}
	return NULL;
}

/* ---- what a device is ---- */

const char *
device_endpoint(const struct device *device, char out[ENDPOINT_NAME_MAX + 1])
{
	memcpy(out, device_entry_endpoint(device->entry), device->entry->endpoint_len);
	out[device->entry->endpoint_len] = '\0';
	return out;
}

size_t
device_identity(const struct device *device, char out[ENDPOINT_NAME_MAX + 1])
{
	size_t len;
	const uint8_t *identity = device_entry_identity(device->entry, &len);

	memcpy(out, identity, len);
	out[len] = '\0';
	return len;
}

const char *
device_groups(const struct inventory *inventory, const struct device *device)
{
	return names_text(&inventory->groups, device->groups);
}

void
device_to_spec(const struct inventory *inventory, const struct device *device,
	       struct device_names *names, struct device_spec *spec)
{
	const struct device_entry *entry = device->entry;

	*spec = (struct device_spec){
		.endpoint = device_endpoint(device, names->endpoint),
		.key_len = entry->key_len,
		.key_is_hex = device->key_is_hex,
		.nosec = entry->flags & DEVICE_NOSEC,
		.domain = device->domain ? names_text(&inventory->domains, device->domain) : NULL,
		.groups = device_groups(inventory, device),
		.values = device->values,
		.created_ms = (uint64_t)device->created_s * 1000,
	};
	if (entry->identity_len) {
		spec->identity_len = (uint8_t)device_identity(device, names->identity);
		spec->identity = names->identity;
	}
	memcpy(spec->key, device_entry_key(entry), entry->key_len);
}

/* ---- lists of groups ---- */

void
group_list_each(const char *list, bool (*each)(void *ctx, const char *name, size_t len), void *ctx)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (!each(ctx, list, len))
			return;
		list += len + (list[len] == ',');
	}
}

static bool
list_has(const char *list, size_t used, const char *name, size_t len)
{
	for (size_t at = 0; at < used;) {
		const char *comma = memchr(list + at, ',', used - at);
		size_t one = (comma ? (size_t)(comma - list) : used) - at;

		if (one == len && memcmp(list + at, name, len) == 0)
			return true;
		at += one + 1;
	}
	return false;
}

int
group_list_canonical(const char *list, char out[DEVICE_LIST_MAX])
{
	size_t used = 0;
	unsigned n = 0;

	if (!list || !list[strspn(list, " \t")])
		list = "root";
	for (;;) {
		size_t len;

		list += strspn(list, " \t");
		len = strcspn(list, ",");
		size_t end = len;

		while (end && (list[end - 1] == ' ' || list[end - 1] == '\t'))
			end--;
		if (!end || ++n > DEVICE_GROUPS_MAX || used + end + 2 > DEVICE_LIST_MAX)
			return -EINVAL;
		if (!list_has(out, used, list, end)) {
			if (used)
				out[used++] = ',';
			memcpy(out + used, list, end);
			used += end;
		}
		list += len;
		if (!*list)
			break;
		list++;
	}
	out[used] = '\0';
	return 0;
}

/* The number of a list, with a counter of its devices. */
static int
intern_groups(struct inventory *inventory, const char *list, uint32_t *number)
{
	char canonical[DEVICE_LIST_MAX];
	uint32_t *counts;

	if (group_list_canonical(list, canonical) < 0)
		return -EINVAL;
	*number = names_add(&inventory->groups, canonical);
	if (*number == NAMES_NONE)
		return -ENOMEM;
	if (*number < inventory->n_group_devices)
		return 0;
	assert(*number < inventory->groups.capacity);
	counts = realloc(inventory->group_devices, inventory->groups.capacity * sizeof *counts);
	if (!counts)
		return -ENOMEM;
	memset(counts + inventory->n_group_devices, 0,
	       (inventory->groups.capacity - inventory->n_group_devices) * sizeof *counts);
	inventory->group_devices = counts;
	inventory->n_group_devices = inventory->groups.capacity;
	return 0;
}

/* ---- changes ---- */

static int
make_room(struct inventory *inventory, uint32_t id)
{
	uint32_t need = id / DEVICE_CHUNK + 1;

	if (need > inventory->n_chunks) {
		struct device **chunks = realloc(inventory->chunks, (size_t)need * sizeof *chunks);

		if (!chunks)
			return -ENOMEM;
		memset(chunks + inventory->n_chunks, 0,
		       (need - inventory->n_chunks) * sizeof *chunks);
		inventory->chunks = chunks;
		inventory->n_chunks = need;
	}
	if (!inventory->chunks[need - 1])
		inventory->chunks[need - 1] = calloc(DEVICE_CHUNK, sizeof(struct device));
	return inventory->chunks[need - 1] ? 0 : -ENOMEM;
}

static bool
lengths_are_good(const struct device_spec *spec)
{
	size_t endpoint = strlen(spec->endpoint);

	return endpoint && endpoint <= ENDPOINT_NAME_MAX && spec->key_len <= DTLS_KEY_MAX &&
	       (!spec->identity || (device_spec_identity_len(spec) &&
				    device_spec_identity_len(spec) <= DTLS_IDENTITY_MAX)) &&
	       /* Without an identity of its own the endpoint name is it. */
	       (spec->identity || !spec->key_len || endpoint <= DTLS_IDENTITY_MAX);
}

static int
check_identity(const struct inventory *inventory, const struct device_spec *spec,
	       const struct device *present)
{
	const struct device *holder = inventory_find_holder(inventory, spec);

	if (!spec->identity && !spec->key_len)
		return 0; /* it is found by name alone */
	return holder && holder != present ? -EEXIST : 0;
}

int
inventory_draft(struct inventory *inventory, const struct device_spec *spec, uint32_t id,
		struct device_draft *draft)
{
	const char *identity = spec->identity ? spec->identity : "";
	const struct device *present;
	int result;

	*draft = (struct device_draft){ .key_is_hex = spec->key_is_hex };
	if (!lengths_are_good(spec))
		return -EINVAL;
	present = inventory_find(inventory, spec->endpoint);
	result = check_identity(inventory, spec, present);
	if (result < 0)
		return result;
	result = intern_groups(inventory, spec->groups, &draft->groups);
	if (result < 0)
		return result;
	draft->is_new = !present;
	draft->created_s = spec->created_ms ? (uint32_t)(spec->created_ms / 1000)
			   : present        ? present->created_s
					    : (uint32_t)time(NULL);
	draft->domain = names_add(&inventory->domains, spec->domain ? spec->domain : "");
	draft->values = setting_values_copy(spec->values);
	draft->entry = device_entry_new(present            ? device_id(present)
					: id == NAMES_NONE ? inventory->next_id
							   : id,
					spec->endpoint, strlen(spec->endpoint), identity,
					device_spec_identity_len(spec), spec->key, spec->key_len);
	if (draft->entry && spec->nosec)
		draft->entry->flags = DEVICE_NOSEC;
	if (draft->entry && draft->domain != NAMES_NONE && (draft->values || !spec->values) &&
	    make_room(inventory, draft->entry->id) == 0) {
		if (draft->entry->id >= inventory->next_id)
			inventory->next_id = draft->entry->id + 1;
		return 0;
	}
	device_draft_fini(draft);
	return -ENOMEM;
}

void
device_draft_fini(struct device_draft *draft)
{
	device_entry_free(draft->entry);
	setting_values_free(draft->values);
	draft->entry = NULL;
	draft->values = NULL;
}

void
inventory_set_values(struct inventory *inventory, struct device *device, uint8_t *values)
{
	inventory->bytes.values -= block_bytes(device->values);
	setting_values_free(device->values);
	device->values = values;
	inventory->bytes.values += block_bytes(values);
}

int
inventory_set_groups(struct inventory *inventory, struct device *device, const char *groups)
{
	uint32_t number;
	int result = intern_groups(inventory, groups, &number);

	if (result < 0)
		return result;
	assert(inventory->group_devices[device->groups]);
	inventory->group_devices[device->groups]--;
	inventory->group_devices[number]++;
	device->groups = number;
	return 0;
}

static bool
allows_nosec(const struct device_entry *entry)
{
	return entry->flags & DEVICE_NOSEC;
}

struct device *
inventory_take(struct inventory *inventory, struct device_draft *draft,
	       struct device_entry **old_entry)
{
	uint32_t id = draft->entry->id;
	struct device *place = &inventory->chunks[id / DEVICE_CHUNK][id % DEVICE_CHUNK];

	assert(id / DEVICE_CHUNK < inventory->n_chunks); /* inventory_draft() made room */
	*old_entry = place->entry;
	if (place->entry) {
		inventory->bytes.entries -= block_bytes(place->entry);
		inventory->nosec -= allows_nosec(place->entry);
		inventory->group_devices[place->groups]--;
	} else {
		*place = (struct device){ .format = FORMAT_TLV };
		inventory->count++;
	}
	place->entry = draft->entry;
	place->groups = draft->groups;
	place->domain = draft->domain;
	place->created_s = draft->created_s;
	place->key_is_hex = draft->key_is_hex;
	if (draft->format)
		place->format = draft->format;
	if (draft->last_bootstrap_ms)
		place->last_bootstrap_ms = draft->last_bootstrap_ms;
	inventory_set_values(inventory, place, draft->values);
	inventory->bytes.entries += block_bytes(place->entry);
	inventory->nosec += allows_nosec(place->entry);
	inventory->group_devices[place->groups]++;
	*draft = (struct device_draft){ 0 };
	return place;
}

int
inventory_enter(struct inventory *inventory, struct device *device,
		struct directory_retired *retired)
{
	struct device_entry *old;

	return directory_put(inventory->directory, device->entry, &old, retired);
}

struct device_entry *
inventory_remove(struct inventory *inventory, struct device *device)
{
	struct device_entry *entry = device->entry;

	assert(entry && inventory->count);
	directory_remove(inventory->directory, device_entry_endpoint(entry), entry->endpoint_len);
	inventory->bytes.entries -= block_bytes(entry);
	inventory->nosec -= allows_nosec(entry);
	inventory_set_values(inventory, device, NULL);
	inventory->group_devices[device->groups]--;
	inventory->count--;
	inventory->returning -= device->returns >= DEVICE_RETURNS_MANY;
	*device = (struct device){ 0 };
	return entry;
}

/* ---- what it costs ---- */

size_t
inventory_dataplane_bytes(const struct inventory *inventory)
{
	return inventory->bytes.entries + inventory->bytes.batches +
	       directory_bytes(inventory->directory);
}

size_t
inventory_all_bytes(const struct inventory *inventory)
{
	size_t chunks = 0;

	for (uint32_t i = 0; i < inventory->n_chunks; i++)
		chunks += inventory->chunks[i] ? DEVICE_CHUNK * sizeof(struct device) : 0;
	return inventory_dataplane_bytes(inventory) + inventory->bytes.values + chunks;
}
