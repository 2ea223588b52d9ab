/* neigh: ARP (RFC 826), neighbour discovery (RFC 4861) and echo (RFC 792, RFC 4443); what gets no
 * answer first. */
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
