/*
 * daemon_sources.h - what the daemon's loop waits for: signals, the control socket, DPDK's log.
 *
 * Each returns 0; or -1, and it is logged why. Control thread.
 */
#pragma once

#include "control/daemon.h"

/* The loop, with signals and DPDK's log. */
int daemon_open_loop(struct daemon *daemon);
/* The control socket: a new one, or the listener that the process before passed on. */
int daemon_open_socket(struct daemon *daemon);
int daemon_adopt_socket(struct daemon *daemon);

/* DPDK's own words become log lines: it writes whole lines, and drops what the pipe does not take. */
void daemon_read_dpdk_log(struct daemon *daemon);
/* A version of the policy that no command brought: who made it, and how. Logged. */
void daemon_keep_version(struct daemon *daemon, const char *who, const char *what);
