/*
 * newest_reports.h - the ring of reports after a start: those of the store that ended last, in the order in which they ended.
 *
 * While reports are loaded, in the store's order, the ring is a heap whose first one ended before all others: a newer one
 * takes its place. Memory is the ring's; nothing is allocated. Owner: reports.c. Control thread.
 */
#pragma once

#include "control/runs/reports.h"

/* One that was loaded. Only before anything else enters the ring. */
void newest_reports_offer(struct reports *reports, const struct report *report);
/* All are loaded: the heap becomes a ring. */
void newest_reports_end(struct reports *reports);
