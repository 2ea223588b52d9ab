#include "dataplane/io/eal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_trace.h>

#include "dataplane/io/interrupts.h"
#include "dataplane/io/port.h"

/* DPDK 22.11 says of rte_trace_save() that it is not stable yet; later ones have it unchanged. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum {
	ARGUMENTS_MAX = 96,
	ARGUMENT_BYTES = 8192,
	MEGABYTE = 1 << 20,
};

#define HUGEPAGES_FOLDER "/sys/kernel/mm/hugepages"

/* An argument vector in one piece of memory. */
struct arguments {
	int argc;
	char *argv[ARGUMENTS_MAX + 1];
	char bytes[ARGUMENT_BYTES];
	size_t used;
	bool overflown;
};

static void __attribute__((format(printf, 2, 3)))
add(struct arguments *arguments, const char *format, ...)
{
	char *at = arguments->bytes + arguments->used;
	size_t left = sizeof arguments->bytes - arguments->used;
	va_list list;
	int len;

	va_start(list, format);
	len = vsnprintf(at, left, format, list);
	va_end(list);
	if (len < 0 || (size_t)len >= left || arguments->argc == ARGUMENTS_MAX) {
		arguments->overflown = true;
		return;
	}
	arguments->argv[arguments->argc++] = at;
	arguments->used += (size_t)len + 1;
}

/* ---- CPUs ---- */

static int __attribute__((format(printf, 2, 3)))
refuse(char error[DATAPLANE_ERROR_MAX], const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(error, DATAPLANE_ERROR_MAX, format, list);
	va_end(list);
	return -1;
}

/* "1-3,5" into CPU numbers, in order; the count, or -1 when the text is no such list. */
static int
parse_cpus(const char *text, int *cpus, int max)
{
	int n = 0;

	do {
		char *end;
		long first, last;

		if (!isdigit((unsigned char)*text))
			return -1;
		first = last = strtol(text, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtol(end + 1, &end, 10);
		if (last < first || last >= CPU_SETSIZE || (*end && *end != ','))
			return -1;
		for (; first <= last && n < max; first++)
			cpus[n++] = (int)first;
		text = *end ? end + 1 : end;
	} while (*text);
	return n;
}

/* Allowed CPUs in order, `last` behind all others. */
static int
allowed_cpus(const cpu_set_t *allowed, int last, int *cpus, int max)
{
	int n = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE && n < max; cpu++)
		if (cpu != last && CPU_ISSET(cpu, allowed))
			cpus[n++] = cpu;
	if (n < max && last >= 0 && CPU_ISSET(last, allowed))
		cpus[n++] = last;
	return n;
}

/* The first allowed CPU that the list does not name; the first allowed one where it names all. */
static int
pick_control(const cpu_set_t *allowed, const int *named, int n)
{
	int first = -1;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		bool taken = false;

		if (!CPU_ISSET(cpu, allowed))
			continue;
		if (first < 0)
			first = cpu;
		for (int i = 0; i < n; i++)
			taken |= named[i] == cpu;
		if (!taken)
			return cpu;
	}
	return first;
}

static void
find_shared(struct eal_cpus *cpus, unsigned workers)
{
	for (unsigned i = 0; i < workers; i++) {
		cpus->shared[i] = cpus->worker[i] == cpus->control;
		for (unsigned j = 0; j < workers; j++)
			cpus->shared[i] |= j != i && cpus->worker[j] == cpus->worker[i];
	}
}

int
eal_place(const struct dataplane_config *config, struct eal_cpus *cpus,
	  char error[DATAPLANE_ERROR_MAX])
{
	int candidates[DATAPLANE_WORKERS_MAX], n = 0;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
		return refuse(error, "cannot learn the allowed CPUs: %s", strerror(errno));
	if (config->cpus) {
		n = parse_cpus(config->cpus, candidates, DATAPLANE_WORKERS_MAX);
		if (n <= 0)
			return refuse(error, "cpus = \"%s\": not a list of CPUs like \"1-3,5\"",
				      config->cpus);
	}
	for (int i = 0; i < n; i++)
		if (!CPU_ISSET(candidates[i], &allowed))
			return refuse(error,
				      "cpus = \"%s\" names a CPU that this process may not run on",
				      config->cpus);
	cpus->control = config->control_cpu >= 0 ? config->control_cpu
						 : pick_control(&allowed, candidates, n);
	if (cpus->control >= CPU_SETSIZE || !CPU_ISSET(cpus->control, &allowed))
		return refuse(error, "control_cpu = %d is a CPU that this process may not run on",
			      cpus->control);
	if (n == 0)
		n = allowed_cpus(&allowed, cpus->control, candidates, DATAPLANE_WORKERS_MAX);
	for (unsigned i = 0; i < config->workers; i++)
		cpus->worker[i] = candidates[i % (unsigned)n];
	find_shared(cpus, config->workers);
	return 0;
}

/* ---- memory ---- */

static size_t
read_count(const char *folder, const char *file)
{
	char path[512], text[32];
	size_t value = 0;
	ssize_t len;
	int fd;

	snprintf(path, sizeof path, HUGEPAGES_FOLDER "/%s/%s", folder, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof text - 1);
	close(fd);
	if (len > 0) {
		text[len] = '\0';
		value = strtoul(text, NULL, 10);
	}
	return value;
}

/* Of all sizes, in bytes. */
static size_t
hugepages_free(void)
{
	DIR *folder = opendir(HUGEPAGES_FOLDER);
	size_t bytes = 0;

	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		unsigned long kilobytes;

		if (sscanf(entry->d_name, "hugepages-%lukB", &kilobytes) == 1)
			bytes += kilobytes * 1024 * read_count(entry->d_name, "free_hugepages");
	}
	if (folder)
		closedir(folder);
	return bytes;
}

/* 1: hugepages, 0: ordinary memory, -1: they are demanded and missing. */
static int
choose_memory(const struct dataplane_config *config, size_t memory, char error[DATAPLANE_ERROR_MAX])
{
	size_t available = config->hugepages == DATAPLANE_HUGEPAGES_NO ? 0 : hugepages_free();

	if (available >= memory)
		return 1;
	if (config->hugepages != DATAPLANE_HUGEPAGES_YES)
		return 0;
	return refuse(
		error,
		"%zu MB of hugepages are needed and %zu MB are free: write a larger number to "
		"/proc/sys/vm/nr_hugepages, or set hugepages = \"no\"",
		memory / MEGABYTE, available / MEGABYTE);
}

/* ---- messages ---- */

/* At file scope, as DPDK's threads write to it, and they live as long as the process. */
static struct {
	FILE *stream;
	struct eal_log *log; /* changed under the stream's lock; NULL: nobody reads any more */
} sink;

/* Writes what DPDK says; a full pipe loses it, as nobody here may wait. */
static ssize_t
write_log(void *cookie, const char *text, size_t len)
{
	struct eal_log *log = sink.log;
	const char *end = (const char *)memchr(text, '\n', len);
	size_t line = end ? (size_t)(end - text) : len;
	size_t keep = RTE_MIN(line, sizeof log->first - 1);

	if (!log)
		return (ssize_t)len;
	if (!log->first[0]) {
		memcpy(log->first, text, keep);
		log->first[keep] = '\0';
	}
	(void)!write(log->fd, text, len);
	return (ssize_t)len;
}

static void
set_log(struct eal_log *log)
{
	flockfile(sink.stream);
	sink.log = log;
	funlockfile(sink.stream);
}

static int
open_log(struct eal_log *log, int fd)
{
	const cookie_io_functions_t functions = { .write = write_log };

	log->fd = fd > 0 ? fd : STDERR_FILENO;
	if (log->fd > STDERR_FILENO)
		(void)fcntl(log->fd, F_SETFL, fcntl(log->fd, F_GETFL) | O_NONBLOCK);
	if (!sink.stream)
		sink.stream = fopencookie(NULL, "w", functions);
	if (!sink.stream)
		return -1;
	setvbuf(sink.stream, NULL, _IOLBF, 0);
	set_log(log);
	return rte_openlog_stream(sink.stream);
}

/* The stream stays: a thread of DPDK's may be about to write. */
static void
close_log(void)
{
	set_log(NULL);
}

/* ---- start ---- */

static void
add_lcores(struct arguments *arguments, const struct eal_cpus *cpus, unsigned workers)
{
	char text[16 * (DATAPLANE_WORKERS_MAX + 1)];
	int at = snprintf(text, sizeof text, "%d@%d", EAL_MAIN_LCORE, cpus->control);

	for (unsigned i = 0; i < workers; i++)
		at += snprintf(text + at, sizeof text - (size_t)at, ",%u@%d",
			       EAL_FIRST_WORKER_LCORE + i, cpus->worker[i]);
	add(arguments, "--lcores");
	add(arguments, "%s", text);
	add(arguments, "--main-lcore");
	add(arguments, "%d", EAL_MAIN_LCORE);
}

static void
add_devices(struct arguments *arguments, const struct dataplane_config *config)
{
	char address[32];
	bool pci = false;

	for (unsigned i = 0; i < config->n_ports; i++) {
		if (!port_is_pci(config->ports[i].device, address, sizeof address))
			continue;
		pci = true;
		add(arguments, "-a");
		add(arguments, "%s%s", address,
		    config->ports[i].device + strcspn(config->ports[i].device, ","));
	}
	if (!pci)
		add(arguments, "--no-pci");
}

static void
add_memory(struct arguments *arguments, const struct dataplane_config *config, bool hugepages,
	   size_t memory)
{
	if (hugepages) {
		add(arguments, "--in-memory");
	} else {
		add(arguments, "--no-huge");
		add(arguments, "--no-shconf");
	}
	if (!hugepages || config->memory_mb) {
		add(arguments, "-m");
		add(arguments, "%zu",
		    config->memory_mb ? config->memory_mb : memory / MEGABYTE + 1);
	}
}

static void
add_further(struct arguments *arguments, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " \t\n");

		if (len)
			add(arguments, "%.*s", (int)len, text);
		text += len + (text[len] != '\0');
	}
}

/*
 * DPDK makes a folder for a file prefix and leaves it behind. Its socket in there goes when the
 * process exits, by a handler that is registered later than ours and so runs before it. At file
 * scope, as exit handlers have no context.
 */
static char runtime_folder[PATH_MAX];

static void
remove_runtime_folder(void)
{
	if (runtime_folder[0])
		(void)rmdir(runtime_folder);
}

static void
tidy_at_exit(void)
{
	static bool registered;

	if (!registered)
		registered = atexit(remove_runtime_folder) == 0;
}

int
eal_start(const struct dataplane_config *config, const struct eal_cpus *cpus, size_t memory,
	  struct eal_log *log, char error[DATAPLANE_ERROR_MAX])
{
	struct arguments arguments = { 0 };
	int hugepages = choose_memory(config, memory, error), rc;

	if (hugepages < 0)
		return -1;
	if (open_log(log, config->log_fd) < 0)
		return refuse(error, "out of memory");
	add(&arguments, "cradled");
	add(&arguments, "--log-level=warning");
	/* It warns of an interface that went out of use in 2020. */
	add(&arguments, "--log-level=lib.telemetry:error");
	/* And this one, that no secondary process can be served. */
	add(&arguments, "--log-level=pmd.net.memif:error");
	add(&arguments, "--file-prefix");
	add(&arguments, "%s", config->file_prefix ? config->file_prefix : "cradle");
	add_lcores(&arguments, cpus, config->workers);
	add_devices(&arguments, config);
	add_memory(&arguments, config, hugepages, memory);
	if (config->eal_args)
		add_further(&arguments, config->eal_args);
	if (arguments.overflown) {
		close_log();
		return refuse(error, "eal_args: too many arguments for DPDK");
	}
	log->first[0] = '\0';
	tidy_at_exit();
	if (rte_eal_init(arguments.argc, arguments.argv) < 0) {
		close_log();
		return refuse(error, "DPDK's environment does not start: %s (%s)",
			      rte_strerror(rte_errno),
			      log->first[0] ? log->first : "check eal_args and permissions");
	}
	snprintf(runtime_folder, sizeof runtime_folder, "%s", rte_eal_get_runtime_dir());
	rc = interrupts_open();
	if (rc < 0) {
		eal_stop();
		return refuse(error, "DPDK's interrupts cannot be held: %s", strerror(-rc));
	}
	return hugepages;
}

/*
 * Not rte_eal_cleanup(): it unmaps DPDK's memory, and the threads that DPDK has for interrupts and for telemetry have no
 * end but that of the process; woken by a peer or asked for a number a moment later they died of it, and
 * the process with them. Ports are closed by those who opened them; all else is the kernel's to take back.
 */
void
eal_stop(void)
{
	if (!sink.stream)
		return; /* it never began to start */
	/* Where eal_args ask for one. */
	(void)rte_trace_save();
	close_log();
}
