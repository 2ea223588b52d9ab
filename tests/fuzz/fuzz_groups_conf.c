/* groups.conf, with a folder that holds no task. */
#include <stddef.h>
#include <stdint.h>

#include "control/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct objects *objects = objects_new();
	struct diag_list diags;
	struct arena arena;
	struct policy *policy;

	diag_list_init(&diags);
	arena_init(&arena, 0);
	policy = policy_parse("/nonexistent", (const char *)data, size, objects, &arena, &diags);
	if (policy && !policy_group(policy, "root", 4))
		__builtin_trap(); /* root is always there */
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
	return 0;
}
