#include "control/runs/pcapng.h"

#include <assert.h>
#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6, /* enhanced */
	BLOCK_SECRETS = 10,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINKTYPE_RAW = 101, /* begins with an IP header of either version */
	SECRETS_TLS_KEY_LOG = 0x544c534b,
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_PACKET_FLAGS = 2,
	OPTION_SECTION_APPLICATION = 4,
	FLAG_INBOUND = 1,
	FLAG_OUTBOUND = 2,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	UDP_HEADER = 8,
	PROTOCOL_UDP = 17,
	HOPS = 64,
};

/* ---- numbers: a file's are of this machine's order, which its magic tells; headers' are of the net's ---- */

static void
put_u16(struct text *out, uint16_t value)
{
	text_put(out, (const char *)&value, sizeof value);
}

static void
put_u32(struct text *out, uint32_t value)
{
	text_put(out, (const char *)&value, sizeof value);
}

static void
write_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Padded to 32 bits. */
static void
put_padded(struct text *out, const void *bytes, size_t len)
{
	static const char zeros[4];

	if (len)
		text_put(out, bytes, len);
	text_put(out, zeros, (4 - len % 4) % 4);
}

/* ---- blocks ---- */

static void
put_option(struct text *out, uint16_t code, const void *bytes, size_t len)
{
	put_u16(out, code);
	put_u16(out, (uint16_t)len);
	put_padded(out, bytes, len);
}

/* Its type, and its length at both ends. */
static void
put_block(struct text *out, uint32_t type, const struct text *body)
{
	uint32_t len = (uint32_t)body->len + 12;

	assert(body->len % 4 == 0 || body->failed);
	put_u32(out, type);
	put_u32(out, len);
	text_put(out, body->at, body->len);
	put_u32(out, len);
	out->failed |= body->failed;
}

void
pcapng_begin(struct text *out, const char *comment)
{
	static const uint8_t unknown_length[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct text body;

	text_init(&body);
	put_u32(&body, BYTE_ORDER_MAGIC);
	put_u16(&body, 1); /* version 1.0 */
	put_u16(&body, 0);
	text_put(&body, (const char *)unknown_length, sizeof unknown_length);
	put_option(&body, OPTION_COMMENT, comment, strlen(comment));
	put_option(&body, OPTION_SECTION_APPLICATION, "cradled", 7);
	put_option(&body, OPTION_END, NULL, 0);
	put_block(out, BLOCK_SECTION, &body);
	text_fini(&body);
	put_u16(&body, LINKTYPE_RAW);
	put_u16(&body, 0);
	put_u32(&body, 0); /* no limit; times are in microseconds */
	put_block(out, BLOCK_INTERFACE, &body);
	text_fini(&body);
}

void
pcapng_secret(struct text *out, const uint8_t client_random[32], const uint8_t master[48])
{
	struct text line, body;

	text_init(&line);
	text_init(&body);
	text_printf(&line, "CLIENT_RANDOM ");
	for (unsigned i = 0; i < 32; i++)
		text_printf(&line, "%02x", client_random[i]);
	text_printf(&line, " ");
	for (unsigned i = 0; i < 48; i++)
		text_printf(&line, "%02x", master[i]);
	text_printf(&line, "\n");
	put_u32(&body, SECRETS_TLS_KEY_LOG);
	put_u32(&body, (uint32_t)line.len);
	put_padded(&body, line.at, line.len);
	body.failed |= line.failed;
	put_block(out, BLOCK_SECRETS, &body);
	text_fini(&body);
	text_fini(&line);
}

/* ---- headers ---- */

/* RFC 1071: the sum of 16-bit words. */
static uint32_t
add_words(uint32_t sum, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	if (len % 2)
		sum += (uint32_t)at[len - 1] << 8;
	return sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static bool
is_ipv4(const struct pcapng_datagram *datagram)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

	return memcmp(datagram->from.addr, mapped, sizeof mapped) == 0 &&
	       memcmp(datagram->to.addr, mapped, sizeof mapped) == 0;
}

/* RFC 768: over addresses, protocol and length, too. */
static void
write_udp(uint8_t *at, const struct pcapng_datagram *datagram)
{
	size_t len = UDP_HEADER + datagram->len;
	uint32_t sum = (uint32_t)(PROTOCOL_UDP + len);
	size_t from = is_ipv4(datagram) ? 12 : 0;
	uint16_t checksum;

	write_be16(at, datagram->from.port);
	write_be16(at + 2, datagram->to.port);
	write_be16(at + 4, len);
	write_be16(at + 6, 0);
	sum = add_words(sum, datagram->from.addr + from, 16 - from);
	sum = add_words(sum, datagram->to.addr + from, 16 - from);
	sum = add_words(sum, at, UDP_HEADER);
	checksum = fold(add_words(sum, datagram->bytes, datagram->len));
	write_be16(at + 6, checksum ? checksum : 0xffff);
}

/* RFC 791 3.1; returns its length. */
static size_t
write_ipv4(uint8_t *at, const struct pcapng_datagram *datagram)
{
	memset(at, 0, IPV4_HEADER);
	at[0] = 0x45;
	write_be16(at + 2, IPV4_HEADER + UDP_HEADER + datagram->len);
	at[8] = HOPS;
	at[9] = PROTOCOL_UDP;
	memcpy(at + 12, datagram->from.addr + 12, 4);
	memcpy(at + 16, datagram->to.addr + 12, 4);
	write_be16(at + 10, fold(add_words(0, at, IPV4_HEADER)));
	return IPV4_HEADER;
}

/* RFC 8200 3. */
static size_t
write_ipv6(uint8_t *at, const struct pcapng_datagram *datagram)
{
	memset(at, 0, IPV6_HEADER);
	at[0] = 0x60;
	write_be16(at + 4, UDP_HEADER + datagram->len);
	at[6] = PROTOCOL_UDP;
	at[7] = HOPS;
	memcpy(at + 8, datagram->from.addr, 16);
	memcpy(at + 24, datagram->to.addr, 16);
	return IPV6_HEADER;
}

void
pcapng_datagram(struct text *out, const struct pcapng_datagram *datagram)
{
	uint32_t flags = datagram->sent ? FLAG_OUTBOUND : FLAG_INBOUND;
	uint8_t header[IPV6_HEADER + UDP_HEADER];
	size_t len;
	struct text body, packet;

	text_init(&body);
	text_init(&packet);
	len = is_ipv4(datagram) ? write_ipv4(header, datagram) : write_ipv6(header, datagram);
	write_udp(header + len, datagram);
	text_put(&packet, (const char *)header, len + UDP_HEADER);
	text_put(&packet, (const char *)datagram->bytes, datagram->len);
	put_u32(&body, 0); /* the interface */
	put_u32(&body, (uint32_t)(datagram->wall_us >> 32));
	put_u32(&body, (uint32_t)datagram->wall_us);
	put_u32(&body, (uint32_t)packet.len);
	put_u32(&body, (uint32_t)packet.len);
	put_padded(&body, packet.at, packet.len);
	put_option(&body, OPTION_PACKET_FLAGS, &flags, sizeof flags);
	if (datagram->comment)
		put_option(&body, OPTION_COMMENT, datagram->comment, strlen(datagram->comment));
	put_option(&body, OPTION_END, NULL, 0);
	body.failed |= packet.failed;
	put_block(out, BLOCK_PACKET, &body);
	text_fini(&packet);
	text_fini(&body);
}
