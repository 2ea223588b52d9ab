/*
 * report.h - what came of a run: verdict, text for people, JSON for machines.
 *
 * The JSON has a `schema` number, which grows when a key changes its meaning or goes away.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "tools/storm/swarm.h"

enum { REPORT_SCHEMA = 1 };

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

/* NULL: the run is valid; else the sentence that says why not. */
const char *report_invalid(const struct report *report);
enum report_exit report_exit(const struct report *report);
void report_text(const struct report *report, FILE *stream);
/* 0, or -1 when the file cannot be written. */
int report_json(const struct report *report, FILE *stream) __attribute__((warn_unused_result));
