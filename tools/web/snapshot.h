/*
 * snapshot.h - what the appliance says of itself at one moment, for whoever wants it.
 *
 * Many may ask at once, the appliance is asked once; what it said is good for a second, and so is that it said nothing. So
 * neither a crowd of scrapers nor a hostile one costs the control thread more than one question a second.
 * One thread, the loop's. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "tools/web/appliance.h"

enum { SNAPSHOT_GOOD_MS = 1000 };

struct snapshot {
	bool up;
	const char *why;  /* not up: a sentence */
	json_t *status;   /* results of the commands `status` ... ; NULL when not up */
	json_t *counters; /* ... `stats --all`: names and values ... */
	json_t *phases;   /* ... and `phases`: histograms by name */
	double seconds;   /* from question to answers */
};

struct snapshots;

/* The snapshot is borrowed for the call. */
typedef void snapshot_done(void *ctx, const struct snapshot *snapshot);

struct snapshots *snapshots_new(struct appliance *appliance);
/* After appliance_free(), which answers what is outstanding. */
void snapshots_free(struct snapshots *snapshots);
/* Calls `done` at once or later, exactly once. */
void snapshots_get(struct snapshots *snapshots, snapshot_done *done, void *ctx);
