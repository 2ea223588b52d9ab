/* l3: frames to datagrams (RFC 768, RFC 791, RFC 8200, IEEE 802.1Q) and back; what is refused
 * first. */
#include "tests/unit/frame_fixture.h"

static enum l3_kind
parse_on(const struct l3_port *port, const char *name, struct l3_packet *packet)
{
	size_t len;
	uint8_t *frame = frame_new(name, &len);
	enum l3_kind kind = l3_parse(port, frame, len, 0, packet);

	free(frame);
	return kind;
}

static void
assert_dropped(const struct l3_port *port, const char *name, enum counter why)
{
	struct l3_packet packet;

	cr_expect_eq(parse_on(port, name, &packet), L3_DROP, "%s was taken", name);
	cr_expect_eq(packet.drop, why, "%s: %s", name, counter_infos[packet.drop].name);
}

static const struct {
	const char *name;
	enum counter why;
} dropped[] = {
	{ "lldp", COUNTER_rx_ethertype },
	{ "udp4_other_mac", COUNTER_rx_not_for_us },
	{ "udp4_broadcast_mac", COUNTER_rx_not_for_us },
	{ "udp4_other_host", COUNTER_rx_not_for_us },
	{ "udp6_to_all_nodes", COUNTER_rx_not_for_us },
	{ "udp6_to_mapped", COUNTER_rx_not_for_us },
	{ "tcp4", COUNTER_rx_not_for_us },
	{ "udp4_fragment", COUNTER_rx_ip_fragment },
	{ "udp6_fragment", COUNTER_rx_ip_fragment },
	{ "udp6_unknown_option", COUNTER_rx_ip_malformed },
	{ "udp4_other_port", COUNTER_rx_udp_port },
	{ "udp6_zero_checksum", COUNTER_rx_udp_checksum },
	{ "udp4_port_zero", COUNTER_rx_source },
	{ "udp4_from_group_mac", COUNTER_rx_source },
	{ "udp4_from_loopback", COUNTER_rx_source },
	{ "udp4_from_group", COUNTER_rx_source },
	{ "udp4_from_broadcast", COUNTER_rx_source },
	{ "udp4_from_unspecified", COUNTER_rx_source },
	{ "udp4_from_us", COUNTER_rx_source },
	{ "udp6_from_group", COUNTER_rx_source },
	{ "udp6_from_unspecified", COUNTER_rx_source },
	{ "udp6_from_loopback", COUNTER_rx_source },
	{ "udp6_from_mapped", COUNTER_rx_source },
};

Test(l3, refuses_what_is_not_ours_or_cannot_be_answered)
{
	for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
		assert_dropped(&port_any_vlan, dropped[i].name, dropped[i].why);
}

static const char *const datagrams[] = {
	"udp4",      "udp4_zero_checksum", "udp4_options",      "udp4_padded",
	"udp4_vlan", "udp4_priority",      "udp4_odd",          "udp6",
	"udp6_vlan", "udp6_extensions",    "udp6_routing_done",
};

/* Whatever is cut off, no byte beyond the frame is read (sanitizers) and no datagram comes out. */
Test(l3, refuses_a_frame_cut_anywhere)
{
	for (size_t i = 0; i < sizeof datagrams / sizeof datagrams[0]; i++) {
		size_t len;
		uint8_t *frame = frame_new(datagrams[i], &len);
		/* Padding is no part of the packet. */
		size_t whole = strcmp(datagrams[i], "udp4_padded") ? len : len - 14;

		for (size_t cut = 0; cut < whole; cut++) {
			uint8_t *part = malloc(cut ? cut : 1);
			struct l3_packet packet;

			memcpy(part, frame, cut);
			cr_expect_eq(l3_parse(&port_any_vlan, part, cut, 0, &packet), L3_DROP,
				     "%s cut to %zu", datagrams[i], cut);
			cr_expect_eq(packet.drop, COUNTER_rx_truncated, "%s cut to %zu: %s",
				     datagrams[i], cut, counter_infos[packet.drop].name);
			free(part);
		}
		free(frame);
	}
}

/* Each bit of an IPv4 header is covered by its checksum, each bit of a datagram by UDP's. */
Test(l3, refuses_every_flipped_bit)
{
	static const char *const covered[] = { "udp4", "udp6", "udp4_odd" };

	for (size_t i = 0; i < sizeof covered / sizeof covered[0]; i++) {
		size_t len;
		uint8_t *frame = frame_new(covered[i], &len);
		bool ipv6 = covered[i][3] == '6';

		for (size_t bit = 14 * 8; bit < len * 8; bit++) {
			struct l3_packet packet;

			/* Traffic class, flow label and hop limit of IPv6 are covered by
			 * nothing. */
			if (ipv6 && ((bit >= 112 && bit < 116) || (bit >= 120 && bit < 144) ||
				     bit / 8 == 21))
				continue;
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
			cr_expect_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet), L3_DROP,
				     "%s bit %zu", covered[i], bit);
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		free(frame);
	}
}

Test(l3, names_the_checksum_that_is_wrong)
{
	size_t len;
	uint8_t *frame = frame_new("udp4", &len);
	struct l3_packet packet;

	frame[22] ^= 1; /* TTL */
	cr_expect_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet), L3_DROP);
	cr_expect_eq(packet.drop, COUNTER_rx_ip_checksum);
	frame[22] ^= 1;
	frame[len - 1] ^= 1;
	cr_expect_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet), L3_DROP);
	cr_expect_eq(packet.drop, COUNTER_rx_udp_checksum);
	/* A driver that has checked is believed. */
	cr_expect_eq(l3_parse(&port_any_vlan, frame, len, L3_RX_UDP_CHECKED, &packet), L3_DATAGRAM);
	frame[22] ^= 1;
	cr_expect_eq(
		l3_parse(&port_any_vlan, frame, len, L3_RX_UDP_CHECKED | L3_RX_IP_CHECKED, &packet),
		L3_DATAGRAM);
	free(frame);
	/* But not where the specification leaves nothing to check. */
	frame = frame_new("udp6_zero_checksum", &len);
	cr_expect_eq(l3_parse(&port_any_vlan, frame, len, L3_RX_UDP_CHECKED, &packet), L3_DROP);
	cr_expect_eq(packet.drop, COUNTER_rx_udp_checksum);
	free(frame);
}

/* Veth: the sum of the pseudo header alone, which a device was to complete. */
Test(l3, tells_a_partial_checksum_from_a_wrong_one)
{
	static const struct {
		const char *name;
		size_t ip_source, address_len;
	} vectors[] = { { "udp4", 26, 4 }, { "udp6", 22, 16 } };

	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		size_t len;
		uint8_t *frame = frame_new(vectors[i].name, &len);
		size_t udp = vectors[i].ip_source + 2 * vectors[i].address_len;
		uint32_t sum = PROTOCOL_UDP + (uint32_t)(len - udp);
		struct l3_packet packet;

		for (size_t at = vectors[i].ip_source; at < udp; at += 2)
			sum += (uint32_t)frame[at] << 8 | frame[at + 1];
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		frame[udp + 6] = (uint8_t)(sum >> 8);
		frame[udp + 7] = (uint8_t)sum;
		cr_expect_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet), L3_DROP);
		cr_expect_eq(packet.drop, COUNTER_rx_udp_partial, "%s", vectors[i].name);
		frame[udp + 7] ^= 1;
		cr_expect_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet), L3_DROP);
		cr_expect_eq(packet.drop, COUNTER_rx_udp_checksum, "%s", vectors[i].name);
		free(frame);
	}
}

static const struct {
	const char *name;
	size_t at; /* of the byte that is changed */
	uint8_t value;
	enum counter why;
} malformed[] = {
	{ "udp4", 14, 0x55, COUNTER_rx_ip_malformed }, /* version */
	{ "udp4", 14, 0x44, COUNTER_rx_ip_malformed }, /* header of 16 bytes */
	{ "udp4", 17, 19, COUNTER_rx_ip_malformed },   /* total length below the header's */
	{ "udp4", 17, 21, COUNTER_rx_udp_malformed },  /* a packet without a whole UDP header */
	{ "udp4", 39, 7, COUNTER_rx_udp_malformed },   /* UDP length below its header's */
	{ "udp4", 39, 13, COUNTER_rx_udp_malformed },  /* UDP length beyond the packet */
	{ "udp6", 14, 0x50, COUNTER_rx_ip_malformed }, /* version */
	{ "udp6", 19, 0, COUNTER_rx_udp_malformed },   /* empty packet */
	{ "udp6_extensions", 55, 1,
	  COUNTER_rx_ip_malformed }, /* hop-by-hop swallows the next header: bad option */
	{ "udp6_extensions", 55, 255, COUNTER_rx_ip_malformed }, /* hop-by-hop beyond the packet */
	{ "udp6_extensions", 57, 5, COUNTER_rx_ip_malformed },   /* option beyond its header */
	{ "udp6_extensions", 54, 0,
	  COUNTER_rx_ip_malformed }, /* hop-by-hop is not first: RFC 8200 4.1 */
	{ "udp6_extensions", 54, 44, COUNTER_rx_ip_fragment },
	{ "udp6_extensions", 54, 59, COUNTER_rx_not_for_us },    /* no next header */
	{ "udp6_routing_done", 57, 1, COUNTER_rx_ip_malformed }, /* we are no router */
};

static void
mend_ipv4_checksum(uint8_t *header)
{
	uint32_t sum = 0;

	header[10] = header[11] = 0;
	for (int i = 0; i < (header[0] & 15) * 4; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	header[10] = (uint8_t)(sum >> 8);
	header[11] = (uint8_t)sum;
}

Test(l3, refuses_malformed_headers)
{
	for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
		size_t len;
		uint8_t *frame = frame_new(malformed[i].name, &len);
		struct l3_packet packet;

		frame[malformed[i].at] = malformed[i].value;
		if (malformed[i].name[3] == '4')
			mend_ipv4_checksum(frame + 14);
		cr_expect_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet), L3_DROP, "entry %zu",
			     i);
		cr_expect_eq(packet.drop, malformed[i].why, "entry %zu: %s", i,
			     counter_infos[packet.drop].name);
		free(frame);
	}
}

/* RFC 8200 4.5, RFC 6946 4: offset 0 and no more to come is the whole packet. */
Test(l3, takes_an_atomic_fragment_as_a_whole_packet)
{
	struct l3_packet packet;

	cr_assert_eq(parse_on(&port_any_vlan, "udp6_atomic_fragment", &packet), L3_DATAGRAM);
	cr_expect_eq(packet.datagram.peer.port, 40000);
	cr_expect_eq(packet.datagram.peer.addr[15], 0xc9);
	cr_expect_eq(packet.datagram.len, 4);
}

Test(l3, drops_every_other_fragment)
{
	size_t len;
	uint8_t *frame = frame_new("udp6_atomic_fragment", &len);
	struct l3_packet packet;

	for (unsigned bit = 0; bit < 16; bit++) {
		bool reserved = bit == 1 || bit == 2;

		frame[56 + (bit < 8)] ^= (uint8_t)(1 << bit % 8);
		cr_expect_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet),
			     reserved ? L3_DATAGRAM : L3_DROP, "bit %u", bit);
		if (!reserved)
			cr_expect_eq(packet.drop, COUNTER_rx_ip_fragment, "bit %u", bit);
		frame[56 + (bit < 8)] ^= (uint8_t)(1 << bit % 8);
	}
	free(frame);
}

/* RFC 1122 3.2.1.3: a network's broadcast address is no source. */
Test(l3, refuses_the_broadcast_address_of_its_own_network)
{
	static const uint8_t networks[] = { 24, 25, 30 }, others[] = { 16, 31, 32, 0 };
	struct l3_port port = port_any_vlan;
	struct l3_packet packet;

	for (unsigned i = 0; i < sizeof networks; i++) {
		port.prefixes[0] = networks[i];
		port.addresses[0][15] = networks[i] == 24 ? 1 : 254;
		if (networks[i] == 24)
			assert_dropped(&port, "udp4_from_our_broadcast", COUNTER_rx_source);
		cr_expect_not(
			l3_source_answerable(
				&port, (uint8_t[16]){ [10] = 0xff, [11] = 0xff, 198, 18, 0, 255 }),
			"/%u", networks[i]);
		cr_expect(
			l3_source_answerable(
				&port, (uint8_t[16]){ [10] = 0xff, [11] = 0xff, 198, 18, 0, 253 }),
			"/%u", networks[i]);
	}
	for (unsigned i = 0; i < sizeof others; i++) {
		port = port_any_vlan;
		port.prefixes[0] = others[i];
		cr_expect_eq(parse_on(&port, "udp4_from_our_broadcast", &packet), L3_DATAGRAM,
			     "/%u", others[i]);
	}
}

Test(l3, bounds_extension_headers)
{
	for (unsigned n = 0; n <= L3_EXTENSIONS_MAX + 1u; n++) {
		/* Ethernet and IPv6 of a vector, then n empty destination options, then UDP without
		 * checksum check. */
		size_t len;
		uint8_t *vector = frame_new("udp6", &len), frame[256];
		struct l3_packet packet;
		size_t at = 54;

		memcpy(frame, vector, at);
		for (unsigned i = 0; i < n; i++, at += 8)
			memcpy(frame + at, (uint8_t[]){ i + 1 < n ? 60 : 17, 0, 1, 4, 0, 0, 0, 0 },
			       8);
		memcpy(frame + at, vector + 54, len - 54);
		frame[19] = (uint8_t)(at + len - 108);
		frame[20] = n ? 60 : 17;
		cr_expect_eq(l3_parse(&port_any_vlan, frame, at + len - 54, 0, &packet),
			     n <= L3_EXTENSIONS_MAX ? L3_DATAGRAM : L3_DROP, "%u headers", n);
		free(vector);
	}
}

Test(l3, takes_only_its_vlan_when_it_has_one)
{
	struct l3_port port = port_any_vlan;
	struct l3_packet packet;

	port.vlan = 100;
	cr_expect_eq(parse_on(&port, "udp4_vlan", &packet), L3_DATAGRAM);
	assert_dropped(&port, "udp4", COUNTER_rx_not_for_us);
	assert_dropped(&port, "udp4_priority", COUNTER_rx_not_for_us);
	assert_dropped(&port, "arp", COUNTER_rx_not_for_us);
	port.vlan = 101;
	assert_dropped(&port, "udp4_vlan", COUNTER_rx_not_for_us);
}

/* The kernel's side of a tap device has the MAC that the driver gives as ours. */
Test(l3, takes_datagrams_from_its_own_mac)
{
	struct l3_packet packet;
	size_t len;
	uint8_t *frame = frame_new("udp4", &len);

	memcpy(frame + 6, frame, 6);
	cr_expect_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet), L3_DATAGRAM);
	free(frame);
}

Test(l3, reads_datagrams)
{
	static const uint8_t payload[] = { 0x40, 0x00, 0x7d, 0x34 };

	for (size_t i = 0; i < sizeof datagrams / sizeof datagrams[0]; i++) {
		const char *name = datagrams[i];
		bool ipv6 = name[3] == '6', odd = !strcmp(name, "udp4_odd");
		size_t len;
		uint8_t *frame = frame_new(name, &len);
		struct l3_packet packet;
		const struct dgram_in *datagram = &packet.datagram;
		uint16_t vlan = strstr(name, "vlan") ? (ipv6 ? 100 : 5 << 13 | 100) : LINK_UNTAGGED;

		if (strstr(name, "priority"))
			vlan = 3 << 13;
		cr_assert_eq(l3_parse(&port_any_vlan, frame, len, 0, &packet), L3_DATAGRAM,
			     "%s: %s", name, counter_infos[packet.drop].name);
		cr_expect_eq(datagram->len, sizeof payload + odd, "%s", name);
		cr_expect_arr_eq(datagram->data, payload, sizeof payload, "%s", name);
		cr_expect_eq(datagram->peer.port, 40000, "%s", name);
		cr_expect_eq(datagram->peer.listener, 10 + (ipv6 ? 2 : 0) + odd, "%s", name);
		cr_expect_eq(datagram->peer.pad, 0);
		cr_expect_eq(l3_is_ipv4(datagram->peer.addr), !ipv6, "%s", name);
		cr_expect_eq(datagram->peer.addr[15], 2, "%s", name);
		cr_expect_eq(datagram->link.vlan, vlan, "%s", name);
		cr_expect_arr_eq(datagram->link.mac, ((uint8_t[]){ 2, 0, 0, 0, 0, 2 }), 6, "%s",
				 name);
		free(frame);
	}
}

static const struct {
	const char *name, *asked; /* the frame to be written, and one that asked for it */
	uint8_t payload[5];
	uint16_t len;
} written[] = {
	{ "sent4", "udp4", { 0x70, 0x00, 0x7d, 0x34 }, 4 },
	{ "sent4_odd", "udp4_vlan", { 0x70, 0x00, 0x7d, 0x34, 0x55 }, 5 },
	{ "sent6", "udp6", { 0x70, 0x00, 0x7d, 0x34 }, 4 },
};

Test(l3, writes_what_others_write)
{
	for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
		uint8_t buffer[L3_HEADERS_MAX + 8], *asked, *start, *expected;
		size_t len, asked_len;
		struct l3_packet packet;
		struct dgram_out out = { .data = buffer + L3_HEADERS_MAX, .len = written[i].len };

		asked = frame_new(written[i].asked, &asked_len);
		expected = frame_new(written[i].name, &len);
		cr_assert_eq(l3_parse(&port_any_vlan, asked, asked_len, 0, &packet), L3_DATAGRAM);
		out.peer = packet.datagram.peer;
		out.peer.listener += written[i].len == 5;
		out.link = packet.link;
		memcpy(out.data, written[i].payload, out.len);
		start = l3_prepend_udp(&port_any_vlan, &out, false);
		cr_assert_eq(out.data + out.len - start, len, "%s", written[i].name);
		cr_expect_arr_eq(start, expected, len, "%s", written[i].name);
		free(asked);
		free(expected);
	}
}

/* RFC 768: a checksum that comes out as zero is sent as 0xffff, as zero means that there is
 * none. */
Test(l3, never_writes_checksum_zero)
{
	uint8_t buffer[L3_HEADERS_MAX + 2];
	struct dgram_out out = { .peer = { .addr = { [10] = 0xff, [11] = 0xff, 198, 18, 0, 2 },
					   .port = 40000,
					   .listener = 10 },
				 .link = { .vlan = LINK_UNTAGGED },
				 .data = buffer + L3_HEADERS_MAX,
				 .len = 2 };
	unsigned ones = 0;

	for (unsigned value = 0; value < 0x10000; value++) {
		uint8_t *start, *checksum;

		out.data[0] = (uint8_t)(value >> 8);
		out.data[1] = (uint8_t)value;
		start = l3_prepend_udp(&port_any_vlan, &out, false);
		checksum = start + 14 + 20 + 6;
		cr_assert(checksum[0] | checksum[1]);
		ones += checksum[0] == 0xff && checksum[1] == 0xff;
	}
	cr_expect_eq(ones, 1);
}

/* What the device finishes: adding the datagram to the field must give the checksum. */
Test(l3, leaves_the_pseudo_header_sum_to_an_offload)
{
	static const struct peer peers[] = {
		{ { [10] = 0xff, [11] = 0xff, 198, 18, 0, 2 }, 40000, 10, 0 },
		{ { 0x20, 0x01, 0, 2, [15] = 2 }, 40000, 12, 0 },
	};

	for (size_t i = 0; i < 2; i++) {
		uint8_t buffer[L3_HEADERS_MAX + 6], whole[8], *udp = buffer + L3_HEADERS_MAX - 8;
		struct dgram_out out = { .peer = peers[i],
					 .link = { .vlan = LINK_UNTAGGED },
					 .data = buffer + L3_HEADERS_MAX,
					 .len = 6 };
		uint32_t sum = 0;

		memcpy(out.data, "cradle", 6);
		l3_prepend_udp(&port_any_vlan, &out, false);
		memcpy(whole, udp, sizeof whole);
		l3_prepend_udp(&port_any_vlan, &out, true);
		for (int at = 0; at < 8 + 6; at += 2)
			sum += (uint32_t)udp[at] << 8 | udp[at + 1];
		sum = (sum & 0xffff) + (sum >> 16);
		sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
		cr_expect_eq(sum, (uint32_t)whole[6] << 8 | whole[7]);
	}
}
