/*
 * replica.h - the inventory as a replica of the cluster's: what other members changed is taken over, and what devices and
 * tasks changed here is sent up.
 *
 * Batches come from the cluster's follower (cluster.h); each is kept in the store as one change and then made live, as an
 * operator's change is. What comes of devices here (effects of tasks, devices made by their certificate) is kept and live
 * at once, and sent up a moment later, together: as long as the database is away it waits here, each device once.
 *
 * Control thread; runs the service's pump while the disk writes. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/runs/device_ring.h"
#include "control/runs/member_unsent.h"
#include "control/runs/member_waits.h"
#include "control/store/store.h"
#include "control/store/store_records.h"

struct device;
struct service;

struct replica {
	/* Devices to be sent (device.unsent), each once, in the order of their changes. */
	struct device_ring waiting;
	uint64_t send_next_ms; /* not before */
	uint32_t *sending;     /* those on their way */
	size_t n_sending;
	/* Rows whose identity another device still has here: it changes with a later row. */
	struct records deferred;
	/* While all is fetched: a bit for each device that there was, set when its row came. */
	uint64_t *seen;
	uint32_t n_seen;
	uint64_t retry_ms;                     /* after trouble with the store */
	struct device_ring superseded_devices; /* whose live session is marked so, each once */
	uint64_t superseded; /* runs that ended as the device asked another member meanwhile */
	struct member_unsent unsent; /* reports of a former process */
	struct member_waits waits;   /* runs that wait before what is done once */
	uint64_t given_way;          /* changes of devices here that gave way to another member's */
	uint64_t
		cookies_ms; /* when cookies were made to follow the wall clock; 0: they are each worker's own */
	bool told; /* the trouble was logged */
};

void replica_fini(struct replica *replica);

/* A device was changed here by itself or a task, not by an operator. */
void replica_device_changed(struct service *service, struct device *device);
/* One batch at most, and what waits to be sent; to be called every few milliseconds. */
void replica_turn(struct service *service, uint64_t now_ms);
/*
 * Another process is to take over: no more is asked for, and what came is taken, while the store is there. 0, or -errno and
 * a sentence. It goes on by cluster_go_on().
 */
int replica_rest(struct service *service, char error[STORE_ERROR_MAX]);
/* The cluster sends nothing any more (cluster_rest_sending()): what was on its way is there, or waits again. */
void replica_end_sending(struct service *service);
/* All that waits is sent or given up after `wait_ms`. How many were not sent. */
size_t replica_send_all(struct service *service, unsigned wait_ms);
