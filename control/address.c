#include "control/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_v4(const uint8_t addr[16])
{
	return memcmp(addr, v4_mapped, sizeof v4_mapped) == 0;
}

static int
prefix_parse(const char *text, unsigned max, uint8_t *prefix)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	value = strtoul(text, &end, 10);
	if (*end || value > max)
		return -EINVAL;
	*prefix = (uint8_t)value;
	return 0;
}

int
address_parse(const char *text, struct dataplane_address *address)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char host[INET6_ADDRSTRLEN];
	unsigned bits = 32;

	if (len >= sizeof host)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	memcpy(address->addr, v4_mapped, sizeof v4_mapped);
	if (inet_pton(AF_INET, host, address->addr + 12) != 1) {
		bits = 128;
		if (inet_pton(AF_INET6, host, address->addr) != 1)
			return -EINVAL;
	}
	address->prefix = (uint8_t)bits;
	return slash ? prefix_parse(slash + 1, bits, &address->prefix) : 0;
}

struct block {
	uint8_t addr[16];
	unsigned bits;
};

#define V4(a, b, c, d)                                                                             \
	{                                                                                          \
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d                               \
	}

static const struct block private_blocks[] = {
	{ V4(127, 0, 0, 0), 96 + 8 },    /* RFC 1122 3.2.1.3 */
	{ V4(169, 254, 0, 0), 96 + 16 }, /* RFC 3927 */
	{ V4(10, 0, 0, 0), 96 + 8 },     /* RFC 1918 3 */
	{ V4(172, 16, 0, 0), 96 + 12 },
	{ V4(192, 168, 0, 0), 96 + 16 },
	{ V4(100, 64, 0, 0), 96 + 10 },     /* RFC 6598 */
	{ V4(198, 18, 0, 0), 96 + 15 },     /* RFC 2544, benchmarking */
	{ { [15] = 1 }, 128 },              /* RFC 4291 2.5.3, loopback */
	{ { 0xfe, 0x80 }, 10 },             /* RFC 4291 2.5.6, link-local */
	{ { 0xfc }, 7 },                    /* RFC 4193 */
	{ { 0x20, 0x01, 0x00, 0x02 }, 48 }, /* RFC 5180, benchmarking */
};

static bool
block_holds(const struct block *block, const uint8_t addr[16])
{
	unsigned whole = block->bits / 8, rest = block->bits % 8;

	if (memcmp(block->addr, addr, whole) != 0)
		return false;
	return rest == 0 || ((block->addr[whole] ^ addr[whole]) >> (8 - rest)) == 0;
}

bool
address_is_private(const uint8_t addr[16])
{
	for (size_t i = 0; i < sizeof private_blocks / sizeof private_blocks[0]; i++)
		if (block_holds(&private_blocks[i], addr))
			return true;
	return false;
}

/* Whether all bits behind the prefix are zeros, or all ones. */
static bool
rest_is(const uint8_t addr[16], unsigned prefix, bool ones)
{
	for (unsigned bit = prefix; bit < 128; bit++)
		if ((addr[bit / 8] >> (7 - bit % 8) & 1) != ones)
			return false;
	return true;
}

const char *
address_unfit(const struct dataplane_address *address)
{
	bool v4 = is_v4(address->addr);
	unsigned prefix = address->prefix + (v4 ? 96 : 0);

	if (rest_is(address->addr, v4 ? 96 : 0, false))
		return "the unspecified address"; /* RFC 1122 3.2.1.3, RFC 4291 2.5.2 */
	if (v4 ? address->addr[12] >= 240 : false)
		return "reserved"; /* RFC 1112 4, and the limited broadcast */
	if (v4 ? address->addr[12] >= 224 : address->addr[0] == 0xff)
		return "a group's address"; /* RFC 5771, RFC 4291 2.7 */
	if (prefix >= 127)
		return NULL; /* RFC 3021, RFC 6164: both are hosts */
	if (rest_is(address->addr, prefix, false))
		return v4 ? "the network's" : "the anycast address of routers"; /* RFC 4291 2.6.1 */
	return v4 && rest_is(address->addr, prefix, true) ? "the network's broadcast address"
							  : NULL;
}

void
address_format(const uint8_t addr[16], char out[ADDRESS_TEXT_MAX])
{
	if (is_v4(addr))
		inet_ntop(AF_INET, addr + 12, out, ADDRESS_TEXT_MAX);
	else
		inet_ntop(AF_INET6, addr, out, ADDRESS_TEXT_MAX);
}

void
address_format_prefix(const struct dataplane_address *address, char out[ADDRESS_TEXT_MAX])
{
	char host[ADDRESS_TEXT_MAX];

	address_format(address->addr, host);
	snprintf(out, ADDRESS_TEXT_MAX, "%.50s/%u", host, address->prefix);
}

void
address_format_peer(const struct peer *peer, char out[ADDRESS_TEXT_MAX])
{
	char host[ADDRESS_TEXT_MAX];

	address_format(peer->addr, host);
	if (is_v4(peer->addr))
		snprintf(out, ADDRESS_TEXT_MAX, "%.50s:%u", host, peer->port);
	else
		snprintf(out, ADDRESS_TEXT_MAX, "[%.50s]:%u", host, peer->port);
}
