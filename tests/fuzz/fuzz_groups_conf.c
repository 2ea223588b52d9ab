/* groups.conf, with two versions of a task, and alone. */
#include <stddef.h>
#include <stdint.h>

#include "control/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char task[] = "<config><lwm2mBootstrap><write key=\"/1/0/1\" value=\"60\" />"
			   "</lwm2mBootstrap></config>";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy_source changed[] = {
		{ "groups.conf", (const char *)data, size },
		{ "servers.conf", "", 0 },
		{ "tasks/a.xml", task, sizeof task - 1 },
		{ "tasks/b.xml", task, sizeof task - 1 },
	};
	struct objects *objects = objects_new();
	struct diag_list diags;
	struct arena arena;
	struct policy *policy;

	diag_list_init(&diags);
	arena_init(&arena, 0);
	policy = policy_load_changed("/nonexistent", changed, sizeof changed / sizeof changed[0],
				     objects, &arena, &diags);
	if (policy && !policy_group(policy, "root", 4))
		__builtin_trap(); /* root is always there */
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
	return 0;
}
