#include "dataplane/io/port_filter.h"

#include <stdio.h>
#include <string.h>

#include <rte_errno.h>

#include "dataplane/io/port.h"

enum { GROUPS_MAX = L3_ADDRESSES_MAX + 1 };

/* Of cards that can filter VLANs, those that do so before anybody asks. */
static bool
filters_unasked(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_virtio") == 0;
}

static bool
can_filter(const struct rte_eth_dev_info *info)
{
	return info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
}

static bool
is_named(uint16_t vlan)
{
	return vlan >= 1 && vlan <= L3_VLAN_ID_MAX;
}

uint64_t
port_filter_offloads(const struct port *port, const struct rte_eth_dev_info *info)
{
	return is_named(port->l3.vlan) && can_filter(info) ? RTE_ETH_RX_OFFLOAD_VLAN_FILTER : 0;
}

/* Solicited-node groups (RFC 4291 2.7.1) of our addresses, and all nodes; as Ethernet has them (RFC 2464 7). */
static unsigned
list_groups(const struct l3_port *l3, struct rte_ether_addr groups[GROUPS_MAX])
{
	unsigned n = 0;

	groups[n++] = (struct rte_ether_addr){ { 0x33, 0x33, 0, 0, 0, 1 } };
	for (unsigned i = 0; i < l3->n_addresses; i++) {
		const uint8_t *address = l3->addresses[i];

		if (!l3_is_ipv4(address))
			groups[n++] = (struct rte_ether_addr){ { 0x33, 0x33, 0xff, address[13],
								 address[14], address[15] } };
	}
	return n;
}

/* Virtual functions may be refused all groups. A generator's port has addresses that we do not know here. */
static void
hear_groups(const struct port *port)
{
	struct rte_ether_addr groups[GROUPS_MAX];

	if (rte_eth_allmulticast_enable(port->id) == 0)
		return;
	if (port->l3.n_addresses == 0 ||
	    rte_eth_dev_set_mc_addr_list(port->id, groups, list_groups(&port->l3, groups)) < 0)
		(void)rte_eth_promiscuous_enable(port->id);
}

int
port_filter_set(const struct port *port, const struct rte_eth_dev_info *info,
		char error[DATAPLANE_ERROR_MAX])
{
	int rc;

	hear_groups(port);
	if (!is_named(port->l3.vlan)) {
		/* All 4094, one by one, would take it seconds. */
		if (can_filter(info) && filters_unasked(info))
			(void)rte_eth_promiscuous_enable(port->id);
		return 0;
	}
	if (!can_filter(info))
		return 0;
	rc = rte_eth_dev_vlan_filter(port->id, port->l3.vlan, 1);
	if (rc == 0)
		return 0;
	snprintf(error, DATAPLANE_ERROR_MAX, "port %s: vlan = %u: the card refuses it: %s",
		 port->device, (unsigned)port->l3.vlan, rte_strerror(-rc));
	return -1;
}
