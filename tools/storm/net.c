#include "tools/storm/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/core/cursor.h"
#include "dataplane/io/checksum.h"

enum {
	ARP_BODY = 28,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	ND_SOLICITATION = 135,
	ND_ADVERTISEMENT = 136,
	ND_BODY = 32, /* with our link-layer address */
	ND_HOP_LIMIT = 255,
	PORTS = 65536,
};

/* ---- text ---- */

int
net_parse_address(const char *text, uint8_t address[16])
{
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	if (inet_pton(AF_INET, text, address + 12) == 1)
		return 0;
	return inet_pton(AF_INET6, text, address) == 1 ? 0 : -1;
}

/* The part of an address that ranges count in. */
static uint32_t
tail_of(const uint8_t address[16])
{
	return (uint32_t)address[12] << 24 | (uint32_t)address[13] << 16 |
	       (uint32_t)address[14] << 8 | address[15];
}

static int
parse_count(const struct net *net, const char *text, char separator, uint32_t *count)
{
	uint8_t last[16];
	char *end;

	if (separator == '-') {
		if (net_parse_address(text, last) < 0 || memcmp(last, net->first, 12) != 0 ||
		    tail_of(last) < tail_of(net->first))
			return -1;
		*count = tail_of(last) - tail_of(net->first) + 1;
		return 0;
	}
	*count = (uint32_t)strtoul(text, &end, 10);
	return *text < '1' || *text > '9' || *end ? -1 : 0;
}

int
net_parse_range(struct net *net, const char *text)
{
	char first[NET_ADDRESS_TEXT];
	size_t len = strcspn(text, "-+");

	if (len >= sizeof first)
		return -1;
	snprintf(first, sizeof first, "%.*s", (int)len, text);
	net->n_addresses = 1;
	if (net_parse_address(first, net->first) < 0)
		return -1;
	return text[len] ? parse_count(net, text + len + 1, text[len], &net->n_addresses) : 0;
}

int
net_fit(struct net *net, uint32_t devices)
{
	net->ports_each = (uint32_t)(((uint64_t)devices + net->n_addresses - 1) / net->n_addresses);
	return (uint64_t)net->first_port + 2 * (uint64_t)net->ports_each <= PORTS ? 0 : -1;
}

/* ---- who is who ---- */

static void
address_of(const struct net *net, uint32_t index, uint8_t address[16])
{
	memcpy(address, net->first, 16);
	cursor_store(address + 12, tail_of(net->first) + index, 4);
}

/* Index of one of our addresses, or -1. */
static int64_t
address_index(const struct net *net, const uint8_t address[16])
{
	uint32_t index = tail_of(address) - tail_of(net->first);

	return memcmp(address, net->first, 12) == 0 && index < net->n_addresses ? (int64_t)index
										: -1;
}

int64_t
net_device(const struct net *net, const uint8_t address[16], uint16_t port)
{
	int64_t index = address_index(net, address);
	uint32_t row = (uint32_t)port - net->first_port;

	if (index < 0 || port < net->first_port || row >= 2 * net->ports_each)
		return -1;
	return (int64_t)(row % net->ports_each) * net->n_addresses + index;
}

/* ---- reading ---- */

/*
 * Reads the destination of a frame, loosely: l3_parse() judges it. *udp_port is 0 where it is no
 * datagram.
 */
static bool
read_destination(uint8_t *frame, size_t len, uint8_t address[16], uint16_t *udp_port)
{
	struct reader reader = reader_init(frame, len);
	uint16_t ethertype;
	uint8_t header_len;

	*udp_port = 0;
	reader_skip(&reader, 12);
	ethertype = reader_u16(&reader);
	if (ethertype == ETHERTYPE_VLAN) {
		reader_skip(&reader, 2);
		ethertype = reader_u16(&reader);
	}
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	if (ethertype == ETHERTYPE_ARP) {
		reader_skip(&reader, 24);
		reader_copy(&reader, address + 12, 4);
		return reader_ok(&reader);
	}
	if (ethertype == ETHERTYPE_IPV4) {
		header_len = (reader_u8(&reader) & 0x0f) * 4;
		reader_skip(&reader, 15);
		reader_copy(&reader, address + 12, 4);
		reader_skip(&reader, header_len >= 20 ? header_len - 20u : 0);
	} else if (ethertype == ETHERTYPE_IPV6) {
		reader_skip(&reader, 24);
		reader_copy(&reader, address, 16);
		/*
		 * A solicitation is sent to a group; behind 8 bytes it names whom it is for (RFC
		 * 4861 4.3).
		 */
		if (address[0] == 0xff) {
			reader_skip(&reader, 8);
			reader_copy(&reader, address, 16);
			return reader_ok(&reader);
		}
	} else {
		return false;
	}
	reader_skip(&reader, 2);
	*udp_port = reader_u16(&reader);
	return true;
}

enum l3_kind
net_parse(const struct net *net, struct l3_port *port, uint8_t *frame, size_t len,
	  unsigned rx_flags, struct l3_packet *packet, int64_t *device)
{
	uint16_t udp_port = 0;
	uint8_t address[16];

	*device = -1;
	port->n_addresses = port->n_udp_ports = 0;
	if (read_destination(frame, len, address, &udp_port) && address_index(net, address) >= 0) {
		memcpy(port->addresses[0], address, sizeof address);
		port->udp_ports[0] = udp_port;
		port->n_addresses = port->n_udp_ports = 1;
		*device = net_device(net, address, udp_port);
	}
	return l3_parse(port, frame, len, rx_flags, packet);
}

bool
net_is_next_hop(const struct net *net, enum l3_kind kind, const struct l3_packet *packet)
{
	struct reader reader = reader_init(packet->message, packet->message_len);
	uint8_t sender[16] = { [10] = 0xff, [11] = 0xff };

	if (kind == L3_ARP) {
		reader_skip(&reader, 6);
		if (reader_u16(&reader) != ARP_REPLY)
			return false;
		reader_skip(&reader, 6);
		reader_copy(&reader, sender + 12, 4);
		return reader_ok(&reader) && memcmp(sender, net->next_hop, sizeof sender) == 0;
	}
	return kind == L3_ICMPV6 && reader_u8(&reader) == ND_ADVERTISEMENT &&
	       packet->hop_limit == ND_HOP_LIMIT &&
	       memcmp(packet->source, net->next_hop, sizeof packet->source) == 0;
}

/* ---- writing ---- */

/* Moves a frame that was built backwards to the beginning of its buffer. */
static size_t
settle(uint8_t frame[NET_ASK_BYTES], const uint8_t *begin)
{
	size_t len = (size_t)(frame + NET_ASK_BYTES - begin);

	memmove(frame, begin, len);
	return len;
}

static size_t
ask_arp(const struct net *net, struct l3_port *port, uint16_t vlan, uint8_t frame[NET_ASK_BYTES])
{
	struct link everyone = { .mac = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, .vlan = vlan };
	uint8_t *body = frame + NET_ASK_BYTES - ARP_BODY;
	struct writer writer = writer_init(body, ARP_BODY);

	writer_u48(&writer, 0x000108000604);
	writer_u16(&writer, ARP_REQUEST);
	writer_bytes(&writer, port->mac, sizeof port->mac);
	writer_bytes(&writer, net->first + 12, 4);
	writer_u48(&writer, 0);
	writer_bytes(&writer, net->next_hop + 12, 4);
	return settle(frame, l3_prepend_ethernet(port, &everyone, ETHERTYPE_ARP, body));
}

/* RFC 4861 4.3, to the solicited-node group of the next hop (RFC 4291 2.7.1). */
static size_t
ask_neighbour(const struct net *net, struct l3_port *port, uint16_t vlan,
	      uint8_t frame[NET_ASK_BYTES])
{
	const uint8_t *hop = net->next_hop;
	uint8_t group[16] = { 0xff, 0x02, [11] = 1, [12] = 0xff, hop[13], hop[14], hop[15] };
	struct link link = { .mac = { 0x33, 0x33, 0xff, hop[13], hop[14], hop[15] }, .vlan = vlan };
	struct l3_header header = { .link = &link,
				    .source = net->first,
				    .destination = group,
				    .protocol = PROTOCOL_ICMPV6,
				    .hop_limit = ND_HOP_LIMIT };
	uint8_t *body = frame + NET_ASK_BYTES - ND_BODY;
	struct writer writer = writer_init(body, ND_BODY);
	uint16_t checksum;

	writer_u32(&writer, (uint32_t)ND_SOLICITATION << 24);
	writer_u32(&writer, 0);
	writer_bytes(&writer, hop, 16);
	writer_u16(&writer, 0x0101); /* source link-layer address, 8 bytes */
	writer_bytes(&writer, port->mac, sizeof port->mac);
	checksum = (uint16_t)~checksum_fold(checksum_add(
		l3_pseudo_sum(net->first, group, PROTOCOL_ICMPV6, ND_BODY), body, ND_BODY));
	memcpy(body + 2, &checksum, sizeof checksum);
	return settle(frame, l3_prepend_ip(port, &header, body, ND_BODY));
}

size_t
net_ask(const struct net *net, struct l3_port *port, uint16_t vlan, uint8_t frame[NET_ASK_BYTES])
{
	return l3_is_ipv4(net->next_hop) ? ask_arp(net, port, vlan, frame)
					 : ask_neighbour(net, port, vlan, frame);
}

uint8_t *
net_prepend(const struct net *net, struct l3_port *port, const struct link *link,
	    const struct net_datagram *datagram)
{
	uint32_t row =
		datagram->device / net->n_addresses + (datagram->rebound ? net->ports_each : 0);
	struct dgram_out out = { .link = *link, .len = datagram->len, .data = datagram->data };

	memcpy(out.peer.addr, net->server, sizeof out.peer.addr);
	out.peer.port = net->server_port;
	out.peer.listener = port->first_listener;
	address_of(net, datagram->device % net->n_addresses, port->addresses[0]);
	port->udp_ports[0] = (uint16_t)(net->first_port + row);
	port->n_addresses = port->n_udp_ports = 1;
	return l3_prepend_udp(port, &out, datagram->offload);
}
