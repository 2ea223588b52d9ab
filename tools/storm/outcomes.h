/*
 * outcomes.h - a line a device: what became of it, by its own view.
 *
 * To be held against what the appliance reports. CSV (RFC 4180) with the header line
 *
 *	endpoint,began,finished,last,last_began_ms,last_ended_ms
 *
 * How often it began a run, and finished one, well or as told; then of its last run the outcome, by the
 * words of the report, and when it began, as planned, and ended: milliseconds since 1970. These three are
 * empty where it never began.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "tools/storm/device.h"

void outcomes_write_header(FILE *stream);
/* The devices of a fleet that has stopped; `epoch_us` is when its clock was 0, in microseconds
 * since 1970. */
void outcomes_write(const struct fleet *fleet, uint64_t epoch_us, FILE *stream);
