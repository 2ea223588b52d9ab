#include "tools/storm/options_complete.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	FIRST_PORT = 10000,
	PORT_NOSEC = 5683,
	PORT_DTLS = 5684,
	CONCURRENCY = 64,
	GIVE_UP_S = 300, /* above what CoAP waits at most, MAX_TRANSMIT_WAIT 93 s */
	LATE_MS = 100,   /* what arrives in lumps is another load */
	MS_US = 1000,
	S_US = 1000000,
};

void
options_set_defaults(struct options *options)
{
	char error[NAMES_ERROR_MAX];

	memset(options, 0, sizeof *options);
	options->swarm = (struct swarm_config){
		.vlan = LINK_UNTAGGED,
		.cpu = -1,
		.n_cores = 1,
		.seed = 1,
		.drain_s = -1,
		.late_us = LATE_MS * MS_US,
		.progress = isatty(STDERR_FILENO),
		.net = { .first_port = FIRST_PORT },
		.plan = { .kind = PLAN_CLOSED, .concurrency = CONCURRENCY },
		.fleet = { .format = -1,
			   .block_szx = COAP_SZX_MAX,
			   .ack_timeout_us = (uint64_t)COAP_ACK_TIMEOUT_MS * MS_US,
			   .max_retransmit = COAP_MAX_RETRANSMIT,
			   .give_up_us = (uint64_t)GIVE_UP_S * S_US,
			   .slow_ack_us = 4 * S_US },
	};
	options->names.first = 1;
	(void)!name_pattern_parse(&options->names.endpoint, "dev-%07u", error);
	(void)!name_pattern_parse(&options->names.key, "key-%07u", error);
}

/* Tells what is wrong with the command line as a whole. -1. */
static int
complain(const char *what)
{
	fprintf(stderr, "cradlestorm: %s\nTry: cradlestorm --help\n", what);
	return -1;
}

static int
check_misbehave(const struct fleet_settings *fleet)
{
	const char *const *counters = misbehave_infos[fleet->misbehave].counters;
	char list[80], text[160];
	size_t len = 0;

	if (!fleet->misbehave || counters[fleet->security])
		return 0;
	for (int i = SECURITY_PSK; i < SECURITIES; i++)
		if (counters[i])
			len += (size_t)snprintf(list + len, sizeof list - len, "%s--%s",
						len ? " or " : "", security_names[i]);
	snprintf(text, sizeof text, "--misbehave %s needs %s",
		 misbehave_infos[fleet->misbehave].name, list);
	return complain(text);
}

/* Which devices differ from the others, and in what. */
static int
complete_mix(struct options *options)
{
	struct fleet_settings *fleet = &options->swarm.fleet;
	uint8_t *percent = fleet->mix.percent;
	char text[160];

	if (fleet->certified && !percent[MIX_CERTIFIED]) {
		snprintf(text, sizeof text,
			 "--%s and --psk: one of them, or --cert-share says how many devices --%s "
			 "is for",
			 security_names[fleet->certified], security_names[fleet->certified]);
		return complain(text);
	}
	if (percent[MIX_CERTIFIED] && !fleet->certified)
		return complain("--cert-share needs --psk, and one of --x509 and --rpk");
	if (options->has_block_share && fleet->block_szx == COAP_SZX_MAX)
		return complain("--block-share needs --block: how many bytes they take");
	if (!options->has_block_share)
		percent[MIX_BLOCK] = 100;
	if (fleet->misbehave && (percent[MIX_CERTIFIED] || percent[MIX_PACK]))
		return complain(
			"--misbehave is for devices that are alike and written to: not with "
			"--pack-share or --cert-share");
	return 0;
}

/* Certificates are issued now, before anything runs. */
static int
complete_identities(struct options *options)
{
	struct swarm_config *swarm = &options->swarm;
	const struct identities_wish wish = { .folder = options->credentials,
					      .names = &options->names,
					      .n = swarm->devices,
					      .raw = swarm->fleet.security == SECURITY_RPK ||
						     swarm->fleet.certified == SECURITY_RPK,
					      .misbehave = swarm->fleet.misbehave,
					      .progress = swarm->progress };
	char error[AUTHORITY_ERROR_MAX];

	if (!options->credentials)
		return swarm->helpers ? complain("--helpers is for --x509 and --rpk") : 0;
	if (identities_make(&options->identities, &wish, error) < 0)
		return complain(error);
	swarm->identities = &options->identities;
	return 0;
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

int
options_complete(struct options *options)
{
	static const uint8_t none[16];
	struct swarm_config *swarm = &options->swarm;
	const struct impairment *impairment = &swarm->impairment;
	bool lossy = impairment->loss > 0 || impairment->corrupt > 0;

	if (options->make_authority) {
		if (!swarm->devices)
			swarm->devices = options->names.count ? options->names.count : 1;
		return 0;
	}
	if ((!swarm->n_ports && !options->pcap) || !options->server_text || !swarm->net.n_addresses)
		return complain("--port, --server and --source are needed");
	if (l3_is_ipv4(swarm->net.server) != l3_is_ipv4(swarm->net.first))
		return complain("--server and --source are of different address families");
	if (!swarm->net.server_port)
		swarm->net.server_port = swarm->fleet.security ? PORT_DTLS : PORT_NOSEC;
	if (memcmp(swarm->net.next_hop, none, sizeof none) == 0)
		memcpy(swarm->net.next_hop, swarm->net.server, sizeof swarm->net.next_hop);
	if (!options->names.identity.before_len && !options->names.identity.numbered)
		options->names.identity = options->names.endpoint;
	if (!swarm->devices)
		swarm->devices = options->names.count ? options->names.count : 1;
	if (complete_plan(options) < 0 || complete_mix(options) < 0 ||
	    check_misbehave(&swarm->fleet) < 0)
		return -1;
	if (net_fit(&swarm->net, swarm->devices) < 0)
		return complain("--source has too few addresses for so many devices (ports are "
				"shared out twice)");
	if (swarm->drain_s < 0)
		swarm->drain_s = lossy ? 10 : 0.2;
	swarm->fleet.split_flights = impairment->reorder > 0;
	swarm->names = &options->names;
	swarm->expect = &options->expect;
	return complete_identities(options);
}
