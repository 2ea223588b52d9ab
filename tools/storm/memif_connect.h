/*
 * memif_connect.h - keeps memif's driver from waiting for a peer that accepts nobody.
 *
 * The driver connects to its peer's socket from rte_eth_dev_start(), on a core's thread while it
 * runs, and waits in connect() for as long as the peer's queue is full: that holds two that were not
 * accepted yet (DPDK 22.11 listens with a backlog of 1), even such as were closed again. A peer that
 * is stopped would so stop the generator, with every device's timers.
 *
 * So connect() to a local socket waits for a limited time in this program, and then fails with
 * EAGAIN: core_keep_link() tries again. The driver is a shared library that finds the program's
 * connect() first (dataplane/io/port_gate.h does the same). All other sockets are passed on as they
 * are.
 *
 * Any thread. Allocates nothing.
 */
#pragma once

/* From now on cores run: a millisecond. Before, ten seconds: the peer may just be starting. */
void memif_connect_hurry(void);
