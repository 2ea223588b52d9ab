/* devices.conf against a policy of two groups; every value that is read must be found again. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/inventory.h"
#include "control/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
look_up(void *ctx, const struct profile_value *value)
{
	struct profile_value found;

	if (!profile_find(ctx, value->value->name, strlen(value->value->name), &found))
		__builtin_trap();
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char groups[] = "groups = ( { name = \"root\"; values = { a = \"1\"; }; }, "
				     "{ name = \"root.a\"; values = { b = \"2\"; }; } );";
	struct objects *objects = objects_new();
	struct inventory *inventory;
	struct diag_list diags;
	struct policy *policy;
	struct arena arena;

	diag_list_init(&diags);
	arena_init(&arena, 0);
	policy = policy_parse("policy", groups, sizeof groups - 1, objects, &arena, &diags);
	inventory =
		inventory_parse("devices.conf", (const char *)data, size, policy, &arena, &diags);
	for (size_t i = 0; inventory && !diags.errors && i < inventory->count; i++)
		profile_each(&inventory->devices[i], look_up, &inventory->devices[i]);
	inventory_free(inventory);
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
	return 0;
}
