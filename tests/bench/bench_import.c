/*
 * bench_import - what it takes to read and check devices from CSV and JSON lines.
 *
 * usage: bench_import [--quick] [--json FILE]
 *
 * Rows as an operator has them: a name, a key in hex, a group, two setting values; nothing is kept
 * but the names that find duplicates. The best of several rounds counts, in CPU time of this
 * program: what another one on the machine takes is not ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "control/inventory/export.h"
#include "control/inventory/import.h"
#include "control/inventory/setting_values.h"

enum { ROUNDS = 5, QUICK_ROUNDS = 3 };

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static enum import_verdict
take(void *ctx, const struct device_spec *device, uint32_t line)
{
	unsigned *taken = ctx;

	*taken += device->key_len == 16;
	return IMPORT_TAKEN;
}

static void
set(struct device_spec *device, const char *name, const char *text)
{
	const struct setting_value value = { .name = name,
					     .name_len = (uint8_t)strlen(name),
					     .text = text,
					     .text_len = (uint16_t)strlen(text) };
	uint8_t *values = (uint8_t *)(uintptr_t)device->values;

	if (setting_values_set(&values, &value))
		exit(1);
	device->values = values;
}

static void
put_device(struct export *export, unsigned i, bool see)
{
	char endpoint[64], id[32];
	struct device_spec device = { .endpoint = endpoint,
				      .groups = "root.region.north",
				      .key_len = 16,
				      .key_is_hex = true };
	int failed;

	snprintf(endpoint, sizeof endpoint, "urn:imei:35%013u", i * 7919);
	snprintf(id, sizeof id, "mgmt-%08u", i);
	memcpy(device.key, &i, sizeof i);
	set(&device, "managementId", id);
	set(&device, "site", "north-17");
	failed = see ? export_see(export, &device) : export_put(export, &device);
	setting_values_free((uint8_t *)(uintptr_t)device.values);
	if (failed)
		exit(1);
}

static int
make_file(enum import_format format, unsigned rows)
{
	int fd = memfd_create("devices", MFD_CLOEXEC);
	struct export *export = export_new(fd, format, true);

	put_device(export, 0, true);
	for (unsigned i = 0; i < rows; i++)
		put_device(export, i, false);
	if (fd < 0 || export_finish(export))
		exit(1);
	export_free(export);
	return fd;
}

/* Rows a second. */
static double
measure(enum import_format format, unsigned rows, unsigned rounds)
{
	const struct import_source source = { .fd = make_file(format, rows), .name = "bench" };
	double best = 0;

	for (unsigned round = 0; round < rounds; round++) {
		unsigned taken = 0;
		const struct import_calls calls = { &taken, take, NULL };
		struct import_result result;
		struct diag_list diags;
		uint64_t start;
		double rate;

		diag_list_init(&diags);
		lseek(source.fd, 0, SEEK_SET);
		start = now_ns();
		if (import_read(format, &source, &calls, &diags, &result) || result.bad ||
		    taken != rows) {
			fprintf(stderr, "bench_import: %u of %u rows\n", taken, rows);
			exit(1);
		}
		rate = rows * 1e9 / (double)(now_ns() - start);
		best = rate > best ? rate : best;
		diag_list_fini(&diags);
	}
	close(source.fd);
	return best;
}

int
main(int argc, char **argv)
{
	unsigned rows = 1000000, rounds = ROUNDS;
	const char *json = NULL;
	double csv, jsonl;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			rows = 100000, rounds = QUICK_ROUNDS;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			json = argv[++i];
	}
	csv = measure(IMPORT_CSV, rows, rounds);
	jsonl = measure(IMPORT_JSONL, rows, rounds);
	printf("import: %.0f rows/s of CSV, %.0f rows/s of JSON lines\n", csv, jsonl);
	if (json) {
		FILE *file = fopen(json, "w");

		if (!file) {
			perror(json);
			return 1;
		}
		fprintf(file,
			"{ \"import_rows_per_s\": %.0f, \"import_jsonl_rows_per_s\": %.0f }\n", csv,
			jsonl);
		fclose(file);
	}
	return 0;
}
