/*
 * swarm.h - the fleet on DPDK ports: the loop that starts devices by plan and moves their
 * datagrams.
 *
 * Life: swarm_open() (DPDK's environment, ports, memory; waits for links and the server's MAC
 * address) -> swarm_run()
 * -> swarm_close(). One thread, one a process. Everything is allocated by swarm_open().
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"
#include "tools/storm/device.h"
#include "tools/storm/net.h"
#include "tools/storm/plan.h"

enum { SWARM_PORTS_MAX = 16 };

/* What the network does to each datagram, in percent; both directions. */
struct impairment {
	double loss, duplicate, reorder, corrupt;
};

struct swarm_config {
	const char *ports[SWARM_PORTS_MAX];
	unsigned n_ports;
	uint16_t vlan; /* LINK_UNTAGGED: none */
	int cpu;       /* -1: the first allowed one */
	bool poll;     /* never give the CPU away */
	bool progress; /* a line a second on standard error */
	uint32_t devices;
	uint64_t seed;
	double drain_s; /* how long to answer copies after the last device ended */
	struct net net;
	struct plan plan;
	struct impairment impairment;
	struct fleet_settings fleet;
	const struct names *names;
	const struct expect *expect;
	const char *eal_args;
};

/* Of the run, for the report. */
struct swarm_record {
	double second, started, done, failed; /* since the record before, a second */
	double p50_us, p99_us;                /* of all so far */
	uint32_t running;
};

enum { SWARM_RECORDS_MAX = 3600 };

struct swarm_result {
	double seconds;   /* from the first start to the last end, drain not counted */
	uint64_t planned; /* bootstraps that should have started */
	uint64_t late_us; /* most that a start was behind its intended time */
	uint64_t tx_frames, tx_bytes, rx_frames, rx_bytes;
	uint64_t tx_full; /* dropped here: the port took no more, for long */
	uint64_t no_buffer, rx_missed, rx_dropped;
	uint64_t lost, duplicated, reordered, corrupted; /* by the impairment */
	double busy; /* share of the cycles spent in turns that had work */
	bool interrupted;
	unsigned n_records;
	struct swarm_record records[SWARM_RECORDS_MAX];
};

struct swarm;

/* NULL and a sentence in `error`. */
struct swarm *swarm_open(const struct swarm_config *config, char error[DATAPLANE_ERROR_MAX]);
/* Until every planned device ended, or *stop. */
void swarm_run(struct swarm *swarm, const volatile sig_atomic_t *stop, struct swarm_result *result);
const struct tally *swarm_tally(const struct swarm *swarm);
void swarm_close(struct swarm *swarm);
