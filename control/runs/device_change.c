#include "control/runs/device_change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/cluster/cluster.h"
#include "control/inventory/hash_identity.h"
#include "control/log.h"
#include "control/runs/costly_tasks.h"
#include "control/runs/publish.h"
#include "control/runs/service.h"

/* The first name of a list that is no group. */
struct group_search {
	const struct policy *policy;
	char missing[ENDPOINT_NAME_MAX + 1];
};

static bool
find_missing(void *ctx, const char *name, size_t len)
{
	struct group_search *search = ctx;

	if (policy_group(search->policy, name, len))
		return true;
	snprintf(search->missing, sizeof search->missing, "%.*s", (int)len, name);
	return false;
}

static int
check_groups(const struct service *service, const char *groups, char error[STORE_ERROR_MAX])
{
	struct group_search search = { .policy = service->generation->policy };
	char list[DEVICE_LIST_MAX];
	const char *nearest;

	if (group_list_canonical(groups, list) < 0) {
		snprintf(error, STORE_ERROR_MAX,
			 "its groups must be 1 to %d names with ',' between", DEVICE_GROUPS_MAX);
		return -EINVAL;
	}
	group_list_each(list, find_missing, &search);
	if (!*search.missing)
		return 0;
	nearest = policy_nearest_group(search.policy, search.missing);
	snprintf(error, STORE_ERROR_MAX, "there is no group \"%s\"%s%s%s", search.missing,
		 nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	return -ENOENT;
}

/* An identity that is a hash is exact, and its device comes with nothing else. */
static int
check_hash(const struct device_spec *spec, char error[STORE_ERROR_MAX])
{
	size_t len = device_spec_identity_len(spec), normal = len;
	char identity[DTLS_IDENTITY_MAX + 1];

	if (!len || len > DTLS_IDENTITY_MAX)
		return 0; /* its length is told by others */
	memcpy(identity, spec->identity, len);
	identity[len] = '\0';
	switch (hash_identity_normalise(identity, &normal)) {
	case HASH_IDENTITY_NONE:
		return 0;
	case HASH_IDENTITY_WRONG:
		snprintf(error, STORE_ERROR_MAX,
			 "an identity of this kind is " HASH_IDENTITY_WANTED);
		return -EINVAL;
	case HASH_IDENTITY_GOOD:
		break;
	}
	if (normal != len || memcmp(identity, spec->identity, len) != 0)
		snprintf(error, STORE_ERROR_MAX,
			 "its identity must be in lower case, without ':' between digits");
	else if (spec->key_len)
		snprintf(error, STORE_ERROR_MAX,
			 "it comes with its own key or certificate, so it has no pre-shared key: "
			 "--no-key takes it away");
	else
		return 0;
	return -EINVAL;
}

static void
draft_error(const struct service *service, const struct device_spec *spec, int result,
	    char error[STORE_ERROR_MAX])
{
	const struct device *holder;
	char endpoint[ENDPOINT_NAME_MAX + 1];

	switch (result) {
	case -EEXIST:
		holder = inventory_find_holder(&service->inventory, spec);
		snprintf(error, STORE_ERROR_MAX, "its identity belongs to device %s",
			 holder ? device_endpoint(holder, endpoint) : "(another one)");
		break;
	case -EINVAL:
		snprintf(
			error, STORE_ERROR_MAX,
			"an endpoint name has 1 to %d bytes (%d where it is the identity, too), an "
			"identity 1 to %d, a key up to %d",
			ENDPOINT_NAME_MAX, DTLS_IDENTITY_MAX, DTLS_IDENTITY_MAX, DTLS_KEY_MAX);
		break;
	default:
		snprintf(error, STORE_ERROR_MAX, "out of memory");
		break;
	}
}

int
device_change_draft(struct service *service, const struct device_spec *spec,
		    struct device_draft *draft, char error[STORE_ERROR_MAX])
{
	int result = check_groups(service, spec->groups, error);

	*draft = (struct device_draft){ 0 };
	if (result == 0)
		result = check_hash(spec, error);
	if (result < 0)
		return result;
	result = inventory_draft(&service->inventory, spec, NAMES_NONE, draft);
	if (result < 0)
		draft_error(service, spec, result, error);
	return result;
}

struct store_device
device_change_record(const struct service *service, const struct device_draft *draft,
		     const struct device_spec *spec)
{
	const struct device *present = inventory_at(&service->inventory, draft->entry->id);
	struct store_device kept = {
		.id = draft->entry->id,
		.spec = *spec,
		.last_bootstrap_ms = present ? present->last_bootstrap_ms : 0,
		.format = present ? present->format : 0,
	};

	kept.spec.groups = names_text(&service->inventory.groups, draft->groups);
	kept.spec.created_ms = (uint64_t)draft->created_s * 1000;
	return kept;
}

/* Where the inventory is a cluster's, its database has a change first. Of `kept` or, where that is NULL, `removed`. */
static int
keep_upstream(struct service *service, const struct store_device *kept, uint32_t removed,
	      char error[STORE_ERROR_MAX])
{
	const struct device *device = kept ? NULL : inventory_at(&service->inventory, removed);
	char endpoint[ENDPOINT_NAME_MAX + 1];
	struct cluster_edit *edit;
	int code = cluster_edit_begin(service->cluster, CLUSTER_EDIT, &edit, error);

	if (code < 0)
		return code;
	if (kept)
		cluster_edit_put(edit, &kept->spec);
	else if (device)
		cluster_edit_remove(edit, device_endpoint(device, endpoint));
	return cluster_edit_commit(edit, DEVICE_CHANGE_WAIT_MS, &service->pump, error);
}

static int
keep(struct service *service, const struct store_device *kept, uint32_t removed,
     char error[STORE_ERROR_MAX])
{
	struct store_change *change;
	int code = keep_upstream(service, kept, removed, error);

	if (code < 0 || !service->store)
		return code;
	change = store_change_begin(service->store);
	if (!change) {
		snprintf(error, STORE_ERROR_MAX,
			 "another change is being written, or there is no memory: try again");
		cluster_edit_not_kept(service->cluster);
		return -EBUSY;
	}
	if (kept)
		store_change_put_device(change, kept);
	else
		store_change_remove_device(change, removed);
	code = store_change_commit(change, DEVICE_CHANGE_WAIT_MS, &service->pump, error);
	if (code < 0)
		cluster_edit_not_kept(service->cluster);
	return code;
}

int
device_change_try(struct service *service, const struct device_draft *draft,
		  char error[STORE_ERROR_MAX])
{
	const struct device *present = inventory_at(&service->inventory, draft->entry->id);
	const struct device device = { .entry = draft->entry,
				       .values = draft->values,
				       .groups = draft->groups,
				       .domain = draft->domain };
	const struct policy_task *costly;

	if (present && present->groups == draft->groups &&
	    setting_values_same(present->values, draft->values))
		return 0;
	costly = costly_task(service, service->generation, &device);
	if (!costly)
		return 0;
	snprintf(error, STORE_ERROR_MAX,
		 "with these setting values and groups task %s (%s) takes too long: a pattern of "
		 "it has too many ways to match",
		 costly->name, costly->id);
	return -EINVAL;
}

int
device_change_put(struct service *service, const struct device_spec *spec, bool *created,
		  char error[STORE_ERROR_MAX])
{
	struct device_draft draft;
	struct store_device kept;
	int result = device_change_draft(service, spec, &draft, error);

	if (result < 0)
		return result;
	result = device_change_try(service, &draft, error);
	if (result < 0) {
		device_draft_fini(&draft);
		return result;
	}
	*created = draft.is_new;
	kept = device_change_record(service, &draft, spec);
	result = keep(service, &kept, 0, error);
	explicit_bzero(kept.spec.key, sizeof kept.spec.key);
	if (result < 0) {
		device_draft_fini(&draft);
		return result;
	}
	result = publish_draft(service, &draft);
	if (result < 0)
		snprintf(error, STORE_ERROR_MAX,
			 "it is kept, but cannot be served before a restart: %s",
			 strerror(-result));
	return result;
}

int
device_change_remove(struct service *service, struct device *device, char error[STORE_ERROR_MAX])
{
	uint32_t id = device_id(device);
	int result = keep(service, NULL, id, error);

	if (result < 0)
		return result;
	/* Looked up again: workers were looked after meanwhile. */
	device = inventory_at(&service->inventory, id);
	if (device)
		publish_removal(service, device);
	return 0;
}

void
device_change_forget_unknown(struct service *service, const char *name, size_t len)
{
	char error[STORE_ERROR_MAX];
	struct store_change *change = service->store ? store_change_begin(service->store) : NULL;

	if (!change)
		return;
	store_change_remove_unknown(change, (const uint8_t *)name, len);
	if (store_change_commit(change, DEVICE_CHANGE_WAIT_MS, &service->pump, error) < 0)
		log_event(SEVERITY_WARNING, LOG_EVENT_store_trouble, NULL, "%s", error);
}
