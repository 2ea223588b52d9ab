/* servers.conf, in a folder without key files; a server that is accepted has its task. */
#include <stddef.h>
#include <stdint.h>

#include "control/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy_source changed[] = {
		{ "servers.conf", (const char *)data, size },
		{ "groups.conf", "", 0 },
	};
	struct objects *objects = objects_new();
	struct diag_list diags;
	struct arena arena;
	struct policy *policy;

	diag_list_init(&diags);
	arena_init(&arena, 0);
	policy = policy_load_changed("/nonexistent", changed, 2, objects, &arena, &diags);
	for (unsigned i = 0; policy && !diags.errors && i < policy->n_servers; i++)
		if (!policy->servers[i].task || !policy->servers[i].uri)
			__builtin_trap();
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
	return 0;
}
