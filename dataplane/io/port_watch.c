#include "dataplane/io/port_watch.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include "dataplane/io/port.h"

/* ---- the kernel's interface ---- */

/* Whether the port's driver is on one: its name. */
static bool
interface_of(const struct port *port, char name[IFNAMSIZ])
{
	const char *argument = strstr(port->device, ",iface=");

	if (!argument ||
	    (strcmp(port->driver, "net_af_packet") != 0 && strcmp(port->driver, "net_af_xdp") != 0))
		return false;
	argument += strlen(",iface=");
	snprintf(name, IFNAMSIZ, "%.*s", (int)strcspn(argument, ","), argument);
	return true;
}

/* Asks the kernel; false: there is no such interface, or no socket to ask by. */
static bool
ask_kernel(unsigned long what, struct ifreq *interface)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool known = fd >= 0 && ioctl(fd, what, interface) == 0;

	if (fd >= 0)
		close(fd);
	return known;
}

/* An AF_XDP socket receives from one queue, af_packet from all. */
unsigned
port_queues_missed(const struct port *port)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq interface = { .ifr_data = (char *)&channels };
	unsigned queues;

	if (!port->driver || strcmp(port->driver, "net_af_xdp") != 0 ||
	    !interface_of(port, interface.ifr_name) || !ask_kernel(SIOCETHTOOL, &interface))
		return 0;
	queues = channels.combined_count + channels.rx_count;
	return queues > port->rx_queues ? queues - port->rx_queues : 0;
}

enum dataplane_link
port_link(const struct port *port)
{
	struct rte_eth_link link = { 0 };
	struct ifreq interface = { 0 };

	if (!interface_of(port, interface.ifr_name)) {
		if (port->id != RTE_MAX_ETHPORTS)
			(void)rte_eth_link_get_nowait(port->id, &link);
		return link.link_status == RTE_ETH_LINK_UP ? LINK_UP : LINK_DOWN;
	}
	if (if_nametoindex(interface.ifr_name) == 0)
		return LINK_GONE;
	/* RUNNING: it has a carrier (RFC 2863 ifOperStatus). */
	return ask_kernel(SIOCGIFFLAGS, &interface) && (interface.ifr_flags & IFF_UP) &&
			       (interface.ifr_flags & IFF_RUNNING)
		       ? LINK_UP
		       : LINK_DOWN;
}

void
port_watch_init(struct port *port)
{
	char name[IFNAMSIZ];

	port->has_interface = interface_of(port, name);
	port->interface = port->has_interface ? if_nametoindex(name) : 0;
}

enum port_interface
port_interface_now(const struct port *port, uint8_t mac[6])
{
	struct ifreq interface = { 0 };
	unsigned index;

	if (!interface_of(port, interface.ifr_name))
		return INTERFACE_SAME;
	index = if_nametoindex(interface.ifr_name);
	if (index && index != port->interface)
		return INTERFACE_ANOTHER;
	if (!index || !ask_kernel(SIOCGIFHWADDR, &interface))
		return INTERFACE_SAME;
	memcpy(mac, interface.ifr_hwaddr.sa_data, sizeof port->l3.mac);
	return memcmp(mac, port->l3.mac, sizeof port->l3.mac) == 0 ? INTERFACE_SAME
								   : INTERFACE_READDRESSED;
}

/* ---- closing and opening ---- */

/* The driver counts from zero again. */
static void
keep_counts(struct port *port)
{
	struct rte_eth_stats stats = { 0 };

	if (rte_eth_stats_get(port->id, &stats) < 0)
		return;
	port->past.rx_missed += stats.imissed;
	port->past.rx_errors += stats.ierrors;
	port->past.tx_errors += stats.oerrors;
	port->past.rx_no_buffer += stats.rx_nombuf;
}

static void
remove_device(struct port *port)
{
	struct rte_eth_dev_info info = { 0 };

	if (port->id == RTE_MAX_ETHPORTS)
		return;
	keep_counts(port);
	if (rte_eth_dev_info_get(port->id, &info) < 0)
		info.device = NULL;
	port_close(port);
	if (info.device)
		(void)rte_dev_remove(info.device);
	port->id = RTE_MAX_ETHPORTS;
}

void
port_hand_over(struct port *port)
{
	remove_device(port);
}

/* Its driver takes another one each time. */
static void
keep_address(struct port *port, const uint8_t mac[RTE_ETHER_ADDR_LEN])
{
	static const uint8_t none[RTE_ETHER_ADDR_LEN];

	if (port->gated && memcmp(mac, none, sizeof none) != 0)
		memcpy(port->l3.mac, mac, sizeof port->l3.mac);
}

int
port_reopen(struct port *port, struct rte_mempool *pool, unsigned workers,
	    char error[DATAPLANE_ERROR_MAX])
{
	char device[PORT_DEVICE_MAX];
	const struct dataplane_port_config config = {
		.device = device,
		.queues = port->rx_queues,
		.rx_descriptors = port->rx_descriptors,
		.tx_descriptors = port->tx_descriptors,
		.mtu = port->mtu,
	};
	uint16_t rx_queues = port->rx_queues, tx_queues = port->tx_queues;
	uint8_t mac[RTE_ETHER_ADDR_LEN];

	memcpy(mac, port->l3.mac, sizeof mac);
	memcpy(device, port->device, sizeof device);
	remove_device(port);
	if (port_probe(port, &config, workers, error) == 0) {
		if (port->rx_queues != rx_queues || port->tx_queues != tx_queues) {
			snprintf(error, DATAPLANE_ERROR_MAX,
				 "port %s: has other queues than before; restart to use it",
				 port->device);
		} else if (port_setup(port, pool, workers, error) == 0) {
			keep_address(port, mac);
			port_watch_init(port);
			return 0;
		}
	}
	port->rx_queues = rx_queues;
	port->tx_queues = tx_queues;
	remove_device(port);
	return -1;
}

/* Its first queue and how many there are, as the driver reads them. */
static void
wait_for_queues(const struct port *port)
{
	const char *first = strstr(port->device, ",start_queue=");
	unsigned long start = first ? strtoul(first + strlen(",start_queue="), NULL, 10) : 0;
	char name[IFNAMSIZ];

	if (!interface_of(port, name))
		return;
	for (unsigned q = 0; q < port->rx_queues; q++)
		xdp_sockets_wait(if_nametoindex(name), (uint32_t)(start + q));
}

int
port_take(struct port *port, struct rte_mempool *pool, unsigned workers,
	  char error[DATAPLANE_ERROR_MAX])
{
	if (port_is_xdp(port->device))
		wait_for_queues(port);
	return port_reopen(port, pool, workers, error);
}
