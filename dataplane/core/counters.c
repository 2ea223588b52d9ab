#include "dataplane/core/counters.h"

const struct counter_info counter_infos[COUNTERS] = {
#define COUNTER(name, severity, text) { #name, COUNTER_##severity, text },
#include "dataplane/core/counters.def"
#undef COUNTER
};
