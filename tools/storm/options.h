/*
 * options.h - the command line of cradlestorm.
 */
#pragma once

#include "tools/storm/swarm.h"

struct options {
	struct swarm_config swarm;
	struct names names;
	struct expect expect;
	struct identities identities;
	const char *credentials;    /* folder of --x509 or --rpk, or NULL */
	const char *make_authority; /* folder to make instead of running, or NULL */
	const char *learn;          /* file for what the one device is told, or NULL */
	const char *json;           /* file, or NULL */
	const char *outcomes;       /* file for a line a device, or NULL */
	const char *plot;           /* file, or NULL */
	const char *pcap;           /* file to write requests to instead of running, or NULL */
	const char *server_text;
	bool has_block_share;
};

enum options_verdict {
	OPTIONS_RUN,
	OPTIONS_HELP, /* printed already: exit 0 */
	OPTIONS_BAD,  /* reported on standard error: exit 2 */
};

/* Strings of argv are borrowed. options_free() in any case. */
enum options_verdict options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);
