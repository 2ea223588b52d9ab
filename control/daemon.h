/*
 * daemon.h - the appliance's control side as one struct: what it owns, and its life.
 *
 * Everything mutable of control/ hangs here (but for the log's target). Control thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/config/config.h"
#include "control/inventory/inventory.h"
#include "control/loop.h"
#include "control/notify.h"
#include "control/policy/policy_health.h"
#include "control/runs/device_run.h"
#include "control/runs/generation.h"
#include "control/runs/inventory_effects.h"
#include "control/runs/live.h"
#include "control/runs/outbox.h"
#include "control/runs/plan.h"
#include "control/runs/rejected_devices.h"
#include "control/runs/reports.h"
#include "control/runs/retired.h"
#include "control/runs/trace.h"
#include "control/runs/unknown_devices.h"
#include "control/slow_lane.h"
#include "control/socket/ctl_socket.h"
#include "control/store/store.h"
#include "dataplane/dataplane.h"

/* A worker's share of busy cycles over the last second. */
struct load_sample {
	uint64_t cycles, busy_cycles;
	double busy;
};

/* A device whose dialogue is followed. */
struct traced {
	uint32_t device;
	struct trace *trace; /* NULL: the place is free */
	uint64_t asked_ms;   /* when somebody last looked */
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
	struct policy_health policy_health;
	struct store *store; /* NULL: nothing is kept */
	struct inventory inventory;
	struct plans plans;
	struct run_maker *maker;
	struct live_sessions live;
	struct reports reports;
	struct unknowns *unknowns;
	struct turned_away_list *turned_away;
	struct retired_batches retired;
	struct traces *traces; /* NULL: nobody was traced yet */
	struct traced traced[TRACED_MAX];
	struct unsaved_devices unsaved;
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

/*
 * The parts of the control side that need no file and no dataplane: what tests and the daemon set
 * up alike. 0 or -errno; `devices` is how many to expect.
 */
int daemon_init(struct daemon *daemon, size_t devices);
/* The dataplane is gone, and the store closed. */
void daemon_fini(struct daemon *daemon);

/* For what takes long: looks after workers once (commands, events, grace periods), and answers who
 * only looks (command.aside). */
void daemon_pump(struct daemon *daemon);

/* Wall clock. */
uint64_t daemon_now_ms(void);
/* The wall clock at a moment of the workers' clock; now where that is yet to come. */
uint64_t daemon_wall_ms(uint64_t then_us);
/* Monotonic. */
uint64_t daemon_now_us(void);

#define CRADLE_VERSION_TEXT "cradled " CRADLE_VERSION
