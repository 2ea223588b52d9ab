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
struct reported_run {
	struct service *service;
	struct device *device;
	const struct session_event *event;
	const struct plan *plan;
	struct run_memory *memory; /* whose log goes with the reports; may be NULL */
	const struct live_session *live; /* NULL: the run had no session to speak of */
	bool elsewhere; /* another member of the cluster tells what became of its tasks */
};

/* What compilation said of the tasks that sent nothing. */
void report_compiled(const struct reported_run *reported);
/* The same, and of the others that they are in progress. */
void report_started(const struct reported_run *reported);
/* Of a SESSION_FINISHED. */
void report_finished(const struct reported_run *reported);
/* Of a SESSION_FAILED. */
void report_failed(const struct reported_run *reported);
/*
 * The session is over, and all that is known of it was reported: what is still in progress of the
 * plan's tasks ends as its compilation says, or as an error that says why.
 */
void report_unfinished(const struct reported_run *reported, const char *why);
