/*
 * events.h - what workers tell: sessions that start, need a batch, end.
 *
 * Control thread, from the loop. Every event leads to a report, a command to a worker, or both.
 */
#pragma once

#include "control/daemon.h"

/* Takes what there is, bounded; returns how many. */
unsigned events_take(struct daemon *daemon);
