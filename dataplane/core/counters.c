#include "dataplane/core/counters.h"

#include <stddef.h>

const struct counter_info counter_infos[COUNTERS] = {
#define COUNTER(name, severity, text) { #name, COUNTER_##severity, text },
#include "dataplane/core/counters.def"
#undef COUNTER
};

#define COUNTER(name, severity, text)
#define COUNTER_ALIAS(former, name) { #former, COUNTER_##name },
const struct counter_alias counter_aliases[] = {
#include "dataplane/core/counters.def"
	{ NULL, COUNTERS },
};
#undef COUNTER
