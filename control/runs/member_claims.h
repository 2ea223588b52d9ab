/*
 * member_claims.h - one run at a time of a device, wherever its requests come: a member that begins one tells the others, and
 * whoever has an older one ends it. And what is done once is done by one of them.
 *
 * A run begins at once, and its claim goes up with the reports, so that an older run elsewhere ends within a second. Claims
 * are made for devices that another member saw last, or nobody; a device that stays with its member, as routers see to it,
 * costs none. A report of a later run counts as a claim, too.
 *
 * A run that does something once makes a claim in the database, too. Where another member saw the device lately it waits for
 * that (member_waits.h): such devices are published without a batch, so that workers ask for it.
 *
 * The time of the request decides, by the clocks of both members. Control thread. Allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cluster_report;
struct device;
struct plan;
struct service;

enum { CLAIM_LATELY_MS = 600000 };

/* A run of the device, which is live, began here. */
void member_claims_begin(struct service *service, struct device *device);
/* It is about to be over, its reports are set. */
void member_claims_end(struct service *service, struct device *device);
/* Of a run that may be over already. */
void member_claims_let_go(struct service *service, const char *endpoint, uint64_t started_ms);
/* Whether this is a claim rather than a report of a task. */
bool member_claims_is_one(const struct cluster_report *report);
/* Another member has a run of the device, or had: one of ours that is older is marked, and ends at the next events_take(). */
void member_claims_take(struct service *service, struct device *device,
			const struct cluster_report *report);

/* Whether the device's next run is to wait, and so is not to be made ahead. */
bool member_claims_are_due(const struct service *service, const struct device *device,
			   const struct plan *plan);
