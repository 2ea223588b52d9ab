/* Addresses in and out, and which of them the Internet can reach. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/address.h"

Test(address, malformed)
{
	static const char *const wrong[] = { "",           "1.2.3",      "1.2.3.4/33", "1.2.3.4/",
					     "1.2.3.4/-1", "::/129",     "1.2.3.4/1x", "example",
					     "1.2.3.4 ",   "1.2.3.4/+8", "01.2.3.400" };
	struct dataplane_address address;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_expect_lt(address_parse(wrong[i], &address), 0, "%s", wrong[i]);
}

Test(address, round_trip)
{
	static const char *const texts[] = { "198.18.0.1/24", "2001:2::1/64", "0.0.0.0/0",
					     "::1/128" };
	struct dataplane_address address;
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		cr_assert_eq(address_parse(texts[i], &address), 0);
		address_format_prefix(&address, text);
		cr_expect_str_eq(text, texts[i]);
	}
	cr_assert_eq(address_parse("10.1.2.3", &address), 0);
	cr_expect_eq(address.prefix, 32);
	cr_expect_eq(address.addr[10], 0xff);
}

/* The first and last address of each block, and their neighbours outside. */
Test(address, private_space)
{
	static const struct {
		const char *text;
		bool private;
	} cases[] = {
		{ "9.255.255.255", false },
		{ "10.0.0.0", true },
		{ "10.255.255.255", true },
		{ "11.0.0.0", false },
		{ "172.15.255.255", false },
		{ "172.16.0.0", true },
		{ "172.31.255.255", true },
		{ "172.32.0.0", false },
		{ "192.168.255.255", true },
		{ "192.169.0.0", false },
		{ "100.63.255.255", false },
		{ "100.64.0.0", true },
		{ "100.127.255.255", true },
		{ "100.128.0.0", false },
		{ "198.17.255.255", false },
		{ "198.18.0.0", true },
		{ "198.19.255.255", true },
		{ "198.20.0.0", false },
		{ "127.0.0.1", true },
		{ "169.254.1.1", true },
		{ "8.8.8.8", false },
		{ "::1", true },
		{ "::2", false },
		{ "fe80::1", true },
		{ "fec0::1", false },
		{ "fc00::1", true },
		{ "fdff::1", true },
		{ "fe00::1", false },
		{ "2001:2::1", true },
		{ "2001:2:0:ffff::1", true },
		{ "2001:2:1::1", false },
		{ "2001:db8::1", false },
	};
	struct dataplane_address address;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_assert_eq(address_parse(cases[i].text, &address), 0);
		cr_expect_eq(address_is_private(address.addr), cases[i].private, "%s",
			     cases[i].text);
	}
}

Test(address, peers)
{
	struct dataplane_address address;
	struct peer peer = { .port = 5683 };
	char text[ADDRESS_TEXT_MAX];

	address_parse("198.18.0.7", &address);
	memcpy(peer.addr, address.addr, sizeof peer.addr);
	address_format_peer(&peer, text);
	cr_expect_str_eq(text, "198.18.0.7:5683");
	address_parse("2001:2::7", &address);
	memcpy(peer.addr, address.addr, sizeof peer.addr);
	address_format_peer(&peer, text);
	cr_expect_str_eq(text, "[2001:2::7]:5683");
}

Test(address, which_no_interface_can_have_for_its_own)
{
	static const struct {
		const char *text, *why; /* NULL: it can */
	} cases[] = {
		{ "198.18.0.0/24", "network's" },
		{ "198.18.0.255/24", "broadcast" },
		{ "0.0.0.0", "unspecified" },
		{ "224.0.0.1/24", "group" },
		{ "255.255.255.255/0", "reserved" },
		{ "240.0.0.1/8", "reserved" },
		{ "2001:2::/64", "anycast" },
		{ "::/64", "unspecified" },
		{ "ff02::1/64", "group" },
		{ "198.18.0.1/24", NULL },
		{ "198.18.0.0/31", NULL },
		{ "198.18.0.1/31", NULL },
		{ "198.18.0.255/16", NULL },
		{ "10.0.0.0", NULL },
		{ "2001:2::/127", NULL },
		{ "2001:2::1", NULL },
		{ "2001:2::ffff:ffff:ffff:ffff/64", NULL },
	};
	struct dataplane_address address;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *why;

		cr_assert_eq(address_parse(cases[i].text, &address), 0);
		why = address_unfit(&address);
		cr_expect_eq(!why, !cases[i].why, "%s: %s", cases[i].text, why ? why : "fit");
		if (why && cases[i].why)
			cr_expect(strstr(why, cases[i].why), "%s: %s", cases[i].text, why);
	}
}
