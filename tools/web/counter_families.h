/*
 * counter_families.h - which metric a counter of the appliance is exported as: a family a layer, the event as label.
 *
 * Each counter is in one family only. Events of a family overlap (a record received is opened, too): they are compared, not
 * summed up, but where a family's help says that each happens once.
 */
#pragma once

#include "tools/web/exposition.h"

struct counter_family {
	struct metric_family family;
	const char *label;
};

extern const struct counter_family counter_families[];
extern const unsigned n_counter_families;

/*
 * The family of a counter, as index, and the label's value, which is part of `name` or static. Never fails: what is not
 * known goes to the last family.
 */
unsigned counter_family_of(const char *name, const char **value);
