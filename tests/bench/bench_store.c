/*
 * bench_store - what the store takes: reports into it, devices in and out.
 *
 * Devices are read once more with their keys sealed, as a start does.
 *
 * usage: bench_store [--quick] [--json FILE]
 *
 * Reports come for devices in random order, as storms bring them, from a control thread that does
 * nothing else; the figure is what the writer keeps up with over several merges, so that nothing is
 * left to be paid later. What a core takes is counted in CPU seconds of all threads: what another
 * program on the machine takes is not ours. What is given in seconds of the clock has the disk in
 * it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "control/store/store_private.h"

enum {
	DEVICES = 1000000,
	QUICK_DEVICES = 100000,
	REPORTS = 3000000,
	QUICK_REPORTS = 300000,
	BACKLOG = 100000, /* queued at most */
	WAIT_MS = 60000,
};

struct bench {
	char folder[64], path[80];
	struct store *store;
	unsigned devices, reports;
	uint64_t seed;
	double import_s, import_cpu_s, load_s, load_cpu_s, reseal_s, sealed_load_s, sealed_load_cpu_s;
	double enqueue_us, wall_s, cpu_s;
	unsigned counted;
};

static double
now_s(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
check(int code, const char *error)
{
	if (code == 0)
		return;
	fprintf(stderr, "bench_store: %s\n", error);
	exit(1);
}

static void
open_store(struct bench *bench)
{
	char error[STORE_ERROR_MAX];

	bench->store = store_open(bench->path, error);
	check(bench->store ? 0 : -1, error);
}

static void
put_devices(struct bench *bench)
{
	struct store_change *change = store_change_begin(bench->store);
	char error[STORE_ERROR_MAX], endpoint[64];
	double start = now_s(CLOCK_MONOTONIC), cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);

	for (unsigned i = 0; i < bench->devices; i++) {
		struct store_device device = {
			.id = i,
			.spec = { .endpoint = endpoint,
				  .key_len = 16,
				  .groups = "root.meters.north",
				  .created_ms = 1764000000000 },
		};

		snprintf(endpoint, sizeof endpoint, "urn:imei:%015u", i);
		memcpy(device.spec.key, endpoint + 5, 16);
		store_change_put_device(change, &device);
	}
	check(store_change_commit(change, WAIT_MS, NULL, error), error);
	bench->import_s = now_s(CLOCK_MONOTONIC) - start;
	bench->import_cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
}

static bool
count_device(void *ctx, const struct store_device *device)
{
	struct bench *bench = ctx;

	bench->counted++;
	return true;
}

/* A key that bytes make: the store need not know where it came from. */
static void
use_keys(struct bench *bench)
{
	struct keyring keyring = { .n = 1 };

	memset(keyring.keks[0].key, 0x5a, KEK_LEN);
	memset(keyring.keks[0].id, 0x5a, KEK_ID_LEN);
	check(store_use_keys(bench->store, &keyring), "no memory");
}

static void
reseal_devices(struct bench *bench)
{
	double start = now_s(CLOCK_MONOTONIC);
	char error[STORE_ERROR_MAX];
	unsigned n;

	for (uint32_t next = 0; next != STORE_RESEALED_ALL; next = store_resealed(bench->store, &n)) {
		struct store_change *change = store_change_begin(bench->store);

		store_change_reseal(change, next);
		check(store_change_commit(change, WAIT_MS, NULL, error), error);
	}
	bench->reseal_s = now_s(CLOCK_MONOTONIC) - start;
}

/* Seconds of the clock, and of CPUs. */
static void
load_devices(struct bench *bench, double *took_s, double *cpu_s)
{
	char error[STORE_ERROR_MAX];
	double start = now_s(CLOCK_MONOTONIC), cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);

	bench->counted = 0;
	check(store_load_devices(bench->store, count_device, bench, error), error);
	*took_s = now_s(CLOCK_MONOTONIC) - start;
	*cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	check(bench->counted == bench->devices ? 0 : -1, "devices are missing");
}

static bool
count_report(void *ctx, const struct store_report *report)
{
	struct bench *bench = ctx;

	bench->counted++;
	return true;
}

/* The control thread waits while the queue is long: only what it puts is timed as its own. */
static void
put_reports(struct bench *bench)
{
	static const char *const summaries[] = { "3 objects written, 16 resources",
						 "PUT /0/2 answered 4.00 Bad Request",
						 "no answer after 5 transmissions" };
	double start = now_s(CLOCK_MONOTONIC), own = 0;
	double cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
	char error[STORE_ERROR_MAX];
	struct store_info info;

	for (unsigned i = 0; i < bench->reports;) {
		double began = now_s(CLOCK_MONOTONIC);

		for (unsigned k = 0; k < 1000; k++, i++) {
			struct store_report report = {
				.device = (uint32_t)(next_random(&bench->seed) % bench->devices),
				.task = 1,
				.status = 2,
				.started_ms = 1764000000000 + i,
				.finished_ms = 1764000000150 + i,
				.summary = summaries[i % 3],
			};

			store_put_report(bench->store, &report);
		}
		own += now_s(CLOCK_MONOTONIC) - began;
		for (store_info(bench->store, &info); info.queued > BACKLOG;
		     store_info(bench->store, &info))
			usleep(1000);
	}
	check(store_flush(bench->store, WAIT_MS, NULL, error), error);
	bench->wall_s = now_s(CLOCK_MONOTONIC) - start;
	bench->cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	bench->enqueue_us = own * 1e6 / bench->reports;
	store_info(bench->store, &info);
	check(info.lost == 0 ? 0 : -1, "reports were lost");
}

static void
figure(FILE *json, const char *name, double value, const char *text)
{
	printf("%-24s %12.4g  %s\n", name, value, text);
	if (json)
		fprintf(json, "%s  \"%s\": %.6g", ftell(json) > 2 ? ",\n" : "", name, value);
}

static void
run(struct bench *bench, FILE *json)
{
	char error[STORE_ERROR_MAX];
	double per_million = 1e6 / bench->devices;
	double start;

	open_store(bench);
	check(store_start(bench->store), "no thread");
	put_devices(bench);
	store_close(bench->store);
	open_store(bench);
	load_devices(bench, &bench->load_s, &bench->load_cpu_s);
	use_keys(bench);
	check(store_start(bench->store), "no thread");
	reseal_devices(bench);
	store_close(bench->store);
	open_store(bench);
	use_keys(bench);
	load_devices(bench, &bench->sealed_load_s, &bench->sealed_load_cpu_s);
	/* Fewer devices: less often merged, so that a page takes as much of a merge as it would. */
	bench->store->writer.merge_at = (size_t)(WRITER_MERGE_AT / per_million);
	check(store_start(bench->store), "no thread");
	put_reports(bench);
	store_close(bench->store);
	start = now_s(CLOCK_MONOTONIC);
	open_store(bench);
	use_keys(bench);
	bench->counted = 0;
	check(store_load_devices(bench->store, count_device, bench, error), error);
	check(store_load_reports(bench->store, count_report, bench, error), error);
	if (json)
		fprintf(json, "{\n");
	figure(json, "store_import_1m_s", bench->import_s * per_million,
	       "s to put 1,000,000 devices in one change");
	figure(json, "store_import_1m_cpu_s", bench->import_cpu_s * per_million,
	       "the same in CPU seconds");
	figure(json, "store_load_1m_s", bench->load_s * per_million, "s to read 1,000,000 devices");
	figure(json, "store_load_1m_cpu_s", bench->load_cpu_s * per_million,
	       "the same in CPU seconds");
	figure(json, "store_reseal_1m_s", bench->reseal_s * per_million,
	       "s to seal the keys of 1,000,000 devices that were plain");
	figure(json, "store_sealed_load_1m_s", bench->sealed_load_s * per_million,
	       "s to read 1,000,000 devices whose keys are sealed");
	figure(json, "store_sealed_load_1m_cpu_s", bench->sealed_load_cpu_s * per_million,
	       "the same in CPU seconds");
	figure(json, "store_restart_1m_s", (now_s(CLOCK_MONOTONIC) - start) * per_million,
	       "s to open and read them and their reports");
	figure(json, "reports_per_s", bench->reports / bench->cpu_s,
	       "reports into the store by one core, the control thread's part with it");
	figure(json, "reports_wall_per_s", bench->reports / bench->wall_s,
	       "the same by the clock, waiting for the disk with it");
	figure(json, "report_enqueue_us", bench->enqueue_us,
	       "us of the control thread for a report");
	if (json)
		fprintf(json, "\n}\n");
	store_close(bench->store);
}

int
main(int argc, char **argv)
{
	struct bench bench = { .folder = "/var/tmp/bench-store-XXXXXX",
			       .devices = DEVICES,
			       .reports = REPORTS,
			       .seed = 88172645463325252u };
	char command[128];
	FILE *json = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			bench.devices = QUICK_DEVICES;
			bench.reports = QUICK_REPORTS;
		} else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
			json = fopen(argv[++i], "w");
		} else {
			fputs("usage: bench_store [--quick] [--json FILE]\n", stderr);
			return 2;
		}
	}
	if (!mkdtemp(bench.folder)) {
		perror(bench.folder);
		return 1;
	}
	snprintf(bench.path, sizeof bench.path, "%s/store.db", bench.folder);
	run(&bench, json);
	if (json)
		fclose(json);
	snprintf(command, sizeof command, "rm -r %s", bench.folder);
	return system(command) != 0;
}
