/*
 * member_claims.h - one run at a time of a device, wherever its requests come: a member that begins one tells the others, and
 * whoever has an older one ends it.
 *
 * Nothing waits for that: a run begins at once, and the claim goes up with the reports, so that an older run elsewhere ends
 * within a second. Claims are made for devices that another member saw last, or nobody; a device that stays with its member,
 * as routers see to it, costs none. A report of a later run counts as a claim, too.
 *
 * The time of the request decides, by the clocks of both members. Control thread. Allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cluster_report;
struct device;
struct service;

/* A run of the device, which is live, began here. */
void member_claims_begin(struct service *service, struct device *device);
/* Whether this is a claim rather than a report of a task. */
bool member_claims_is_one(const struct cluster_report *report);
/* Another member has a run of the device, or had: one of ours that is older is marked, and ends at the next events_take(). */
void member_claims_take(struct service *service, struct device *device,
			const struct cluster_report *report);
