#include "dataplane/io/port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_pci.h>

#include "dataplane/io/port_filter.h"
#include "dataplane/io/port_gate.h"

/* What the device may hash to find a queue: the more of the 5-tuple the better, but any part keeps
 * a flow together. */
#define PORT_RSS                                                                                   \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV6 |                      \
	 RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_EX | RTE_ETH_RSS_IPV6_UDP_EX)

/*
 * What a driver is told in its device string only, where that does not say it already: the number of
 * queues, which is fixed when the device is made; and that AF_XDP is not to poll the kernel, with which an
 * empty poll cost 2,800 cycles and a bootstrap over DTLS took 26 ms at the median.
 */
static const struct default_argument {
	const char *driver, *argument;
	const char *value; /* NULL: the number of queues */
} default_arguments[] = {
	{ "net_af_packet", "qpairs", NULL },
	{ "net_vhost", "queues", NULL },
	{ "net_virtio_user", "queues", NULL },
	{ "net_af_xdp", "busy_budget", "0" },
};

bool
port_is_pci(const char *device, char *address, size_t size)
{
	struct rte_pci_addr pci;
	char name[PORT_DEVICE_MAX];

	snprintf(name, sizeof name, "%.*s", (int)strcspn(device, ","), device);
	if (rte_pci_addr_parse(name, &pci) != 0)
		return false;
	rte_pci_device_name(&pci, address, size);
	return true;
}

uint16_t
port_data_room(unsigned mtu)
{
	unsigned frame = RTE_ALIGN_CEIL(mtu + PORT_OVERHEAD, (unsigned)PORT_DATA_STEP);

	return (uint16_t)(PORT_HEADROOM + RTE_MAX(frame, (unsigned)PORT_DATA_ROOM));
}

static int
fail(const struct port *port, char error[DATAPLANE_ERROR_MAX], const char *what, int errnum)
{
	snprintf(error, DATAPLANE_ERROR_MAX, "port %s: %s: %s", port->device, what,
		 rte_strerror(errnum < 0 ? -errnum : errnum));
	return -1;
}

static bool
has_argument(const char *device, const char *argument)
{
	size_t len = strlen(argument);

	for (const char *at = strchr(device, ','); at; at = strchr(at + 1, ','))
		if (strncmp(at + 1, argument, len) == 0 && at[1 + len] == '=')
			return true;
	return false;
}

static void
complete_device(const struct port *port, unsigned queues, char *out, size_t size)
{
	char number[16];

	snprintf(number, sizeof number, "%u", queues);
	snprintf(out, size, "%s", port->device);
	for (size_t i = 0; i < RTE_DIM(default_arguments); i++) {
		const struct default_argument *known = &default_arguments[i];

		if (strncmp(port->device, known->driver, strlen(known->driver)) == 0 &&
		    !has_argument(port->device, known->argument))
			snprintf(out, size, "%s,%s=%s", port->device, known->argument,
				 known->value ? known->value : number);
	}
}

/* PCI devices were named to the environment at its start and are there already; all others are made
 * now. */
static int
find_device(struct port *port, unsigned queues, char error[DATAPLANE_ERROR_MAX])
{
	char device[PORT_DEVICE_MAX + 32], name[PORT_DEVICE_MAX];
	uint16_t other;
	int rc;

	if (!port_is_pci(port->device, name, sizeof name)) {
		snprintf(name, sizeof name, "%.*s", (int)strcspn(port->device, ","), port->device);
		if (rte_eth_dev_get_port_by_name(name, &other) == 0)
			return fail(port, error, "another port has this device name", EEXIST);
		complete_device(port, queues, device, sizeof device);
		rc = rte_dev_probe(device);
		if (rc < 0)
			return fail(port, error,
				    "cannot make the device: check its name and arguments, "
				    "that its interface exists and that we may open it",
				    rc);
	}
	rc = rte_eth_dev_get_port_by_name(name, &port->id);
	return rc < 0 ? fail(port, error, "no driver took the device", rc) : 0;
}

/*
 * A hash is trusted when real hardware has it and every worker has a queue. Virtual devices offer
 * hash types that they do not keep (tap needs flow rules of the kernel), or let the sender choose.
 */
static bool
rss_trusted(const struct rte_eth_dev_info *info, const struct port *port, unsigned workers)
{
	const struct rte_bus *bus = info->device ? rte_dev_bus(info->device) : NULL;

	return workers > 1 && port->rx_queues >= workers &&
	       (info->flow_type_rss_offloads & PORT_RSS) && bus &&
	       strcmp(rte_bus_name(bus), "vdev") != 0;
}

/* As a queue's set-up would choose for 0, but known before the pool is made. */
static void
choose_descriptors(struct port *port, const struct rte_eth_dev_info *info)
{
	if (!port->rx_descriptors)
		port->rx_descriptors = info->default_rxportconf.ring_size;
	if (!port->rx_descriptors)
		port->rx_descriptors = RTE_ETH_DEV_FALLBACK_RX_RINGSIZE;
	if (!port->tx_descriptors)
		port->tx_descriptors = info->default_txportconf.ring_size;
	if (!port->tx_descriptors)
		port->tx_descriptors = RTE_ETH_DEV_FALLBACK_TX_RINGSIZE;
}

/*
 * memif: a queue that the peer did not connect would receive what lies in the first ring, again. So
 * there is one, which every peer connects, unless the configuration says how many the peer has.
 */
static void
choose_queues(struct port *port, const struct rte_eth_dev_info *info, unsigned configured,
	      unsigned workers)
{
	bool memif = strcmp(info->driver_name, "net_memif") == 0;
	unsigned by_default = memif ? 1 : workers;
	unsigned rx = configured ? configured : by_default;
	unsigned tx = memif ? rx : workers;

	port->rx_queues = (uint16_t)RTE_MIN(rx, (unsigned)info->max_rx_queues);
	port->tx_queues = (uint16_t)RTE_MIN(tx, (unsigned)info->max_tx_queues);
	port->peer_chooses_queues = memif && port->tx_queues > 1;
}

/* A memif is a socket between two processes, an af_xdp socket has its queue alone. */
static const char *const exclusive_drivers[] = { "net_memif", "net_af_xdp" };

static const char *
exclusive_driver(const char *device)
{
	for (size_t i = 0; i < RTE_DIM(exclusive_drivers); i++)
		if (strncmp(device, exclusive_drivers[i], strlen(exclusive_drivers[i])) == 0)
			return exclusive_drivers[i];
	return NULL;
}

bool
port_changes_hands(const char *device)
{
	return exclusive_driver(device);
}

bool
port_is_xdp(const char *device)
{
	return strncmp(device, "net_af_xdp", strlen("net_af_xdp")) == 0;
}

/* What af_xdp was told, and memif has room for. */
static unsigned
queues_of_device(const char *device)
{
	const char *argument = strstr(device, ",queue_count=");
	unsigned long queues;

	if (strncmp(device, "net_memif", strlen("net_memif")) == 0)
		return DATAPLANE_WORKERS_MAX;
	if (!argument)
		return 1;
	queues = strtoul(argument + strlen(",queue_count="), NULL, 10);
	return (unsigned)RTE_MIN(queues, (unsigned long)RTE_MAX_QUEUES_PER_PORT);
}

void
port_plan(struct port *port, const struct dataplane_port_config *config, unsigned workers)
{
	struct rte_eth_dev_info info = { .driver_name = exclusive_driver(config->device) };

	snprintf(port->device, sizeof port->device, "%s", config->device);
	port->id = RTE_MAX_ETHPORTS;
	port->driver = info.driver_name;
	info.max_rx_queues = info.max_tx_queues = (uint16_t)queues_of_device(config->device);
	choose_queues(port, &info, config->queues, workers);
	port->rx_descriptors = config->rx_descriptors;
	port->tx_descriptors = config->tx_descriptors;
	port->mtu = config->mtu ? config->mtu : RTE_ETHER_MTU;
	port->gated = port_gate_wanted(port->driver);
	port->exclusive = true;
	port->shut = true;
}

int
port_probe(struct port *port, const struct dataplane_port_config *config, unsigned workers,
	   char error[DATAPLANE_ERROR_MAX])
{
	unsigned queues = config->queues ? config->queues : workers;
	struct rte_eth_dev_info info;
	int rc;

	port->id = RTE_MAX_ETHPORTS;
	if (strlen(config->device) >= sizeof port->device)
		return fail(port, error, "the device string is too long", ENAMETOOLONG);
	snprintf(port->device, sizeof port->device, "%s", config->device);
	if (find_device(port, queues, error) < 0)
		return -1;
	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc < 0)
		return fail(port, error, "cannot be asked what it offers", rc);
	port->driver = info.driver_name;
	choose_queues(port, &info, config->queues, workers);
	port->rx_descriptors = config->rx_descriptors;
	port->tx_descriptors = config->tx_descriptors;
	port->mtu = config->mtu ? config->mtu : RTE_ETHER_MTU;
	if (port->rx_queues == 0 || port->tx_queues == 0)
		return fail(port, error, "offers no queue to receive or to transmit", ENODEV);
	if (info.max_mtu && port->mtu > info.max_mtu)
		return fail(port, error, "the MTU is above what the device offers", ERANGE);
	port->rss = rss_trusted(&info, port, workers);
	port->gated = port_gate_wanted(info.driver_name);
	port->exclusive = port_changes_hands(port->device);
	if (port->gated && !port_gate_works())
		return fail(port, error, "needs DPDK's shared libraries", ENOTSUP);
	choose_descriptors(port, &info);
	return rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &port->rx_descriptors,
						&port->tx_descriptors) < 0
		       ? fail(port, error, "refuses the number of descriptors", EINVAL)
		       : 0;
}

static int
configure(struct port *port, const struct rte_eth_dev_info *info)
{
	const uint64_t rx_wanted = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t tx_wanted = RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	struct rte_eth_conf conf = { 0 };

	conf.rxmode.mtu = port->mtu;
	conf.rxmode.offloads =
		(info->rx_offload_capa & rx_wanted) | port_filter_offloads(port, info);
	conf.txmode.offloads = info->tx_offload_capa & tx_wanted;
	if (port->rx_queues > 1 && (info->flow_type_rss_offloads & PORT_RSS)) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & PORT_RSS;
	}
	port->rx_ip_checksum = conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	port->rx_udp_checksum = conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	port->tx_checksum = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	return rte_eth_dev_configure(port->id, port->rx_queues, port->tx_queues, &conf);
}

static int
setup_queues(struct port *port, const struct rte_eth_dev_info *info, struct rte_mempool *pool)
{
	unsigned socket = (unsigned)RTE_MAX(rte_eth_dev_socket_id(port->id), 0);
	struct rte_eth_rxconf rx = info->default_rxconf;
	int rc = 0;

	rx.rx_drop_en = 1; /* a worker that falls behind must not hold up the others' queues */
	for (uint16_t q = 0; q < port->rx_queues && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(port->id, q, port->rx_descriptors, socket, &rx, pool);
	for (uint16_t q = 0; q < port->tx_queues && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(port->id, q, port->tx_descriptors, socket, NULL);
	for (unsigned q = 0; q < RTE_DIM(port->tx_locks); q++)
		rte_spinlock_init(&port->tx_locks[q]);
	return rc;
}

/* AF_XDP's driver opens its sockets with its queues, and leaves them. */
static int
setup_noted_queues(struct port *port, const struct rte_eth_dev_info *info, struct rte_mempool *pool)
{
	struct xdp_sockets before;
	int rc;

	if (!port_is_xdp(port->device))
		return setup_queues(port, info, pool);
	xdp_sockets_find(&before, NULL);
	rc = setup_queues(port, info, pool);
	xdp_sockets_find(&port->sockets, &before);
	return rc;
}

int
port_setup(struct port *port, struct rte_mempool *pool, unsigned workers,
	   char error[DATAPLANE_ERROR_MAX])
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int rc = rte_eth_dev_info_get(port->id, &info);

	if (rc == 0)
		rc = configure(port, &info);
	if (rc < 0)
		return fail(port, error, "refuses its configuration", rc);
	rc = setup_noted_queues(port, &info, pool);
	if (rc < 0)
		return fail(port, error,
			    "refuses its queues: fewer descriptors or more memory may help", rc);
	rc = rte_eth_dev_start(port->id);
	if (rc < 0)
		return fail(port, error, "does not start", rc);
	rc = rte_eth_macaddr_get(port->id, &mac);
	if (rc < 0)
		return fail(port, error, "has no MAC address", rc);
	memcpy(port->l3.mac, mac.addr_bytes, sizeof port->l3.mac);
	return port_filter_set(port, &info, error);
}

void
port_close(struct port *port)
{
	if (port->id == RTE_MAX_ETHPORTS)
		return;
	(void)rte_eth_dev_stop(port->id);
	(void)rte_eth_dev_close(port->id);
	xdp_sockets_close(&port->sockets);
}
