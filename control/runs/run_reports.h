/*
 * run_reports.h - what the reports say of a run: its tasks begin, finish or fail, or had nothing to send.
 *
 * Sets the last report of each task of the plan (reports.h), with a sentence for an operator and, once
 * the task is over, with what it logged. Borrows all it is given. Control thread. Allocates; nothing
 * here fails: where memory is short, a report goes without its log.
 */
#pragma once

#include "control/inventory/inventory.h"
#include "control/runs/device_run.h"
#include "control/runs/plan.h"
#include "dataplane/dataplane.h"

struct service;

/* What is told of one run. */
struct telling {
	struct service *service;
	struct device *device;
	const struct session_event *event;
	const struct plan *plan;
	struct run_memory *memory; /* whose log goes with the reports; may be NULL */
};

/* What compilation said of the tasks that sent nothing. */
void tell_compiled(const struct telling *telling);
/* The same, and of the others that they are in progress. */
void tell_started(const struct telling *telling);
/* Of a SESSION_FINISHED. */
void tell_finished(const struct telling *telling);
/* Of a SESSION_FAILED. */
void tell_failed(const struct telling *telling);
