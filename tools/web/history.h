/*
 * history.h - the last hour of the appliance in figures, a point every ten seconds, for charts.
 *
 * Taken whoever looks, so that the hour before a trouble is there when people come. One thread. No allocation after
 * history_new() but for answers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "tools/web/snapshot.h"

enum { HISTORY_STEP_MS = 10000, HISTORY_POINTS = 361 };

struct history;

struct history *history_new(struct snapshots *snapshots);
/* After snapshots_free(). */
void history_free(struct history *history);
void history_tick(struct history *history, uint64_t now_ms);
/* Each new point, as in "points" below; takes the reference. */
typedef void history_point(void *ctx, json_t *point);
void history_tell(struct history *history, history_point *tell, void *ctx);
/*
 * {"step_s": 10, "now": Unix time, "points": [{"t": Unix time, "finished": n, "failed": n, "sessions": n}, ...]}, the
 * oldest first; what is counted since the point before, null where the appliance did not answer or began anew.
 */
json_t *history_json(const struct history *history);
