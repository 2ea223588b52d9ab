/*
 * cluster_pass.h - a member whose process another one takes over: what its threads do comes to rest, what they know passes.
 *
 * First it follows no more, and what had come already is applied: then the store can be let go of. Signs of life and
 * reports go on while the next process loads. At the switch nothing is sent any more; what is not in the database then
 * passes: reports, in the order in which they were to be sent, those that may be there, with the number that tells; which
 * edits are its own; up to where it heard of other members' reports.
 *
 * All functions are the control thread's. Allocates.
 */
#pragma once

#include "control/cluster/cluster.h"
#include "control/cluster/cluster_report.h"

/* ---- coming to rest; `cluster` may be NULL ---- */

/* Batches that are there still are the caller's to apply (cluster_take()); no other comes. */
void cluster_rest_following(struct cluster *cluster);
/*
 * Nothing is on its way to the database any more, and nothing will be: what waits has a second to get there. 0; -ETIMEDOUT
 * and a sentence where a connection does not end.
 */
int cluster_rest_sending(struct cluster *cluster, const struct pump *pump,
			 char error[CLUSTER_ERROR_MAX]);
/* All goes on as before. */
void cluster_go_on(struct cluster *cluster);
/* Whether what waits is another process's to send, or may become it. */
bool cluster_rests(const struct cluster *cluster);

/* ---- what passes: while it rests, and before cluster_start() ---- */

/* The number in the database up to which reports are known to be there; false: it was not asked for. */
bool cluster_pass_seq(const struct cluster *cluster, uint64_t *seq);
void cluster_take_seq(struct cluster *cluster, uint64_t seq);
/* struct report_record; `tried`: those that were sent, and may be there, as a whole or not at all. They come first. */
const struct records *cluster_pass_reports(const struct cluster *cluster, bool tried);
/* False: out of memory, or a text is too long. */
bool cluster_take_report(struct cluster *cluster, const struct cluster_report *report, bool tried);
/* Edits of its own that are not applied yet, by number; false: there is none any more. */
bool cluster_pass_own(const struct cluster *cluster, size_t i, uint64_t *txn, uint64_t *revision);
bool cluster_take_own(struct cluster *cluster, uint64_t txn, uint64_t revision);
/* Up to which number reports of a member are here, by number; false: there is none any more. */
bool cluster_pass_heard(struct cluster *cluster, unsigned i, uint32_t *member, uint64_t *seq);
bool cluster_take_heard(struct cluster *cluster, uint32_t member, uint64_t seq);
