#include "tasks/compile/accounts.h"

#include "tasks/compile/compile.h"

enum {
	ACCOUNT_URI = 0,
	ACCOUNT_BOOTSTRAP = 1,
	ACCOUNT_MODE = 2,
	ACCOUNT_IDENTITY = 3,
	ACCOUNT_SERVER_KEY = 4,
	ACCOUNT_KEY = 5,
	ACCOUNT_SSID = 10,
};

bool
accounts_is_key(const struct lwm2m_path *path)
{
	return path->object == 0 &&
	       (path->resource == ACCOUNT_IDENTITY || path->resource == ACCOUNT_KEY);
}

static bool
add(const struct account_value **list, struct arena *arena, struct account_value entry)
{
	struct account_value *added = arena_alloc(arena, sizeof *added);

	if (!added)
		return false;
	entry.older = *list;
	*added = entry;
	*list = added;
	return true;
}

bool
accounts_note(const struct account_value **list, struct arena *arena, const struct lwm2m_path *path,
	      const struct lwm2m_value *value, bool generated)
{
	return add(list, arena,
		   (struct account_value){ .instance = path->instance,
					   .resource = path->resource,
					   .generated = generated,
					   .value = *value });
}

bool
accounts_note_deleted(const struct account_value **list, struct arena *arena,
		      const struct lwm2m_path *path)
{
	if (!*list || path->object > 0)
		return true;
	return add(list, arena,
		   (struct account_value){ .instance = path->object < 0 ? -1 : path->instance,
					   .resource = -1 });
}

/* The newest value of a resource; NULL: none, or it was deleted since. */
static const struct account_value *
find(const struct account_value *list, int32_t instance, int32_t resource)
{
	for (; list; list = list->older) {
		if (list->resource < 0 && (list->instance < 0 || list->instance == instance))
			return NULL;
		if (list->instance == instance && list->resource == resource)
			return list;
	}
	return NULL;
}

static struct lwm2m_value
value_of(const struct account_value *list, int32_t instance, int32_t resource)
{
	const struct account_value *found = find(list, instance, resource);

	return found ? found->value : (struct lwm2m_value){ .type = LWM2M_NONE };
}

static uint32_t
number_of(const struct account_value *list, int32_t instance, int32_t resource)
{
	const struct lwm2m_value value = value_of(list, instance, resource);

	if (value.type == LWM2M_INTEGER)
		return (uint32_t)value.integer;
	return value.type == LWM2M_UNSIGNED ? (uint32_t)value.number : 0;
}

static bool
is_generated(const struct account_value *list, int32_t instance, int32_t resource)
{
	const struct account_value *found = find(list, instance, resource);

	return found && found->generated;
}

static bool
tell(const struct account_value *list, int32_t instance, const struct compile_hooks *hooks)
{
	const struct lwm2m_value bootstrap = value_of(list, instance, ACCOUNT_BOOTSTRAP);
	const struct compile_credential credential = {
		.instance = (uint16_t)instance,
		.mode = number_of(list, instance, ACCOUNT_MODE),
		.ssid = number_of(list, instance, ACCOUNT_SSID),
		.uri = value_of(list, instance, ACCOUNT_URI),
		.identity = value_of(list, instance, ACCOUNT_IDENTITY),
		.server_key = value_of(list, instance, ACCOUNT_SERVER_KEY),
		.key = value_of(list, instance, ACCOUNT_KEY),
	};

	if (!is_generated(list, instance, ACCOUNT_KEY) &&
	    !is_generated(list, instance, ACCOUNT_IDENTITY))
		return false;
	if (bootstrap.type == LWM2M_BOOLEAN && bootstrap.boolean)
		return false;
	hooks->credential(hooks->ctx, &credential);
	return true;
}

unsigned
accounts_tell(const struct account_value *list, const struct compile_hooks *hooks)
{
	unsigned n = 0;

	if (!hooks->credential)
		return 0;
	/* Each instance once, at the newest of its generated values. */
	for (const struct account_value *at = list; at; at = at->older) {
		const struct account_value *newer = list;

		while (newer != at && (newer->instance != at->instance || !newer->generated))
			newer = newer->older;
		if (at->generated && newer == at)
			n += tell(list, at->instance, hooks);
	}
	return n;
}
