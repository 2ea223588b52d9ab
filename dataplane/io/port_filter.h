/*
 * port_filter.h - which frames a card is to hand on: those to groups, and those with VLAN tags.
 *
 * Neighbour solicitations (RFC 4861) come to groups, and by default any VLAN is answered in kind, while cards drop what
 * nobody asked for. A card that cannot be told hands on everything, or is a virtual one that knows no filter; l3 looks
 * at every frame again.
 *
 * Owner: the control thread, around the port's start. Allocates nothing.
 */
#pragma once

#include <stdint.h>

#include "dataplane/dataplane.h"

struct port;
struct rte_eth_dev_info;

/* Receive offloads that filtering this port needs; they belong to its configuration. */
uint64_t port_filter_offloads(const struct port *port, const struct rte_eth_dev_info *info);
/* After the start. 0; -1 and a sentence in `error`: a VLAN that is configured would not be heard. */
int port_filter_set(const struct port *port, const struct rte_eth_dev_info *info,
		    char error[DATAPLANE_ERROR_MAX]) __attribute__((warn_unused_result));
