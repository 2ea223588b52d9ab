/*
 * mix.h - not all devices are alike: which of a fleet's devices do something that a share of them
 * does.
 *
 * By the device's number alone, so that it is the same on every core and in every run, and the share
 * is met exactly by each hundred of numbers that begins with a multiple of 100. Who belongs to one
 * share says nothing of the others.
 *
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum mix_kind {
	MIX_PACK,      /* asks for a Bootstrap-Pack */
	MIX_BLOCK,     /* takes small messages only */
	MIX_CERTIFIED, /* shows a certificate or a raw public key */
	MIX_KINDS
};

struct mix {
	uint8_t percent[MIX_KINDS];
};

static inline bool
mix_has(const struct mix *mix, enum mix_kind kind, uint32_t number)
{
	/* The first is without a factor in common with 100: each remainder comes once in a hundred.
	 * The second turns the pattern from hundred to hundred, another way for each kind. */
	static const struct {
		uint8_t step, turn;
	} patterns[MIX_KINDS] = { { 37, 0 }, { 61, 29 }, { 83, 47 } };

	return (number % 100 * patterns[kind].step + number / 100 % 100 * patterns[kind].turn) %
		       100 <
	       mix->percent[kind];
}
