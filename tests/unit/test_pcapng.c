/* Capture files: blocks as the specification draws them, headers with right sums, secrets in the form of a key log. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/runs/pcapng.h"

static struct text out;

static void
set_up(void)
{
	text_init(&out);
}

static void
tear_down(void)
{
	text_fini(&out);
}

TestSuite(pcapng, .init = set_up, .fini = tear_down);

static uint32_t
u32(size_t at)
{
	uint32_t value;

	cr_assert_leq(at + 4, out.len);
	memcpy(&value, out.at + at, sizeof value);
	return value;
}

/* The block at `at` has the same length at both ends; where the next one stands. */
static size_t
check_block(size_t at, uint32_t type)
{
	uint32_t len = u32(at + 4);

	cr_expect_eq(u32(at), type);
	cr_assert_eq(len % 4, 0);
	cr_assert_leq(at + len, out.len);
	cr_expect_eq(u32(at + len - 4), len);
	return at + len;
}

static uint32_t
sum_of(const uint8_t *at, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)at[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

Test(pcapng, begins_with_a_section_that_says_what_it_is_and_one_interface)
{
	size_t at;

	pcapng_begin(&out, "a comment");
	at = check_block(0, 0x0a0d0d0a);
	cr_expect_eq(u32(8), 0x1a2b3c4d);
	cr_expect_not_null(memmem(out.at, at, "a comment", 9));
	cr_expect_eq(check_block(at, 1), out.len);
	cr_expect_eq(u32(at + 8) & 0xffff, 101);
}

Test(pcapng, a_secret_is_a_line_of_a_key_log)
{
	uint8_t random[32], master[48];

	memset(random, 0xa1, sizeof random);
	memset(master, 0x0b, sizeof master);
	pcapng_secret(&out, random, master);
	cr_expect_eq(check_block(0, 10), out.len);
	cr_expect_eq(u32(8), 0x544c534b);
	cr_expect_eq(u32(12), 14 + 64 + 1 + 96 + 1);
	cr_expect_eq(memcmp(out.at + 16, "CLIENT_RANDOM a1a1", 18), 0);
	cr_expect_not_null(memmem(out.at, out.len, "a1 0b0b", 7));
}

static struct pcapng_datagram
datagram(bool ipv6, const char *bytes)
{
	struct pcapng_datagram it = {
		.wall_us = UINT64_C(0x123456789abcd),
		.from = { .addr = { [10] = 0xff, 0xff, 10, 0, 0, 1 }, .port = 5000 },
		.to = { .addr = { [10] = 0xff, 0xff, 10, 0, 0, 2 }, .port = 5684 },
		.bytes = (const uint8_t *)bytes,
		.len = strlen(bytes)
	};

	if (ipv6)
		it.from.addr[0] = it.to.addr[0] = 0x20;
	return it;
}

Test(pcapng, a_datagram_has_headers_with_right_sums)
{
	static const char *const payloads[] = { "", "x", "even", "odd-1" };

	for (unsigned v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
			struct pcapng_datagram it = datagram(v6, payloads[i]);
			size_t ip = v6 ? 40 : 20, len = ip + 8 + it.len;
			uint8_t pseudo[1500] = { 0 };
			const uint8_t *packet;
			size_t n = v6 ? 32 : 8;

			tear_down();
			pcapng_datagram(&out, &it);
			cr_assert_eq(check_block(0, 6), out.len);
			cr_expect_eq(u32(12), it.wall_us >> 32);
			cr_expect_eq(u32(16), (uint32_t)it.wall_us);
			cr_expect_eq(u32(20), len);
			packet = (const uint8_t *)out.at + 28;
			cr_expect_eq(packet[0] >> 4, v6 ? 6 : 4);
			if (!v6)
				cr_expect_eq(sum_of(packet, ip), 0xffff, "of the IPv4 header");
			memcpy(pseudo, packet + ip - n, n);
			pseudo[n + 1] = 17;
			pseudo[n + 3] = (uint8_t)(8 + it.len);
			memcpy(pseudo + n + 4, packet + ip, 8 + it.len);
			cr_expect_eq(sum_of(pseudo, n + 4 + 8 + it.len), 0xffff, "of UDP");
			cr_expect_eq(memcmp(packet + ip + 8, payloads[i], it.len), 0);
		}
}

Test(pcapng, a_datagram_may_carry_a_comment)
{
	struct pcapng_datagram it = datagram(false, "x");

	it.comment = "why it cannot be opened";
	pcapng_datagram(&out, &it);
	cr_expect_eq(check_block(0, 6), out.len);
	cr_expect_not_null(memmem(out.at, out.len, it.comment, strlen(it.comment)));
}
