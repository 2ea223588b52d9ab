/*
 * options_take.h - one option at a time: its value is read, and put where it belongs.
 *
 * Owner: the caller; one thread. Allocates for the files of --csv and --expect, which
 * options_free() gives back.
 */
#pragma once

#include "tools/storm/options.h"

/* What getopt_long() returns. In the order of what they are about: options_take() goes by it. */
enum option_id {
	OPTION_PORT = 256,
	OPTION_SERVER,
	OPTION_SERVER_PORT,
	OPTION_GATEWAY,
	OPTION_SOURCE,
	OPTION_SOURCE_PORT,
	OPTION_VLAN,
	OPTION_CPU,
	OPTION_CORES,
	OPTION_POLL,
	OPTION_EAL_ARGS,
	OPTION_DEVICES,
	OPTION_PSK,
	OPTION_X509,
	OPTION_RPK,
	OPTION_HELPERS,
	OPTION_CID,
	OPTION_ENDPOINT,
	OPTION_IDENTITY,
	OPTION_KEY,
	OPTION_FIRST,
	OPTION_CSV,
	OPTION_PCT,
	OPTION_PACK_SHARE,
	OPTION_BLOCK,
	OPTION_BLOCK_SHARE,
	OPTION_CERT_SHARE,
	OPTION_LEARN,
	OPTION_EXPECT,
	OPTION_BOOTSTRAPS,
	OPTION_CONCURRENCY,
	OPTION_BURST,
	OPTION_RATE,
	OPTION_DURATION,
	OPTION_RAMP,
	OPTION_SEED,
	OPTION_RTT,
	OPTION_LOSS,
	OPTION_DUPLICATE,
	OPTION_REORDER,
	OPTION_CORRUPT,
	OPTION_ACK_TIMEOUT,
	OPTION_MAX_RETRANSMIT,
	OPTION_GIVE_UP,
	OPTION_RETRIES,
	OPTION_DRAIN,
	OPTION_MISBEHAVE,
	OPTION_SLOW_ACK,
	OPTION_LIST_MISBEHAVE,
	OPTION_LATE,
	OPTION_JSON,
	OPTION_OUTCOMES,
	OPTION_PLOT,
	OPTION_PCAP,
	OPTION_MAKE_CA,
	OPTION_PROGRESS,
	OPTION_VERSION,
	OPTION_HELP,
};

/* `name` as in "--name", for complaints; `value` NULL: of an option that takes none, else borrowed.
 * -1: reported on standard error. */
int options_take(struct options *options, enum option_id id, const char *name, const char *value)
	__attribute__((warn_unused_result));
