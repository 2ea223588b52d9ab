#include "dataplane/io/neigh.h"

#include "dataplane/core/cursor.h"
#include "dataplane/io/checksum.h"

enum {
	ARP_BYTES = 28,
	ARP_HARDWARE_ETHERNET = 1,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	ICMP_ECHO_REPLY = 0,
	ICMP_ECHO = 8,
	ICMP_ECHO_BYTES = 8,
	ICMPV6_ECHO = 128,
	ICMPV6_ECHO_REPLY = 129,
	ND_SOLICITATION = 135,
	ND_ADVERTISEMENT = 136,
	ND_SOLICITATION_BYTES = 24,
	ND_ADVERTISEMENT_BYTES = NEIGH_ANNOUNCEMENT_BYTES,
	ND_HOP_LIMIT = 255,
	ND_OPTION_SOURCE = 1,
	ND_OPTION_TARGET = 2,
};

/* What ARP messages begin with: Ethernet, IPv4, and how long their addresses are. */
#define ARP_FORMAT UINT64_C(0x000108000604)

#define ND_FLAG_SOLICITED (UINT32_C(1) << 30)
#define ND_FLAG_OVERRIDE  (UINT32_C(1) << 29)

static bool
drop(struct l3_packet *packet, enum counter why)
{
	packet->drop = why;
	return false;
}

static void
write_checksum(uint8_t *field, uint64_t sum)
{
	uint16_t checksum = (uint16_t)~checksum_fold(sum);

	memcpy(field, &checksum, sizeof checksum);
}

/*
 *	 0       2       4    5    6       8            14        18           24        28
 *	+-------+-------+----+----+-------+------------+---------+------------+---------+
 *	| htype | ptype | 6  | 4  | oper  | sender MAC | sender  | target MAC | target  | (RFC 826)
 *	+-------+-------+----+----+-------+------------+---------+------------+---------+
 */
static bool
answer_arp(const struct l3_port *port, struct l3_packet *packet, struct neigh_answer *answer)
{
	struct reader reader = reader_init(packet->message, packet->message_len);
	struct writer writer = writer_init(packet->message, packet->message_len);
	uint64_t format = reader_u48(&reader);
	uint16_t operation = reader_u16(&reader);
	uint8_t sender_mac[6], sender[4], target[16] = { [10] = 0xff, [11] = 0xff };

	reader_copy(&reader, sender_mac, sizeof sender_mac);
	reader_copy(&reader, sender, sizeof sender);
	reader_skip(&reader, 6);
	reader_copy(&reader, target + 12, 4);
	if (!reader_ok(&reader))
		return drop(packet, COUNTER_rx_truncated);
	if (format != ARP_FORMAT || sender_mac[0] & 1)
		return drop(packet, COUNTER_rx_neigh_malformed);
	if (operation != ARP_REQUEST || l3_find_address(port, target) < 0)
		return drop(packet, COUNTER_rx_not_for_us);
	writer_u48(&writer, ARP_FORMAT);
	writer_u16(&writer, ARP_REPLY);
	writer_bytes(&writer, port->mac, sizeof port->mac);
	writer_bytes(&writer, target + 12, 4);
	writer_bytes(&writer, sender_mac, sizeof sender_mac);
	writer_bytes(&writer, sender, sizeof sender);
	answer->frame = l3_prepend_ethernet(port, &packet->link, ETHERTYPE_ARP, packet->message);
	answer->len = (size_t)(packet->message + ARP_BYTES - answer->frame);
	answer->counter = COUNTER_arp_answered;
	return true;
}

/* Writes the headers before the message. */
static void
finish_answer(const struct l3_port *port, const struct l3_header *header, uint8_t *message,
	      size_t len, struct neigh_answer *answer)
{
	answer->frame = l3_prepend_ip(port, header, message, len);
	answer->len = (size_t)(message + len - answer->frame);
}

/* The question's IP options and extension headers are left away: the new headers end where the
 * message begins. */
static bool
answer_echo(const struct l3_port *port, struct l3_packet *packet, uint8_t protocol,
	    struct neigh_answer *answer)
{
	const struct l3_header header = { .link = &packet->link,
					  .source = packet->destination,
					  .destination = packet->source,
					  .protocol = protocol,
					  .hop_limit = L3_HOP_LIMIT };
	uint8_t *message = packet->message;
	uint64_t sum = 0;

	if (packet->message_len < ICMP_ECHO_BYTES)
		return drop(packet, COUNTER_rx_neigh_malformed);
	if (l3_find_address(port, packet->destination) < 0)
		return drop(packet, COUNTER_rx_not_for_us);
	if (!l3_source_answerable(port, packet->source))
		return drop(packet, COUNTER_rx_source);
	message[0] = protocol == PROTOCOL_ICMP ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
	message[2] = message[3] = 0;
	if (protocol == PROTOCOL_ICMPV6)
		sum = l3_pseudo_sum(header.source, header.destination, protocol,
				    packet->message_len);
	write_checksum(message + 2, checksum_add(sum, message, packet->message_len));
	finish_answer(port, &header, message, packet->message_len, answer);
	answer->counter = COUNTER_echo_answered;
	return true;
}

static bool
answer_icmp(const struct l3_port *port, struct l3_packet *packet, struct neigh_answer *answer)
{
	struct reader reader = reader_init(packet->message, packet->message_len);
	uint16_t type_code = reader_u16(&reader);

	if (!reader_ok(&reader) ||
	    checksum_fold(checksum_add(0, packet->message, packet->message_len)) != 0xffff)
		return drop(packet, COUNTER_rx_neigh_malformed);
	if (type_code != ICMP_ECHO << 8)
		return drop(packet, COUNTER_rx_not_for_us);
	return answer_echo(port, packet, PROTOCOL_ICMP, answer);
}

static bool
is_unspecified(const uint8_t address[16])
{
	static const uint8_t unspecified[16];

	return memcmp(address, unspecified, sizeof unspecified) == 0;
}

/* RFC 4861 4.6: type, length in units of 8, never 0. *has_source tells of a source link-layer
 * address. */
static bool
nd_options_valid(struct reader *reader, bool *has_source)
{
	*has_source = false;
	while (reader_left(reader)) {
		uint8_t type = reader_u8(reader);
		uint8_t units = reader_u8(reader);

		if (units == 0)
			return false;
		reader_skip(reader, 8 * (size_t)units - 2);
		*has_source |= type == ND_OPTION_SOURCE;
	}
	return reader_ok(reader);
}

/* RFC 4861 7.1.1: what a solicitation must be to be taken; `target` is then a valid address, ours
 * or not. */
static bool
solicitation_valid(const struct l3_packet *packet, uint8_t target[16])
{
	struct reader reader = reader_init(packet->message, packet->message_len);
	bool unspecified_source = is_unspecified(packet->source), has_source;

	reader_skip(&reader, 8);
	reader_copy(&reader, target, 16);
	if (!reader_ok(&reader) || packet->hop_limit != ND_HOP_LIMIT || packet->message[1] != 0)
		return false;
	if (target[0] == 0xff || !nd_options_valid(&reader, &has_source))
		return false;
	/* An address being tried (RFC 4862 5.4.2) is asked for at its group, without an address of
	 * the asker. */
	return !unspecified_source ||
	       (!has_source && packet->destination[0] == 0xff && packet->destination[1] == 0x02 &&
		packet->destination[11] == 0x01);
}

/* To all nodes (RFC 4291 2.7.1), and their Ethernet address (RFC 2464 7). */
static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };

/*
 * RFC 4861 4.4, of the target that is header->source:
 *
 *	 0    1    2          4                 8                    24    25   26        32
 *	+----+----+----------+-----------------+--------------------+----+----+------------+
 *	| 136| 0  | checksum | R S O, reserved | target             | 2  | 1  | our MAC    |
 *	+----+----+----------+-----------------+--------------------+----+----+------------+
 */
/* Not NULL: else gcc takes a writer of constant size for one at NULL, and warns of it. */
static void __attribute__((nonnull))
advertise(const struct l3_port *port, const struct l3_header *header, uint32_t flags,
	  uint8_t *message, struct neigh_answer *answer)
{
	struct writer writer = writer_init(message, ND_ADVERTISEMENT_BYTES);

	writer_u32(&writer, (uint32_t)ND_ADVERTISEMENT << 24);
	writer_u32(&writer, flags);
	writer_bytes(&writer, header->source, 16);
	writer_u8(&writer, ND_OPTION_TARGET);
	writer_u8(&writer, 1);
	writer_bytes(&writer, port->mac, sizeof port->mac);
	write_checksum(message + 2,
		       checksum_add(l3_pseudo_sum(header->source, header->destination,
						  PROTOCOL_ICMPV6, ND_ADVERTISEMENT_BYTES),
				    message, ND_ADVERTISEMENT_BYTES));
	finish_answer(port, header, message, ND_ADVERTISEMENT_BYTES, answer);
}

static bool
answer_solicitation(const struct l3_port *port, struct l3_packet *packet, size_t room,
		    struct neigh_answer *answer)
{
	bool unspecified_source = is_unspecified(packet->source);
	uint8_t target[16];
	struct l3_header header = { .link = &packet->link,
				    .source = target,
				    .destination = packet->source,
				    .protocol = PROTOCOL_ICMPV6,
				    .hop_limit = ND_HOP_LIMIT };

	if (!solicitation_valid(packet, target))
		return drop(packet, COUNTER_rx_neigh_malformed);
	if (l3_is_ipv4(target) || l3_find_address(port, target) < 0)
		return drop(packet, COUNTER_rx_not_for_us);
	if (!unspecified_source && !l3_source_answerable(port, packet->source))
		return drop(packet, COUNTER_rx_source);
	if (room < ND_ADVERTISEMENT_BYTES)
		return drop(packet, COUNTER_no_buffer);
	if (unspecified_source) {
		header.destination = all_nodes;
		memcpy(packet->link.mac, all_nodes_mac, sizeof all_nodes_mac);
	}
	advertise(port, &header, ND_FLAG_OVERRIDE | (unspecified_source ? 0 : ND_FLAG_SOLICITED),
		  packet->message, answer);
	answer->counter = COUNTER_nd_answered;
	return true;
}

static bool
answer_icmpv6(const struct l3_port *port, struct l3_packet *packet, size_t room,
	      struct neigh_answer *answer)
{
	struct reader reader = reader_init(packet->message, packet->message_len);
	uint8_t type = reader_u8(&reader), code = reader_u8(&reader);
	uint64_t sum = l3_pseudo_sum(packet->source, packet->destination, PROTOCOL_ICMPV6,
				     packet->message_len);

	if (!reader_ok(&reader) ||
	    checksum_fold(checksum_add(sum, packet->message, packet->message_len)) != 0xffff)
		return drop(packet, COUNTER_rx_neigh_malformed);
	if (type == ND_SOLICITATION)
		return answer_solicitation(port, packet, room, answer);
	if (type != ICMPV6_ECHO || code != 0)
		return drop(packet, COUNTER_rx_not_for_us);
	return answer_echo(port, packet, PROTOCOL_ICMPV6, answer);
}

bool
neigh_answer(const struct l3_port *port, enum l3_kind kind, struct l3_packet *packet, size_t room,
	     struct neigh_answer *answer)
{
	switch (kind) {
	case L3_ARP:
		return answer_arp(port, packet, answer);
	case L3_ICMP:
		return answer_icmp(port, packet, answer);
	case L3_ICMPV6:
		return answer_icmpv6(port, packet, room, answer);
	default:
		return false;
	}
}

/* ---- unasked ---- */

static void
announce_ipv4(const struct l3_port *port, const uint8_t address[4], const struct link *link,
	      uint8_t *message, struct neigh_answer *announcement)
{
	static const uint8_t nobody[6];
	struct writer writer = writer_init(message, ARP_BYTES);

	writer_u48(&writer, ARP_FORMAT);
	writer_u16(&writer, ARP_REQUEST);
	writer_bytes(&writer, port->mac, sizeof port->mac);
	writer_bytes(&writer, address, 4);
	writer_bytes(&writer, nobody, sizeof nobody);
	writer_bytes(&writer, address, 4);
	announcement->frame = l3_prepend_ethernet(port, link, ETHERTYPE_ARP, message);
	announcement->len = (size_t)(message + ARP_BYTES - announcement->frame);
	announcement->counter = COUNTER_arp_announced;
}

static void
announce_ipv6(const struct l3_port *port, const uint8_t address[16], const struct link *link,
	      uint8_t *message, struct neigh_answer *announcement)
{
	const struct l3_header header = { .link = link,
					  .source = address,
					  .destination = all_nodes,
					  .protocol = PROTOCOL_ICMPV6,
					  .hop_limit = ND_HOP_LIMIT };

	advertise(port, &header, ND_FLAG_OVERRIDE, message, announcement);
	announcement->counter = COUNTER_nd_announced;
}

void
neigh_announce(const struct l3_port *port, unsigned address, uint8_t *message,
	       struct neigh_answer *announcement)
{
	bool tagged = port->vlan != 0 && port->vlan <= L3_VLAN_ID_MAX;
	struct link link = { .mac = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
			     .vlan = tagged ? port->vlan : LINK_UNTAGGED };
	const uint8_t *ours = port->addresses[address];

	if (l3_is_ipv4(ours)) {
		announce_ipv4(port, ours + 12, &link, message, announcement);
		return;
	}
	memcpy(link.mac, all_nodes_mac, sizeof all_nodes_mac);
	announce_ipv6(port, ours, &link, message, announcement);
}
