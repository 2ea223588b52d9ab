/*
 * daemon_parts.h - the parts of the daemon that stand beside its service: opened at the start, closed at the end.
 *
 * What opens returns 0; or -1, and it is logged why. Control thread.
 */
#pragma once

#include "control/daemon.h"

/* The store's lock is held: no other appliance writes there. While a change of it cannot be ended, what that needs stays. */
void daemon_sweep_policy(const struct config *config);

/* Before the store's writers begin: what it follows is read. */
int daemon_open_cluster(struct daemon *daemon);
/* After the dataplane: nothing changes devices any more. Before the store: batches hold its keys. */
void daemon_close_cluster(struct daemon *daemon);

/* CPUs that no worker polls on: before there is a dataplane, and again once there is. */
void daemon_find_free_cpus(struct daemon *daemon);
/* Ports and workers; those rest until they are started. */
int daemon_open_dataplane(struct daemon *daemon);
int daemon_start_dataplane(struct daemon *daemon);
/* The threads that compute with elliptic curves; what they trust comes with the generation. */
int daemon_open_curves(struct daemon *daemon);
/* Both: after it no worker runs and nothing is published. */
void daemon_close_dataplane(struct daemon *daemon);
