/*
 * counters.h - what happened to every packet and session, as data.
 *
 * counters.def declares each counter once; the enum, `stats`, JSON, telemetry and the manual come from it. One writer
 * each (the worker), any reader: a 64-bit aligned store is seen whole on every CPU we run on.
 */
#pragma once

#include <stdint.h>

enum counter {
#define COUNTER(name, severity, text) COUNTER_##name,
#include "dataplane/core/counters.def"
#undef COUNTER
	COUNTERS
};

enum counter_severity {
	COUNTER_INFO,  /* normal life */
	COUNTER_WARN,  /* worth a look when it grows */
	COUNTER_ERROR, /* something of ours is too small or broken */
};

struct counter_info {
	const char *name; /* "coap_rx_malformed" */
	enum counter_severity severity;
	const char *text; /* one sentence */
};

extern const struct counter_info counter_infos[COUNTERS];

/* A former name that is still found, for one release. */
struct counter_alias {
	const char *name;
	enum counter counter;
};

extern const struct counter_alias counter_aliases[]; /* the last one's name is NULL */

struct counters {
	uint64_t value[COUNTERS];
};

static inline void
count(struct counters *counters, enum counter counter)
{
	counters->value[counter]++;
}

static inline void
count_add(struct counters *counters, enum counter counter, uint64_t n)
{
	counters->value[counter] += n;
}
