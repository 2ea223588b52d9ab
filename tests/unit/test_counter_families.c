/* Every counter of the appliance has a place among the metrics, and one alone. */
#include <string.h>

#include <criterion/criterion.h>

#include "tools/web/counter_families.h"

static const char *const names[] = {
#define COUNTER(name, severity, text) #name,
#include "dataplane/core/counters.def"
#undef COUNTER
};
enum { NAMES = sizeof names / sizeof names[0] };

Test(counter_families, each_counter_has_a_family_of_its_layer)
{
	const char *label;

	for (unsigned i = 0; i < NAMES; i++)
		cr_expect(counter_family_of(names[i], &label) < n_counter_families - 1,
			  "%s has no family: give counter_families.c a rule", names[i]);
}

Test(counter_families, no_two_counters_are_one_sample)
{
	for (unsigned i = 0; i < NAMES; i++) {
		const char *label, *other;
		unsigned family = counter_family_of(names[i], &label);

		cr_expect(*label);
		for (unsigned j = 0; j < i; j++)
			cr_expect(counter_family_of(names[j], &other) != family ||
					  strcmp(label, other) != 0,
				  "%s and %s", names[i], names[j]);
	}
}

static void
expect(const char *name, const char *family, const char *label)
{
	const char *found;
	unsigned index = counter_family_of(name, &found);

	cr_expect_str_eq(counter_families[index].family.name, family);
	cr_expect_str_eq(found, label);
}

Test(counter_families, ends_and_refusals_of_bootstraps_are_told_apart)
{
	expect("bs_finished", "cradle_bootstraps", "finished");
	expect("bs_failed_timeout", "cradle_bootstraps", "failed_timeout");
	expect("bs_failed_no_batch", "cradle_bootstrap_refusals", "no_batch_in_time");
	expect("bs_refused_busy", "cradle_bootstrap_refusals", "busy");
	expect("rx_bytes", "cradle_frame_bytes", "rx");
	expect("tx_bursts", "cradle_frame_bursts", "tx");
	expect("dtls_rx_bad_tag", "cradle_dtls_records", "rx_bad_tag");
	expect("something_new", "cradle_events", "something_new");
}
