/*
 * cluster_unsent.h - which reports of this member are not in the database though it made them: those that waited when its
 * process ended by force.
 *
 * A process that begins knows not how far the one before it came; the database does. The reporter reads which reports of
 * this member came there last, before it sends any; then the control thread looks for those in its store that are younger
 * and not among them (runs/member_unsent.h). One that took over from another process has what that did not send
 * (cluster_pass.h), and asks nothing.
 *
 * A report is known by its device, its task and the times of its run. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/cluster/cluster_report.h"

enum {
	CLUSTER_UNSENT_LOOK = 20000
}; /* reports that came last: what waits does not come in the order of ends */

struct database;

/* Of the reporter, under its lock; `ids` is sorted. */
struct sent_reports {
	bool known;
	uint64_t from_ms; /* all that ended before is there */
	size_t n;
	uint64_t *ids;
};

/* The reporter: of this member, up to its report `seq`. 0, or as database.h and a sentence. */
int cluster_unsent_read(struct sent_reports *sent, struct database *database, uint32_t member,
			uint64_t seq, char error[CLUSTER_ERROR_MAX]);

/*
 * The control thread. Whether that is known by now, and is to be made use of: then reports that ended in
 * [*from_ms, *to_ms) may be missing there.
 */
bool cluster_unsent(struct cluster *cluster, uint64_t *from_ms, uint64_t *to_ms);
/* Whether the database has it. Not before cluster_unsent() said so. */
bool cluster_was_sent(const struct cluster *cluster, const struct cluster_report *report);
/* All was looked at: nothing is known any more. */
void cluster_unsent_end(struct cluster *cluster);
