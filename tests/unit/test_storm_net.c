/* The swarm's addresses: 5-tuples to devices and back, and finding the server. */
#include <criterion/criterion.h>
#include <string.h>

#include "tools/storm/net.h"

static struct net
make_net(const char *range, uint32_t devices)
{
	struct net net = { .server_port = 5683, .first_port = 10000 };

	cr_assert_eq(net_parse_range(&net, range), 0, "%s", range);
	cr_assert_eq(
		net_parse_address(strchr(range, ':') ? "2001:db8::1" : "198.18.0.1", net.server),
		0);
	memcpy(net.next_hop, net.server, 16);
	cr_assert_eq(net_fit(&net, devices), 0);
	return net;
}

Test(storm_net, ranges)
{
	static const struct {
		const char *text;
		int64_t n; /* -1: refused */
	} cases[] = {
		{ "10.0.0.1", 1 },
		{ "10.0.0.250-10.0.1.5", 12 },
		{ "10.0.0.1+70000", 70000 },
		{ "2001:db8::ff-2001:db8::101", 3 },
		{ "10.0.0.2-10.0.0.1", -1 },
		{ "10.0.0.1-2001:db8::1", -1 },
		{ "10.0.0.1+0", -1 },
		{ "10.0.0.1+", -1 },
		{ "10.0.0.1+5x", -1 },
		{ "10.0.0.256", -1 },
		{ "", -1 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct net net = { 0 };
		int rc = net_parse_range(&net, cases[i].text);

		cr_assert_eq(rc, cases[i].n < 0 ? -1 : 0, "%s", cases[i].text);
		if (rc == 0)
			cr_assert_eq(net.n_addresses, cases[i].n, "%s", cases[i].text);
	}
}

Test(storm_net, ports_are_enough_or_refused)
{
	struct net net = { .first_port = 10000, .n_addresses = 2 };

	/* 55,536 ports from 10,000 on, and every device has two of them. */
	cr_assert_eq(net_fit(&net, 2 * 27768), 0);
	cr_assert_eq(net_fit(&net, 2 * 27768 + 1), -1);
}

static size_t
write_datagram(const struct net *net, struct l3_port *port, const struct net_datagram *datagram,
	       uint8_t **frame)
{
	const struct link link = { .mac = { 2, 0, 0, 0, 0, 9 }, .vlan = LINK_UNTAGGED };

	*frame = net_prepend(net, port, &link, datagram);
	return (size_t)(datagram->data + datagram->len - *frame);
}

/*
 * Swaps what the server would swap: MAC addresses, IP addresses, UDP ports. Checksums do not mind.
 */
static void
turn_round(uint8_t *frame, bool ipv6)
{
	uint8_t ip = ipv6 ? 16 : 4, *at = frame + 14 + (ipv6 ? 8 : 12), swap[16];

	memcpy(swap, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, swap, 6);
	memcpy(swap, at, ip);
	memcpy(at, at + ip, ip);
	memcpy(at + ip, swap, ip);
	at += 2 * ip;
	memcpy(swap, at, 2);
	memcpy(at, at + 2, 2);
	memcpy(at + 2, swap, 2);
}

Test(storm_net, every_device_is_found_by_its_datagrams)
{
	static const char *const ranges[] = { "198.18.0.10+7", "198.18.0.254-198.18.1.3",
					      "2001:db8::fffe+5" };

	for (size_t r = 0; r < 3; r++) {
		struct net net = make_net(ranges[r], 100);
		bool ipv6 = strchr(ranges[r], ':') != NULL;

		for (uint32_t i = 0; i < 100; i++) {
			struct l3_port port = { .mac = { 2, 0, 0, 0, 0, 1 } };
			uint8_t bytes[L3_HEADERS_MAX + 4], *frame;
			struct net_datagram datagram = { .device = i,
							 .rebound = i & 1,
							 .data = bytes + L3_HEADERS_MAX,
							 .len = 4 };
			struct l3_packet packet;
			int64_t device;
			size_t len;

			memcpy(datagram.data, "ping", 4);
			len = write_datagram(&net, &port, &datagram, &frame);
			turn_round(frame, ipv6);
			cr_assert_eq(net_parse(&net, &port, frame, len, 0, &packet, &device),
				     L3_DATAGRAM);
			cr_assert_eq(device, i);
			cr_assert(packet.datagram.len == 4 &&
				  memcmp(packet.datagram.data, "ping", 4) == 0);
		}
	}
}

Test(storm_net, unknown_addresses_belong_to_no_device)
{
	struct net net = make_net("198.18.0.10+2", 10);
	uint8_t ours[16], other[16];

	cr_assert_eq(net_parse_address("198.18.0.11", ours), 0);
	cr_assert_eq(net_parse_address("198.18.0.12", other), 0);
	cr_assert_eq(net_device(&net, ours, 10000), 1);
	cr_assert_eq(net_device(&net, ours, 10004), 9);
	cr_assert_eq(net_device(&net, ours, 10009), 9, "the port after a rebinding");
	cr_assert_eq(net_device(&net, ours, 10010), -1);
	cr_assert_eq(net_device(&net, ours, 9999), -1);
	cr_assert_eq(net_device(&net, other, 10000), -1);
}

/* The appliance's own neigh answers our question. */
static void
ask_and_hear(const char *range, const char *server)
{
	struct net net = make_net(range, 10);
	struct l3_port us = { .mac = { 2, 0, 0, 0, 0, 1 } },
		       them = { .mac = { 2, 0, 0, 0, 0, 9 }, .n_addresses = 1 };
	uint8_t frame[NET_ASK_BYTES + 64] = { 0 };
	struct neigh_answer answer;
	struct l3_packet packet;
	enum l3_kind kind;
	int64_t device;
	size_t len = net_ask(&net, &us, LINK_UNTAGGED, frame);

	cr_assert_eq(net_parse_address(server, them.addresses[0]), 0);
	kind = l3_parse(&them, frame, len, 0, &packet);
	cr_assert(kind == L3_ARP || kind == L3_ICMPV6);
	cr_assert(neigh_answer(&them, kind, &packet,
			       sizeof frame - (size_t)(packet.message - frame), &answer),
		  "the question is sound");
	kind = net_parse(&net, &us, answer.frame, answer.len, 0, &packet, &device);
	cr_assert(net_is_next_hop(&net, kind, &packet));
	cr_assert_arr_eq(packet.link.mac, them.mac, 6);
	net.next_hop[15] ^= 1;
	cr_assert(!net_is_next_hop(&net, kind, &packet), "somebody else's answer");
}

Test(storm_net, the_server_is_found_over_arp)
{
	ask_and_hear("198.18.0.10+5", "198.18.0.1");
}

Test(storm_net, the_server_is_found_over_neighbour_discovery)
{
	ask_and_hear("2001:db8::10+5", "2001:db8::1");
}
