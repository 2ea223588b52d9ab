/* flow: each 5-tuple has one owner, owners are spread evenly, and the key decides which. */
#include <criterion/criterion.h>

#include "dataplane/io/flow.h"

static struct dgram_in
datagram_of(unsigned host, unsigned port)
{
	static uint8_t coap[80] = { 0x44, 0x02 };

	return (struct dgram_in){ .data = coap,
				  .len = sizeof coap,
				  .peer = { .addr = { [10] = 0xff,
						      [11] = 0xff,
						      10,
						      (uint8_t)(host >> 16),
						      (uint8_t)(host >> 8),
						      (uint8_t)host },
					    .port = (uint16_t)port } };
}

Test(flow, owner_is_a_worker_and_does_not_change)
{
	for (unsigned workers = 1; workers <= 64; workers++) {
		const struct flow flow = { { 0x0123456789abcdef, 0xfedcba9876543210 }, workers };

		for (unsigned i = 0; i < 1000; i++) {
			struct dgram_in datagram = datagram_of(i, 5683 + i);
			unsigned owner = flow_owner(&flow, &datagram);

			cr_assert_lt(owner, workers);
			/* Neither the way nor the bytes of a datagram change its owner. */
			datagram.link.mac[5] = 9;
			datagram.len = 77;
			cr_assert_eq(flow_owner(&flow, &datagram), owner);
		}
	}
}

/* RFC 9146: type 25, version, epoch, sequence, then our id, whose first byte is the worker. */
Test(flow, a_connection_id_names_its_worker)
{
	static uint8_t record[] = "\x19\xfe\xfd\0\1\0\0\0\0\0\7\3" "slotran\0\0";
	const struct flow flow = { { 1, 2 }, 8 };

	for (unsigned i = 0; i < 100; i++) {
		struct dgram_in datagram = datagram_of(i, 5683), plain = datagram_of(i, 5683);

		datagram.data = record;
		datagram.len = sizeof record - 1;
		cr_assert_eq(flow_owner(&flow, &datagram), 3);
		cr_assert_eq(flow_named(&flow, &datagram, 5), 3);
		cr_assert_eq(flow_named(&flow, &plain, 5), 5);
		datagram.len = 11; /* it ends before the id */
		cr_assert_eq(flow_named(&flow, &datagram, 5), 5);
		cr_assert_eq(flow_owner(&flow, &datagram), flow_owner(&flow, &plain));
		record[11] = 8; /* no such worker */
		datagram.len = sizeof record - 1;
		cr_assert_eq(flow_named(&flow, &datagram, 5), 5);
		record[11] = 3;
	}
}

static void
assert_even(const struct flow *flow, unsigned hosts, unsigned ports)
{
	unsigned flows[64] = { 0 }, mean = hosts * ports / flow->workers;

	for (unsigned host = 0; host < hosts; host++)
		for (unsigned port = 0; port < ports; port++) {
			struct dgram_in datagram = datagram_of(host, 40000 + port);

			flows[flow_owner(flow, &datagram)]++;
		}
	for (unsigned i = 0; i < flow->workers; i++)
		cr_expect(flows[i] > mean * 3 / 4 && flows[i] < mean * 5 / 4,
			  "worker %u of %u has %u", i, flow->workers, flows[i]);
}

/* A carrier's translator is one host with many ports, a private network many hosts with one
 * port. */
Test(flow, spreads_hosts_and_ports)
{
	for (unsigned workers = 2; workers <= 64; workers *= 2) {
		const struct flow flow = { { 0x243f6a8885a308d3, 0x13198a2e03707344 }, workers };

		assert_even(&flow, 1, 25000);
		assert_even(&flow, 100000, 1);
		assert_even(&flow, 400, 250);
	}
}

Test(flow, depends_on_every_part_and_on_the_key)
{
	const struct flow one = { { 0x243f6a8885a308d3, 0x13198a2e03707344 }, 64 },
			  other = { { 0xa4093822299f31d0, 0x082efa98ec4e6c89 }, 64 };
	unsigned moved_by_listener = 0, moved_by_key = 0;

	for (unsigned i = 0; i < 1000; i++) {
		struct dgram_in datagram = datagram_of(i, 40000);
		unsigned owner = flow_owner(&one, &datagram);

		moved_by_key += flow_owner(&other, &datagram) != owner;
		datagram.peer.listener = 1;
		moved_by_listener += flow_owner(&one, &datagram) != owner;
	}
	cr_expect_gt(moved_by_listener, 900);
	cr_expect_gt(moved_by_key, 900);
}
