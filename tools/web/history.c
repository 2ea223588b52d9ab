#include "tools/web/history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"

struct point {
	uint64_t t_s;
	double finished, failed; /* as counted since the appliance's start */
	double sessions, started_ms;
	bool up;
};

struct history {
	struct snapshots *snapshots;
	struct point points[HISTORY_POINTS]; /* a ring, the oldest at `first` */
	unsigned first, count;
	uint64_t next_ms;
	bool asked;
	history_point *tell; /* NULL: nobody is told */
	void *tell_ctx;
};

struct history *
history_new(struct snapshots *snapshots)
{
	struct history *history = calloc(1, sizeof *history);

	if (history) {
		history->snapshots = snapshots;
		/* Not at once: who asks first gets what is true then, not what was a moment ago. */
		history->next_ms = clock_now_us() / 1000 + HISTORY_STEP_MS;
	}
	return history;
}

void
history_free(struct history *history)
{
	free(history);
}

/* The sum of counters whose names begin so. */
static double
sum_counters(const json_t *counters, const char *prefix)
{
	const json_t *value;
	const char *name;
	double sum = 0;

	json_object_foreach((json_t *)counters, name,
			    value) if (strncmp(name, prefix, strlen(prefix)) == 0) sum +=
		json_number_value(value);
	return sum;
}

static json_t *
point_json(const struct point *point, const struct point *before)
{
	bool known = before && before->up && point->up && before->started_ms == point->started_ms &&
		     point->finished >= before->finished && point->failed >= before->failed;

	if (!known)
		return json_pack("{s:I, s:n, s:n, s:o}", "t", (json_int_t)point->t_s, "finished",
				 "failed", "sessions",
				 point->up ? json_real(point->sessions) : json_null());
	return json_pack("{s:I, s:f, s:f, s:f}", "t", (json_int_t)point->t_s, "finished",
			 point->finished - before->finished, "failed",
			 point->failed - before->failed, "sessions", point->sessions);
}

static void
take_point(struct history *history, const struct snapshot *snapshot)
{
	struct point *point = &history->points[(history->first + history->count) % HISTORY_POINTS];
	const json_t *counters = json_object_get(snapshot->counters, "counters"), *worker;
	size_t i;

	if (history->count < HISTORY_POINTS)
		history->count++;
	else
		history->first = (history->first + 1) % HISTORY_POINTS;
	*point = (struct point){ .t_s = (uint64_t)time(NULL), .up = snapshot->up };
	if (!snapshot->up)
		return;
	if (!counters)
		counters = snapshot->counters;
	point->finished = sum_counters(counters, "bs_finished");
	point->failed = sum_counters(counters, "bs_failed_") + sum_counters(counters, "bs_stopped");
	point->started_ms = json_number_value(json_object_get(snapshot->status, "started_ms"));
	json_array_foreach(json_object_get(snapshot->status, "workers"), i, worker)
		point->sessions += json_number_value(json_object_get(worker, "running"));
}

static void
take(void *ctx, const struct snapshot *snapshot)
{
	struct history *history = ctx;
	const struct point *now, *before;

	history->asked = false;
	take_point(history, snapshot);
	if (!history->tell)
		return;
	now = &history->points[(history->first + history->count - 1) % HISTORY_POINTS];
	before = history->count < 2
			 ? NULL
			 : &history->points[(history->first + history->count - 2) % HISTORY_POINTS];
	history->tell(history->tell_ctx, point_json(now, before));
}

void
history_tell(struct history *history, history_point *tell, void *ctx)
{
	history->tell = tell;
	history->tell_ctx = ctx;
}

void
history_tick(struct history *history, uint64_t now_ms)
{
	if (history->asked || now_ms < history->next_ms)
		return;
	history->next_ms = now_ms + HISTORY_STEP_MS;
	history->asked = true;
	snapshots_get(history->snapshots, take, history);
}

json_t *
history_json(const struct history *history)
{
	json_t *points = json_array();
	const struct point *before = NULL;

	for (unsigned i = 0; i < history->count; i++) {
		const struct point *point = &history->points[(history->first + i) % HISTORY_POINTS];

		json_array_append_new(points, point_json(point, before));
		before = point;
	}
	return json_pack("{s:i, s:I, s:o}", "step_s", HISTORY_STEP_MS / 1000, "now",
			 (json_int_t)time(NULL), "points", points);
}
