/* What happens, as it does: watch. */
#include <stdio.h>
#include <string.h>

#include "control/commands/commands.h"
#include "control/commands/watch.h"

static const struct {
	const char *name;
	unsigned kinds, samples;
} topics[] = {
	{ "events", (1u << FEED_KINDS) - 1, 0 }, { "reports", 1u << FEED_REPORT, 0 },
	{ "sessions", 1u << FEED_SESSION, 0 },   { "unknown", 1u << FEED_UNKNOWN, 0 },
	{ "rejected", 1u << FEED_REJECTED, 0 },  { "generations", 1u << FEED_GENERATION, 0 },
	{ "counters", 0, WATCH_COUNTERS },       { "status", 0, WATCH_STATUS },
	{ "phases", 0, WATCH_PHASES },
};
enum { TOPICS = sizeof topics / sizeof *topics };

/* False after refusing. */
static bool
take_topic(struct call *call, const char *word, size_t len, struct watch_wish *wish)
{
	for (unsigned i = 0; i < TOPICS; i++) {
		if (strlen(topics[i].name) != len || memcmp(topics[i].name, word, len) != 0)
			continue;
		wish->kinds |= topics[i].kinds;
		wish->samples |= topics[i].samples;
		return true;
	}
	call_refuse(call, CTL_USAGE, "\"%.*s\" cannot be watched: say some of", (int)len, word);
	for (unsigned i = 0; i < TOPICS; i++)
		text_show(&call->error, "%s %s", i ? "," : "", topics[i].name);
	return false;
}

static bool
take_topics(struct call *call, struct watch_wish *wish)
{
	const char *at = call->arguments[0] ? call->arguments[0] : "events";

	for (size_t len;; at += len + 1) {
		len = strcspn(at, ",");
		if (!take_topic(call, at, len, wish))
			return false;
		if (!at[len])
			return true;
	}
}

void
command_watch(struct call *call)
{
	struct watch_wish wish = { .interval_s = call_number(call, "--interval", 1, 3600),
				   .per_second = call_number(call, "--per-second", 0, 100000),
				   .count = call_number(call, "--count", 0, 1000000000),
				   .match = call_option(call, "--match"),
				   .status = -1 };

	if (call->exit != CTL_DONE || !take_topics(call, &wish))
		return;
	if (!wish.interval_s)
		call_refuse(call, CTL_USAGE, "--interval takes 1 to 3600 seconds");
	else
		watch_begin(call, &wish);
}
