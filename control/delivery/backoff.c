#include "control/delivery/backoff.h"

#include <assert.h>

enum { RETRY_AFTER_MAX_MS = 3600000 };

uint64_t
backoff_pause_ms(const struct backoff *backoff, unsigned failures, uint32_t random)
{
	uint64_t pause_ms = backoff->min_ms;

	assert(failures && backoff->min_ms && backoff->min_ms <= backoff->max_ms);
	for (unsigned i = 1; i < failures && pause_ms < backoff->max_ms; i++)
		pause_ms *= 2;
	if (pause_ms > backoff->max_ms)
		pause_ms = backoff->max_ms;
	return pause_ms - pause_ms / 2 + (pause_ms / 2 * (uint64_t)random >> 32);
}

/*
 * RFC 9110 15, RFC 6585. 401, 403, 407 and 511: it does not know us, which no message mends; 404 and 405 may be of the
 * address that the template made. 408, 425, 429 and what gateways say: it has no time.
 */
enum delivery_verdict
delivery_judge(long status)
{
	static const short away[] = { 0, 401, 403, 407, 408, 425, 429, 502, 503, 504, 511 };

	if (status >= 200 && status < 300)
		return DELIVERED;
	for (unsigned i = 0; i < sizeof away / sizeof away[0]; i++)
		if (status == away[i])
			return TARGET_AWAY;
	return DELIVERY_REFUSED;
}

uint64_t
backoff_retry_after_ms(int64_t retry_after_s)
{
	if (retry_after_s <= 0)
		return 0;
	return retry_after_s > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS
							 : (uint64_t)retry_after_s * 1000;
}

bool
backoff_gives_up(const struct backoff *backoff, unsigned attempts, uint64_t age_ms)
{
	return attempts >= backoff->attempts ||
	       (backoff->max_age_ms && age_ms >= backoff->max_age_ms);
}
