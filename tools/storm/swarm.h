/*
 * swarm.h - the fleet on DPDK ports: the loop that starts devices by plan and moves their
 * datagrams.
 *
 * Life: swarm_open() (DPDK's environment, ports, memory; waits for links and the server's MAC
 * address) -> swarm_run()
 * -> swarm_close(). One a process; a thread a core while it runs. Everything is allocated by
 * swarm_open().
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dataplane/dataplane.h"
#include "tools/storm/device.h"
#include "tools/storm/net.h"
#include "tools/storm/plan.h"
#include "tools/storm/recorder.h"

enum { SWARM_PORTS_MAX = 16, SWARM_CORES_MAX = 16 };

/* What the network does to each datagram, in percent; both directions. */
struct impairment {
	double loss, duplicate, reorder, corrupt;
};

struct swarm_config {
	const char *ports[SWARM_PORTS_MAX];
	unsigned n_ports;
	uint16_t vlan; /* LINK_UNTAGGED: none */
	unsigned n_cores;
	int cpu;       /* of the first core; -1: the first allowed one */
	bool poll;     /* never give the CPU away */
	bool progress; /* a line a second on standard error */
	uint32_t devices;
	uint64_t seed;
	double drain_s;   /* how long to answer copies after the last device ended */
	uint64_t late_us; /* so late a start may be in a valid run of an open loop */
	struct net net;
	struct plan plan;
	struct impairment impairment;
	struct fleet_settings fleet;
	const struct names *names;
	const struct expect *expect;
	const struct identities *identities; /* of certificates and raw keys; else NULL */
	unsigned helpers;                    /* threads a core; 0: it computes itself */
	struct lesson *lesson;               /* of the only device, or NULL */
	const char *eal_args;
};

/* What a core counts. */
struct swarm_counts {
	uint64_t link_down_us; /* the longest time that a memif was gone */
	uint64_t quiet_us;     /* the longest between two arrivals */
	uint64_t late_us;      /* most that a start was behind its intended time */
	uint64_t tx_frames, tx_bytes, rx_frames, rx_bytes;
	uint64_t tx_full; /* dropped here: the port took no more, for long */
	uint64_t no_buffer, rx_missed, rx_dropped;
	uint64_t lost, duplicated, reordered, corrupted; /* by the impairment */
};

/* Of the run, for the report: all cores together. */
struct swarm_result {
	double seconds;   /* from the first start to the last end, drain not counted */
	uint64_t planned; /* bootstraps that should have started */
	double busy;      /* share of the cycles spent in turns that had work; the busiest core's */
	bool interrupted;
	struct swarm_counts counts;
	struct tally tally;
	unsigned n_records;
	struct record records[RECORDS_MAX];
};

struct swarm;

/* NULL and a sentence in `error`. */
struct swarm *swarm_open(const struct swarm_config *config, char error[DATAPLANE_ERROR_MAX]);
/* Until every planned device ended, or *stop. */
void swarm_run(struct swarm *swarm, const volatile sig_atomic_t *stop, struct swarm_result *result);
/* A line a device (outcomes.h), once it has run. 0, or -1 where the stream takes it not. */
int swarm_write_outcomes(const struct swarm *swarm, FILE *stream)
	__attribute__((warn_unused_result));
void swarm_close(struct swarm *swarm);
