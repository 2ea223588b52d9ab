#include "tools/web/address_list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_v4(const struct ip_address *address)
{
	return memcmp(address->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

bool
ip_address_parse(struct ip_address *address, const char *text, size_t len)
{
	char copy[INET6_ADDRSTRLEN];

	if (!len || len >= sizeof copy)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET6, copy, address->bytes) == 1)
		return true;
	memcpy(address->bytes, v4_prefix, sizeof v4_prefix);
	return inet_pton(AF_INET, copy, address->bytes + sizeof v4_prefix) == 1;
}

bool
ip_address_of(struct ip_address *address, const struct sockaddr *socket)
{
	const struct sockaddr_in *v4 = (const void *)socket;
	const struct sockaddr_in6 *v6 = (const void *)socket;

	if (socket->sa_family == AF_INET) {
		memcpy(address->bytes, v4_prefix, sizeof v4_prefix);
		memcpy(address->bytes + sizeof v4_prefix, &v4->sin_addr, sizeof v4->sin_addr);
		return true;
	}
	if (socket->sa_family == AF_INET6) {
		memcpy(address->bytes, &v6->sin6_addr, sizeof address->bytes);
		return true;
	}
	return false;
}

/* "ADDRESS" or "ADDRESS/BITS". */
static bool
parse_item(struct address_list *list, const char *word, size_t len)
{
	const char *slash = memchr(word, '/', len);
	struct ip_address *address = &list->items[list->count].address;
	unsigned long bits, most;
	char *end;

	if (!ip_address_parse(address, word, slash ? (size_t)(slash - word) : len))
		return false;
	most = is_v4(address) ? 32 : 128;
	bits = most;
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return false;
		bits = strtoul(slash + 1, &end, 10);
		if (end != word + len || bits > most)
			return false;
	}
	list->items[list->count++].bits = (unsigned)(bits + 128 - most);
	return true;
}

int
address_list_parse(struct address_list *list, const char *text, char bad[64])
{
	list->count = 0;
	while (text && *(text += strspn(text, ", \t"))) {
		size_t len = strcspn(text, ", \t");

		if (list->count == ADDRESS_LIST_MAX)
			return -E2BIG;
		if (!parse_item(list, text, len)) {
			snprintf(bad, 64, "%.*s", (int)(len < 63 ? len : 63), text);
			return -EINVAL;
		}
		text += len;
	}
	return 0;
}

static bool
has_prefix(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(address, prefix, whole) != 0)
		return false;
	return !rest || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

bool
address_list_has(const struct address_list *list, const struct ip_address *address)
{
	for (unsigned i = 0; i < list->count; i++)
		if (has_prefix(address->bytes, list->items[i].address.bytes, list->items[i].bits))
			return true;
	return false;
}
