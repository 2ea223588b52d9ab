/* What prefixes owe, under an injected clock. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane/core/tables/prefix_debts.h"

enum { UNIT = PREFIX_DEBT_UNIT, HALF_LIFE = PREFIX_DEBT_HALF_LIFE_US };

static struct prefix_debts *debts;

static void
setup(void)
{
	debts = calloc(1, sizeof *debts);
	prefix_debts_init(debts, (const uint8_t[16]){ 1, 2, 3 }, 0);
}

static void
teardown(void)
{
	free(debts);
}

TestSuite(prefix_debts, .init = setup, .fini = teardown);

struct address {
	uint8_t bytes[16];
};

/* 10.(prefix).host, v4-mapped. */
static struct address
ipv4(unsigned prefix, uint8_t host)
{
	return (struct address){ { [10] = 0xff,
				   [11] = 0xff,
				   [12] = 10,
				   [13] = (uint8_t)(prefix >> 8),
				   [14] = (uint8_t)prefix,
				   [15] = host } };
}

static struct prefix_charge
charge(struct address address)
{
	return prefix_debts_charge(debts, address.bytes);
}

static uint32_t
debt_of(struct address address)
{
	struct prefix_places places = prefix_debts_find(debts, address.bytes);

	return prefix_debts_of(debts, &places);
}

Test(prefix_debts, nobody_owes_at_the_start)
{
	cr_assert_eq(debt_of(ipv4(1, 1)), 0);
}

Test(prefix_debts, a_prefix_owes_what_its_addresses_began)
{
	charge(ipv4(1, 1));
	charge(ipv4(1, 2));
	cr_assert_eq(debt_of(ipv4(1, 3)), 2 * UNIT);
	cr_assert_eq(debt_of(ipv4(2, 1)), 0);
}

/* RFC 6177: a customer is given a /56. */
Test(prefix_debts, an_ipv6_prefix_is_what_one_customer_has)
{
	struct address one = { { 0x20, 1, 0xd, 0xb8, 0, 0, 7, 1 } }, near = one, far = one;

	near.bytes[7] = 9;
	far.bytes[6] = 8;
	charge(one);
	cr_assert_eq(debt_of(near), UNIT);
	cr_assert_eq(debt_of(far), 0);
}

Test(prefix_debts, who_finishes_owes_nothing)
{
	for (unsigned i = 0; i < 1000; i++) {
		struct prefix_charge one = charge(ipv4(1, 1));

		prefix_debts_pay(debts, &one);
	}
	cr_assert_eq(debt_of(ipv4(1, 1)), 0);
}

Test(prefix_debts, a_debt_fades_by_halves)
{
	for (unsigned i = 0; i < 8; i++)
		charge(ipv4(1, 1));
	prefix_debts_advance(debts, HALF_LIFE - 1);
	cr_assert_eq(debt_of(ipv4(1, 1)), 8 * UNIT);
	prefix_debts_advance(debts, HALF_LIFE);
	cr_assert_eq(debt_of(ipv4(1, 1)), 4 * UNIT);
	prefix_debts_advance(debts, 3 * (uint64_t)HALF_LIFE);
	cr_assert_eq(debt_of(ipv4(1, 1)), UNIT);
	charge(ipv4(1, 1));
	cr_assert_eq(debt_of(ipv4(1, 1)), 2 * UNIT);
	prefix_debts_advance(debts, 40 * (uint64_t)HALF_LIFE);
	cr_assert_eq(debt_of(ipv4(1, 1)), 0);
}

Test(prefix_debts, a_clock_that_steps_back_changes_nothing)
{
	prefix_debts_advance(debts, 5 * (uint64_t)HALF_LIFE);
	charge(ipv4(1, 1));
	prefix_debts_advance(debts, 0);
	cr_assert_eq(debt_of(ipv4(1, 1)), UNIT);
}

/* What failed stays owed, however often others of the prefix finish, and however late. */
Test(prefix_debts, finishing_pays_for_itself_alone)
{
	uint64_t now = 0;

	for (unsigned i = 0; i < 1000; i++)
		charge(ipv4(1, 1));
	for (unsigned i = 0; i < 4; i++) {
		struct prefix_charge late[100];

		for (unsigned k = 0; k < 100; k++)
			late[k] = charge(ipv4(1, 2));
		prefix_debts_advance(debts, now += HALF_LIFE);
		for (unsigned k = 0; k < 100; k++)
			prefix_debts_pay(debts, &late[k]);
	}
	cr_assert_eq(debt_of(ipv4(1, 1)), 1000 * UNIT / 16);
}

Test(prefix_debts, the_largest_debt_neither_wraps_nor_falls_below_nothing)
{
	struct prefix_charge first = charge(ipv4(1, 1));

	for (unsigned i = 0; i < 100000; i++)
		charge(ipv4(1, 1));
	cr_assert_eq(debt_of(ipv4(1, 1)), UINT16_MAX);
	for (unsigned i = 0; i < 100000; i++)
		prefix_debts_pay(debts, &first);
	cr_assert_eq(debt_of(ipv4(1, 1)), 0);
}

/* 1,000 prefixes in debt: of 1,000 others fewer than 20 are taken for one of them; 3.7 are expected. */
Test(prefix_debts, the_innocent_are_seldom_taken_for_others)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < 1000; i++)
		charge(ipv4(i, 1));
	for (unsigned i = 1000; i < 2000; i++)
		taken += debt_of(ipv4(i, 1)) != 0;
	cr_assert_lt(taken, 20);
}
