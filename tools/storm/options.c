#include "tools/storm/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tasks/diag.h"
#include "tools/storm/options_complete.h"
#include "tools/storm/options_take.h"

/* One line of the help each; `value` NULL: takes none. `group`: a heading before it. */
static const struct option_text {
	enum option_id id;
	const char *name, *value, *text, *group;
} option_texts[] = {
	{ OPTION_PORT, "port", "DEVICE", "a DPDK port: vdev string or PCI address; may be repeated",
	  "Network" },
	{ OPTION_SERVER, "server", "ADDR", "the bootstrap server", NULL },
	{ OPTION_SERVER_PORT, "server-port", "N", "its UDP port (5683, over DTLS 5684)", NULL },
	{ OPTION_GATEWAY, "gateway", "ADDR", "next hop, where the server is not on the link",
	  NULL },
	{ OPTION_SOURCE, "source", "RANGE", "devices' addresses: FIRST, FIRST-LAST or FIRST+COUNT",
	  NULL },
	{ OPTION_SOURCE_PORT, "source-port", "N", "first UDP port of each address (10000)", NULL },
	{ OPTION_VLAN, "vlan", "ID", "tag what is sent", NULL },
	{ OPTION_CPU, "cpu", "N", "the first core's CPU (the first allowed one)", NULL },
	{ OPTION_CORES, "cores", "N",
	  "run on N CPUs: give N ports (or a multiple), or ports with N queues (1)", NULL },
	{ OPTION_POLL, "poll", NULL, "never give the CPU away: for a CPU of our own", NULL },
	{ OPTION_EAL_ARGS, "eal-args", "ARGS", "further arguments for DPDK", NULL },
	{ OPTION_DEVICES, "devices", "N",
	  "how many devices there are (1; with --csv all of the file)", "Devices" },
	{ OPTION_PSK, "psk", NULL, "DTLS with pre-shared keys; else NoSec", NULL },
	{ OPTION_X509, "x509", "DIR",
	  "DTLS with certificates of a folder of --make-ca, or of --csv: then of the folder ca.pem "
	  "alone",
	  NULL },
	{ OPTION_RPK, "rpk", "DIR", "DTLS with raw public keys of such a folder", NULL },
	{ OPTION_HELPERS, "helpers", "N",
	  "threads a core that compute with elliptic curves, 5000 handshakes a second each (0)",
	  NULL },
	{ OPTION_CID, "cid", NULL, "offer connection ids (RFC 9146)", NULL },
	{ OPTION_ENDPOINT, "endpoint", "PATTERN", "endpoint names (dev-%07u)", NULL },
	{ OPTION_IDENTITY, "identity", "PATTERN", "DTLS identities (as the endpoint)", NULL },
	{ OPTION_KEY, "key", "PATTERN", "keys, text (key-%07u)", NULL },
	{ OPTION_FIRST, "first", "N", "number of the first device in patterns (1)", NULL },
	{ OPTION_CSV, "csv", "FILE",
	  "devices from a file: columns endpoint, identity, key or key_hex; certificate and "
	  "private_key name PEM files",
	  NULL },
	{ OPTION_PCT, "pct", "FORMAT", "preferred content format (none)", NULL },
	{ OPTION_PACK_SHARE, "pack-share", "PERCENT",
	  "of devices that ask for a Bootstrap-Pack, and are not written to (0)", NULL },
	{ OPTION_BLOCK, "block", "BYTES",
	  "devices take no more in a message: writes and packs come in blocks; 16, 32, ... 1024",
	  NULL },
	{ OPTION_BLOCK_SHARE, "block-share", "PERCENT", "of devices that --block is for (100)",
	  NULL },
	{ OPTION_CERT_SHARE, "cert-share", "PERCENT",
	  "of devices that show a certificate or raw public key, where --psk and one of --x509 and "
	  "--rpk are given",
	  NULL },
	{ OPTION_EXPECT, "expect", "FILE",
	  "what must be written: lines PATH=HEX with {ep} and {hex:ep}, PATH=*, -PATH", NULL },
	{ OPTION_LEARN, "learn", "FILE",
	  "one device bootstraps, and what it is told is written as such a file", NULL },
	{ OPTION_CONCURRENCY, "concurrency", "N", "closed loop: so many at a time (64)", "Load" },
	{ OPTION_BOOTSTRAPS, "bootstraps", "N", "closed loop: so many in all (every device once)",
	  NULL },
	{ OPTION_BURST, "burst", "N", "N devices at once: the end of an outage", NULL },
	{ OPTION_RATE, "rate", "N", "open loop: N starts a second, whatever the server does",
	  NULL },
	{ OPTION_DURATION, "duration", "S", "seconds of an open (10) or closed loop", NULL },
	{ OPTION_RAMP, "ramp", "S", "seconds in which the rate grows from 0", NULL },
	{ OPTION_SEED, "seed", "N", "of all that is random: the same seed, the same run (1)",
	  NULL },
	{ OPTION_RTT, "rtt", "MS[:SPREAD]",
	  "devices' answers go out so late, plus or minus the spread", "Conditions" },
	{ OPTION_LOSS, "loss", "PERCENT", "of datagrams, in each direction", NULL },
	{ OPTION_DUPLICATE, "duplicate", "PERCENT", "sent twice", NULL },
	{ OPTION_REORDER, "reorder", "PERCENT", "10 ms late; handshake flights arrive in parts",
	  NULL },
	{ OPTION_CORRUPT, "corrupt", "PERCENT", "with a wrong bit, which their UDP checksum tells",
	  NULL },
	{ OPTION_ACK_TIMEOUT, "ack-timeout", "MS",
	  "ACK_TIMEOUT of RFC 7252 (2000); half of it for handshakes", NULL },
	{ OPTION_MAX_RETRANSMIT, "max-retransmit", "N",
	  "MAX_RETRANSMIT of RFC 7252 (4), of Bootstrap-Requests", NULL },
	{ OPTION_GIVE_UP, "give-up", "S",
	  "a device fails after so long without progress, and of 5.03 (300)", NULL },
	{ OPTION_RETRIES, "retries", "N", "... but begins anew so often before that (0)", NULL },
	{ OPTION_DRAIN, "drain", "S",
	  "answer late copies so long at the end (0.2; 10 on a lossy network)", NULL },
	{ OPTION_MISBEHAVE, "misbehave", "MODE", "what devices do wrong: see below", NULL },
	{ OPTION_SLOW_ACK, "slow-ack-ms", "MS", "for slow-ack (4000)", NULL },
	{ OPTION_JSON, "json", "FILE", "writes the report as JSON too; - is standard output",
	  "Report" },
	{ OPTION_LATE, "late", "MS",
	  "so late a start of an open loop may be before the run is invalid (100)", NULL },
	{ OPTION_OUTCOMES, "outcomes", "FILE",
	  "writes a line a device: how often it began and finished, and its last run", NULL },
	{ OPTION_PLOT, "plot", "FILE",
	  "draws throughput and latency over time: .svg, or .html with the report", NULL },
	{ OPTION_PCAP, "pcap", "FILE", "writes every device's first request instead of running",
	  NULL },
	{ OPTION_MAKE_CA, "make-ca", "DIR",
	  "makes an authority, a certificate for the appliance, and --devices N, instead of "
	  "running",
	  NULL },
	{ OPTION_PROGRESS, "progress", NULL, "a line a second, even where there is no terminal",
	  NULL },
	{ OPTION_LIST_MISBEHAVE, "list-misbehave", NULL,
	  "modes with the server's counters, tab separated", NULL },
	{ OPTION_VERSION, "version", NULL, "the version, also -V", NULL },
	{ OPTION_HELP, "help", NULL, "this text, also -h", NULL },
};

enum { N_OPTIONS = sizeof option_texts / sizeof *option_texts };

/* ---- help ---- */

/* The counters of a misbehaviour, each once, with the securities it belongs to. */
static void
print_counters(const struct misbehave_info *info)
{
	for (int i = 0; i < SECURITIES; i++) {
		const char *counter = info->counters[i];
		bool first = true;

		for (int k = 0; k < i && counter; k++)
			if (info->counters[k] && strcmp(info->counters[k], counter) == 0)
				counter = NULL;
		if (!counter)
			continue;
		printf(" %s (", counter);
		for (int k = i; k < SECURITIES; k++) {
			if (!info->counters[k] || strcmp(info->counters[k], counter) != 0)
				continue;
			printf("%s%s", first ? "" : ", ", security_names[k]);
			first = false;
		}
		printf(")");
	}
	printf("\n");
}

static void
print_misbehaviours(void)
{
	printf("\nMisbehaviour            counter of the server that must move\n");
	for (int i = MISBEHAVE_NOT + 1; i < MISBEHAVIOURS; i++) {
		const struct misbehave_info *info = &misbehave_infos[i];

		printf("  %-20s ", info->name);
		print_counters(info);
		printf("                          %s\n", info->text);
	}
}

static void
print_help(void)
{
	printf("cradlestorm - a swarm of LwM2M devices that bootstrap\n\n"
	       "usage: cradlestorm --port DEVICE --server ADDR --source RANGE [OPTION]...\n");
	for (int i = 0; i < N_OPTIONS; i++) {
		const struct option_text *text = &option_texts[i];
		char left[40];

		if (text->group)
			printf("\n%s\n", text->group);
		snprintf(left, sizeof left, "--%s %s", text->name, text->value ? text->value : "");
		printf("  %-22s %s\n", left, text->text);
	}
	print_misbehaviours();
	printf("\nExit: 0 every planned device finished, 1 some failed, 2 usage, 3 could not "
	       "start,\n"
	       "      4 the run is invalid: the generator was the bottleneck.\n\n"
	       "Example: cradlestorm --port net_memif0,role=client,socket=/run/cradle/memif.sock "
	       "\\\n"
	       "             --server 198.18.0.1 --source 198.18.4.0+256 --devices 100000 --psk "
	       "--concurrency 1000\n");
}

/* Name, whether devices bootstrap nevertheless, and the counter over each security. */
static void
list_misbehaviours(void)
{
	for (int i = MISBEHAVE_NOT + 1; i < MISBEHAVIOURS; i++) {
		const struct misbehave_info *info = &misbehave_infos[i];

		printf("%s\t%s", info->name, info->answer == ANSWER_SERVES ? "finishes" : "ends");
		for (int k = 0; k < SECURITIES; k++)
			printf("\t%s", info->counters[k] ? info->counters[k] : "-");
		printf("\n");
	}
}

/* ---- parsing ---- */

static const char *
name_of(int id)
{
	for (int i = 0; i < N_OPTIONS; i++)
		if (option_texts[i].id == (enum option_id)id)
			return option_texts[i].name;
	return "";
}

/* "--concurency=5": the word without its value, and the option that was meant. */
static void
complain_unknown(const char *word)
{
	const char *names[N_OPTIONS], *nearest;
	char name[64];

	if (strncmp(word, "--", 2) != 0) {
		fprintf(stderr, "cradlestorm: unknown option \"%s\"\n", word);
		return;
	}
	for (int i = 0; i < N_OPTIONS; i++)
		names[i] = option_texts[i].name;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
	nearest = diag_nearest(name, names, N_OPTIONS);
	fprintf(stderr, "cradlestorm: unknown option \"--%s\"", name);
	if (nearest)
		fprintf(stderr, "; did you mean \"--%s\"?", nearest);
	fputc('\n', stderr);
}

/* What getopt_long() refused; `word` is where it stopped. */
static enum options_verdict
refuse_option(int id, const char *word)
{
	if (id == ':')
		fprintf(stderr, "cradlestorm: --%s takes a value\n", name_of(optopt));
	else if (optopt >= OPTION_PORT)
		fprintf(stderr, "cradlestorm: --%s takes no value\n", name_of(optopt));
	else
		complain_unknown(word);
	fprintf(stderr, "Try: cradlestorm --help\n");
	return OPTIONS_BAD;
}

/* What is answered at once; false: a setting of the run. */
static bool
answer_option(int id)
{
	switch (id) {
	case OPTION_HELP:
	case 'h':
		print_help();
		return true;
	case OPTION_VERSION:
	case 'V':
		printf("cradlestorm %s\n", CRADLE_VERSION);
		return true;
	case OPTION_LIST_MISBEHAVE:
		list_misbehaviours();
		return true;
	default:
		return false;
	}
}

enum options_verdict
options_parse(struct options *options, int argc, char **argv)
{
	struct option longs[N_OPTIONS + 1] = { 0 };
	int id;

	for (int i = 0; i < N_OPTIONS; i++)
		longs[i] = (struct option){ option_texts[i].name,
					    option_texts[i].value ? required_argument : no_argument,
					    NULL, (int)option_texts[i].id };
	options_set_defaults(options);
	while ((id = getopt_long(argc, argv, ":hV", longs, NULL)) != -1) {
		if (answer_option(id))
			return OPTIONS_HELP;
		if (id == '?' || id == ':')
			return refuse_option(id, argv[optind - 1]);
		if (options_take(options, (enum option_id)id, name_of(id), optarg) < 0)
			return OPTIONS_BAD;
	}
	if (optind < argc) {
		fprintf(stderr, "cradlestorm: unexpected argument \"%s\": options only\n",
			argv[optind]);
		return OPTIONS_BAD;
	}
	return options_complete(options) < 0 ? OPTIONS_BAD : OPTIONS_RUN;
}

void
options_free(struct options *options)
{
	identities_fini(&options->identities);
	names_free(&options->names);
	expect_free(&options->expect);
}
