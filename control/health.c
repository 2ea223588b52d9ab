#include "control/health.h"

static bool
has_checker(const struct health *health, uint64_t now_ms)
{
	return health->checked_ms && now_ms - health->checked_ms < HEALTH_CHECKER_MS;
}

void
health_checked(struct health *health, uint64_t now_ms)
{
	health->checked_ms = now_ms;
	if (health->draining && !health->heard_ms)
		health->heard_ms = now_ms;
}

static bool
is_due(const struct health *health, uint64_t now_ms)
{
	if (!health->draining)
		return false;
	if (health->heard_ms)
		return now_ms - health->heard_ms >= health->withdraw_ms;
	return !has_checker(health, now_ms);
}

bool
health_drain(struct health *health, uint64_t withdraw_ms, uint64_t now_ms)
{
	if (!health->draining) {
		health->draining = true;
		health->began_ms = now_ms;
		health->heard_ms = 0;
	}
	health->withdraw_ms = withdraw_ms;
	if (!withdraw_ms)
		health->heard_ms = health->began_ms;
	return health_must_refuse(health, now_ms);
}

void
health_undrain(struct health *health)
{
	health->draining = health->refusing = false;
}

bool
health_must_refuse(struct health *health, uint64_t now_ms)
{
	if (health->refusing || !is_due(health, now_ms))
		return false;
	health->refusing = true;
	return true;
}
