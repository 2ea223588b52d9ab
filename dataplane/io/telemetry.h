/*
 * telemetry.h - counters and workers on DPDK's telemetry socket, where collectors of DPDK look.
 *
 *	/cradle/counters[,WORKER]   every counter, of all workers or of one
 *	/cradle/workers             the workers' numbers
 *	/cradle/worker,WORKER       its CPU, sessions, turns and cycles
 *
 * DPDK answers from a thread of its own: what is read there is what any thread may read at any
 * time (worker.h), and telemetry_detach() waits for an answer that is being made. Numbers only: nothing
 * about a device is shown. Owner: one running dataplane. Allocates nothing of ours; nothing fails.
 */
#pragma once

#include "dataplane/dataplane.h"

/* (control thread) From here on about dp, which is running. */
void telemetry_attach(const struct dataplane *dp);
/* (control thread) Before any of it is taken apart; requests are refused after. Idempotent. */
void telemetry_detach(void);
