#include "control/startup.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "control/address.h"
#include "control/guard/privileges.h"
#include "control/log.h"

static bool
has_driver(const struct config *config, const char *driver)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (strncmp(config->ports[i].device, driver, strlen(driver)) == 0)
			return true;
	return false;
}

int
startup_take_privileges(const struct config *config)
{
	bool xdp = has_driver(config, "net_af_xdp");
	const struct privileges wanted = {
		.user = config->user,
		.group = config->group,
		.seccomp = (enum seccomp_mode)config->seccomp,
		.lock = (enum memory_lock)config->lock_memory,
		.needs = { .bpf = xdp },
		.interfaces = xdp || has_driver(config, "net_af_packet"),
	};
	char warning[GUARD_ERROR_MAX], error[GUARD_ERROR_MAX];

	if (privileges_begin(&wanted, warning, error) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	if (*warning)
		log_event(SEVERITY_WARNING, LOG_EVENT_privileges, NULL, "%s", warning);
	return 0;
}

int
startup_drop_privileges(void)
{
	char warning[GUARD_ERROR_MAX], error[GUARD_ERROR_MAX];

	if (privileges_settle(warning, error) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	if (*warning)
		log_event(SEVERITY_WARNING, LOG_EVENT_privileges, NULL, "%s", warning);
	return 0;
}

enum { HUGEPAGE_BYTES = 2 << 20 };

static void
log_privileges(void)
{
	struct privileges_info info;
	char line[320];

	privileges_info(&info);
	privileges_text(&info, line, sizeof line);
	log_event(SEVERITY_NOTICE, LOG_EVENT_privileges, NULL, "privileges: %s", line);
}

static void
log_memory(const struct dataplane_info *info)
{
	log_event(SEVERITY_NOTICE, LOG_EVENT_memory, NULL,
		  "memory: %zu bytes per session, %zu per handshake; %u workers of %u sessions "
		  "each, %zu kB a worker; "
		  "%u packet buffers of %zu bytes; %s",
		  info->session_bytes, stack_handshake_bytes(), info->workers,
		  info->sessions_per_worker, info->stack_bytes / 1024, info->packet_buffers,
		  info->packet_buffer_bytes, info->hugepages ? "hugepages" : "no hugepages");
	if (!info->hugepages)
		log_event(SEVERITY_NOTICE, LOG_EVENT_memory, NULL,
			  "memory: with %zu hugepages of 2 MB free at the start (sysctl "
			  "vm.nr_hugepages) and hugepages = \"auto\" the pools would be in them: "
			  "many devices then cost less",
			  info->memory_bytes / HUGEPAGE_BYTES + 1);
}

static void
log_crypto(const struct dataplane_info *info)
{
	log_event(SEVERITY_NOTICE, LOG_EVENT_crypto, NULL,
		  "crypto: %s; two hashes in step cost %u %% of one after the other, measured now: "
		  "handshakes of a burst are made %s",
		  info->crypto, info->step_percent,
		  info->handshakes_alone ? "one by one" : "two by two");
}

static void
log_port(const struct config *config, unsigned number, const struct dataplane_port_info *port)
{
	struct text addresses;
	char one[ADDRESS_TEXT_MAX];

	assert(number < config->n_ports);
	text_init(&addresses);
	for (unsigned i = 0; i < config->ports[number].addresses.count; i++) {
		address_format_prefix(&config->ports[number].addresses.items[i], one);
		text_printf(&addresses, "%s%s", i ? ", " : "", one);
	}
	log_event(SEVERITY_NOTICE, LOG_EVENT_port, NULL,
		  "port %u: %s, driver %s, MAC %02x:%02x:%02x:%02x:%02x:%02x, %u queues%s%s%s, "
		  "addresses %s",
		  number, port->device, port->driver, port->mac[0], port->mac[1], port->mac[2],
		  port->mac[3], port->mac[4], port->mac[5], port->queues,
		  port->rss ? ", RSS" : ", software hash",
		  port->rx_checksum ? ", rx checksums" : "",
		  port->tx_checksum ? ", tx checksums" : "", text_str(&addresses));
	text_fini(&addresses);
}

static void
warn_of_queues(unsigned number, const struct dataplane_port_info *port)
{
	unsigned all = port->queues + port->queues_missed;

	if (!port->queues_missed)
		return;
	log_event(SEVERITY_WARNING, LOG_EVENT_port, NULL,
		  "port %u: %s: its interface spreads what comes over %u queues, and the port takes %u: the kernel gets the "
		  "rest; leave as many (`ethtool -L IFACE combined %u`; of a veth `rx %u`), or take all, with "
		  "queue_count=%u in the device string and `queues = %u` in the port's section",
		  number, port->device, all, port->queues, port->queues, port->queues, all, all);
}

void
startup_log(const struct daemon *daemon)
{
	const struct policy *policy = daemon->service.generation->policy;
	const struct inventory *inventory = &daemon->service.inventory;
	const struct config *config = daemon->service.config;
	struct dataplane_info info;
	struct dataplane_port_info port;

	dataplane_info(daemon->service.dp, &info);
	log_privileges();
	log_memory(&info);
	log_crypto(&info);
	for (unsigned i = 0;
	     i < config->n_ports && dataplane_port_info(daemon->service.dp, i, &port) == 0; i++) {
		log_port(config, i, &port);
		warn_of_queues(i, &port);
	}
	for (unsigned i = 0; i < config->n_listeners; i++)
		log_event(SEVERITY_NOTICE, LOG_EVENT_listener, NULL, "listener: UDP %u, %s",
			  config->listeners[i].port,
			  config->listeners[i].security == LISTENER_PSK
				  ? "DTLS with pre-shared keys"
				  : "NoSec: nothing is encrypted, keys included");
	log_event(SEVERITY_NOTICE, LOG_EVENT_generation_live, NULL,
		  "generation %u: %u group%s, %u task%s, %u device%s, %u of them with nothing to "
		  "send",
		  daemon->service.generation->number, policy->n_groups, PLURAL(policy->n_groups),
		  policy->n_tasks, PLURAL(policy->n_tasks), inventory->count,
		  PLURAL(inventory->count), inventory->refused);
	if (inventory->count)
		log_event(
			SEVERITY_NOTICE, LOG_EVENT_memory, NULL,
			"memory a device: %zu bytes in the dataplane, %zu in all",
			inventory_dataplane_bytes(inventory) / inventory->count,
			(inventory_all_bytes(inventory) + reports_bytes(&daemon->service.reports)) /
				inventory->count);
}
