/*
 * cluster_report.h - what became of tasks on devices: from each member up to the database, and to all others.
 *
 * A member numbers what it sends by itself, on one connection, in one order: whoever has seen its report N has missed none
 * below it, without any counter that members share. Reports wait in memory, bounded: the oldest are lost and counted when
 * the database is away for too long; each member's own stay in its store whatever comes.
 *
 * The control thread puts reports; a thread sends what gathered every CLUSTER_REPORTS_MS by COPY, and brings the last
 * report of each task and device up to date in the same transaction. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/cluster/cluster_rows.h"
#include "control/pump.h"
#include "control/store/store_records.h"

struct cluster;

enum {
	CLUSTER_REPORTS_MS = 50,       /* what waits is what others miss of a member that is gone */
	CLUSTER_REPORTS_MAX = 1 << 20, /* that wait */
	CLUSTER_REPORT_TEXT_MAX = 1024,
	CLUSTER_REPORTS_KEPT =
		200000, /* of each member in the database, for those that were away for a while */
};

struct cluster_report {
	const char *endpoint, *group, *task, *summary;
	uint8_t status;                   /* enum task_status */
	uint64_t started_ms, finished_ms; /* wall clock of the member; 0: not yet */
	uint64_t at_ms;                   /* when it was set */
	uint32_t member;                  /* who set it; of what comes from others */
};

/* Never waits. Nothing where the inventory is no cluster's. */
void cluster_put_report(struct cluster *cluster, const struct cluster_report *report);

/*
 * The member whose run the last report of the device's task is of: its log is there. 0: nobody's. Waits for the database
 * for 2 s, running the pump. 0, or -errno and a sentence.
 */

int cluster_report_member(struct cluster *cluster, const struct cluster_report *report,
			  const struct pump *pump, uint32_t *member, char error[CLUSTER_ERROR_MAX])
	__attribute__((warn_unused_result));

/* As it travels: texts stand behind it, each with a NUL, in the order of struct cluster_report. */
struct report_record {
	struct record record;
	uint8_t status;
	uint32_t member;
	uint32_t len[4];
	uint64_t started_ms, finished_ms, at_ms;
	char bytes[];
};
/*
 * Of no task: a member says that it has a run of the device (runs/member_claims.h). By its summary the run has something
 * that is done once, so that its claim is made in the database, too (cluster_claim.h), or is over, with its claim.
 */
#define CLUSTER_CLAIM_ONCE "once"
#define CLUSTER_CLAIM_OVER "over"
static inline bool
cluster_report_is_claim(const struct report_record *record)
{
	return record->len[1] == 0 && record->len[2] == 0;
}

/* Borrows from the record. */
void cluster_report_of(const struct report_record *record, struct cluster_report *report);
/* Without memory or with a text that is too long: false. */
bool cluster_report_add(struct records *to, const struct cluster_report *report);
