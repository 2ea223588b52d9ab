/*
 * trust.conf, with an authority and a key of ours in memory beside it. What is accepted names
 * endpoints and has a key of ours.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/policy/cert_name.h"
#include "control/policy/policy.h"
#include "control/policy/policy_trust.h"
#include "dataplane/core/dtls/ec_job.h"
#include "tests/support/ec_certs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
name_somebody(const struct policy_anchor *anchor)
{
	static const struct ec_subject subject = { .cn = "meter-1",
						   .serial_number = "1",
						   .serial = "2",
						   .fingerprint = "3",
						   .spki = "4" };
	char name[EC_NAME_MAX];
	size_t len;

	if (!anchor->name)
		__builtin_trap();
	len = cert_name_make(anchor->name, &subject, name, sizeof name, NULL);
	if (len > sizeof name)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cert ca, ours;
	static bool made;
	const struct policy_source changed[] = {
		{ "trust.conf", (const char *)data, size },
		{ "groups.conf", "", 0 },
		{ "servers.conf", "", 0 },
		{ "certs/ca.pem", (const char *)ca.der, ca.der_len },
		{ "certs/bs.pem", (const char *)ours.der, ours.der_len },
		{ "certs/bs.key", (const char *)ours.key_der, ours.key_der_len },
	};
	struct objects *objects = objects_new();
	struct diag_list diags;
	struct arena arena;
	struct policy *policy;

	if (!made) {
		cert_make_ca(&ca, "Fuzz", NULL);
		cert_make_device(&ours, "bs.example.com", &ca);
		made = true;
		objects_free(objects);
		return LLVMFuzzerTestOneInput(data, size); /* with lengths that are known */
	}
	diag_list_init(&diags);
	arena_init(&arena, 0);
	policy = policy_load_changed("/nonexistent", changed, 6, objects, &arena, &diags);
	if (policy && !diags.errors && !ec_trust_has_own(policy->trust->ec))
		__builtin_trap();
	for (unsigned i = 0; policy && !diags.errors && i < policy->trust->n_anchors; i++)
		name_somebody(&policy->trust->anchors[i]);
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
	return 0;
}
