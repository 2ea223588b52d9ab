/*
 * daemon.h - the appliance's control side as one struct: what it owns, and its life.
 *
 * Everything mutable of control/ hangs here (but for the log's target). Control thread only.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/audit/audit.h"
#include "control/config/config.h"
#include "control/handover/kept_file.h"
#include "control/handover/standby_state.h"
#include "control/health.h"
#include "control/loop.h"
#include "control/notify.h"
#include "control/runs/service.h"
#include "control/socket/ctl_socket.h"
#include "control/turns.h"
#include "control/version.h"
#include "dataplane/dataplane.h"

/* A worker's share of busy cycles over the last second. */
struct load_sample {
	uint64_t cycles, busy_cycles;
	double busy;
};

enum { HEARTBEATS_US = 1000000 };

/* What a health check saw of the workers. */
struct heartbeats {
	uint64_t taken_us; /* 0: not yet */
	uint64_t of[DATAPLANE_WORKERS_MAX];
	unsigned stuck;
};

struct jobs;

struct daemon {
	struct service service;
	struct loop *loop;
	struct ctl_server *server;
	struct loop_source *server_source;
	struct audit *audit; /* NULL: it is not open yet, or in tests */
	struct watchdog watchdog;
	struct turns turns;
	struct load_sample loads[DATAPLANE_WORKERS_MAX];
	uint64_t sampled_us;
	uint64_t ports_us; /* when ports were looked at */
	uint64_t active_us; /* when something last happened: until then the tick is short */
	uint64_t started_us;
	uint64_t started_ms; /* the same on the wall clock */
	struct health health;
	struct heartbeats heartbeats;
	bool passed_on; /* the next process serves: this one ends, and touches nothing that is that one's */
	struct standby standby;
	struct kept_file kept; /* of associations, where they outlive a crash (daemon_kept.h) */
	char program[4096]; /* what was run, and where it may run: for the next process */
	cpu_set_t cpus;
	dev_t program_device; /* which file the program was: another may stand at its path */
	ino_t program_inode;
	struct jobs *jobs; /* commands/jobs.h */
	int log_pipe[2]; /* DPDK's words; -1: none */
	struct loop_source *log_source;
};

/*
 * Runs the appliance until it is told to stop; the process's exit code. Takes over `config`, and
 * `standby`, a channel to the process that it follows (handover/channel.h); -1: it starts alone.
 */
int daemon_run(struct config *config, int standby);

/* DPDK's file prefix of this process. */
static inline const char *
daemon_prefix(const struct daemon *daemon)
{
	const char *configured = daemon->service.config->file_prefix;

	if (daemon->standby.prefix[0])
		return daemon->standby.prefix;
	return configured ? configured : "cradle";
}

/*
 * The service of the daemon, with its pump: what tests and the daemon set up alike. 0 or -errno;
 * `devices` is how many to expect.
 */
int daemon_init(struct daemon *daemon, size_t devices);
/* The dataplane is gone, and the store closed. */
void daemon_fini(struct daemon *daemon);
