#include "tools/web/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/socket/ctl_proto.h"

enum { WHY_MAX = 256 };

struct waiter {
	snapshot_done *done;
	void *ctx;
	struct waiter *next;
};

struct snapshots {
	struct appliance *appliance;
	struct snapshot last;
	char why[WHY_MAX];
	uint64_t asked_ms, taken_ms; /* taken_ms 0: never */
	unsigned outstanding;        /* answers that are to come */
	struct waiter *waiters;
};

struct snapshots *
snapshots_new(struct appliance *appliance)
{
	struct snapshots *snapshots = calloc(1, sizeof *snapshots);

	if (snapshots)
		snapshots->appliance = appliance;
	return snapshots;
}

static void
clear(struct snapshot *snapshot)
{
	json_decref(snapshot->status);
	json_decref(snapshot->counters);
	json_decref(snapshot->phases);
	*snapshot = (struct snapshot){ .up = true };
}

static void
fail(struct snapshots *snapshots, const char *why)
{
	snprintf(snapshots->why, sizeof snapshots->why, "%s", why);
	clear(&snapshots->last);
	snapshots->last.up = false;
	snapshots->last.why = snapshots->why;
}

/* Notifies every client. A client that asks in its turn gets this very snapshot. */
static void
finish(struct snapshots *snapshots)
{
	uint64_t now_ms = clock_now_us() / 1000;
	struct waiter *waiter = snapshots->waiters;

	snapshots->taken_ms = now_ms;
	snapshots->last.seconds = (double)(now_ms - snapshots->asked_ms) / 1000;
	snapshots->waiters = NULL;
	while (waiter) {
		struct waiter *next = waiter->next;

		waiter->done(waiter->ctx, &snapshots->last);
		free(waiter);
		waiter = next;
	}
}

void
snapshots_free(struct snapshots *snapshots)
{
	if (!snapshots)
		return;
	fail(snapshots, "this program ends");
	finish(snapshots);
	clear(&snapshots->last);
	free(snapshots);
}

/* One answer: its result into *result. What an older appliance does not know yet may be missing. */
static void
take_answer(struct snapshots *snapshots, json_t **result, const json_t *answer, const char *why)
{
	const json_t *error = json_object_get(answer, "error");
	json_int_t exit_code = json_integer_value(json_object_get(answer, "exit"));

	snapshots->outstanding--;
	if (!answer)
		fail(snapshots, why);
	else if (exit_code && (exit_code != CTL_USAGE || result == &snapshots->last.status))
		fail(snapshots, json_is_string(error) ? json_string_value(error)
						      : "the appliance refuses to tell");
	else if (snapshots->last.up)
		*result = json_incref(json_object_get(answer, "result"));
	if (!snapshots->outstanding)
		finish(snapshots);
}

static void
take_status(void *ctx, const json_t *answer, const char *why)
{
	struct snapshots *snapshots = ctx;

	take_answer(snapshots, &snapshots->last.status, answer, why);
}

static void
take_stats(void *ctx, const json_t *answer, const char *why)
{
	struct snapshots *snapshots = ctx;

	take_answer(snapshots, &snapshots->last.counters, answer, why);
}

static void
take_phases(void *ctx, const json_t *answer, const char *why)
{
	struct snapshots *snapshots = ctx;

	take_answer(snapshots, &snapshots->last.phases, answer, why);
}

static void
ask_one(struct snapshots *snapshots, const char *const *argv, int argc, appliance_done *done)
{
	int error = appliance_ask(snapshots->appliance, argv, argc, done, snapshots);
	char why[WHY_MAX];

	if (!error) {
		snapshots->outstanding++;
		return;
	}
	snprintf(why, sizeof why, "the appliance cannot be reached: %s", strerror(-error));
	fail(snapshots, why);
}

static void
ask(struct snapshots *snapshots)
{
	static const char *const status[] = { "status" };
	static const char *const stats[] = { "stats", "--all" };
	static const char *const phases[] = { "phases" };

	clear(&snapshots->last);
	snapshots->asked_ms = clock_now_us() / 1000;
	ask_one(snapshots, status, 1, take_status);
	if (snapshots->last.up)
		ask_one(snapshots, stats, 2, take_stats);
	if (snapshots->last.up)
		ask_one(snapshots, phases, 1, take_phases);
	if (!snapshots->outstanding)
		finish(snapshots);
}

void
snapshots_get(struct snapshots *snapshots, snapshot_done *done, void *ctx)
{
	struct waiter *waiter;

	if (!snapshots->outstanding && snapshots->taken_ms &&
	    clock_now_us() / 1000 - snapshots->taken_ms < SNAPSHOT_GOOD_MS) {
		done(ctx, &snapshots->last);
		return;
	}
	waiter = malloc(sizeof *waiter);
	if (!waiter) {
		done(ctx, &(struct snapshot){ .why = "out of memory" });
		return;
	}
	*waiter = (struct waiter){ done, ctx, snapshots->waiters };
	snapshots->waiters = waiter;
	if (!snapshots->outstanding)
		ask(snapshots);
}
