/*
 * prefix_debts.h - how many handshakes each network prefix began lately and did not finish.
 *
 * Under a flood of half-open handshakes from many prefixes none of them holds more of the pool than the
 * devices of one busy prefix do. What tells them apart is what became of their handshakes: a device's
 * finishes within some round trips, which takes back what it was charged; the flood's never does. A debt
 * halves every 64 s, so a prefix from which r handshakes a second fail owes 92 r, and one whose devices
 * finish owes those that run just now.
 *
 * A prefix (ratelimit.h says what shares one) has a place in each of two rows, by two parts of one keyed
 * hash, and owes the less of the two: with P prefixes in debt, an innocent one is taken for one of them
 * with a probability of (P / 16384)^2. Nothing can be exhausted and nobody can aim at another's places;
 * 128 KB.
 *
 * Owner: the caller, memory included. One thread. Nothing allocates or blocks. Time is the caller's; a
 * step back is taken as no time at all.
 */
#pragma once

#include <stdint.h>

#include "dataplane/core/crypto/siphash.h"

enum {
	PREFIX_DEBT_PLACES = 16384,
	PREFIX_DEBT_UNIT = 8, /* of one handshake; it fades within four halvings */
	PREFIX_DEBT_HALF_LIFE_US = 64 * 1000 * 1000,
};

struct prefix_debt {
	uint16_t units; /* stays at its largest value */
	uint16_t epoch; /* of `units`, in half-lives: 48 days until it repeats itself */
};

struct prefix_debts {
	struct siphash_key key;
	uint64_t epoch; /* now; never goes back */
	struct prefix_debt rows[2][PREFIX_DEBT_PLACES];
};

/* Where a prefix is in either row. */
struct prefix_places {
	uint16_t at[2];
};

/* What one handshake was charged, to be taken back. */
struct prefix_charge {
	struct prefix_places places;
	uint16_t epoch;
};

/* `debts` is zeroed memory. */
void prefix_debts_init(struct prefix_debts *debts, const uint8_t seed[16], uint64_t now_us);
/* Before the others of this moment. */
void prefix_debts_advance(struct prefix_debts *debts, uint64_t now_us);

struct prefix_places prefix_debts_find(const struct prefix_debts *debts, const uint8_t addr[16]);
/* In units. */
uint32_t prefix_debts_of(const struct prefix_debts *debts, const struct prefix_places *places);
/* A handshake of this address begins. */
struct prefix_charge prefix_debts_charge(struct prefix_debts *debts, const uint8_t addr[16]);
/* It finished: takes back what is left of its charge, no more, so that nobody pays for others' failures
 * by finishing often. */
void prefix_debts_pay(struct prefix_debts *debts, const struct prefix_charge *charge);
