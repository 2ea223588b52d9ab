/*
 * trust_watch.h - warnings ahead: a certificate of ours, an authority or a revocation list that
 * ends soon, or has ended.
 *
 * Control thread. Time is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ec/ec_trust.h"

struct service;

enum { TRUST_WARNING_MAX = 320, TRUST_WATCH_MS = 24 * 3600 * 1000 };

/* One sentence about what ends first of a kind; false: there is nothing to warn of. */
bool trust_warning(const struct ec_trust *trust, enum ec_dated what, int64_t wall_s,
		   char out[TRUST_WARNING_MAX]);

/* Logs them, once a day and with every new trust; to be called often. `wall_ms`: since 1970. */
void trust_watch(struct service *service, uint64_t wall_ms);
