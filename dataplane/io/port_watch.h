/*
 * port_watch.h - links that come and go, and ports whose interface of the kernel was made anew.
 *
 * Drivers on an interface of the kernel (af_packet, af_xdp) hold on to the very interface that they
 * were opened on: one of the same name that is made later is another, and they stay deaf. So such a
 * port is closed and opened again, while workers keep their hands off it:
 *
 *	OPEN -> shut = true, a grace period -> QUIET -> closed and opened -> OPEN, shut = false
 *	                                         ^------- fails: tried again later
 *
 * One that has only got another MAC address is treated alike, but not closed.
 *
 * Owner: the control thread calls all of it. Opening takes some milliseconds, and happens where the
 * port served nobody anyway. Allocates what DPDK does.
 */
#pragma once

#include <stdint.h>

#include "dataplane/dataplane.h"

struct port;
struct rte_mempool;

/* The link of now: by the driver or, where it does not know, by the kernel's interface. */
enum dataplane_link port_link(const struct port *port);
/* Queues that its interface spreads frames over, and that the port does not receive from: it asks the kernel. */
unsigned port_queues_missed(const struct port *port);
/* After port_setup(): which interface it was opened on. */
void port_watch_init(struct port *port);

/* What has become of the interface that the port was opened on. One that is gone is the same yet. */
enum port_interface {
	INTERFACE_SAME,
	INTERFACE_READDRESSED, /* it has another MAC: who asks for ours would learn the former */
	INTERFACE_ANOTHER,     /* another one has its name */
};
/* `mac`: of INTERFACE_READDRESSED. */
enum port_interface port_interface_now(const struct port *port, uint8_t mac[6]);
/* Of a shut port that no worker touches: closes it. */
void port_hand_over(struct port *port);
/*
 * Of a shut port that no worker touches: closes it and opens it again with the queues it had. 0: it
 * may be used. -1 and a sentence in `error`: it stays closed, and port_reopen() may be tried again.
 * Of a memif its address stays: peers know it.
 */
int port_reopen(struct port *port, struct rte_mempool *pool, unsigned workers,
		char error[DATAPLANE_ERROR_MAX]) __attribute__((warn_unused_result));
/*
 * The same of a port that another process had until now, or this one itself: a queue of AF_XDP is free a little later, for
 * which it waits, a second at most. While the dataplane rests.
 */
int port_take(struct port *port, struct rte_mempool *pool, unsigned workers,
	      char error[DATAPLANE_ERROR_MAX]) __attribute__((warn_unused_result));
