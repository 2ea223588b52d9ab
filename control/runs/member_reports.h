/*
 * member_reports.h - reports between the members of a cluster: ours go up, those of others become ours.
 *
 * The last report of each task and device is the same on all members a second later, so that any of them answers for all,
 * and a task that is done once is done once, wherever the device asks next. What a run logged stays on its member. A
 * device that bootstraps here now is not touched.
 *
 * Of two reports of one task and device the one whose run ended later counts, on all members and in the database, whatever
 * order they come in; the other one is in the list of those that ended alone. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>

#include "control/runs/reports.h"

struct device;
struct records;
struct service;

/* Nothing where the inventory is no cluster's. */
void member_reports_send(struct service *service, const struct device *device,
			 const struct report_change *change);
/* Of a device whose run waits for them: they are what its batch is made by. */
void member_reports_learn(struct service *service, struct device *device,
			  const struct records *records);
/* struct report_record; `old`: they are all last reports, of which the newer count. Runs the pump. */
void member_reports_take(struct service *service, const struct records *records, bool old);
