/*
 * address_list.h - a list of IP addresses and prefixes, as settings write it: "127.0.0.1, 10.0.0.0/8, ::1".
 *
 * IPv4 is held as IPv6 (::ffff:0:0/96), so that a client is the same on a socket of either family. Any thread; no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_LIST_MAX = 64 };

struct ip_address {
	uint8_t bytes[16];
};

struct address_list {
	struct {
		struct ip_address address;
		unsigned bits;
	} items[ADDRESS_LIST_MAX];
	unsigned count;
};

/* NULL and empty text are an empty list. 0; -EINVAL with the word that is none in `bad`; -E2BIG. */
int address_list_parse(struct address_list *list, const char *text, char bad[64]);
bool address_list_has(const struct address_list *list, const struct ip_address *address);

/* False: no address. */
bool ip_address_parse(struct ip_address *address, const char *text, size_t len);
/* False: the socket is of neither family. */
bool ip_address_of(struct ip_address *address, const struct sockaddr *socket);
