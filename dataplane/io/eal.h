/*
 * eal.h - DPDK's environment: its arguments made from ours, its memory, its CPUs, its messages.
 *
 * Once a process, on the control thread, which becomes the main lcore (lcore 0); worker i is lcore
 * 1 + i. Without hugepages ordinary memory is taken (--no-huge); with them nothing is left in a
 * file system (--in-memory). No secondary processes are served, so nothing is shared on disk, and
 * several appliances run side by side; each has its own telemetry socket where file_prefix differs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/dataplane.h"

enum {
	EAL_MAIN_LCORE = 0,
	EAL_FIRST_WORKER_LCORE = 1,
	EAL_MESSAGE_MAX = 200,
};

/* Where DPDK's messages go, and the first one of them since `first` was emptied: of several about
 * one failure, the one nearest to its cause. */
struct eal_log {
	int fd;
	char first[EAL_MESSAGE_MAX];
};

/* Which CPU each lcore runs on. */
struct eal_cpus {
	int control;
	int worker[DATAPLANE_WORKERS_MAX];
	/* With another worker or the control thread: it must yield when idle. */
	bool shared[DATAPLANE_WORKERS_MAX];
};

/*
 * Picks CPUs: those of config->cpus in turn, or the allowed ones, leaving the control thread its
 * own where there are enough. -1 and a sentence when a CPU named is not one we may run on.
 */
int eal_place(const struct dataplane_config *config, struct eal_cpus *cpus,
	      char error[DATAPLANE_ERROR_MAX]) __attribute__((warn_unused_result));

/* `memory` bytes will be needed. `log` lives as long as the environment. Returns 1 with hugepages,
 * 0 without; -1 and a sentence in `error`. DPDK's runtime folder of config->file_prefix goes when the
 * process exits: no other one may have that prefix. */
int eal_start(const struct dataplane_config *config, const struct eal_cpus *cpus, size_t memory,
	      struct eal_log *log, char error[DATAPLANE_ERROR_MAX])
	__attribute__((warn_unused_result));
/*
 * When every port is closed and nothing of DPDK's is used any more: `log` may go. The memory stays mapped until the
 * process ends, as DPDK's own threads live until then; the environment is not started again.
 */
void eal_stop(void);
