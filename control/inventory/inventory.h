/*
 * inventory.h - the devices: who they are, what they are in, and what is ready for them.
 *
 * One for the life of the process; reloads of the policy go over it. A device has a number that is
 * never used again: workers name devices by it in their events, reports and the store keep it.
 * Names and key stand in the directory entry alone, which workers read; what many devices share
 * (groups, domain, plan) is kept once.
 *
 * Numbers: a device costs 64 bytes here, its entry, its values and its batch; at ten million that
 * is what decides. `inventory_bytes` counts all of it as it comes and goes.
 *
 * Owner: the daemon. Control thread. Allocates.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/inventory/device_spec.h"
#include "control/inventory/names.h"

struct plan;
struct live_session;

enum {
	DEVICE_CHUNK = 4096,
	DEVICE_GROUPS_MAX = 64,
	DEVICE_LIST_MAX = 16384, /* bytes of a list of groups */
};

/*
 *	0         8        16        24       32           40               48       52      56       60
 *	+---------+--------+---------+--------+------------+----------------+--------+-------+--------+-------+
 *	| entry   | plan   | values  | live   | started_us | last_bootstrap | groups | domain| created| format|
 *	+---------+--------+---------+--------+------------+----------------+--------+-------+--------+-------+
 */
struct device {
	struct device_entry *entry; /* published; NULL: there is no such device (any more) */
	struct plan *plan;          /* of the published batch, or of why there is none; held */
	uint8_t *values;            /* setting_values.h */
	struct live_session *live;  /* NULL: it does not bootstrap now */
	uint64_t started_us;        /* of the newest session known: tells late news of older ones */
	uint64_t last_bootstrap_ms; /* wall clock; 0: never */
	uint32_t groups;            /* names in inventory.groups */
	uint32_t domain;            /* in inventory.domains; 0 is "" */
	uint32_t created_s;         /* wall clock */
	uint16_t format;            /* Content-Format its batches are made in */
	bool key_is_hex : 1;
	bool unsaved : 1;   /* the store has it otherwise, and its number waits to be written */
	bool unsent : 1;    /* the cluster has it otherwise, and its number waits to be sent ... */
	bool sending : 1;   /* ... or what it was is on its way there */
	bool seen_here : 1; /* of all members of the cluster, this one saw it last ... */
	bool seen_elsewhere : 1; /* ... or another one, as far as is known here */
	uint8_t returns; /* runs that went well, each soon after the one before; 255 at most */
};

/* From so many on a device is said to return: it does not seem to take what it was given. */
enum { DEVICE_RETURNS_MANY = 5 };

static_assert(sizeof(struct device) == 64, "a device is a cache line");

struct inventory_bytes {
	size_t entries, batches, values; /* malloc's overhead included */
};

struct inventory {
	struct device **chunks;
	uint32_t n_chunks, next_id, count;
	uint32_t refused;   /* devices with nothing to send */
	uint32_t returning; /* devices with DEVICE_RETURNS_MANY or more */
	uint32_t nosec;     /* devices with DEVICE_NOSEC */
	struct names groups, domains;
	uint32_t *group_devices; /* by number in `groups`: how many devices */
	uint32_t n_group_devices;
	struct directory *directory;
	struct inventory_bytes bytes;
};

/* Room for `expected` devices before the directory must grow. 0 or -errno. */
int inventory_init(struct inventory *inventory, size_t expected);
/* No worker may read the directory any more. Plans and live sessions must be let go of before. */
void inventory_fini(struct inventory *inventory);

/* NULL where there is none. */
struct device *inventory_at(const struct inventory *inventory, uint32_t id);
struct device *inventory_find(const struct inventory *inventory, const char *endpoint);
struct device *inventory_find_identity(const struct inventory *inventory, const char *identity,
				       size_t len);
/* The device that has the identity, its own or the endpoint name, which the spec asks for. */
struct device *inventory_find_holder(const struct inventory *inventory,
				     const struct device_spec *spec);
/* A run of the device went well, `soon` after the last one or not. */
void inventory_note_return(struct inventory *inventory, struct device *device, bool soon);
/* The first device with a number of `id` or above, whose number *id becomes; NULL: none. */
struct device *inventory_next(const struct inventory *inventory, uint32_t *id);

static inline uint32_t
device_id(const struct device *device)
{
	return device->entry->id;
}

/* Its names, as text: out[] has room for any. Returns out. */
const char *device_endpoint(const struct device *device, char out[ENDPOINT_NAME_MAX + 1]);
/* Its length: any bytes may be in it; a NUL is put behind them. */
size_t device_identity(const struct device *device, char out[ENDPOINT_NAME_MAX + 1]);
/* Its groups' names with ',' between. */
const char *device_groups(const struct inventory *inventory, const struct device *device);
/* All of it, borrowed from the device and `names`; the key is copied: wipe it after use. */
struct device_names {
	char endpoint[ENDPOINT_NAME_MAX + 1], identity[ENDPOINT_NAME_MAX + 1];
};
void device_to_spec(const struct inventory *inventory, const struct device *device,
		    struct device_names *names, struct device_spec *spec);

/*
 * A device about to be, or to be changed: everything that can fail has been done. Heap.
 * `id` is the present number of a device of that endpoint name, or a new one.
 */
struct device_draft {
	struct device_entry *entry;
	uint8_t *values;
	uint32_t groups, domain, created_s;
	bool key_is_hex, is_new;
	uint16_t format;            /* 0: as it is, or none yet */
	uint64_t last_bootstrap_ms; /* 0: as it is */
};
/*
 * 0; or -EINVAL for a length or list that cannot be, -EEXIST when the identity belongs to another
 * device, -ENOMEM. A new number is taken from `next_id`, or is `id` where that is not NAMES_NONE.
 */
int inventory_draft(struct inventory *inventory, const struct device_spec *spec, uint32_t id,
		    struct device_draft *draft);
void device_draft_fini(struct device_draft *draft);

/*
 * The draft becomes the device; the draft is empty then. The directory is not touched: see
 * inventory_enter(). *old_entry is what it had, or NULL: to be retired after inventory_enter().
 */
struct device *inventory_take(struct inventory *inventory, struct device_draft *draft,
			      struct device_entry **old_entry);
/* Makes the device's present entry visible. As directory_put(). */
int inventory_enter(struct inventory *inventory, struct device *device,
		    struct directory_retired *retired);
/* Takes the device out of everything; its entry is the caller's to retire, its plan and live
 * session must be let go of before. */
struct device_entry *inventory_remove(struct inventory *inventory, struct device *device);

/* Puts another value block in place of the device's own (takes it over). */
void inventory_set_values(struct inventory *inventory, struct device *device, uint8_t *values);
/* Moves the device to other groups. 0, -EINVAL, -ENOMEM. */
int inventory_set_groups(struct inventory *inventory, struct device *device, const char *groups);

/* Bytes a device costs in what workers read, and in all. */
size_t inventory_dataplane_bytes(const struct inventory *inventory);
size_t inventory_all_bytes(const struct inventory *inventory);

/*
 * A list of group names as spec.groups has it, made canonical in out[]: no blanks, no name twice,
 * "root" for none. 0, -EINVAL when it is too long or has too many, or an empty name.
 */
int group_list_canonical(const char *list, char out[DEVICE_LIST_MAX]);
/* Calls `each` for every name of a canonical list until it returns false. */
void group_list_each(const char *list, bool (*each)(void *ctx, const char *name, size_t len),
		     void *ctx);
