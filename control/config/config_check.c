/* What single settings cannot tell: ports, listeners and CPUs against each other. */
#include <string.h>

#include "control/address.h"
#include "control/config/config.h"
#include "control/config/config_cpus.h"
#include "control/config/config_device.h"
#include "control/config/config_schema.h"

static void
check_nosec(const struct config *config, const struct config_listener *listener,
	    struct diag_list *diags)
{
	struct place place = { .file = config->file, .line = listener->line, .tag = "listeners" };
	char text[ADDRESS_TEXT_MAX];

	if (listener->security != LISTENER_NOSEC || listener->allow_public_nosec)
		return;
	for (unsigned p = 0; p < config->n_ports; p++) {
		const struct config_addresses *addresses = &config->ports[p].addresses;

		for (unsigned a = 0; a < addresses->count; a++) {
			if (address_is_private(addresses->items[a].addr))
				continue;
			address_format(addresses->items[a].addr, text);
			diag_error(diags, &place,
				   "nosec on the public address %s would hand out keys in the "
				   "clear; use "
				   "psk, a private address, or set allow_public_nosec = true here",
				   text);
			return;
		}
	}
}

static void
check_keyed(const struct config *config, const struct config_listener *listener,
	    struct diag_list *diags)
{
	const struct place place = {
		.file = config->file, .line = listener->line, .tag = "allow_keyed_devices"
	};

	if (!listener->allow_keyed_devices)
		return;
	if (listener->security == LISTENER_NOSEC)
		diag_warning(diags, &place,
			     "anyone who can reach UDP port %u and names a device gets its secrets, "
			     "although it has a key; allow single devices by `device edit NAME "
			     "--nosec on` instead",
			     listener->port);
	else
		diag_warning(diags, &place,
			     "says nothing on a listener with DTLS: take it out, or move it to the "
			     "nosec listener");
}

static void
check_listeners(const struct config *config, struct diag_list *diags)
{
	for (unsigned i = 0; i < config->n_listeners; i++) {
		const struct config_listener *listener = &config->listeners[i];
		struct place place = { .file = config->file,
				       .line = listener->line,
				       .tag = "listeners" };

		for (unsigned j = 0; j < i; j++)
			if (listener->port && config->listeners[j].port == listener->port)
				diag_error(diags, &place, "port %u is used by two listeners",
					   listener->port);
		check_nosec(config, listener, diags);
		check_keyed(config, listener, diags);
	}
}

static void
check_addresses(const struct config *config, const struct config_port *port,
		struct diag_list *diags)
{
	const struct place place = { .file = config->file, .line = port->line, .tag = "addresses" };
	char text[ADDRESS_TEXT_MAX];

	for (unsigned i = 0; i < port->addresses.count; i++) {
		const char *why = address_unfit(&port->addresses.items[i]);

		if (!why)
			continue;
		address_format_prefix(&port->addresses.items[i], text);
		diag_error(diags, &place, "%s cannot be our own address: it is %s", text, why);
	}
}

static void
check_ports(const struct config *config, struct diag_list *diags)
{
	unsigned pairs = 0;

	for (unsigned i = 0; i < config->n_ports; i++) {
		const struct config_port *port = &config->ports[i];
		struct place place = { .file = config->file, .line = port->line, .tag = "ports" };

		for (unsigned j = 0; port->device && j < i; j++)
			if (config->ports[j].device &&
			    strcmp(config->ports[j].device, port->device) == 0)
				diag_error(diags, &place, "device \"%s\" is listed twice",
					   port->device);
		place.tag = "device";
		if (port->device)
			config_check_device(port->device, &place, diags);
		check_addresses(config, port, diags);
		pairs += port->addresses.count *
			 (config->n_listeners + (config->cluster_forward != NULL));
	}
	if (pairs > LISTENERS_MAX) {
		struct place place = { .file = config->file, .tag = "listeners" };

		diag_error(diags, &place,
			   "%u pairs of address and listener are more than the %d that fit", pairs,
			   LISTENERS_MAX);
	}
}

/* How many CPUs a setting names; 0: it is not there, or told to be wrong. */
static int
check_cpu_list(const char *cpus, const char *name, const struct conf_text *conf,
	       struct place *place, struct diag_list *diags)
{
	const config_setting_t *member = config_setting_get_member(conf_text_root(conf), name);
	int count;

	if (!member || !cpus)
		return 0;
	*place = conf_place(conf, member);
	count = config_cpus(cpus, NULL);
	if (count < 0)
		diag_error(diags, place, "\"%s\" is no list of CPUs such as \"1-3,5\"", cpus);
	return count < 0 ? 0 : count;
}

static void
check_cpus(const struct config *config, const struct conf_text *conf, struct diag_list *diags)
{
	struct place place;
	int count = check_cpu_list(config->cpus, "cpus", conf, &place, diags);

	(void)check_cpu_list(config->curve_cpus, "curve_cpus", conf, &(struct place){ 0 }, diags);
	if (count && count < (int)config->workers)
		diag_error(diags, &place, "names %d CPUs for %u workers", count, config->workers);
}

static void
check_eal_args(const struct config *config, const struct conf_text *conf, struct diag_list *diags)
{
	const config_setting_t *member =
		config_setting_get_member(conf_text_root(conf), "eal_args");
	struct place place;

	if (!member || !config->eal_args)
		return;
	place = conf_place(conf, member);
	config_check_eal_args(config->eal_args, &place, diags);
}

/*
 * A device gives its bootstrap up when EXCHANGE_LIFETIME passes without a request (OMA TS Core
 * 6.1.7.6). The longest that one waits is for the answer to the one before: MAX_TRANSMIT_WAIT (RFC
 * 7252 4.8.2), then for what is made of it.
 */
static void
check_times(const struct config *config, const struct conf_text *conf, struct diag_list *diags)
{
	enum { EXCHANGE_LIFETIME_MS = 247000 };
	const config_setting_t *limits = config_setting_get_member(conf_text_root(conf), "limits");
	uint64_t wait_ms = (uint64_t)config->ack_timeout_ms *
			   ((UINT64_C(2) << config->max_retransmit) - 1) *
			   config->ack_random_percent / 100;
	struct place place;

	if (!limits || wait_ms + config->batch_wait_ms < EXCHANGE_LIFETIME_MS)
		return;
	place = conf_place(conf, limits);
	diag_warning(
		diags, &place,
		"with this ACK_TIMEOUT, factor and MAX_RETRANSMIT a request may wait %llu s for "
		"its answer, and devices give a bootstrap up after %d s without another; lower "
		"them",
		(unsigned long long)wait_ms / 1000, EXCHANGE_LIFETIME_MS / 1000);
}

/* A password here would stand in `help`, logs of changes and copies of the file. */
static bool
has_password(const char *url)
{
	const char *at = strstr(url, "://"), *end, *sign;

	if (strcasestr(url, "password="))
		return true;
	if (!at)
		return false;
	at += 3;
	end = at + strcspn(at, "/?");
	sign = memchr(at, '@', (size_t)(end - at));
	return sign && memchr(at, ':', (size_t)(sign - at));
}

/* Whether the host that begins here is this one as a whole: what only begins so is somebody else's. */
static bool
is_host(const char *at, const char *host)
{
	size_t len = strlen(host);

	return strncmp(at, host, len) == 0 && (!at[len] || strchr(":/?& ", at[len]));
}

/* By a socket or the loopback: all of the hosts that a URL names, or words do. None is the socket. */
static bool
is_on_this_machine(const char *url)
{
	const char *host = strstr(url, "://"), *word = strstr(url, "host="), *sign;

	if (host) {
		host += 3;
		sign = memchr(host, '@', strcspn(host, "/?"));
		host = sign ? sign + 1 : host;
	}
	if (word) /* as a parameter it stands above the URL's */
		host = word + 5;
	if (!host || !*host || strchr("/? ", *host) || strncasecmp(host, "%2F", 3) == 0)
		return true;
	return !host[strcspn(host, ",")] &&
	       (is_host(host, "localhost") || is_host(host, "127.0.0.1") || is_host(host, "[::1]"));
}

static bool
is_ours(const struct config *config, const uint8_t addr[16])
{
	for (unsigned p = 0; p < config->n_ports; p++)
		for (unsigned a = 0; a < config->ports[p].addresses.count; a++)
			if (memcmp(config->ports[p].addresses.items[a].addr, addr, 16) == 0)
				return true;
	return false;
}

static void
check_forward(const struct config *config, const struct place *place, struct diag_list *diags)
{
	struct dataplane_address address;
	bool secured = false;

	if (!config->cluster_forward)
		return;
	if (strchr(config->cluster_forward, '/') ||
	    address_parse(config->cluster_forward, &address) < 0 || !is_ours(config, address.addr))
		diag_error(diags, place,
			   "forward must be one of the addresses of ports, without its prefix: the one that no "
			   "other member has");
	for (unsigned i = 0; i < config->n_listeners; i++) {
		secured |= config->listeners[i].security == LISTENER_PSK;
		if (config->listeners[i].port == config->cluster_forward_port)
			diag_error(diags, place,
				   "forward_port %u is a listener's: give it another number",
				   config->cluster_forward_port);
	}
	if (!secured)
		diag_error(diags, place,
			   "forward is for connections with DTLS, which no listener serves: leave it out");
	if (config->n_listeners == CONFIG_LISTENERS_MAX)
		diag_error(diags, place, "forward needs a place: of listeners seven are left");
}

static void
check_cluster(const struct config *config, const struct conf_text *conf, struct diag_list *diags)
{
	const char *name = config->cluster_name, *url = config->cluster_database;
	const config_setting_t *member = config_setting_get_member(conf_text_root(conf), "cluster");
	struct place place;

	if (!name && !url && !config->cluster_member && !config->cluster_secret)
		return;
	place = conf_place(conf, member);
	if (!name || !url || !config->cluster_member || !config->cluster_secret)
		diag_error(diags, &place, "needs name, member, database and secret, all of them");
	if (name && (strlen(name) > CONFIG_CLUSTER_NAME_MAX ||
		     strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") <
			     strlen(name)))
		diag_error(diags, &place, "name must have 1 to %d letters, digits, '.', '_' or '-'",
			   CONFIG_CLUSTER_NAME_MAX);
	check_forward(config, &place, diags);
	if (url && has_password(url))
		diag_error(diags, &place,
			   "the password of the database does not belong here, where many may read it: write "
			   "it into a file of mode 0600 (HOST:PORT:DATABASE:USER:PASSWORD) and say passfile=FILE");
	if (url && !is_on_this_machine(url) && !strstr(url, "sslmode=verify-full"))
		diag_warning(diags, &place,
			     "nobody checks who the database is, and keys of devices go there: say "
			     "sslmode=verify-full, and sslrootcert=FILE with its authority");
}

void
config_check(const struct config *config, const struct conf_text *conf, struct diag_list *diags)
{
	check_ports(config, diags);
	check_listeners(config, diags);
	check_cpus(config, conf, diags);
	check_eal_args(config, conf, diags);
	check_times(config, conf, diags);
	check_cluster(config, conf, diags);
}
