/*
 * cluster_claim.h - who may run what is done once: a device's run is claimed in the database before it begins.
 *
 * A claim is a row of the device: one member has it, or nobody. Who asks gets it where it is free, his own, or of a member
 * that is not there any more; else it is asked for again until it is let go of, or the time is over. With the claim come
 * the last reports of the device, as other members have made them: what is done already is seen before it is done again.
 *
 *	run -> cluster_claim_ask() -> claim thread -> database -> cluster_claim_take() -> run
 *
 * Runs that need not wait are claimed with their reports, and all claims are let go of with them (cluster_report.h): so a
 * report is there before the claim of its run is gone. What nobody lets go of is nobody's after CLUSTER_CLAIM_OLD_S.
 *
 * Functions are the control thread's, never wait, and allocate what reports take.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/cluster/cluster.h"
#include "control/inventory/device_spec.h"
#include "dataplane/dataplane.h"

enum {
	CLUSTER_CLAIMS_MAX = 1024, /* that wait for an answer */
	CLUSTER_CLAIM_OLD_S = 300, /* longer than any run */
};

struct cluster_claim {
	uint64_t number; /* the caller's */
	uint64_t started_ms;
	uint64_t end_us; /* clock_now_us(): nobody waits for it any more */
	char endpoint[ENDPOINT_NAME_MAX + 1];
};

/* False: nobody can be asked now, as the database is away or too many wait. */
bool cluster_claim_ask(struct cluster *cluster, const struct cluster_claim *claim);

/* What became of one. */
struct cluster_claimed {
	struct cluster_claim claim;
	bool granted;           /* else another member has it still, or the database is away */
	struct records reports; /* struct report_record of other members; the caller's to clear */
};
/* False: there is no answer. */
bool cluster_claim_take(struct cluster *cluster, struct cluster_claimed *claimed);

/* ---- for cluster.c ---- */

/* Guarded by the cluster's lock but for `work`, which is the thread's. */
struct claiming {
	struct cluster_claim *asked; /* CLUSTER_CLAIMS_MAX each, for no more are outstanding */
	struct cluster_claimed *work, *ends;
	size_t n_asked, n_ends;
	size_t outstanding; /* asked and not taken */
};

/* 0 or -ENOMEM; to be freed in any case. */
int cluster_claim_init(struct claiming *claiming);
void cluster_claim_fini(struct claiming *claiming);
