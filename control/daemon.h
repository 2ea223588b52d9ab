/*
 * daemon.h - the appliance's control side as one struct: what it owns, and its life.
 *
 * Everything mutable of control/ hangs here (but for the log's target). Control thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/config.h"
#include "control/ctl_socket.h"
#include "control/generation.h"
#include "control/loop.h"
#include "control/notify.h"
#include "control/outbox.h"
#include "control/reports.h"
#include "control/roster.h"
#include "control/run.h"
#include "control/slow_lane.h"
#include "control/unknowns.h"
#include "dataplane/dataplane.h"

/* A worker's share of busy cycles over the last second. */
struct load_sample {
	uint64_t cycles, busy_cycles;
	double busy;
};

struct daemon {
	struct config *config; /* the settings that run */
	struct loop *loop;
	struct ctl_server *server;
	struct loop_source *server_source;
	struct dataplane *dp;
	struct slow_lane *lane;
	struct generation *generation;
	uint32_t last_number; /* of a generation, refused ones not counted */
	struct roster roster;
	struct reports reports;
	struct unknowns *unknowns;
	struct retired_runs retired;
	struct outbox_queue outbox;
	struct watchdog watchdog;
	struct load_sample loads[DATAPLANE_WORKERS_MAX];
	uint64_t sampled_us;
	uint64_t active_us; /* when something last happened: until then the tick is short */
	uint64_t started_us;
	bool draining;
	int log_pipe[2]; /* DPDK's words; -1: none */
	struct loop_source *log_source;
};

/* Runs the appliance until it is told to stop; the process's exit code. Takes over `config`. */
int daemon_run(struct config *config);

/* Wall clock. */
uint64_t daemon_now_ms(void);
/* Monotonic. */
uint64_t daemon_now_us(void);

#define CRADLE_VERSION_TEXT "cradled " CRADLE_VERSION
