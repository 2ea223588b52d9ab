/*
 * cluster_pull.h - the cluster's newest policy made live here: fetched, held against what the files here are based on, and
 * put in their place as a whole, or refused with the reason while the former one serves.
 *
 * Files that somebody changed by hand since they were the cluster's are never overwritten unasked. Control thread; waits for
 * the database and the disk, with the pump. Allocates.
 */
#pragma once

#include "control/commands/call.h"

struct cluster_pull {
	bool discard; /* what was changed by hand makes way; it stays a version of `policy log`, and keys a hidden file */
	bool joining; /* the same, and devices are about to be the cluster's, too */
};

/* False after refusing. */
bool cluster_pull(struct call *call, const struct cluster_pull *wish);
