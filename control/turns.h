/*
 * turns.h - how long the control thread does one thing before it looks after workers again, and what that was.
 *
 * A turn begins when the loop hands over, or when something long has let others have their turn (pump.h), and ends the
 * same way. Nothing that an operator or a collector asks for may make one longer than 5 ms, however many devices there are.
 * Owner: the daemon. Control thread. Allocates nothing; about a microsecond a turn.
 */
#pragma once

#include <stdint.h>

#include "control/clock.h"
#include "control/lookout.h"
#include "dataplane/dataplane.h"

enum { TURN_CAUSES = 128 };

struct turn_cause {
	const char *name; /* static; NULL: the place is free */
	uint64_t turns, sum_us, longest_us;
	uint64_t longest_cpu_us; /* of this thread's own time: without what else the machine did */
	uint64_t
		longest_unbroken_us; /* by the clock, of turns during which the thread kept its CPU */
	uint64_t interrupted;        /* turns during which another thread took it */
	uint64_t longest_waited_us,
		waited; /* the same of turns that waited, for a disk or a lock */
};

struct turns {
	struct turn_cause causes[TURN_CAUSES]; /* those that do not fit count as the last one */
	struct delays delays;                  /* of all, in microseconds */
	const char *cause;                     /* of the turn that runs; NULL: none does */
	uint64_t begun_us, begun_cpu_us;
	struct clock_switches begun_switches;
	struct lookout *lookout; /* is told what begins and ends; NULL: there is none */
};

/* `cause` is a static string: the same one for the same cause. */
void turns_begin(struct turns *turns, const char *cause);
/* The turn that runs is for this, as it shows; returns what it was for. */
const char *turns_cause(struct turns *turns, const char *cause);
/* Does nothing when none runs. */
void turns_end(struct turns *turns);
void turns_reset(struct turns *turns);
/* The cause of the longest turn; NULL: there was none yet. */
const struct turn_cause *turns_longest(const struct turns *turns);
