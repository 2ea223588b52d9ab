#include "control/config/config_device.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Virtual devices of DPDK 21.11 to 24.11 (doc/guides/nics), without their number. */
static const char *const drivers[] = {
	"net_af_packet",   "net_af_xdp",   "net_memif",   "net_tap",         "net_tun",
	"net_virtio_user", "net_vhost",    "net_pcap",    "net_ring",        "net_null",
	"net_bonding",     "net_failsafe", "net_softnic", "net_vdev_netvsc", "net_pfe",
	"net_mvpp2",       "net_mvneta",   "net_enetfec", "net_octeontx",    "net_dpaa",
};
/* Their former prefix; DPDK still takes it for some. */
static const char *const former[] = { "eth_", "virtio_user" };

/* Long options of the environment (doc/guides/linux_gsg/linux_eal_parameters), and its short ones with a value. */
static const char *const options[] = {
	"lcores",
	"main-lcore",
	"service-corelist",
	"service-cores",
	"allow",
	"block",
	"vdev",
	"driver-path",
	"no-pci",
	"proc-type",
	"file-prefix",
	"memory",
	"in-memory",
	"iova-mode",
	"huge-dir",
	"huge-unlink",
	"no-huge",
	"log-level",
	"log-color",
	"log-timestamp",
	"trace",
	"trace-dir",
	"trace-bufsz",
	"trace-mode",
	"syslog",
	"vfio-intr",
	"vfio-vf-token",
	"no-shconf",
	"socket-mem",
	"socket-limit",
	"legacy-mem",
	"single-file-segments",
	"match-allocations",
	"telemetry",
	"no-telemetry",
	"base-virtaddr",
	"create-uio-dev",
	"force-max-simd-bitwidth",
	"no-hpet",
	"vmware-tsc-map",
	"help",
	"version",
	"huge-worker-stack",
	"remap-lcore-ids",
	"pci-allowlist",
	"pci-blocklist",
	"vfio-iommu-type",
};
enum { OPTIONS = sizeof options / sizeof options[0], DRIVERS = sizeof drivers / sizeof drivers[0] };
enum { QUEUES_MAX = 1024 }; /* of a port: DPDK's RTE_MAX_QUEUES_PER_PORT */

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* "0000:03:00.0" or "03:00.0". */
static bool
is_pci(const char *device)
{
	size_t len = strspn(device, "0123456789abcdefABCDEF:.");
	const char *colon = strchr(device, ':'), *dot = strchr(device, '.');

	return colon && dot && dot > colon && (device[len] == '\0' || device[len] == ',');
}

/* What af_xdp is told; false: told that it is none. */
static bool
check_queue_count(const char *device, const struct place *place, struct diag_list *diags)
{
	static const char name[] = ",queue_count=";
	const char *argument = strstr(device, name);
	size_t len, digits;

	if (!argument)
		return true;
	argument += sizeof name - 1;
	len = strcspn(argument, ",");
	digits = strspn(argument, "0123456789");
	/* Four digits at most: strtoul() has no more to say than the range. */
	if (digits == len && len > 0 && len <= 4 && strtoul(argument, NULL, 10) >= 1 &&
	    strtoul(argument, NULL, 10) <= QUEUES_MAX)
		return true;
	diag_error(diags, place, "queue_count of a device is a number from 1 to %d, not \"%.*s\"",
		   QUEUES_MAX, (int)(len < 40 ? len : 40), argument);
	return false;
}

void
config_check_device(const char *device, const struct place *place, struct diag_list *diags)
{
	size_t len = strcspn(device, ",");
	const char *nearest;
	char name[64];

	if (!check_queue_count(device, place, diags))
		return;
	if (is_pci(device) || begins(device, former[0]) || begins(device, former[1]))
		return;
	while (len && device[len - 1] >= '0' && device[len - 1] <= '9')
		len--;
	snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1),
		 device);
	for (size_t i = 0; i < DRIVERS; i++)
		if (begins(device, drivers[i])) /* as DPDK finds them */
			return;
	nearest = begins(name, "net_") ? diag_nearest(name, drivers, DRIVERS) : NULL;
	if (nearest)
		diag_error(diags, place, "there is no driver \"%s\"; did you mean \"%s\"?", name,
			   nearest);
	else if (!strpbrk(device, ",:") && strlen(device) < 16 && !begins(name, "net_"))
		diag_warning(diags, place,
			     "\"%s\" is no virtual device and no PCI address; for the kernel's "
			     "interface "
			     "of this name write \"net_af_packet0,iface=%s\"",
			     device, device);
}

void
config_check_eal_args(const char *args, const struct place *place, struct diag_list *diags)
{
	while (*(args += strspn(args, " \t"))) {
		size_t whole = strcspn(args, " \t"), len = strcspn(args, " \t=");
		bool is_long = begins(args, "--") && len > 2;
		const char *nearest;
		char name[64];
		size_t i = 0;

		if (is_long)
			snprintf(name, sizeof name, "%.*s", (int)len - 2, args + 2);
		args += whole;
		if (!is_long)
			continue;
		while (i < OPTIONS && strcmp(name, options[i]) != 0)
			i++;
		if (i < OPTIONS)
			continue;
		nearest = diag_nearest(name, options, OPTIONS);
		diag_error(diags, place, "DPDK has no option \"--%s\"%s%s%s", name,
			   nearest ? "; did you mean \"--" : "", nearest ? nearest : "",
			   nearest ? "\"?" : "");
	}
}
