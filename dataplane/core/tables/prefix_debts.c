#include "dataplane/core/tables/prefix_debts.h"

#include "dataplane/core/tables/ratelimit.h"

enum { HALVINGS = 16 /* of what fits in units */ };

void
prefix_debts_init(struct prefix_debts *debts, const uint8_t seed[16], uint64_t now_us)
{
	debts->key = siphash_key(seed);
	debts->epoch = now_us / PREFIX_DEBT_HALF_LIFE_US;
}

void
prefix_debts_advance(struct prefix_debts *debts, uint64_t now_us)
{
	uint64_t epoch = now_us / PREFIX_DEBT_HALF_LIFE_US;

	if (epoch > debts->epoch)
		debts->epoch = epoch;
}

static uint32_t
faded(uint32_t units, uint16_t since, uint64_t epoch)
{
	unsigned halvings = (uint16_t)(epoch - since);

	return halvings < HALVINGS ? units >> halvings : 0;
}

struct prefix_places
prefix_debts_find(const struct prefix_debts *debts, const uint8_t addr[16])
{
	uint64_t hash = siphash13(&debts->key, addr, ratelimit_prefix_len(addr));

	return (struct prefix_places){ { hash % PREFIX_DEBT_PLACES,
					 (hash >> 32) % PREFIX_DEBT_PLACES } };
}

uint32_t
prefix_debts_of(const struct prefix_debts *debts, const struct prefix_places *places)
{
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < 2; i++) {
		const struct prefix_debt *debt = &debts->rows[i][places->at[i]];
		uint32_t units = faded(debt->units, debt->epoch, debts->epoch);

		least = units < least ? units : least;
	}
	return least;
}

static void
change(struct prefix_debts *debts, const struct prefix_places *places, int32_t by)
{
	for (unsigned i = 0; i < 2; i++) {
		struct prefix_debt *debt = &debts->rows[i][places->at[i]];
		int32_t units = (int32_t)faded(debt->units, debt->epoch, debts->epoch) + by;

		debt->units = (uint16_t)(units < 0 ? 0 : units > UINT16_MAX ? UINT16_MAX : units);
		debt->epoch = (uint16_t)debts->epoch;
	}
}

struct prefix_charge
prefix_debts_charge(struct prefix_debts *debts, const uint8_t addr[16])
{
	struct prefix_charge charge = { prefix_debts_find(debts, addr), (uint16_t)debts->epoch };

	change(debts, &charge.places, PREFIX_DEBT_UNIT);
	return charge;
}

void
prefix_debts_pay(struct prefix_debts *debts, const struct prefix_charge *charge)
{
	change(debts, &charge->places,
	       -(int32_t)faded(PREFIX_DEBT_UNIT, charge->epoch, debts->epoch));
}
