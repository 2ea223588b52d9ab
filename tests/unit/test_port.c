/*
 * What a port asks of its card, on a card made of a few functions in DPDK's place: virtual functions that refuse, cards
 * that filter unasked, checksums of one kind alone.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include <rte_ethdev.h>

/* What the card offers, what it refuses, and what it was asked for. */
static struct card {
	struct rte_eth_dev_info info;
	int allmulticast, groups, promiscuous, vlan; /* 0, or the error */
	struct rte_eth_conf conf;
	bool hears_all_groups, hears_all;
	struct rte_ether_addr heard[64];
	unsigned n_heard, filtered;
	bool drops_when_full;
} card;

static int
card_info(uint16_t id, struct rte_eth_dev_info *info)
{
	*info = card.info;
	return 0;
}

static int
card_configure(uint16_t id, uint16_t rx, uint16_t tx, const struct rte_eth_conf *conf)
{
	card.conf = *conf;
	return 0;
}

static int
card_rx_queue(uint16_t id, uint16_t queue, uint16_t descriptors, unsigned socket,
	      const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	card.drops_when_full = conf->rx_drop_en;
	return 0;
}

static int
card_tx_queue(uint16_t id, uint16_t queue, uint16_t descriptors, unsigned socket,
	      const struct rte_eth_txconf *conf)
{
	return 0;
}

static int
card_socket(uint16_t id)
{
	return 0;
}

static int
card_start(uint16_t id)
{
	return 0;
}

static int
card_mac(uint16_t id, struct rte_ether_addr *mac)
{
	*mac = (struct rte_ether_addr){ { 2, 0, 0, 0, 0, 1 } };
	return 0;
}

static int
card_allmulticast(uint16_t id)
{
	card.hears_all_groups = card.allmulticast == 0;
	return card.allmulticast;
}

static int
card_groups(uint16_t id, struct rte_ether_addr *groups, uint32_t n)
{
	cr_assert(n <= RTE_DIM(card.heard));
	card.n_heard = n;
	memcpy(card.heard, groups, n * sizeof groups[0]);
	return card.groups;
}

static int
card_promiscuous(uint16_t id)
{
	card.hears_all = card.promiscuous == 0;
	return card.promiscuous;
}

static int
card_vlan(uint16_t id, uint16_t vlan, int on)
{
	cr_assert(on);
	card.filtered = vlan;
	return card.vlan;
}

#define rte_eth_dev_info_get         card_info
#define rte_eth_dev_configure        card_configure
#define rte_eth_rx_queue_setup       card_rx_queue
#define rte_eth_tx_queue_setup       card_tx_queue
#define rte_eth_dev_socket_id        card_socket
#define rte_eth_dev_start            card_start
#define rte_eth_macaddr_get          card_mac
#define rte_eth_allmulticast_enable  card_allmulticast
#define rte_eth_dev_set_mc_addr_list card_groups
#define rte_eth_promiscuous_enable   card_promiscuous
#define rte_eth_dev_vlan_filter      card_vlan
#include "dataplane/io/port.c"
#include "dataplane/io/port_filter.c"

static struct port port;
static char error[DATAPLANE_ERROR_MAX];

static void
setup(void)
{
	static const uint8_t addresses[3][16] = {
		{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 18, 0, 1 },
		{ 0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef },
		{ 0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
	};

	card.info.driver_name = "net_card";
	port = (struct port){
		.device = "0000:03:00.0", .rx_queues = 2, .tx_queues = 2, .mtu = 1500
	};
	port.l3.vlan = LINK_UNTAGGED;
	port.l3.n_addresses = 3;
	memcpy(port.l3.addresses, addresses, sizeof addresses);
}

TestSuite(port, .init = setup);

static void
start(void)
{
	cr_assert_eq(port_setup(&port, NULL, 2, error), 0, "%s", error);
}

Test(port, hears_all_groups_where_the_card_lets_it)
{
	start();
	cr_expect(card.hears_all_groups);
	cr_expect_not(card.hears_all);
	cr_expect_eq(card.n_heard, 0);
}

/* RFC 4291 2.7.1: ff02::1:ffXX:XXXX; RFC 2464 7: 33:33 and the last four bytes. */
Test(port, asks_for_the_groups_of_its_addresses_where_all_are_refused)
{
	static const struct rte_ether_addr expected[] = { { { 0x33, 0x33, 0, 0, 0, 1 } },
							  { { 0x33, 0x33, 0xff, 0xab, 0xcd,
							      0xef } },
							  { { 0x33, 0x33, 0xff, 0, 0, 1 } } };

	card.allmulticast = -EPERM;
	start();
	cr_assert_eq(card.n_heard, 3);
	cr_expect_arr_eq(card.heard, expected, sizeof expected);
	cr_expect_not(card.hears_all);
}

Test(port, hears_all_where_no_group_can_be_named)
{
	card.allmulticast = card.groups = -ENOTSUP;
	start();
	cr_expect(card.hears_all);
}

Test(port, hears_all_where_its_addresses_are_not_known)
{
	card.allmulticast = -ENOTSUP;
	port.l3.n_addresses = 0;
	start();
	cr_expect(card.hears_all);
	cr_expect_eq(card.n_heard, 0);
}

Test(port, starts_on_a_card_that_knows_no_filter_at_all)
{
	card.allmulticast = card.groups = card.promiscuous = -ENOTSUP;
	start();
}

Test(port, asks_for_its_vlan_where_the_card_filters)
{
	card.info.rx_offload_capa = RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	port.l3.vlan = 100;
	start();
	cr_expect_eq(card.filtered, 100);
	cr_expect(card.conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER);
	cr_expect_not(card.hears_all);
}

Test(port, refuses_a_vlan_that_the_card_would_not_hand_on)
{
	card.info.rx_offload_capa = RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	card.vlan = -ENOSPC;
	port.l3.vlan = 100;
	cr_assert_eq(port_setup(&port, NULL, 2, error), -1);
	cr_expect(strstr(error, "vlan = 100") != NULL, "%s", error);
}

Test(port, asks_no_card_that_cannot_filter_for_a_vlan)
{
	port.l3.vlan = 100;
	start();
	cr_expect_eq(card.filtered, 0);
	cr_expect_eq(card.conf.rxmode.offloads, 0);
}

/* virtio-net drops every tagged frame until it is told which ones are wanted. */
Test(port, hears_all_of_a_card_that_filters_vlans_unasked)
{
	card.info.driver_name = "net_virtio";
	start();
	cr_expect_not(card.hears_all, "this one knows no VLANs");
	card.info.rx_offload_capa = RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	start();
	cr_expect(card.hears_all);
	cr_expect_eq(card.conf.rxmode.offloads, 0, "no filter that nobody asked for");
}

static const struct {
	uint64_t offered;
	bool ip, udp;
} offers[] = {
	{ 0, false, false },
	{ RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, true, false },
	{ RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM, false, true },
	{ RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM, true, true },
};

Test(port, takes_each_kind_of_checksum_that_the_card_offers)
{
	for (size_t i = 0; i < RTE_DIM(offers); i++) {
		card.info.rx_offload_capa = offers[i].offered;
		start();
		cr_expect_eq(port.rx_ip_checksum, offers[i].ip, "offer %zu", i);
		cr_expect_eq(port.rx_udp_checksum, offers[i].udp, "offer %zu", i);
		cr_expect_not(card.conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
	}
}

static const struct {
	const char *device, *completed;
} devices[] = {
	{ "net_af_packet0,iface=eth1", "net_af_packet0,iface=eth1,qpairs=2" },
	{ "net_af_packet0,iface=eth1,qpairs=1", "net_af_packet0,iface=eth1,qpairs=1" },
	{ "net_af_xdp0,iface=eth1", "net_af_xdp0,iface=eth1,busy_budget=0" },
	{ "net_af_xdp0,iface=eth1,busy_budget=64", "net_af_xdp0,iface=eth1,busy_budget=64" },
	{ "net_memif0,role=server", "net_memif0,role=server" },
};

Test(port, tells_a_driver_what_its_device_string_leaves_out)
{
	char completed[PORT_DEVICE_MAX + 32];

	for (size_t i = 0; i < RTE_DIM(devices); i++) {
		snprintf(port.device, sizeof port.device, "%s", devices[i].device);
		complete_device(&port, 2, completed, sizeof completed);
		cr_expect_str_eq(completed, devices[i].completed);
	}
}

/* Who takes apart what did not start closes every port that there is. */
Test(port, is_none_that_could_be_closed_where_its_name_is_refused)
{
	char name[PORT_DEVICE_MAX + 1];
	const struct dataplane_port_config config = { .device = name };

	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	port.id = 0;
	cr_expect_eq(port_probe(&port, &config, 1, error), -1);
	cr_expect_eq(port.id, RTE_MAX_ETHPORTS);
	cr_expect(strstr(error, "too long"), "%s", error);
}

Test(port, lets_no_full_queue_hold_up_the_others)
{
	start();
	cr_expect(card.drops_when_full);
}

Test(port, makes_buffers_that_cards_need_not_cut)
{
	cr_expect_eq(port_data_room(1500), PORT_HEADROOM + 2048);
	cr_expect_eq(port_data_room(2022), PORT_HEADROOM + 2048);
	cr_expect_eq(port_data_room(2023), PORT_HEADROOM + 3072);
	cr_expect_eq(port_data_room(9000), PORT_HEADROOM + 9216);
}
