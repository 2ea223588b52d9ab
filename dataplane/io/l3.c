#include "dataplane/io/l3.h"

#include "dataplane/core/cursor.h"
#include "dataplane/io/checksum.h"

enum {
	ETHERNET_BYTES = 14,
	VLAN_BYTES = 4,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	UDP_BYTES = 8,
	UDP_CHECKSUM_AT = 6,
	IPV4_VERSION_IHL_TOS = 0x4500,
	IPV4_FLAG_DF = 0x4000,
	IPV4_MORE_OR_OFFSET = 0x3fff,
	IPV6_OFFSET_OR_MORE = 0xfff9, /* without the two reserved bits */
	VLAN_ID_MASK = 0x0fff,
};

static enum l3_kind
drop(struct l3_packet *packet, enum counter why)
{
	packet->drop = why;
	return L3_DROP;
}

int
l3_find_address(const struct l3_port *port, const uint8_t address[16])
{
	for (int i = 0; i < port->n_addresses; i++)
		if (memcmp(port->addresses[i], address, 16) == 0)
			return i;
	return -1;
}

static bool
ipv4_unicast(const uint8_t address[4])
{
	/* RFC 1122 3.2.1.3: this network, loopback, groups and the limited broadcast are no sources
	 * to answer. */
	return address[0] != 0 && address[0] != 127 && (address[0] & 0xf0) != 0xe0 &&
	       memcmp(address, "\xff\xff\xff\xff", 4) != 0;
}

static uint32_t
ipv4_of(const uint8_t address[16])
{
	struct reader reader = reader_init(address + 12, 4);

	return reader_u32(&reader);
}

/* RFC 1122 3.2.1.3: { our network, -1 }. Networks of /31 and /32 have none (RFC 3021 2.1). */
static bool
is_our_broadcast(const struct l3_port *port, const uint8_t address[16])
{
	uint32_t source = ipv4_of(address);

	for (int i = 0; i < port->n_addresses; i++) {
		uint32_t host = port->prefixes[i] && port->prefixes[i] < 31
					? UINT32_MAX >> port->prefixes[i]
					: 0;

		if (host && l3_is_ipv4(port->addresses[i]) &&
		    source == (ipv4_of(port->addresses[i]) | host))
			return true;
	}
	return false;
}

bool
l3_source_answerable(const struct l3_port *port, const uint8_t address[16])
{
	static const uint8_t zero[15];

	if (l3_find_address(port, address) >= 0)
		return false;
	if (l3_is_ipv4(address))
		return ipv4_unicast(address + 12) && !is_our_broadcast(port, address);
	/* RFC 4291 2.5.2, 2.5.3, 2.7: not ::, not ::1, no group. */
	return address[0] != 0xff && (memcmp(address, zero, sizeof zero) != 0 || address[15] > 1);
}

uint64_t
l3_pseudo_sum(const uint8_t source[16], const uint8_t destination[16], uint8_t protocol,
	      size_t message_len)
{
	const uint8_t tail[4] = { (uint8_t)(message_len >> 8), (uint8_t)message_len, 0, protocol };
	uint64_t sum = checksum_add(0, source, 16);

	sum = checksum_add(sum, destination, 16);
	return checksum_add(sum, tail, sizeof tail);
}

/* ---- reading ---- */

static bool
udp_checksum_right(const struct l3_packet *packet, size_t len, uint16_t checksum, unsigned rx_flags)
{
	uint64_t sum;

	/* RFC 768: zero means none was made; RFC 8200 8.1: over IPv6 there must be one, whatever
	 * the driver thinks. */
	if (checksum == 0)
		return l3_is_ipv4(packet->destination);
	if (rx_flags & L3_RX_UDP_CHECKED)
		return true;
	sum = l3_pseudo_sum(packet->source, packet->destination, PROTOCOL_UDP, len);
	return checksum_fold(checksum_add(sum, packet->message, len)) == 0xffff;
}

/* What a kernel leaves to its device to complete: the pseudo header's sum. Veth devices never do. */
static bool
udp_checksum_partial(const struct l3_packet *packet, size_t len)
{
	uint16_t sum = checksum_fold(
		l3_pseudo_sum(packet->source, packet->destination, PROTOCOL_UDP, len));

	return memcmp(packet->message + UDP_CHECKSUM_AT, &sum, sizeof sum) == 0;
}

static int
find_udp_port(const struct l3_port *port, uint16_t udp_port)
{
	for (int i = 0; i < port->n_udp_ports; i++)
		if (port->udp_ports[i] == udp_port)
			return i;
	return -1;
}

/* Bytes behind the UDP length but within the packet are ignored, as hosts do. */
static enum l3_kind
parse_udp(const struct l3_port *port, struct l3_packet *packet, unsigned rx_flags)
{
	struct reader reader = reader_init(packet->message, packet->message_len);
	struct dgram_in *datagram = &packet->datagram;
	uint16_t source_port = reader_u16(&reader);
	int udp_port = find_udp_port(port, reader_u16(&reader));
	uint16_t len = reader_u16(&reader);
	uint16_t checksum = reader_u16(&reader);
	int address;

	if (!reader_ok(&reader) || len < UDP_BYTES || len > packet->message_len)
		return drop(packet, COUNTER_rx_udp_malformed);
	if (udp_port < 0)
		return drop(packet, COUNTER_rx_udp_port);
	if (source_port == 0 || !l3_source_answerable(port, packet->source))
		return drop(packet, COUNTER_rx_source);
	if (!udp_checksum_right(packet, len, checksum, rx_flags))
		return drop(packet, udp_checksum_partial(packet, len) ? COUNTER_rx_udp_partial
								      : COUNTER_rx_udp_checksum);
	address = l3_find_address(port, packet->destination);
	if (address < 0)
		return drop(packet, COUNTER_rx_not_for_us);
	memcpy(datagram->peer.addr, packet->source, sizeof datagram->peer.addr);
	datagram->peer.port = source_port;
	datagram->peer.listener =
		(uint8_t)(port->first_listener + address * port->n_udp_ports + udp_port);
	datagram->peer.pad = 0;
	datagram->link = packet->link;
	datagram->data = packet->message + UDP_BYTES;
	datagram->len = (uint16_t)(len - UDP_BYTES);
	return L3_DATAGRAM;
}

static void
read_ipv4_address(struct reader *reader, uint8_t address[16])
{
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	reader_copy(reader, address + 12, 4);
}

/*
 *	 0        1        2                 4                 6
 *	+----+----+--------+-----------------+-----------------+-----------------+
 *	| 4  |ihl | TOS    | total length    | identification  | flags, offset   |
 *	+----+----+--------+--------+--------+-----------------+-----------------+
 *	| TTL     |protocol| checksum        | source          | destination     | options
 *	+---------+--------+-----------------+-----------------+-----------------+   (RFC 791 3.1)
 */
static enum l3_kind
parse_ipv4(const struct l3_port *port, uint8_t *header, size_t len, unsigned rx_flags,
	   struct l3_packet *packet)
{
	struct reader reader = reader_init(header, len);
	uint8_t version_ihl = reader_u8(&reader);
	size_t header_len = 4 * (size_t)(version_ihl & 0x0f);
	uint16_t total, fragment;
	uint8_t protocol;

	reader_skip(&reader, 1);
	total = reader_u16(&reader);
	reader_skip(&reader, 2);
	fragment = reader_u16(&reader);
	packet->hop_limit = reader_u8(&reader);
	protocol = reader_u8(&reader);
	reader_skip(&reader, 2);
	read_ipv4_address(&reader, packet->source);
	read_ipv4_address(&reader, packet->destination);
	if (!reader_ok(&reader) || total > len)
		return drop(packet, COUNTER_rx_truncated);
	if (version_ihl >> 4 != 4 || header_len < IPV4_BYTES || total < header_len)
		return drop(packet, COUNTER_rx_ip_malformed);
	if (!(rx_flags & L3_RX_IP_CHECKED) &&
	    checksum_fold(checksum_add(0, header, header_len)) != 0xffff)
		return drop(packet, COUNTER_rx_ip_checksum);
	if (packet->group || l3_find_address(port, packet->destination) < 0)
		return drop(packet, COUNTER_rx_not_for_us);
	if (fragment & IPV4_MORE_OR_OFFSET)
		return drop(packet, COUNTER_rx_ip_fragment);
	packet->message = header + header_len;
	packet->message_len = (uint16_t)(total - header_len);
	if (protocol == PROTOCOL_UDP)
		return parse_udp(port, packet, rx_flags);
	return protocol == PROTOCOL_ICMP ? L3_ICMP : drop(packet, COUNTER_rx_not_for_us);
}

/* RFC 8200 4.2: an option we do not know is skipped only when its two high bits say so. Knows Pad1
 * and PadN. */
static bool
options_skippable(struct reader *reader)
{
	while (reader_left(reader)) {
		uint8_t type = reader_u8(reader);

		if (type >> 6)
			return false;
		if (type != 0)
			reader_skip(reader, reader_u8(reader));
	}
	return reader_ok(reader);
}

/* Behind the two bytes that extension headers share. A routing header with nothing left to visit is
 * skipped: 4.4. */
static bool
extension_skippable(uint8_t kind, struct reader *body)
{
	if (kind != PROTOCOL_ROUTING)
		return options_skippable(body);
	reader_skip(body, 1);
	return reader_u8(body) == 0;
}

/* A fragment that is the whole packet (RFC 8200 4.5, RFC 6946 4): its header is skipped. */
static bool
fragment_is_whole(struct reader *reader, uint8_t *protocol)
{
	uint16_t offset_more;

	*protocol = reader_u8(reader);
	reader_skip(reader, 1);
	offset_more = reader_u16(reader);
	reader_skip(reader, 4);
	return reader_ok(reader) && !(offset_more & IPV6_OFFSET_OR_MORE);
}

/* Walks to the upper layer's header; its protocol is stored. false: packet->drop is set. */
static bool
skip_extensions(struct reader *reader, uint8_t *protocol, struct l3_packet *packet)
{
	for (unsigned n = 0;; n++) {
		uint8_t kind = *protocol;
		bool options =
			kind == PROTOCOL_DESTINATION || (kind == PROTOCOL_HOP_BY_HOP && n == 0);
		struct reader body;

		packet->drop = COUNTER_rx_ip_malformed;
		if (!options && kind != PROTOCOL_ROUTING && kind != PROTOCOL_FRAGMENT)
			return kind != PROTOCOL_HOP_BY_HOP;
		if (n == L3_EXTENSIONS_MAX)
			return false;
		if (kind == PROTOCOL_FRAGMENT) {
			packet->drop = COUNTER_rx_ip_fragment;
			if (!fragment_is_whole(reader, protocol))
				return false;
			continue;
		}
		*protocol = reader_u8(reader);
		body = reader_sub(reader, 6 + 8 * (size_t)reader_u8(reader));
		if (!reader_ok(&body) || !extension_skippable(kind, &body))
			return false;
	}
}

/* The groups that a host with our addresses belongs to: all nodes, and the solicited node of each
 * (RFC 4291 2.7.1). */
static bool
is_our_group(const struct l3_port *port, const uint8_t address[16])
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	static const uint8_t solicited[13] = { 0xff, 0x02, [11] = 1, [12] = 0xff };

	if (memcmp(address, all_nodes, sizeof all_nodes) == 0)
		return true;
	if (memcmp(address, solicited, sizeof solicited) != 0)
		return false;
	for (int i = 0; i < port->n_addresses; i++)
		if (!l3_is_ipv4(port->addresses[i]) &&
		    memcmp(port->addresses[i] + 13, address + 13, 3) == 0)
			return true;
	return false;
}

/*
 *	 0                 4                6      7      8            24           40
 *	+----+------------+----------------+------+------+------------+------------+
 *	| 6  | class, flow| payload length | next | hops | source     | destination|   (RFC 8200 3)
 *	+----+------------+----------------+------+------+------------+------------+
 */
static enum l3_kind
parse_ipv6(const struct l3_port *port, uint8_t *header, size_t len, unsigned rx_flags,
	   struct l3_packet *packet)
{
	struct reader reader = reader_init(header, len), payload;
	uint8_t version = reader_u32(&reader) >> 28;
	uint16_t payload_len = reader_u16(&reader);
	uint8_t protocol = reader_u8(&reader);
	bool ours, for_group;

	packet->hop_limit = reader_u8(&reader);
	reader_copy(&reader, packet->source, 16);
	reader_copy(&reader, packet->destination, 16);
	payload = reader_sub(&reader, payload_len);
	if (!reader_ok(&payload))
		return drop(packet, COUNTER_rx_truncated);
	if (version != 6)
		return drop(packet, COUNTER_rx_ip_malformed);
	/* The inside of an IPv4 address must not be reachable over IPv6: the two would be one
	 * peer. */
	if (l3_is_ipv4(packet->source))
		return drop(packet, COUNTER_rx_source);
	ours = !l3_is_ipv4(packet->destination) && l3_find_address(port, packet->destination) >= 0;
	for_group = is_our_group(port, packet->destination);
	if (!for_group && (!ours || packet->group))
		return drop(packet, COUNTER_rx_not_for_us);
	if (!skip_extensions(&payload, &protocol, packet))
		return L3_DROP;
	packet->message = header + IPV6_BYTES + (payload_len - reader_left(&payload));
	packet->message_len = (uint16_t)reader_left(&payload);
	if (protocol == PROTOCOL_UDP && !for_group)
		return parse_udp(port, packet, rx_flags);
	return protocol == PROTOCOL_ICMPV6 ? L3_ICMPV6 : drop(packet, COUNTER_rx_not_for_us);
}

static bool
vlan_ours(const struct l3_port *port, uint16_t tag)
{
	if (port->vlan == 0 || port->vlan > L3_VLAN_ID_MAX)
		return true;
	return tag != LINK_UNTAGGED && (tag & VLAN_ID_MASK) == port->vlan;
}

/* Takes the Ethernet header and at most one tag; *ethertype is of what follows. false: packet->drop
 * is set. */
static bool
parse_ethernet(const struct l3_port *port, struct reader *reader, struct l3_packet *packet,
	       uint16_t *ethertype)
{
	uint8_t destination[6];

	reader_copy(reader, destination, sizeof destination);
	reader_copy(reader, packet->link.mac, sizeof packet->link.mac);
	*ethertype = reader_u16(reader);
	packet->link.vlan = LINK_UNTAGGED;
	if (*ethertype == ETHERTYPE_VLAN) {
		packet->link.vlan = reader_u16(reader);
		*ethertype = reader_u16(reader);
	}
	packet->group = destination[0] & 1;
	packet->drop = COUNTER_rx_truncated;
	if (!reader_ok(reader))
		return false;
	packet->drop = COUNTER_rx_not_for_us;
	if (!packet->group && memcmp(destination, port->mac, sizeof destination) != 0)
		return false;
	/* 0xffff as a tag would read as "untagged" on the way back; its VID is reserved. */
	if (!vlan_ours(port, packet->link.vlan))
		return false;
	/* Our own MAC as source is fine: a tap device has one for the kernel's side and ours. */
	packet->drop = COUNTER_rx_source;
	return !(packet->link.mac[0] & 1);
}

enum l3_kind
l3_parse(const struct l3_port *port, uint8_t *frame, size_t len, unsigned rx_flags,
	 struct l3_packet *packet)
{
	struct reader reader = reader_init(frame, len);
	uint16_t ethertype;
	uint8_t *payload;
	size_t payload_len;

	if (!parse_ethernet(port, &reader, packet, &ethertype))
		return L3_DROP;
	payload_len = reader_left(&reader);
	payload = frame + (len - payload_len);
	switch (ethertype) {
	case ETHERTYPE_IPV4:
		return parse_ipv4(port, payload, payload_len, rx_flags, packet);
	case ETHERTYPE_IPV6:
		return parse_ipv6(port, payload, payload_len, rx_flags, packet);
	case ETHERTYPE_ARP:
		packet->message = payload;
		packet->message_len =
			(uint16_t)(payload_len < UINT16_MAX ? payload_len : UINT16_MAX);
		return L3_ARP;
	default:
		return drop(packet, COUNTER_rx_ethertype);
	}
}

/* ---- writing ---- */

uint8_t *
l3_prepend_ethernet(const struct l3_port *port, const struct link *link, uint16_t ethertype,
		    uint8_t *payload)
{
	size_t len = link->vlan == LINK_UNTAGGED ? ETHERNET_BYTES : ETHERNET_BYTES + VLAN_BYTES;
	struct writer writer = writer_init(payload - len, len);

	writer_bytes(&writer, link->mac, sizeof link->mac);
	writer_bytes(&writer, port->mac, sizeof port->mac);
	if (link->vlan != LINK_UNTAGGED) {
		writer_u16(&writer, ETHERTYPE_VLAN);
		writer_u16(&writer, link->vlan);
	}
	writer_u16(&writer, ethertype);
	return writer.start;
}

static uint16_t
ipv4_checksum(const struct l3_header *header, uint16_t total)
{
	uint64_t sum = checksum_add_u16(0, IPV4_VERSION_IHL_TOS);

	sum = checksum_add_u16(sum, total);
	sum = checksum_add_u16(sum, IPV4_FLAG_DF);
	sum = checksum_add_u16(sum, (uint16_t)(header->hop_limit << 8 | header->protocol));
	sum = checksum_add(sum, header->source + 12, 4);
	sum = checksum_add(sum, header->destination + 12, 4);
	return (uint16_t)~checksum_fold(sum);
}

static uint8_t *
prepend_ipv4(const struct l3_header *header, uint8_t *message, size_t message_len)
{
	struct writer writer = writer_init(message - IPV4_BYTES, IPV4_BYTES);
	uint16_t total = (uint16_t)(IPV4_BYTES + message_len);
	uint16_t checksum = ipv4_checksum(header, total);

	writer_u16(&writer, IPV4_VERSION_IHL_TOS);
	writer_u16(&writer, total);
	writer_u16(&writer, 0);
	writer_u16(&writer, IPV4_FLAG_DF);
	writer_u8(&writer, header->hop_limit);
	writer_u8(&writer, header->protocol);
	writer_bytes(&writer, &checksum, sizeof checksum);
	writer_bytes(&writer, header->source + 12, 4);
	writer_bytes(&writer, header->destination + 12, 4);
	return writer.start;
}

static uint8_t *
prepend_ipv6(const struct l3_header *header, uint8_t *message, size_t message_len)
{
	struct writer writer = writer_init(message - IPV6_BYTES, IPV6_BYTES);

	writer_u32(&writer, 6u << 28);
	writer_u16(&writer, (uint16_t)message_len);
	writer_u8(&writer, header->protocol);
	writer_u8(&writer, header->hop_limit);
	writer_bytes(&writer, header->source, 16);
	writer_bytes(&writer, header->destination, 16);
	return writer.start;
}

uint8_t *
l3_prepend_ip(const struct l3_port *port, const struct l3_header *header, uint8_t *message,
	      size_t message_len)
{
	uint8_t *ip;

	if (l3_is_ipv4(header->destination)) {
		ip = prepend_ipv4(header, message, message_len);
		return l3_prepend_ethernet(port, header->link, ETHERTYPE_IPV4, ip);
	}
	ip = prepend_ipv6(header, message, message_len);
	return l3_prepend_ethernet(port, header->link, ETHERTYPE_IPV6, ip);
}

/* The pseudo header's part of the sum is `sum`. */
static uint16_t
udp_checksum(uint64_t sum, const struct dgram_out *datagram, uint16_t source_port, uint16_t len)
{
	uint16_t checksum;

	sum = checksum_add_u16(sum, source_port);
	sum = checksum_add_u16(sum, datagram->peer.port);
	sum = checksum_add_u16(sum, len);
	checksum = checksum_fold(checksum_add(sum, datagram->data, datagram->len));
	/* RFC 768: a checksum that comes out as zero is sent as ones. */
	return checksum == 0xffff ? checksum : (uint16_t)~checksum;
}

uint8_t *
l3_prepend_udp(const struct l3_port *port, const struct dgram_out *datagram, bool offload)
{
	unsigned local = datagram->peer.listener - port->first_listener;
	const uint8_t *source = port->addresses[local / port->n_udp_ports];
	const struct l3_header header = { .link = &datagram->link,
					  .source = source,
					  .destination = datagram->peer.addr,
					  .protocol = PROTOCOL_UDP,
					  .hop_limit = L3_HOP_LIMIT };
	uint16_t source_port = port->udp_ports[local % port->n_udp_ports];
	uint16_t len = (uint16_t)(UDP_BYTES + datagram->len);
	struct writer writer = writer_init(datagram->data - UDP_BYTES, UDP_BYTES);
	uint64_t sum = l3_pseudo_sum(source, datagram->peer.addr, PROTOCOL_UDP, len);
	uint16_t checksum =
		offload ? checksum_fold(sum) : udp_checksum(sum, datagram, source_port, len);

	writer_u16(&writer, source_port);
	writer_u16(&writer, datagram->peer.port);
	writer_u16(&writer, len);
	writer_bytes(&writer, &checksum, sizeof checksum);
	return l3_prepend_ip(port, &header, writer.start, len);
}
