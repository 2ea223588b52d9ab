/* A frame to a port: parsing, then the answer in place, or an echo of the datagram, which must
 * parse at the other end. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/io/neigh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct l3_port port = {
	.mac = { 2, 0, 0, 0, 0, 1 },
	.vlan = LINK_UNTAGGED,
	.n_addresses = 2,
	.n_udp_ports = 2,
	.udp_ports = { 5683, 5684 },
	.addresses = { { [10] = 0xff, [11] = 0xff, 198, 18, 0, 1 },
		       { 0x20, 0x01, 0x00, 0x02, [15] = 1 } },
};

/* Back to the sender's side: what we wrote has right lengths and checksums. */
static void
check_echo(const struct dgram_in *in)
{
	uint8_t *buffer = malloc(L3_HEADERS_MAX + in->len + 1u), *frame;
	struct dgram_out out = {
		.peer = in->peer, .link = in->link, .len = in->len, .data = buffer + L3_HEADERS_MAX
	};
	struct l3_port other = { .vlan = LINK_UNTAGGED,
				 .n_addresses = 1,
				 .n_udp_ports = 1,
				 .udp_ports = { in->peer.port } };
	struct l3_packet packet;

	memcpy(out.data, in->data, in->len);
	memcpy(other.mac, in->link.mac, sizeof other.mac);
	memcpy(other.addresses[0], in->peer.addr, sizeof other.addresses[0]);
	frame = l3_prepend_udp(&port, &out, false);
	assert(frame >= buffer);
	if (l3_parse(&other, frame, (size_t)(out.data + out.len - frame), 0, &packet) !=
		    L3_DATAGRAM ||
	    packet.datagram.len != in->len || memcmp(packet.datagram.data, in->data, in->len) != 0)
		abort();
	free(buffer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = malloc(size + NEIGH_GROWTH);
	struct l3_packet packet;
	struct neigh_answer answer;
	enum l3_kind kind;
	size_t room;

	if (size)
		memcpy(frame, data, size);
	kind = l3_parse(&port, frame, size, 0, &packet);
	if (kind == L3_DATAGRAM)
		check_echo(&packet.datagram);
	else if (kind != L3_DROP) {
		room = (size_t)(frame + size + NEIGH_GROWTH - packet.message);
		if (neigh_answer(&port, kind, &packet, room, &answer) &&
		    (answer.frame < frame ||
		     answer.frame + answer.len > frame + size + NEIGH_GROWTH))
			abort();
	}
	free(frame);
	return 0;
}
