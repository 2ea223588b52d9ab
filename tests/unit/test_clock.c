/* clock: cycles to microseconds by one multiplication, held against a division in 128 bits. */
#include <criterion/criterion.h>

#include "dataplane/io/clock.h"

Test(clock, agrees_with_a_division)
{
	static const uint64_t hz[] = { 1000003,    1000000000, 2096000000,
				       2894561000, 3700000000, 5000000000 };

	for (size_t i = 0; i < sizeof hz / sizeof hz[0]; i++) {
		struct clock clock = clock_make(hz[i]);

		for (uint64_t cycles = 1; cycles < UINT64_C(1) << 62; cycles = cycles * 3 + 7) {
			uint64_t us = (uint64_t)((unsigned __int128)cycles * 1000000 / hz[i]);
			uint64_t got = clock_us(clock, cycles);

			/* The factor is cut by less than 1, so a time is short by less than cycles
			 * / 2^64, and 1 by rounding. */
			cr_assert(got == us || got + 1 == us, "%lu cycles at %lu Hz: %lu, not %lu",
				  cycles, hz[i], got, us);
		}
	}
}

Test(clock, never_runs_backwards)
{
	struct clock clock = clock_make(2096000000);
	uint64_t last = 0;

	for (uint64_t cycles = UINT64_C(1) << 50; cycles < (UINT64_C(1) << 50) + 1000000;
	     cycles += 97) {
		uint64_t us = clock_us(clock, cycles);

		cr_assert_geq(us, last);
		last = us;
	}
}
