/* neigh: ARP (RFC 826), neighbour discovery (RFC 4861) and echo (RFC 792, RFC 4443); what gets no
 * answer first, what is told unasked last. */
#include "dataplane/io/neigh.h"
#include "tests/unit/frame_fixture.h"

/* Room before the frame is what a packet buffer has as headroom, room behind it as tailroom. */
struct asked {
	uint8_t *memory, *frame;
	struct l3_packet packet;
	struct neigh_answer answer;
	bool answered;
};

static void
ask(struct asked *asked, const char *name, size_t tailroom)
{
	size_t len;
	uint8_t *vector = frame_new(name, &len);
	enum l3_kind kind;

	asked->memory = malloc(len + tailroom);
	asked->frame = memcpy(asked->memory, vector, len);
	free(vector);
	kind = l3_parse(&port_any_vlan, asked->frame, len, 0, &asked->packet);
	cr_assert(kind == L3_ARP || kind == L3_ICMP || kind == L3_ICMPV6, "%s is kind %d", name,
		  (int)kind);
	asked->answered = neigh_answer(
		&port_any_vlan, kind, &asked->packet,
		(size_t)(asked->frame + len + tailroom - asked->packet.message), &asked->answer);
}

static const struct {
	const char *name;
	enum counter why;
} unanswered[] = {
	{ "arp_reply", COUNTER_rx_not_for_us },
	{ "arp_other", COUNTER_rx_not_for_us },
	{ "nd_hop_limit", COUNTER_rx_neigh_malformed }, /* from beyond the link */
	{ "nd_dad_with_source", COUNTER_rx_neigh_malformed },
	{ "nd_dad_unicast", COUNTER_rx_neigh_malformed },
	{ "nd_zero_option", COUNTER_rx_neigh_malformed },
	{ "nd_group_target", COUNTER_rx_neigh_malformed },
	{ "nd_other", COUNTER_rx_not_for_us },
	{ "advertisement", COUNTER_rx_not_for_us },
	{ "echo4_bad_checksum", COUNTER_rx_neigh_malformed },
	{ "echo4_from_broadcast", COUNTER_rx_source },
	{ "unreachable4", COUNTER_rx_not_for_us },
	{ "echo6_bad_checksum", COUNTER_rx_neigh_malformed },
	{ "echo6_all_nodes", COUNTER_rx_not_for_us }, /* one question must not wake a whole link */
	{ "echo6_from_unspecified", COUNTER_rx_source },
};

Test(neigh, keeps_silent)
{
	for (size_t i = 0; i < sizeof unanswered / sizeof unanswered[0]; i++) {
		struct asked asked;

		ask(&asked, unanswered[i].name, NEIGH_GROWTH);
		cr_expect_not(asked.answered, "%s was answered", unanswered[i].name);
		cr_expect_eq(asked.packet.drop, unanswered[i].why, "%s: %s", unanswered[i].name,
			     counter_infos[asked.packet.drop].name);
		free(asked.memory);
	}
}

static const struct {
	const char *name, *answer;
	enum counter counter;
} answered[] = {
	{ "arp", "arp_answer", COUNTER_arp_answered },
	{ "arp_vlan", "arp_vlan_answer", COUNTER_arp_answered },
	{ "nd", "nd_answer", COUNTER_nd_answered },
	{ "nd_unicast", "nd_answer", COUNTER_nd_answered },
	{ "nd_dad", "nd_dad_answer", COUNTER_nd_answered },
	{ "echo4", "echo4_answer", COUNTER_echo_answered },
	{ "echo4_options", "echo4_answer", COUNTER_echo_answered },
	{ "echo6", "echo6_answer", COUNTER_echo_answered },
	{ "echo6_extensions", "echo6_answer", COUNTER_echo_answered },
};

Test(neigh, answers_in_place)
{
	for (size_t i = 0; i < sizeof answered / sizeof answered[0]; i++) {
		struct asked asked;
		size_t len;
		uint8_t *expected = frame_new(answered[i].answer, &len);

		ask(&asked, answered[i].name, NEIGH_GROWTH);
		cr_assert(asked.answered, "%s: %s", answered[i].name,
			  counter_infos[asked.packet.drop].name);
		cr_expect_eq(asked.answer.counter, answered[i].counter, "%s", answered[i].name);
		cr_assert_eq(asked.answer.len, len, "%s: %zu bytes", answered[i].name,
			     asked.answer.len);
		cr_expect_arr_eq(asked.answer.frame, expected, len, "%s", answered[i].name);
		cr_expect_geq(asked.answer.frame, asked.frame, "%s", answered[i].name);
		free(asked.memory);
		free(expected);
	}
}

Test(neigh, needs_room_for_an_advertisement)
{
	struct asked asked;

	ask(&asked, "nd_unicast", NEIGH_GROWTH - 1);
	cr_expect_not(asked.answered);
	cr_expect_eq(asked.packet.drop, COUNTER_no_buffer);
	free(asked.memory);
	ask(&asked, "nd", 0);
	cr_expect(asked.answered);
	free(asked.memory);
}

Test(neigh, refuses_a_message_cut_anywhere)
{
	for (size_t i = 0; i < sizeof answered / sizeof answered[0]; i++) {
		size_t len;
		uint8_t *frame = frame_new(answered[i].name, &len);

		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *part = malloc(cut ? cut : 1);
			struct l3_packet packet;
			struct neigh_answer answer;
			enum l3_kind kind;

			memcpy(part, frame, cut);
			kind = l3_parse(&port_any_vlan, part, cut, 0, &packet);
			if (kind != L3_DROP)
				cr_expect_not(neigh_answer(&port_any_vlan, kind, &packet,
							   packet.message_len, &answer),
					      "%s cut to %zu", answered[i].name, cut);
			free(part);
		}
		free(frame);
	}
}

/* ---- unasked ---- */

/* Where a packet buffer's data begins, in memory of just the size that the header names. */
struct announced {
	uint8_t *memory;
	struct neigh_answer announcement;
};

static struct announced
announced(const struct l3_port *port, unsigned address)
{
	struct announced one = { .memory = malloc(L3_HEADERS_MAX + NEIGH_ANNOUNCEMENT_BYTES) };

	cr_assert(one.memory);
	memset(one.memory, 0xa5, L3_HEADERS_MAX + NEIGH_ANNOUNCEMENT_BYTES);
	neigh_announce(port, address, one.memory + L3_HEADERS_MAX, &one.announcement);
	return one;
}

/* RFC 5227 3: asks for its own address, of nobody, and all hear it. */
static const uint8_t arp_announcement[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,   0,  0, 0, 0, 1, 0x08, 0x06, /* Ethernet */
	0,    1,    0x08, 0x00, 6,    4,    0,   1,                          /* a request */
	2,    0,    0,    0,    0,    1,    198, 18, 0, 1, 0, 0, 0,    0,    0, 0, 198, 18, 0, 1,
};

static void
assert_announced(const struct announced *one, const uint8_t *expected, size_t len)
{
	cr_assert_eq(one->announcement.len, len, "%zu bytes", one->announcement.len);
	cr_expect_arr_eq(one->announcement.frame, expected, len);
	free(one->memory);
}

/* A VLAN of no number is none: "any VLAN" names no one to announce in. */
Test(neigh, announces_without_a_tag_where_no_vlan_is_named)
{
	static const uint16_t no_vlans[] = { 0, L3_VLAN_ID_MAX + 1, LINK_UNTAGGED };

	for (size_t i = 0; i < sizeof no_vlans / sizeof no_vlans[0]; i++) {
		struct l3_port port = port_any_vlan;
		struct announced one;

		port.vlan = no_vlans[i];
		one = announced(&port, 0);
		assert_announced(&one, arp_announcement, sizeof arp_announcement);
	}
}

/* What another appliance announces is no question, and nothing is answered. */
Test(neigh, answers_no_announcement_of_another)
{
	struct l3_port other = port_any_vlan;

	other.mac[5] = 9;
	other.addresses[0][15] = other.addresses[1][15] = 9;
	for (unsigned address = 0; address < 2; address++) {
		struct announced one = announced(&other, address);
		struct l3_packet packet;
		struct neigh_answer answer;
		enum l3_kind kind = l3_parse(&port_any_vlan, one.announcement.frame,
					     one.announcement.len, 0, &packet);

		cr_expect_eq(kind, address == 0 ? L3_ARP : L3_ICMPV6);
		cr_expect_not(
			neigh_answer(&port_any_vlan, kind, &packet, packet.message_len, &answer));
		cr_expect_eq(packet.drop, COUNTER_rx_not_for_us);
		free(one.memory);
	}
}

Test(neigh, announces_an_ipv4_address)
{
	struct announced one = announced(&port_any_vlan, 0);

	cr_expect_eq(one.announcement.counter, COUNTER_arp_announced);
	assert_announced(&one, arp_announcement, sizeof arp_announcement);
}

/* It says what the answer to who tries our address says: to all nodes, not solicited, override. */
Test(neigh, announces_an_ipv6_address)
{
	struct announced one = announced(&port_any_vlan, 1);
	size_t len;
	uint8_t *expected = frame_new("nd_dad_answer", &len);

	cr_expect_eq(one.announcement.counter, COUNTER_nd_announced);
	assert_announced(&one, expected, len);
	free(expected);
}

Test(neigh, announces_in_the_ports_vlan)
{
	static const uint8_t tag[4] = { 0x81, 0x00, 0x0f, 0xfe };
	struct l3_port port = port_any_vlan;

	port.vlan = L3_VLAN_ID_MAX;
	for (unsigned address = 0; address < 2; address++) {
		struct announced tagged = announced(&port, address);
		struct announced untagged = announced(&port_any_vlan, address);
		const uint8_t *frame = tagged.announcement.frame;

		cr_assert_eq(tagged.announcement.len, untagged.announcement.len + sizeof tag);
		cr_expect_arr_eq(frame, untagged.announcement.frame, 12);
		cr_expect_arr_eq(frame + 12, tag, sizeof tag);
		cr_expect_arr_eq(frame + 16, untagged.announcement.frame + 12,
				 untagged.announcement.len - 12);
		free(tagged.memory);
		free(untagged.memory);
	}
}
