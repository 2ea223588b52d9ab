/*
 * notify.h - what the service manager is told (sd_notify(3)); all of it is nothing where there is
 * none.
 */
#pragma once

#include <stdint.h>

#include "dataplane/dataplane.h"

/* Feeds the service manager's watchdog, but only while every worker's heartbeat grows. */
struct watchdog {
	uint64_t interval_us; /* 0: nobody watches */
	uint64_t due_us;
	uint64_t heartbeat[DATAPLANE_WORKERS_MAX];
	unsigned stuck; /* workers found without a new heartbeat at the last check */
};

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* The service is another process from now on: what follows is that one's to tell. */
void notify_successor(long pid);
/* (in that one, before watchdog_init()) What the environment says of the former one is for us. */
void notify_take_over(void);

void watchdog_init(struct watchdog *watchdog, uint64_t now_us);
/* Call it about every tick; it acts when it is due. */
void watchdog_check(struct watchdog *watchdog, const struct dataplane *dp, uint64_t now_us);
