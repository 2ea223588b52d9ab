/*
 * report.h - what came of a run: verdict, text for people, JSON for machines.
 *
 * The JSON is one object. `schema` grows when a key changes its meaning or goes away; new keys may
 * come at any time. Times are microseconds where a key says _us, else seconds.
 *
 *	schema		2
 *	plan		kind (closed, burst, open), total, concurrency, rate, duration_s, ramp_s,
 *			devices, security (nosec, psk, x509, rpk), seed, misbehave, cores; which
 *			devices differ: pack_percent, block (bytes) and block_percent, certified ("",
 *			x509, rpk) and certified_percent
 *	planned		bootstraps that should have started
 *	offered		that did
 *	done, failed	of these
 *	seconds		from the first start to the last end
 *	done_per_s
 *	outcomes	how many ended how: "done", "misbehaved as told", and every cause of failure
 *	writes_checked	whether there was an expectation file
 *	operations	that devices were told, packs that they fetched whole, blocks of either
 *	packs, blocks
 *	latency_us	a phase each: cookie, handshake, bootstrap, whole (from the intended start);
 *			n, mean, p50, p90, p99, p99_9, max
 *	wire		tx_frames, tx_bytes, rx_frames, rx_bytes; retransmitted, duplicates (copies
 *			answered), bad_tags, stale (records of a device's association before, which
 *			the server still repeated), replayed, ignored, busy_5_03, retried
 *	network		what the simulated network did: lost, duplicated, reordered, corrupted
 *	generator	busy (share of its time, the busiest core's), tx_full, no_buffer, rx_missed
 *			(datagrams that it lost itself), late_us (most that a start was late),
 *			late_allowed_us,
 *			link_down_us (the longest that a memif was gone: its other end was upgraded),
 *			quiet_us (the longest between two arrivals on a core: what a pause of the
 *			server is to devices, where there are many of them)
 *	records		one a second: second (its end), started_per_s, done_per_s, failed_per_s,
 *			running, and p50_us, p99_us of those done within it
 *	interrupted	ended by a signal
 *	valid, verdict	whether the figures say something of the server, else why not
 *
 * Since schema 2 a record's percentiles are of that second; before, of all until then.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "tools/storm/swarm.h"

enum { REPORT_SCHEMA = 2, REPORT_WHY_MAX = 160 };

enum report_exit {
	REPORT_EXIT_DONE = 0,
	REPORT_EXIT_FAILED = 1, /* some devices failed */
	REPORT_EXIT_USAGE = 2,
	REPORT_EXIT_START = 3, /* could not start */
	REPORT_EXIT_INVALID =
		4, /* the generator was the bottleneck: the figures say nothing of the server */
};

struct report {
	const struct swarm_config *config;
	const struct swarm_result *result;
	const struct tally *tally;
};

/* NULL: the run is valid; else the sentence that says why not, in `why` where it has figures. */
const char *report_invalid(const struct report *report, char why[REPORT_WHY_MAX]);
enum report_exit report_exit(const struct report *report);
void report_text(const struct report *report, FILE *stream);
/* 0, or -1 when the file cannot be written. */
int report_json(const struct report *report, FILE *stream) __attribute__((warn_unused_result));
