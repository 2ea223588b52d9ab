#include "dataplane/io/announce.h"

void
announce_begin(struct announce *announce, uint64_t now_us)
{
	*announce = (struct announce){ .left = ANNOUNCE_TIMES, .due_us = now_us };
}

bool
announce_due(const struct announce *announce, uint64_t now_us)
{
	return announce->left > 0 && now_us >= announce->due_us;
}

void
announce_sent(struct announce *announce, uint64_t now_us)
{
	announce->left--;
	/* From now, not from when it was due: they are never closer together. */
	announce->due_us = now_us + ANNOUNCE_INTERVAL_US;
}
