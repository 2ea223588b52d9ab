#include "tools/storm/options_take.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/core/coap/coap_msg.h"
#include "tasks/diag.h"
#include "tools/storm/plot.h"

enum {
	MAX_RETRANSMIT_MOST = 20,
	DEVICES_MAX = 20000000,
	HELPERS_MAX = 64,
	MS_US = 1000,
	S_US = 1000000,
};

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
read_share(const char *name, const char *text, uint8_t *percent)
{
	uint64_t number = 0;
	int rc = read_whole(name, text, 0, 100, &number);

	*percent = (uint8_t)number;
	return rc;
}

/* A size of blocks, as SZX (RFC 7959 2.2). */
static int
read_block(const char *name, const char *text, uint8_t *szx)
{
	uint64_t number = 0;

	if (read_whole(name, text, 16, 1024, &number) < 0)
		return -1;
	for (*szx = 0; coap_block_size(*szx) < number;)
		(*szx)++;
	return coap_block_size(*szx) == number ? 0 : refuse(name, text, "a power of two is needed");
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

/* A millisecond at least: what is repeated, or given up, at once is another load than was meant. */
static int
read_wait(const char *name, const char *text, double unit_us, uint64_t *us)
{
	double value;

	if (read_number(name, text, MS_US / unit_us, 86400e6 / unit_us, &value) < 0)
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
	const char *names[MISBEHAVIOURS], *nearest;
	size_t n = 0;
	char why[80];

	fleet->misbehave = misbehave_by_name(text);
	if (fleet->misbehave)
		return 0;
	for (int i = MISBEHAVE_NOT + 1; i < MISBEHAVIOURS; i++)
		names[n++] = misbehave_infos[i].name;
	nearest = diag_nearest(text, names, n);
	if (!nearest)
		return refuse("misbehave", text, "no such mode; --help lists them");
	snprintf(why, sizeof why, "no such mode; did you mean \"%s\"?", nearest);
	return refuse("misbehave", text, why);
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

/* One of --psk, --x509 and --rpk; or --psk and one of the others, which --cert-share is then for. */
static int
take_security(struct options *options, enum option_id id, const char *name, const char *value)
{
	struct fleet_settings *fleet = &options->swarm.fleet;
	enum security security = id == OPTION_PSK    ? SECURITY_PSK
				 : id == OPTION_X509 ? SECURITY_X509
						     : SECURITY_RPK;
	enum security *shown;

	if (security == SECURITY_PSK) {
		if (fleet->security != SECURITY_PSK)
			fleet->certified = fleet->security;
		fleet->security = security;
		return 0;
	}
	shown = fleet->security == SECURITY_PSK ? &fleet->certified : &fleet->security;
	if (*shown && *shown != security) {
		fprintf(stderr, "cradlestorm: --%s and --%s: one of them\n", name,
			security_names[*shown]);
		return -1;
	}
	*shown = security;
	options->credentials = value;
	return 0;
}

static int
take_devices(struct options *options, enum option_id id, const char *name, const char *value)
{
	struct swarm_config *swarm = &options->swarm;
	struct mix *mix = &swarm->fleet.mix;
	uint64_t number = 0;
	int rc;

	switch (id) {
	case OPTION_DEVICES:
		rc = read_whole(name, value, 1, DEVICES_MAX, &number);
		swarm->devices = (uint32_t)number;
		return rc;
	case OPTION_PSK:
	case OPTION_X509:
	case OPTION_RPK:
		return take_security(options, id, name, value);
	case OPTION_HELPERS:
		rc = read_whole(name, value, 0, HELPERS_MAX, &number);
		swarm->helpers = (unsigned)number;
		return rc;
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
	case OPTION_PACK_SHARE:
		return read_share(name, value, &mix->percent[MIX_PACK]);
	case OPTION_CERT_SHARE:
		return read_share(name, value, &mix->percent[MIX_CERTIFIED]);
	case OPTION_BLOCK_SHARE:
		options->has_block_share = true;
		return read_share(name, value, &mix->percent[MIX_BLOCK]);
	case OPTION_BLOCK:
		return read_block(name, value, &swarm->fleet.block_szx);
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
		return read_wait(name, value, MS_US, &fleet->ack_timeout_us);
	case OPTION_MAX_RETRANSMIT:
		if (read_whole(name, value, 0, MAX_RETRANSMIT_MOST, &number) < 0)
			return -1;
		fleet->max_retransmit = (uint8_t)number;
		return 0;
	case OPTION_GIVE_UP:
		return read_wait(name, value, S_US, &fleet->give_up_us);
	case OPTION_RETRIES:
		if (read_whole(name, value, 0, UINT8_MAX, &number) < 0)
			return -1;
		fleet->retries = (uint8_t)number;
		return 0;
	case OPTION_DRAIN:
		return read_number(name, value, 0, 3600, &swarm->drain_s);
	case OPTION_SLOW_ACK:
		return read_time(name, value, MS_US, &fleet->slow_ack_us);
	default:
		return read_misbehave(value, fleet);
	}
}

int
options_take(struct options *options, enum option_id id, const char *name, const char *value)
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
	if (id == OPTION_LATE)
		return read_time(name, value, MS_US, &options->swarm.late_us);
	if (id == OPTION_JSON)
		options->json = value;
	if (id == OPTION_OUTCOMES)
		options->outcomes = value;
	if (id == OPTION_PLOT)
		options->plot = value;
	if (id == OPTION_PCAP)
		options->pcap = value;
	if (id == OPTION_MAKE_CA)
		options->make_authority = value;
	if (id == OPTION_PROGRESS)
		options->swarm.progress = true;
	return 0;
}
