/* What is made of the settings: the dataplane's configuration, comparisons, help. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/address.h"
#include "control/config/config.h"
#include "control/config/config_schema.h"

enum { VALUE_TEXT_MAX = 2048, SETTING_NAME_MAX = 96 };

void
config_limits(const struct config *config, struct stack_limits *limits)
{
	*limits = (struct stack_limits){
		.ack_timeout_us = config->ack_timeout_ms * 1000,
		.ack_random_percent = config->ack_random_percent,
		.max_retransmit = config->max_retransmit,
		.linger_us = config->linger_s * 1000000,
		.batch_wait_us = config->batch_wait_ms * 1000,
		.busy_max_age_s = config->busy_max_age_s,
		.block_bytes = config->block_bytes,
		.idle_us = config->dtls_idle_s * 1000000,
		.hellos_per_s = config->hellos_per_s,
		.handshakes_per_s = config->handshakes_per_s,
		.handshakes_per_prefix_per_s = config->handshakes_per_prefix_per_s,
		.certificates_per_s = config->certificates_per_s,
		.certificates_per_prefix_per_s = config->certificates_per_prefix_per_s,
		.certificates_cbc = config->certificates_cbc,
	};
}

static void
port_config(const struct config_port *port, struct dataplane_port_config *out)
{
	*out = (struct dataplane_port_config){
		.device = port->device,
		.queues = (uint16_t)port->queues,
		.rx_descriptors = (uint16_t)port->rx_descriptors,
		.tx_descriptors = (uint16_t)port->tx_descriptors,
		.mtu = (uint16_t)port->mtu,
		.vlan = port->vlan ? (uint16_t)port->vlan : LINK_UNTAGGED,
		.n_addresses = port->addresses.count,
	};
	memcpy(out->addresses, port->addresses.items, sizeof out->addresses);
}

/* Behind those of devices. */
static void
add_forward_listener(const struct config *config, struct dataplane_config *out)
{
	struct dataplane_listener_config *listener = &out->listeners[out->n_listeners++];
	struct dataplane_address address;

	*listener = (struct dataplane_listener_config){
		.udp_port = (uint16_t)config->cluster_forward_port,
		.security = LISTENER_FORWARD,
	};
	if (address_parse(config->cluster_forward, &address) == 0)
		memcpy(out->forward_address, address.addr, sizeof out->forward_address);
}

void
config_dataplane(const struct config *config, struct dataplane_config *out)
{
	assert(config->n_ports <= DATAPLANE_PORTS_MAX &&
	       config->n_listeners <= CONFIG_LISTENERS_MAX);
	*out = (struct dataplane_config){
		.n_ports = config->n_ports,
		.n_listeners = config->n_listeners,
		.workers = config->workers,
		.cpus = config->cpus,
		.control_cpu = config->control_cpu,
		.sessions = config->sessions,
		.answers = config->answers,
		.answer_bytes = config->answer_bytes,
		.ec_threads = config->curve_threads,
		.certificates = config->certificate_handshakes,
		.packet_buffers = config->packet_buffers,
		.memory_mb = config->memory_mb,
		.hugepages = (uint8_t)config->hugepages,
		.idle_yield = config->idle_yield,
		.file_prefix = config->file_prefix,
		.eal_args = config->eal_args,
	};
	for (unsigned i = 0; i < config->n_ports; i++)
		port_config(&config->ports[i], &out->ports[i]);
	for (unsigned i = 0; i < config->n_listeners; i++) {
		out->listeners[i].udp_port = (uint16_t)config->listeners[i].port;
		out->listeners[i].security = (uint8_t)config->listeners[i].security;
		out->listeners[i].serves_keyed = config->listeners[i].allow_keyed_devices;
	}
	if (config->cluster_forward)
		add_forward_listener(config, out);
	config_limits(config, &out->limits);
}

/* "pkcs11:token=x?pin-value=1234": who may see settings need not know a token's PIN (RFC 7512 2.4). */
static void
mask_pin(char *value, size_t size)
{
	static const char name[] = "pin-value=", mask[] = "********";
	char *at = strstr(value, name), rest[VALUE_TEXT_MAX];

	if (!at)
		return;
	at += sizeof name - 1;
	snprintf(rest, sizeof rest, "%s", at + strcspn(at, "&;\""));
	snprintf(at, size - (size_t)(at - value), "%s%s", mask, rest);
	explicit_bzero(rest, sizeof rest);
}

static void
name_setting(const struct setting *setting, int index, char name[SETTING_NAME_MAX])
{
	if (index < 0)
		snprintf(name, SETTING_NAME_MAX, "%s", setting->name);
	else
		snprintf(name, SETTING_NAME_MAX, "%s[%d].%s", config_schema.lists[setting->section],
			 index, setting->name);
}

static void
each_one(const struct setting *setting, int index, const void *base, config_each_value *each,
	 void *ctx)
{
	char text[VALUE_TEXT_MAX], name[SETTING_NAME_MAX];
	const struct config_value value = { name, text, setting->preset, setting->help,
					    setting->live };

	setting_format(setting, base, text, sizeof text);
	mask_pin(text, sizeof text);
	name_setting(setting, index, name);
	each(ctx, &value);
}

/* The settings of one section, in the order of the schema. */
static void
each_of_section(unsigned section, int index, const void *base, config_each_value *each, void *ctx)
{
	for (unsigned i = 0; i < config_schema.n; i++)
		if (config_schema.settings[i].section == section &&
		    !config_schema.settings[i].obsolete)
			each_one(&config_schema.settings[i], index, base, each, ctx);
}

void
config_each(const struct config *config, config_each_value *each, void *ctx)
{
	each_of_section(SECTION_ROOT, -1, config, each, ctx);
	for (unsigned i = 0; i < config->n_ports; i++)
		each_of_section(SECTION_PORT, (int)i, &config->ports[i], each, ctx);
	for (unsigned i = 0; i < config->n_listeners; i++)
		each_of_section(SECTION_LISTENER, (int)i, &config->listeners[i], each, ctx);
}

static int
change_add(struct config_changes *changes, const char *name, const char *before, const char *after)
{
	struct config_change *items, *item;

	items = realloc(changes->items, (changes->count + 1) * sizeof *items);
	if (!items)
		return -ENOMEM;
	changes->items = items;
	item = &items[changes->count++];
	*item = (struct config_change){ .name = strdup(name),
					.before = strdup(before),
					.after = strdup(after) };
	return item->name && item->before && item->after ? 0 : -ENOMEM;
}

/* One setting of two structs; `index` names the item of a list, or is -1. */
static int
compare_one(const struct setting *setting, int index, const void *const bases[2],
	    struct config_changes *changes)
{
	char before[VALUE_TEXT_MAX], after[VALUE_TEXT_MAX], name[SETTING_NAME_MAX];

	assert(index < 0 || setting->section != SECTION_ROOT);
	setting_format(setting, bases[0], before, sizeof before);
	setting_format(setting, bases[1], after, sizeof after);
	if (strcmp(before, after) == 0)
		return 0;
	mask_pin(before, sizeof before);
	mask_pin(after, sizeof after);
	name_setting(setting, index, name);
	if (change_add(changes, name, before, after) < 0)
		return -ENOMEM;
	changes->items[changes->count - 1].live = setting->live;
	return 0;
}

static int
compare_count(const char *name, unsigned before, unsigned after, struct config_changes *changes)
{
	char texts[2][32];

	if (before == after)
		return 0;
	snprintf(texts[0], sizeof texts[0], "%u items", before);
	snprintf(texts[1], sizeof texts[1], "%u items", after);
	return change_add(changes, name, texts[0], texts[1]);
}

static int
compare_lists(const struct setting *setting, const struct config *a, const struct config *b,
	      struct config_changes *changes)
{
	unsigned n = a->n_ports < b->n_ports ? a->n_ports : b->n_ports;

	if (setting->section == SECTION_LISTENER)
		n = a->n_listeners < b->n_listeners ? a->n_listeners : b->n_listeners;
	for (unsigned i = 0; i < n; i++) {
		const void *ports[2] = { &a->ports[i], &b->ports[i] };
		const void *listeners[2] = { &a->listeners[i % CONFIG_LISTENERS_MAX],
					     &b->listeners[i % CONFIG_LISTENERS_MAX] };

		if (compare_one(setting, (int)i,
				setting->section == SECTION_PORT ? ports : listeners, changes) < 0)
			return -ENOMEM;
	}
	return 0;
}

int
config_compare(const struct config *running, const struct config *new,
	       struct config_changes *changes)
{
	const void *roots[2] = { running, new };
	int result;

	*changes = (struct config_changes){ 0 };
	for (unsigned i = 0; i < config_schema.n; i++) {
		if (config_schema.settings[i].obsolete)
			continue;
		if (config_schema.settings[i].section == SECTION_ROOT)
			result = compare_one(&config_schema.settings[i], -1, roots, changes);
		else
			result = compare_lists(&config_schema.settings[i], running, new, changes);
		if (result < 0)
			return result;
	}
	result = compare_count("ports", running->n_ports, new->n_ports, changes);
	if (result == 0)
		result =
			compare_count("listeners", running->n_listeners, new->n_listeners, changes);
	return result;
}

void
config_changes_free(struct config_changes *changes)
{
	for (unsigned i = 0; i < changes->count; i++) {
		free(changes->items[i].name);
		free(changes->items[i].before);
		free(changes->items[i].after);
	}
	free(changes->items);
	*changes = (struct config_changes){ 0 };
}

/* Live settings are of the root alone: what ports and listeners are, DPDK was told at start. */
int
config_apply_live(struct config *running, const struct config *new)
{
	for (unsigned i = 0; i < config_schema.n; i++)
		if (config_schema.settings[i].live &&
		    setting_copy(&config_schema.settings[i], running, new) < 0)
			return -ENOMEM;
	return 0;
}

void
config_help(struct text *text)
{
	settings_help(&config_schema, text);
}

bool
config_help_one(const char *name, struct text *text)
{
	return settings_help_one(&config_schema, name, text);
}
