/*
 * interrupts.h - keeps DPDK's interrupt thread still, while what its handlers work on is taken apart.
 *
 * DPDK has one thread for the handlers of all drivers. It starts with the environment and nothing ends it, and DPDK waits
 * for no handler that runs: a driver that is closed meanwhile frees what the handler uses. Held, the thread is inside
 * a handler of ours: no other one runs, none is half done, and each can be unregistered at once.
 *
 * Threads: the control thread, after eal_start(). Allocates once, in interrupts_open(). No nesting.
 */
#pragma once

#include <stdbool.h>

/* Once, as part of eal_start(). 0, or -errno. */
int interrupts_open(void) __attribute__((warn_unused_result));

/*
 * Returns when the thread is held; it stays so until interrupts_release(), or the end of the process. false: it is not,
 * for some handler did not end in INTERRUPTS_WAIT_MS (memif's may wait for a peer that reads nothing).
 */
bool interrupts_hold(void) __attribute__((warn_unused_result));

/*
 * Lets the thread go, if it is held. What it learnt of descriptors before it was held it has forgotten on return, so that
 * new ones may have the numbers of those that were closed meanwhile.
 */
void interrupts_release(void);
