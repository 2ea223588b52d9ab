/*
 * metrics.h - /metrics: what the appliance said of itself, and what this program knows, as metric families.
 *
 * An appliance that cannot be reached leaves cradle_up 0 and the program's own families: absent is not zero. One thread;
 * allocates the text.
 */
#pragma once

#include "tools/web/exposition.h"
#include "tools/web/snapshot.h"

/* What this program counts. */
struct web_stats {
	uint64_t requests
		[6]; /* by the first digit of the status; [0]: connections cut for their time */
	unsigned connections;
	uint64_t certificate_expiry_s; /* 0: no TLS here */
	unsigned streams;              /* of pages that follow what happens */
	uint64_t streams_cut;          /* of those who read too slowly */
};

void metrics_write(struct text *text, enum exposition_format format,
		   const struct snapshot *snapshot, const struct web_stats *stats);
