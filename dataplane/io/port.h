/*
 * port.h - one device port: any DPDK device, named by a string.
 *
 * Life: port_probe() finds or makes the device and decides its queues -> port_setup() configures it
 * on a pool of packet buffers and starts it -> workers receive and transmit -> port_close(). All
 * functions belong to the control thread, before workers start, after they ended, or while they
 * leave the port alone (port_watch.h). `struct port` is read by workers and else does not change.
 */
#pragma once

#include <rte_ethdev.h>
#include <rte_spinlock.h>

#include "dataplane/dataplane.h"
#include "dataplane/io/announce.h"
#include "dataplane/io/l3.h"
#include "dataplane/io/xdp_sockets.h"

enum {
	PORT_HEADROOM = RTE_PKTMBUF_HEADROOM,
	PORT_DATA_ROOM = 2048, /* of a packet buffer, at least */
	PORT_DATA_STEP = 1024, /* Intel's cards count so, and cut a frame that needs a part more */
	PORT_DEVICE_MAX = 256, /* bytes of a device string */
	PORT_OVERHEAD = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * RTE_VLAN_HLEN,
};

_Static_assert(RTE_PKTMBUF_HEADROOM >= L3_HEADERS_MAX, "headers are written into the headroom");

struct port {
	/* Read for every packet. */
	struct l3_port l3;
	uint16_t id;      /* DPDK's; RTE_MAX_ETHPORTS: it is closed */
	/* The device says which checksums are right: of IPv4 headers, of UDP. virtio-net says the
	 * second alone, and then hands on datagrams of its own host that have none yet. */
	bool rx_ip_checksum, rx_udp_checksum;
	bool tx_checksum; /* the device computes UDP checksums */
	bool rss;         /* the device's hash gives each flow one worker: no hand-over */
	/* memif: of our transmit queues only the first ones may be connected; queue 0 always is. */
	bool peer_chooses_queues;
	bool exclusive; /* one process can have it at a time */
	bool gated; /* workers touch it while its gate is open (port_gate.h) */
	_Atomic bool shut; /* it is being opened again: from their next turn on workers leave it alone
			    * (port_watch.h) */
	/* Read at start. */
	uint16_t rx_queues, tx_queues;
	uint16_t rx_descriptors, tx_descriptors;
	uint16_t mtu;
	/* The control thread's (port_watch.h). */
	bool has_interface;        /* it is on an interface of the kernel, of this index */
	unsigned interface;
	enum { PORT_OPEN, PORT_SHUT, PORT_QUIET } life; /* SHUT: until no worker touches it */
	enum dataplane_link link;  /* as it was told last */
	struct announce announce;  /* of its addresses, to its link */
	unsigned reopened;         /* how often it was opened again */
	unsigned looks;            /* until that is tried again */
	char trouble[DATAPLANE_ERROR_MAX]; /* why it cannot be, as it was told last; "": it can */
	struct {
		uint64_t rx_missed, rx_errors, tx_errors, rx_no_buffer;
	} past; /* counted before that */
	struct xdp_sockets sockets;   /* that its driver opened, of AF_XDP */
	const char *driver;           /* the driver's own */
	char device[PORT_DEVICE_MAX]; /* as configured */
	rte_spinlock_t tx_locks
		[DATAPLANE_WORKERS_MAX]; /* of queues that workers share, where there are too few */
};

/* Whether a device string names a PCI device; `address` (at least 16 bytes) is then its full
 * name. */
bool port_is_pci(const char *device, char *address, size_t size);
/*
 * Finds the device, or makes it where it is a virtual one. What a driver takes in its device
 * string only (queues of af_packet, vhost, virtio_user; af_xdp's busy_budget) is added where the string
 * does not say it. 0; -1 and a sentence in `error`.
 */
int port_probe(struct port *port, const struct dataplane_port_config *config, unsigned workers,
	       char error[DATAPLANE_ERROR_MAX]) __attribute__((warn_unused_result));
/* Whether a device of this string is one that one process at a time can have, and that can change hands. */
bool port_changes_hands(const char *device);
bool port_is_xdp(const char *device);
/*
 * In place of port_probe(), of such a port that another process still has: decides its queues and leaves it closed and
 * shut, for port_reopen() (port_watch.h).
 */
void port_plan(struct port *port, const struct dataplane_port_config *config, unsigned workers);
/* Configures queues, offloads and hash, takes the MAC address, starts. 0; -1 and a sentence in
 * `error`. */
int port_setup(struct port *port, struct rte_mempool *pool, unsigned workers,
	       char error[DATAPLANE_ERROR_MAX]) __attribute__((warn_unused_result));
void port_close(struct port *port);

/* Bytes of a packet buffer's data area for this MTU, headroom included. */
uint16_t port_data_room(unsigned mtu);

/* (worker) What the device has verified of a frame, as flags of l3_parse(). "None" in DPDK's words: no
 * checksum is in the packet, but its integrity was verified. */
static inline unsigned
port_checked(const struct port *port, const struct rte_mbuf *mbuf)
{
	uint64_t ip = mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t udp = mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	unsigned flags = 0;

	if (port->rx_ip_checksum &&
	    (ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD || ip == RTE_MBUF_F_RX_IP_CKSUM_NONE))
		flags |= L3_RX_IP_CHECKED;
	if (port->rx_udp_checksum &&
	    (udp == RTE_MBUF_F_RX_L4_CKSUM_GOOD || udp == RTE_MBUF_F_RX_L4_CKSUM_NONE))
		flags |= L3_RX_UDP_CHECKED;
	return flags;
}
