/* expr_kinds.c - sets of kinds of values, in words. */
#include "tasks/expr/expr_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *
kinds_describe(unsigned kinds, char out[96])
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned kind = VALUE_STRING; kind <= VALUE_LIST; kind++) {
		const char *name = value_kind_name((enum value_kind)kind);

		if (!(kinds >> kind & 1))
			continue;
		used += (size_t)snprintf(out + used, 96 - used, "%s%s%s", used ? " or " : "",
					 kind == VALUE_BYTES      ? ""
					 : strchr("aeiou", *name) ? "an "
								  : "a ",
					 name);
	}
	assert(used < 96); /* all names and articles together */
	return out;
}
