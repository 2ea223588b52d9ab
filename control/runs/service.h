/*
 * service.h - what serves devices, as one struct: the policy that runs, the inventory, what is ready
 * for each device, the sessions that are live, and the reports.
 *
 * It is what the functions of this folder get. How the process lives (loop, socket, signals) is the
 * daemon's affair: of that, the service knows the pump alone. Owner: the daemon. Control thread.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/config/config.h"
#include "control/inventory/inventory.h"
#include "control/policy/policy_health.h"
#include "control/pump.h"
#include "control/runs/deliveries.h"
#include "control/runs/device_run.h"
#include "control/runs/feed.h"
#include "control/runs/generation.h"
#include "control/runs/inventory_effects.h"
#include "control/runs/live.h"
#include "control/runs/plan.h"
#include "control/runs/policy_share.h"
#include "control/runs/policy_versions.h"
#include "control/runs/rejected_devices.h"
#include "control/runs/replica.h"
#include "control/runs/reports.h"
#include "control/runs/retired.h"
#include "control/runs/rollouts.h"
#include "control/runs/traced.h"
#include "control/runs/unknown_devices.h"
#include "control/runs/worker_commands.h"
#include "control/runs/unserved.h"
#include "control/runs/version_counts.h"
#include "control/store/store.h"
#include "dataplane/dataplane.h"

struct cluster;
struct created_devices;
struct ec_threads;

/* Requests of known devices that were refused as nothing was to be sent: why, since the start. */
struct refusals {
	uint64_t not_now[RUN_REASONS]; /* by enum run_reason of the first task */
	uint64_t no_task;              /* none applies, or all that do are paused */
	uint64_t failed; /* a task could not be compiled, or ended without anything to send */
};

/* When what ends soon was last told of (trust_watch.h). */
struct trust_watched {
	uint32_t generation; /* of the trust; 0: none yet */
	uint64_t told_ms;
};

struct service {
	struct config *config;     /* the settings that run */
	struct dataplane *dp;      /* NULL: nobody is served yet, or any more */
	struct ec_threads *curves; /* NULL: no certificates */
	struct generation *generation;
	uint32_t last_number; /* of a generation, refused ones not counted */
	struct policy_health policy_health;
	struct store *store; /* NULL: nothing is kept */
	struct inventory inventory;
	struct plans plans;
	struct run_maker *maker;
	void (*helper_begins)(void); /* called by each thread that computes for it; NULL: nothing */
	cpu_set_t free_cpus; /* that no worker polls on: for such threads; none: there are none */
	struct live_sessions live;
	struct reports reports;
	struct unknown_devices *unknowns;
	struct rejected_devices *rejected;
	struct unserved_peers *unserved;
	struct refusals refusals;
	struct created_devices *created;
	struct trust_watched trust_watched;
	struct retired_batches retired;
	struct traced_devices traced;
	struct feed feed;
	struct deliveries deliveries;
	struct unsaved_devices unsaved;
	struct cluster *cluster; /* NULL: this appliance stands alone, and never did otherwise */
	struct replica replica;
	struct policy_versions versions;
	struct policy_share share;
	struct rollouts rollouts;
	struct version_counts version_counts;
	struct worker_commands worker_commands;
	struct pump pump;
	bool events_left; /* the last events_take() did not take all */
	bool stopping; /* the program ends: what takes long is abandoned at its next slice */
};

/*
 * The parts that need no file and no dataplane; `devices` is how many to expect. What stands in
 * `config`, `dp`, `store` and `pump` stays. 0 or -ENOMEM.
 */
int service_init(struct service *service, size_t devices);
/* The dataplane is gone, and the store closed. */
void service_fini(struct service *service);
