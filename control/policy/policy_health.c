#include "control/policy/policy_health.h"

#include <stdio.h>

void
policy_health_fail(struct policy_health *health, uint64_t now_ms, const char *error)
{
	if (!health->failing_since_ms)
		health->failing_since_ms = now_ms;
	snprintf(health->error, sizeof health->error, "%s", error);
}

void
policy_health_fail_diags(struct policy_health *health, uint64_t now_ms,
			 const struct diag_list *diags)
{
	char line[POLICY_HEALTH_TEXT - 32], error[POLICY_HEALTH_TEXT];
	size_t first = 0;

	while (first < diags->count && diags->items[first].level != DIAG_ERROR)
		first++;
	if (first == diags->count)
		return;
	diag_format(&diags->items[first], line, sizeof line);
	if (diags->errors > 1)
		snprintf(error, sizeof error, "%s (and %zu more)", line, diags->errors - 1);
	else
		snprintf(error, sizeof error, "%s", line);
	policy_health_fail(health, now_ms, error);
}

void
policy_health_mend(struct policy_health *health)
{
	*health = (struct policy_health){ 0 };
}
