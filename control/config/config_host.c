#include "control/config/config_host.h"

#include <dirent.h>
#include <grp.h>
#include <libgen.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config/config_cpus.h"

/* --- this machine --- */

static bool
has_group(const char *name)
{
	return getgrnam(name) != NULL;
}

static bool
has_interface(const char *name)
{
	return if_nametoindex(name) != 0;
}

static bool
card_driver(const char *address, char *driver, size_t size)
{
	char path[128], target[512];
	ssize_t len;

	snprintf(path, sizeof path, "/sys/bus/pci/devices/%s", address);
	if (access(path, F_OK) < 0)
		return false;
	snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/driver", address);
	len = readlink(path, target, sizeof target - 1);
	target[len < 0 ? 0 : len] = '\0';
	snprintf(driver, size, "%s", basename(target));
	if (len < 0)
		driver[0] = '\0';
	return true;
}

static bool
has_folder(const char *path)
{
	return access(path, W_OK | X_OK) == 0;
}

/* The number behind "NAME:" of a file such as /proc/meminfo; 0: there is none. */
static uint64_t
read_number(const char *file, const char *name)
{
	FILE *stream = fopen(file, "re");
	unsigned long long number = 0;
	char line[256];

	while (stream && fgets(line, sizeof line, stream))
		if (strncmp(line, name, strlen(name)) == 0) {
			number = strtoull(line + strlen(name), NULL, 10);
			break;
		}
	if (stream)
		fclose(stream);
	return number;
}

/* Pages of every size: folders "hugepages-2048kB". */
static uint64_t
free_hugepages_kb(void)
{
	static const char root[] = "/sys/kernel/mm/hugepages";
	DIR *folder = opendir(root);
	struct dirent *entry;
	uint64_t kb = 0;
	char path[512];

	while (folder && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, "hugepages-", 10) != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s/free_hugepages", root, entry->d_name);
		kb += strtoull(entry->d_name + 10, NULL, 10) * read_number(path, "");
	}
	if (folder)
		closedir(folder);
	return kb;
}

static uid_t
user_id(const char *name)
{
	const struct passwd *user = getpwnam(name);

	return user ? user->pw_uid : 0;
}

static bool
has_user(const char *name)
{
	return getpwnam(name) != NULL;
}

void
config_host_read(struct config_host *host)
{
	*host = (struct config_host){ .has_group = has_group,
				      .has_user = has_user,
				      .user_id = user_id,
				      .has_interface = has_interface,
				      .card_driver = card_driver,
				      .has_folder = has_folder,
				      .memory_kb = read_number("/proc/meminfo", "MemAvailable:"),
				      .hugepages_kb = free_hugepages_kb() };
	CPU_ZERO(&host->cpus);
	if (sched_getaffinity(0, sizeof host->cpus, &host->cpus) < 0)
		CPU_SET(0, &host->cpus);
}

/* --- what it lacks --- */

static void __attribute__((format(printf, 4, 5)))
tell(struct diag_list *diags, enum diag_level level, const struct place *place, const char *format,
     ...)
{
	va_list args;

	va_start(args, format);
	diag_add(diags, level, place, format, args);
	va_end(args);
}

static void
check_cpus(const struct config *config, const struct config_host *host, struct diag_list *diags)
{
	struct place place = { .file = config->file, .tag = "cpus" };
	cpu_set_t wanted;
	int allowed = CPU_COUNT(&host->cpus);

	if (config->cpus && config_cpus(config->cpus, &wanted) > 0)
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &wanted) && !CPU_ISSET(cpu, &host->cpus))
				tell(diags, DIAG_ERROR, &place,
				     "CPU %d is not there, or not for us: `taskset -cp $$` shows "
				     "those "
				     "that are",
				     cpu);
	if (config->control_cpu >= 0 &&
	    (config->control_cpu >= CPU_SETSIZE || !CPU_ISSET(config->control_cpu, &host->cpus))) {
		place.tag = "control_cpu";
		tell(diags, DIAG_ERROR, &place, "CPU %d is not there, or not for us",
		     config->control_cpu);
	}
	if ((int)config->workers < allowed || config->idle_yield)
		return;
	place.tag = "workers";
	tell(diags, DIAG_WARNING, &place,
	     "%u polling worker%s and the control thread on %d CPU%s starve each other: have "
	     "fewer, or "
	     "set idle_yield = true",
	     config->workers, config->workers == 1 ? "" : "s", allowed, allowed == 1 ? "" : "s");
}

static void
check_memory(const struct config *config, const struct config_host *host, struct diag_list *diags)
{
	const struct place place = { .file = config->file, .tag = "sessions" };
	const struct place pages = { .file = config->file, .tag = "hugepages" };
	uint64_t need_kb = (uint64_t)config->sessions * stack_session_bytes() / 1024;
	bool huge = config->hugepages == DATAPLANE_HUGEPAGES_YES;

	if (huge && !host->hugepages_kb)
		tell(diags, DIAG_ERROR, &pages,
		     "no hugepage is free: reserve some (/proc/sys/vm/nr_hugepages), or set "
		     "hugepages = "
		     "\"auto\"");
	else if (huge && need_kb > host->hugepages_kb)
		tell(diags, DIAG_ERROR, &place,
		     "%u sessions need %llu MB, and %llu MB of hugepages are free",
		     config->sessions, (unsigned long long)need_kb / 1024,
		     (unsigned long long)host->hugepages_kb / 1024);
	if (!huge && host->memory_kb && need_kb > host->memory_kb)
		tell(diags, DIAG_ERROR, &place,
		     "%u sessions need %llu MB, and %llu MB of memory are free", config->sessions,
		     (unsigned long long)need_kb / 1024,
		     (unsigned long long)host->memory_kb / 1024);
}

/* "net_af_packet0,iface=eth1": the interface that a driver works on. */
static void
check_interface(const struct config *config, const struct config_port *port,
		const struct config_host *host, struct diag_list *diags)
{
	const struct place place = { .file = config->file, .line = port->line, .tag = "device" };
	const char *at = port->device ? strstr(port->device, ",iface=") : NULL;
	char name[64];

	if (port->device && !strpbrk(port->device, ",:.") && host->has_interface(port->device)) {
		tell(diags, DIAG_ERROR, &place,
		     "\"%s\" is an interface of the kernel: write \"net_af_packet0,iface=%s\"",
		     port->device, port->device);
		return;
	}
	if (!at)
		return;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 7, ","), at + 7);
	if (!host->has_interface(name))
		tell(diags, DIAG_ERROR, &place,
		     "there is no interface \"%s\": `ip link` shows those that are", name);
}

/* "0000:03:00.0,rx_vec_en=1" or "03:00.0": the full address. */
static bool
is_card(const char *device, char address[16])
{
	unsigned domain = 0, bus, slot, function;
	int len = 0;

	if (sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &len) != 4 ||
	    !len) {
		domain = 0;
		if (sscanf(device, "%2x:%2x.%1x%n", &bus, &slot, &function, &len) != 3 || !len)
			return false;
	}
	if (device[len] && device[len] != ',')
		return false;
	snprintf(address, 16, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, slot & 0xff,
		 function & 0xf);
	return true;
}

/* Drivers that DPDK works through; those of Mellanox's cards stay the kernel's. */
static bool
serves_dpdk(const char *driver)
{
	static const char *const names[] = { "vfio-pci", "uio_pci_generic", "igb_uio", "mlx4_core",
					     "mlx5_core" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(driver, names[i]) == 0)
			return true;
	return false;
}

static void
check_card(const struct config *config, const struct config_port *port,
	   const struct config_host *host, struct diag_list *diags)
{
	const struct place place = { .file = config->file, .line = port->line, .tag = "device" };
	char address[16], driver[64];

	if (!port->device || !is_card(port->device, address))
		return;
	if (!host->card_driver(address, driver, sizeof driver))
		tell(diags, DIAG_ERROR, &place,
		     "there is no card %s: `dpdk-devbind.py --status-dev net` shows those that are",
		     address);
	else if (!serves_dpdk(driver))
		tell(diags, DIAG_ERROR, &place,
		     "the card %s is %s%s: `dpdk-devbind.py --bind=vfio-pci %s` gives it to DPDK; "
		     "the kernel "
		     "has no interface of it then",
		     address, *driver ? "the kernel's, by the driver " : "bound to no driver",
		     driver, address);
}

static void
check_store(const struct config *config, const struct config_host *host, struct diag_list *diags)
{
	const struct place place = { .file = config->file, .tag = "store" };
	char copy[4096];
	const char *folder;

	snprintf(copy, sizeof copy, "%s", config->store);
	folder = dirname(copy);
	if (!host->has_folder(folder))
		tell(diags, DIAG_WARNING, &place,
		     "the folder %s is not there, or not for us to write: a start would make it, "
		     "and know "
		     "no device",
		     folder);
}

static void
check_console(const struct config *config, const struct config_host *host, struct diag_list *diags)
{
	const struct place place = { .file = config->file, .tag = "control.console_user" };

	if (config->console_user && !host->user_id(config->console_user))
		tell(diags, DIAG_ERROR, &place,
		     "\"%s\" is no user, or root: make one for cradle-web alone "
		     "(`systemd-sysusers`)",
		     config->console_user);
}

static void
check_identity(const struct config *config, const struct config_host *host, struct diag_list *diags)
{
	struct place place = { .file = config->file, .tag = "user" };

	if (config->user && !host->has_user(config->user))
		tell(diags, DIAG_ERROR, &place,
		     "there is no user \"%s\": make it (`systemd-sysusers`), or name another",
		     config->user);
	place.tag = "group";
	if (config->group && !host->has_group(config->group))
		tell(diags, DIAG_ERROR, &place,
		     "there is no group \"%s\": make it (`groupadd --system %s`), or name another",
		     config->group, config->group);
}

void
config_check_host(const struct config *config, const struct config_host *host,
		  struct diag_list *diags)
{
	const struct place place = { .file = config->file, .tag = "control.group" };

	check_cpus(config, host, diags);
	check_memory(config, host, diags);
	for (unsigned i = 0; i < config->n_ports; i++) {
		check_interface(config, &config->ports[i], host, diags);
		check_card(config, &config->ports[i], host, diags);
	}
	if (config->socket_group && !host->has_group(config->socket_group))
		tell(diags, DIAG_ERROR, &place,
		     "there is no group \"%s\": make it (`groupadd --system %s`), or name another",
		     config->socket_group, config->socket_group);
	check_console(config, host, diags);
	check_identity(config, host, diags);
	check_store(config, host, diags);
}
