#include "tools/web/counter_families.h"

#include <fnmatch.h>
#include <string.h>

enum {
	FRAMES,
	FRAME_BYTES,
	FRAME_BURSTS,
	RECORDS,
	FORWARDED,
	HANDSHAKES,
	COAP,
	BOOTSTRAPS,
	REFUSALS,
	BOOTSTRAP,
	SESSIONS,
	OUTBOX,
	OTHER,
};

const struct counter_family counter_families[] = {
	[FRAMES] = { { "cradle_frames", METRIC_COUNTER, NULL,
		       "Frames and packets of the ports by what became of them." },
		     "event" },
	[FRAME_BYTES] = { { "cradle_frame_bytes", METRIC_COUNTER, "bytes",
			    "Bytes of frames received from and handed to the ports." },
			  "direction" },
	[FRAME_BURSTS] = { { "cradle_frame_bursts", METRIC_COUNTER, "bursts",
			     "Polls of ports that brought frames, and bursts handed to them." },
			   "direction" },
	[RECORDS] = { { "cradle_dtls_records", METRIC_COUNTER, NULL,
			"DTLS records by what became of them." },
		      "event" },
	[FORWARDED] = { { "cradle_forwarded_datagrams", METRIC_COUNTER, NULL,
			  "Datagrams between members of a cluster by what became of them." },
			"event" },
	[HANDSHAKES] = { { "cradle_dtls_handshakes", METRIC_COUNTER, NULL,
			   "DTLS handshakes: messages, starts, ends and failures." },
			 "event" },
	[COAP] = { { "cradle_coap_messages", METRIC_COUNTER, NULL,
		     "CoAP messages by what became of them." },
		   "event" },
	[BOOTSTRAPS] = { { "cradle_bootstraps", METRIC_COUNTER, NULL,
			   "Bootstrap dialogues that ended, by outcome; each ends once." },
			 "outcome" },
	[REFUSALS] = { { "cradle_bootstrap_refusals", METRIC_COUNTER, NULL,
			 "Bootstrap-Requests refused, by reason; each is refused once." },
		       "reason" },
	[BOOTSTRAP] = { { "cradle_bootstrap_events", METRIC_COUNTER, NULL,
			  "What else happens on the way of a bootstrap." },
			"event" },
	[SESSIONS] = { { "cradle_session_events", METRIC_COUNTER, NULL,
			 "Sessions opened and closed, and what found no room beside them." },
		       "event" },
	[OUTBOX] = { { "cradle_outbox_events", METRIC_COUNTER, NULL,
		       "What happens on the way of messages into the outbox." },
		     "event" },
	[OTHER] = { { "cradle_events", METRIC_COUNTER, NULL,
		      "Counters of an appliance newer than this program." },
		    "event" },
};
const unsigned n_counter_families = sizeof counter_families / sizeof counter_families[0];

/* The first pattern that matches counts. `prefix` is taken off for the label, or `value` is the label. */
static const struct {
	const char *pattern, *prefix, *value;
	unsigned family;
} rules[] = {
	{ "rx_bytes", .value = "rx", .family = FRAME_BYTES },
	{ "tx_bytes", .value = "tx", .family = FRAME_BYTES },
	{ "rx_bursts", .value = "rx", .family = FRAME_BURSTS },
	{ "tx_bursts", .value = "tx", .family = FRAME_BURSTS },
	{ "[rt]x_*", "", .family = FRAMES },
	{ "arp_*", "", .family = FRAMES },
	{ "nd_*", "", .family = FRAMES },
	{ "echo_*", "", .family = FRAMES },
	{ "hand*_over*", "", .family = FRAMES },
	{ "no_buffer", "", .family = FRAMES },
	{ "forward_*", "forward_", .family = FORWARDED },
	{ "dtls_[rt]x_*", "dtls_", .family = RECORDS },
	{ "dtls_*", "dtls_", .family = HANDSHAKES },
	{ "coap_*", "coap_", .family = COAP },
	/* Answered 5.03 before any dialogue. */
	{ "bs_failed_no_batch", .value = "no_batch_in_time", .family = REFUSALS },
	{ "bs_refused_*", "bs_refused_", .family = REFUSALS },
	{ "bs_failed_*", "bs_", .family = BOOTSTRAPS },
	{ "bs_finished", "bs_", .family = BOOTSTRAPS },
	{ "bs_stopped", "bs_", .family = BOOTSTRAPS },
	{ "bs_superseded", "bs_", .family = BOOTSTRAPS },
	{ "bs_cancelled", "bs_", .family = BOOTSTRAPS },
	{ "bs_*", "bs_", .family = BOOTSTRAP },
	{ "sessions_*", "sessions_", .family = SESSIONS },
	{ "trace_*", "", .family = SESSIONS },
	{ "events_*", "", .family = SESSIONS },
	{ "outbox_*", "outbox_", .family = OUTBOX },
};

unsigned
counter_family_of(const char *name, const char **value)
{
	for (unsigned i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		if (fnmatch(rules[i].pattern, name, 0) != 0)
			continue;
		*value = rules[i].value ? rules[i].value : name + strlen(rules[i].prefix);
		return rules[i].family;
	}
	*value = name;
	return OTHER;
}
