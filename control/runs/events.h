/*
 * events.h - what workers tell: sessions that start, need a batch, end.
 *
 * Control thread, from the loop. Every event leads to a report, a command to a worker, or both.
 */
#pragma once

#include "control/daemon.h"

enum { EVENTS_A_TURN = 4096 };

/* Takes what there is, at most EVENTS_A_TURN; returns how many. */
unsigned events_take(struct daemon *daemon);

/* The device goes: its session is cancelled, and nothing more is told of it. */
void events_end_live(struct daemon *daemon, struct device *device);
