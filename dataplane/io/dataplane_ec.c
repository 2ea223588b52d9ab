/*
 * dataplane_ec.c - the facade's side of the threads that compute with elliptic curves.
 */
#include "dataplane/dataplane.h"

#include "dataplane/io/dataplane_state.h"
#include "dataplane/io/lane.h"

unsigned
dataplane_ec_take(struct dataplane *dp, struct ec_job **jobs, unsigned n)
{
	return dp->ec ? lane_take(dp->ec, (void **)jobs, n) : 0;
}

void
dataplane_ec_give(struct dataplane *dp, struct ec_job *job)
{
	lane_give(dp->ec, job);
}

void
dataplane_ec_wait(struct dataplane *dp, int timeout_ms)
{
	lane_wait(dp->ec, timeout_ms);
}

void
dataplane_ec_wake(struct dataplane *dp)
{
	lane_wake(dp->ec);
}
