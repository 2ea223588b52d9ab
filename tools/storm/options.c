#include "tools/storm/options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/storm/plot.h"

enum {
	FIRST_PORT = 10000,
	PORT_NOSEC = 5683,
	PORT_PSK = 5684,
	CONCURRENCY = 64,
	MAX_RETRANSMIT_MOST = 20,
	GIVE_UP_S = 300, /* above what CoAP waits at most, MAX_TRANSMIT_WAIT 93 s */
	DEVICES_MAX = 20000000,
	MS_US = 1000,
	S_US = 1000000,
};

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
	OPTION_CID,
	OPTION_ENDPOINT,
	OPTION_IDENTITY,
	OPTION_KEY,
	OPTION_FIRST,
	OPTION_CSV,
	OPTION_PCT,
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
	OPTION_DRAIN,
	OPTION_MISBEHAVE,
	OPTION_SLOW_ACK,
	OPTION_LIST_MISBEHAVE,
	OPTION_JSON,
	OPTION_PLOT,
	OPTION_PCAP,
	OPTION_PROGRESS,
	OPTION_HELP,
};

/* One line of the help each; `value` NULL: takes none. `group`: a heading before it. */
static const struct option_text {
	enum option_id id;
	const char *name, *value, *text, *group;
} option_texts[] = {
	{ OPTION_PORT, "port", "DEVICE", "a DPDK port: vdev string or PCI address; may be repeated",
	  "Network" },
	{ OPTION_SERVER, "server", "ADDR", "the bootstrap server", NULL },
	{ OPTION_SERVER_PORT, "server-port", "N", "its UDP port (5683, with --psk 5684)", NULL },
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
	{ OPTION_DEVICES, "devices", "N", "how many devices there are (1)", "Devices" },
	{ OPTION_PSK, "psk", NULL, "DTLS with pre-shared keys; else NoSec", NULL },
	{ OPTION_CID, "cid", NULL, "offer connection ids (RFC 9146)", NULL },
	{ OPTION_ENDPOINT, "endpoint", "PATTERN", "endpoint names (dev-%07u)", NULL },
	{ OPTION_IDENTITY, "identity", "PATTERN", "DTLS identities (as the endpoint)", NULL },
	{ OPTION_KEY, "key", "PATTERN", "keys, text (key-%07u)", NULL },
	{ OPTION_FIRST, "first", "N", "number of the first device in patterns (1)", NULL },
	{ OPTION_CSV, "csv", "FILE",
	  "devices from a file: columns endpoint, identity, key or key_hex", NULL },
	{ OPTION_PCT, "pct", "FORMAT", "preferred content format (none)", NULL },
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
	{ OPTION_REORDER, "reorder", "PERCENT", "10 ms late; handshake flights come in pieces",
	  NULL },
	{ OPTION_CORRUPT, "corrupt", "PERCENT", "with a wrong bit, which their UDP checksum tells",
	  NULL },
	{ OPTION_ACK_TIMEOUT, "ack-timeout", "MS",
	  "ACK_TIMEOUT of RFC 7252 (2000); half of it for handshakes", NULL },
	{ OPTION_MAX_RETRANSMIT, "max-retransmit", "N",
	  "MAX_RETRANSMIT of RFC 7252 (4), of Bootstrap-Requests", NULL },
	{ OPTION_GIVE_UP, "give-up", "S", "a device fails after so long without progress (300)",
	  NULL },
	{ OPTION_DRAIN, "drain", "S",
	  "answer late copies so long at the end (0.2; 10 on a lossy network)", NULL },
	{ OPTION_MISBEHAVE, "misbehave", "MODE", "what devices do wrong: see below", NULL },
	{ OPTION_SLOW_ACK, "slow-ack-ms", "MS", "for slow-ack (4000)", NULL },
	{ OPTION_JSON, "json", "FILE", "writes the report as JSON too; - is standard output",
	  "Report" },
	{ OPTION_PLOT, "plot", "FILE",
	  "draws throughput and latency over time: .svg, or .html with the report", NULL },
	{ OPTION_PCAP, "pcap", "FILE", "writes every device's first request instead of running",
	  NULL },
	{ OPTION_PROGRESS, "progress", NULL, "a line a second, even where there is no terminal",
	  NULL },
	{ OPTION_LIST_MISBEHAVE, "list-misbehave", NULL,
	  "modes with the server's counters, tab separated", NULL },
	{ OPTION_HELP, "help", NULL, "this text", NULL },
};

enum { N_OPTIONS = sizeof option_texts / sizeof *option_texts };

/* ---- help ---- */

static void
print_misbehaviours(void)
{
	printf("\nMisbehaviour            counter of the server that must move\n");
	for (int i = MISBEHAVE_NOT + 1; i < MISBEHAVIOURS; i++) {
		const struct misbehave_info *info = &misbehave_infos[i];

		printf("  %-21s %s%s%s\n  %-21s   %s\n", info->name, info->counter_psk,
		       info->counter && strcmp(info->counter, info->counter_psk) != 0 ? "; NoSec: "
										      : "",
		       !info->counter                                  ? " (needs --psk)"
		       : strcmp(info->counter, info->counter_psk) != 0 ? info->counter
								       : "",
		       "", info->text);
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

static void
list_misbehaviours(void)
{
	for (int i = MISBEHAVE_NOT + 1; i < MISBEHAVIOURS; i++)
		printf("%s\t%s\t%s\t%s\n", misbehave_infos[i].name,
		       misbehave_infos[i].counter ? misbehave_infos[i].counter : "-",
		       misbehave_infos[i].counter_psk,
		       misbehave_infos[i].finishes ? "finishes" : "ends");
}

/* ---- values ---- */

static int
refuse(const char *name, const char *value, const char *why)
{
	fprintf(stderr, "cradlestorm: --%s %s: %s\n", name, value, why);
	return -1;
}

static int
read_number(const char *name, const char *text, double least, double most, double *number)
{
	char *end, why[80];

	*number = strtod(text, &end);
	if (end != text && *end == '\0' && *number >= least && *number <= most)
		return 0;
	snprintf(why, sizeof why, "a number from %.10g to %.10g is needed", least, most);
	return refuse(name, text, why);
}

static int
read_whole(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
	double value;

	if (read_number(name, text, (double)least, (double)most, &value) < 0)
		return -1;
	*number = (uint64_t)value;
	return (double)*number == value ? 0 : refuse(name, text, "a whole number is needed");
}

static int
read_percent(const char *name, const char *text, double *percent)
{
	return read_number(name, text, 0, 99, percent);
}

static int
read_time(const char *name, const char *text, double unit_us, uint64_t *us)
{
	double value;

	if (read_number(name, text, 0, 86400e6 / unit_us, &value) < 0)
		return -1;
	*us = (uint64_t)(value * unit_us);
	return 0;
}

static int
read_rtt(const char *text, struct fleet_settings *fleet)
{
	char first[32];
	size_t len = strcspn(text, ":");

	snprintf(first, sizeof first, "%.*s", (int)len, text);
	if (read_time("rtt", first, MS_US, &fleet->rtt_us) < 0)
		return -1;
	if (text[len] && read_time("rtt", text + len + 1, MS_US, &fleet->rtt_spread_us) < 0)
		return -1;
	return fleet->rtt_spread_us <= fleet->rtt_us
		       ? 0
		       : refuse("rtt", text, "the spread is above the time");
}

static int
read_pattern(const char *name, const char *text, struct name_pattern *pattern)
{
	char error[NAMES_ERROR_MAX];

	return name_pattern_parse(pattern, text, error) < 0 ? refuse(name, text, error) : 0;
}

static int
read_misbehave(const char *text, struct fleet_settings *fleet)
{
	fleet->misbehave = misbehave_by_name(text);
	return fleet->misbehave ? 0 : refuse("misbehave", text, "no such mode; --help lists them");
}

/* ---- options, by what they are about ---- */

static int
take_network(struct options *options, enum option_id id, const char *name, const char *value)
{
	struct swarm_config *swarm = &options->swarm;
	uint64_t number = 0;
	int rc = 0;

	switch (id) {
	case OPTION_PORT:
		if (swarm->n_ports == SWARM_PORTS_MAX)
			return refuse(name, value, "too many ports");
		swarm->ports[swarm->n_ports++] = value;
		return 0;
	case OPTION_SERVER:
		options->server_text = value;
		return net_parse_address(value, swarm->net.server) < 0
			       ? refuse(name, value, "no IP address")
			       : 0;
	case OPTION_GATEWAY:
		return net_parse_address(value, swarm->net.next_hop) < 0
			       ? refuse(name, value, "no IP address")
			       : 0;
	case OPTION_SOURCE:
		return net_parse_range(&swarm->net, value) < 0
			       ? refuse(name, value, "no range of IP addresses")
			       : 0;
	case OPTION_SERVER_PORT:
		rc = read_whole(name, value, 1, 65535, &number);
		swarm->net.server_port = (uint16_t)number;
		return rc;
	case OPTION_SOURCE_PORT:
		rc = read_whole(name, value, 1, 65535, &number);
		swarm->net.first_port = (uint16_t)number;
		return rc;
	case OPTION_VLAN:
		rc = read_whole(name, value, 1, L3_VLAN_ID_MAX, &number);
		swarm->vlan = (uint16_t)number;
		return rc;
	case OPTION_CPU:
		rc = read_whole(name, value, 0, 1023, &number);
		swarm->cpu = (int)number;
		return rc;
	case OPTION_CORES:
		rc = read_whole(name, value, 1, SWARM_CORES_MAX, &number);
		swarm->n_cores = (unsigned)number;
		return rc;
	case OPTION_POLL:
		swarm->poll = true;
		return 0;
	default:
		swarm->eal_args = value;
		return 0;
	}
}

static int
load_names(struct options *options, const char *file)
{
	char error[NAMES_ERROR_MAX];

	return names_load(&options->names, file, error) < 0 ? refuse("csv", file, error) : 0;
}

static int
load_expect(struct options *options, const char *file)
{
	char error[EXPECT_ERROR_MAX];

	return expect_load(&options->expect, file, error) < 0 ? refuse("expect", file, error) : 0;
}

static int
take_devices(struct options *options, enum option_id id, const char *name, const char *value)
{
	struct swarm_config *swarm = &options->swarm;
	uint64_t number = 0;
	int rc;

	switch (id) {
	case OPTION_DEVICES:
		rc = read_whole(name, value, 1, DEVICES_MAX, &number);
		swarm->devices = (uint32_t)number;
		return rc;
	case OPTION_PSK:
		swarm->fleet.psk = true;
		return 0;
	case OPTION_CID:
		swarm->fleet.offer_cid = true;
		return 0;
	case OPTION_ENDPOINT:
		return read_pattern(name, value, &options->names.endpoint);
	case OPTION_IDENTITY:
		return read_pattern(name, value, &options->names.identity);
	case OPTION_KEY:
		return read_pattern(name, value, &options->names.key);
	case OPTION_FIRST:
		rc = read_whole(name, value, 0, UINT32_MAX / 2, &number);
		options->names.first = (uint32_t)number;
		return rc;
	case OPTION_LEARN:
		options->learn = value;
		return 0;
	case OPTION_CSV:
		return load_names(options, value);
	case OPTION_EXPECT:
		return load_expect(options, value);
	default:
		rc = read_whole(name, value, 0, UINT16_MAX, &number);
		swarm->fleet.format = (int32_t)number;
		return rc;
	}
}

static int
take_load(struct options *options, enum option_id id, const char *name, const char *value)
{
	struct plan *plan = &options->swarm.plan;
	uint64_t number = 0;
	int rc;

	switch (id) {
	case OPTION_CONCURRENCY:
		plan->kind = PLAN_CLOSED;
		rc = read_whole(name, value, 1, DEVICES_MAX, &number);
		plan->concurrency = (uint32_t)number;
		return rc;
	case OPTION_BOOTSTRAPS:
		return read_whole(name, value, 1, UINT64_C(1) << 40, &plan->total);
	case OPTION_BURST:
		plan->kind = PLAN_BURST;
		return read_whole(name, value, 1, DEVICES_MAX, &plan->total);
	case OPTION_RATE:
		plan->kind = PLAN_OPEN;
		return read_number(name, value, 0.001, 1e8, &plan->rate);
	case OPTION_DURATION:
		return read_number(name, value, 0.001, 86400 * 7, &plan->duration_s);
	case OPTION_RAMP:
		return read_number(name, value, 0, 86400, &plan->ramp_s);
	default:
		return read_whole(name, value, 0, UINT64_C(1) << 52, &options->swarm.seed);
	}
}

static int
take_conditions(struct options *options, enum option_id id, const char *name, const char *value)
{
	struct swarm_config *swarm = &options->swarm;
	struct fleet_settings *fleet = &swarm->fleet;
	uint64_t number;

	switch (id) {
	case OPTION_RTT:
		return read_rtt(value, fleet);
	case OPTION_LOSS:
		return read_percent(name, value, &swarm->impairment.loss);
	case OPTION_DUPLICATE:
		return read_percent(name, value, &swarm->impairment.duplicate);
	case OPTION_REORDER:
		return read_percent(name, value, &swarm->impairment.reorder);
	case OPTION_CORRUPT:
		return read_percent(name, value, &swarm->impairment.corrupt);
	case OPTION_ACK_TIMEOUT:
		return read_time(name, value, MS_US, &fleet->ack_timeout_us);
	case OPTION_MAX_RETRANSMIT:
		if (read_whole(name, value, 0, MAX_RETRANSMIT_MOST, &number) < 0)
			return -1;
		fleet->max_retransmit = (uint8_t)number;
		return 0;
	case OPTION_GIVE_UP:
		return read_time(name, value, S_US, &fleet->give_up_us);
	case OPTION_DRAIN:
		return read_number(name, value, 0, 3600, &swarm->drain_s);
	case OPTION_SLOW_ACK:
		return read_time(name, value, MS_US, &fleet->slow_ack_us);
	default:
		return read_misbehave(value, fleet);
	}
}

static int
take_option(struct options *options, enum option_id id, const char *name, const char *value)
{
	if (id <= OPTION_EAL_ARGS)
		return take_network(options, id, name, value);
	if (id <= OPTION_EXPECT)
		return take_devices(options, id, name, value);
	if (id <= OPTION_SEED)
		return take_load(options, id, name, value);
	if (id <= OPTION_SLOW_ACK)
		return take_conditions(options, id, name, value);
	if (id == OPTION_PLOT && !plot_names_picture(value))
		return refuse(name, value, "a file named .svg or .html is needed");
	if (id == OPTION_JSON)
		options->json = value;
	if (id == OPTION_PLOT)
		options->plot = value;
	if (id == OPTION_PCAP)
		options->pcap = value;
	if (id == OPTION_PROGRESS)
		options->swarm.progress = true;
	return 0;
}

/* ---- together ---- */

static void
set_defaults(struct options *options)
{
	char error[NAMES_ERROR_MAX];

	memset(options, 0, sizeof *options);
	options->swarm = (struct swarm_config){
		.vlan = LINK_UNTAGGED,
		.cpu = -1,
		.n_cores = 1,
		.devices = 1,
		.seed = 1,
		.drain_s = -1,
		.progress = isatty(STDERR_FILENO),
		.net = { .first_port = FIRST_PORT },
		.plan = { .kind = PLAN_CLOSED, .concurrency = CONCURRENCY },
		.fleet = { .format = -1,
			   .ack_timeout_us = (uint64_t)COAP_ACK_TIMEOUT_MS * MS_US,
			   .max_retransmit = COAP_MAX_RETRANSMIT,
			   .give_up_us = (uint64_t)GIVE_UP_S * S_US,
			   .slow_ack_us = 4 * S_US },
	};
	options->names.first = 1;
	(void)!name_pattern_parse(&options->names.endpoint, "dev-%07u", error);
	(void)!name_pattern_parse(&options->names.key, "key-%07u", error);
}

static int
complain(const char *what)
{
	fprintf(stderr, "cradlestorm: %s\nTry: cradlestorm --help\n", what);
	return -1;
}

static int
check_misbehave(const struct fleet_settings *fleet)
{
	const struct misbehave_info *info = &misbehave_infos[fleet->misbehave];

	return fleet->misbehave && !info->counter && !fleet->psk
		       ? complain("this misbehaviour needs --psk")
		       : 0;
}

static int
complete_plan(struct options *options)
{
	struct swarm_config *swarm = &options->swarm;
	struct plan *plan = &swarm->plan;

	if (plan->kind == PLAN_OPEN) {
		if (plan->duration_s <= 0)
			plan->duration_s = 10;
		plan->total = (uint64_t)llround(plan_arrivals(plan));
	}
	if (plan->kind == PLAN_CLOSED && !plan->total)
		plan->total = swarm->devices;
	if (plan->kind == PLAN_BURST && swarm->devices < plan->total)
		swarm->devices = (uint32_t)plan->total;
	if (options->learn && (plan->total != 1 || swarm->devices != 1))
		return complain("--learn is for one device and one bootstrap");
	if (swarm->devices < swarm->n_cores)
		return complain("there are fewer devices than cores");
	/* A share of no device at a time would never end. */
	if (plan->kind == PLAN_CLOSED && plan->concurrency < swarm->n_cores)
		plan->concurrency = swarm->n_cores;
	if (plan->ramp_s > plan->duration_s && plan->kind == PLAN_OPEN)
		return complain("the ramp is longer than the duration");
	return plan->total ? 0
			   : complain("the plan starts no device: a higher --rate or --duration?");
}

static int
complete(struct options *options)
{
	static const uint8_t none[16];
	struct swarm_config *swarm = &options->swarm;
	const struct impairment *impairment = &swarm->impairment;
	bool lossy = impairment->loss > 0 || impairment->corrupt > 0;

	if ((!swarm->n_ports && !options->pcap) || !options->server_text || !swarm->net.n_addresses)
		return complain("--port, --server and --source are needed");
	if (l3_is_ipv4(swarm->net.server) != l3_is_ipv4(swarm->net.first))
		return complain("--server and --source are of different address families");
	if (!swarm->net.server_port)
		swarm->net.server_port = swarm->fleet.psk ? PORT_PSK : PORT_NOSEC;
	if (memcmp(swarm->net.next_hop, none, sizeof none) == 0)
		memcpy(swarm->net.next_hop, swarm->net.server, sizeof swarm->net.next_hop);
	if (!options->names.identity.before_len && !options->names.identity.numbered)
		options->names.identity = options->names.endpoint;
	if (options->names.count && swarm->devices == 1)
		swarm->devices = options->names.count;
	if (complete_plan(options) < 0 || check_misbehave(&swarm->fleet) < 0)
		return -1;
	if (net_fit(&swarm->net, swarm->devices) < 0)
		return complain("--source has too few addresses for so many devices (ports are "
				"shared out twice)");
	if (swarm->drain_s < 0)
		swarm->drain_s = lossy ? 10 : 0.2;
	swarm->fleet.split_flights = impairment->reorder > 0;
	swarm->names = &options->names;
	swarm->expect = &options->expect;
	return 0;
}

static const char *
name_of(int id)
{
	for (int i = 0; i < N_OPTIONS; i++)
		if (option_texts[i].id == (enum option_id)id)
			return option_texts[i].name;
	return "";
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
	set_defaults(options);
	while ((id = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (id == OPTION_HELP || id == 'h') {
			print_help();
			return OPTIONS_HELP;
		}
		if (id == OPTION_LIST_MISBEHAVE) {
			list_misbehaviours();
			return OPTIONS_HELP;
		}
		if (id == '?' || take_option(options, (enum option_id)id, name_of(id), optarg) < 0)
			return OPTIONS_BAD;
	}
	if (optind < argc && complain("options only, no other words") < 0)
		return OPTIONS_BAD;
	return complete(options) < 0 ? OPTIONS_BAD : OPTIONS_RUN;
}

void
options_free(struct options *options)
{
	names_free(&options->names);
	expect_free(&options->expect);
}
