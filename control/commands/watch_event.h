/*
 * watch_event.h - what a watch says, for people and for machines. Control thread. Allocates.
 */
#pragma once

#include "control/commands/call.h"
#include "control/runs/feed.h"

enum { WATCH_NAME_MAX = 4 * 256 + 1 };

/* The endpoint name that an event is about, as it is; an unknown device's own word for itself, shown. */
const char *watch_event_name(const struct service *service, const struct feed_event *event,
			     char out[WATCH_NAME_MAX]);

/* {"kind":..., "at_ms":..., ...} */
json_t *watch_event_json(const struct service *service, const struct feed_event *event);
/* One line. */
void watch_event_text(const struct service *service, const struct feed_event *event,
		      struct text *text);

struct watch_counters {
	struct counters before, now;
	uint64_t us; /* between the two; 0: there was none before */
};
/* {"kind":"counters","counters":{all},"per_second":{those that grew}} */
json_t *watch_counters_json(const struct watch_counters *sample);
/* A line a counter that grew. False: none did. */
bool watch_counters_text(const struct watch_counters *sample, struct text *text);
