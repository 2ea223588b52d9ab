/*
 * bench_compile - what it takes to compile the reference task for one device, and to load it.
 *
 * usage: bench_compile [--quick] [--json FILE]
 *
 * The best of many short windows counts: what another program on the machine takes is not ours. Every
 * device has an identity and a key of its own, as in an inventory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tasks/compile/compile.h"

enum {
	ROUNDS = 15,
	WINDOWS = 40,  /* of a round: about 1 ms each, so that some meet no other program */
	DEVICES = 500, /* of a window */
};

struct device {
	char id[16], password[32];
};

struct bench {
	struct objects *objects;
	struct task *task;
	struct compiler *compiler;
	struct device device;
	uint32_t batch_size;
};

static struct value
setting(void *ctx, const char *name, size_t len)
{
	struct device *device = ctx;
	const char *text = len == strlen("managementId") ? device->id : device->password;

	return (struct value){ VALUE_STRING, .text = { text, strlen(text) } };
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* What takes longer than any window is measured by what it takes of the CPU. */
static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
compile_one(struct bench *bench, const struct expr_env *env, enum content_format format)
{
	const struct task *task = bench->task;
	struct task_result result;
	struct batch *batch = compile_run(bench->compiler, &task, 1, env, format, &result);

	if (!batch) {
		fprintf(stderr, "bench_compile: %s\n", result.summary);
		exit(1);
	}
	bench->batch_size = batch->size;
	batch_free(batch);
}

/* Nanoseconds a device, compiled and freed. */
static double
measure_compile(struct bench *bench, enum content_format format, unsigned rounds)
{
	struct expr_env env = { .ctx = &bench->device, .setting = setting };
	double best = 0;

	for (unsigned round = 0; round < rounds * WINDOWS; round++) {
		uint64_t start = now_ns();
		double took;

		for (unsigned i = 0; i < DEVICES; i++) {
			bench->device.id[0] = (char)('a' + i % 26);
			compile_one(bench, &env, format);
		}
		took = (double)(now_ns() - start) / DEVICES;
		best = !round || took < best ? took : best;
	}
	return best;
}

static struct task *
load(struct bench *bench)
{
	static const char file[] = SOURCE_ROOT "/conf/policy/tasks/reference-task.xml";
	struct diag_list diags;
	struct task *task;

	diag_list_init(&diags);
	task = task_load_file(file, bench->objects, &diags);
	if (!task) {
		fprintf(stderr, "bench_compile: %s: %s\n", file, diags.items[0].text);
		exit(1);
	}
	diag_list_fini(&diags);
	return task;
}

static double
measure_load(struct bench *bench, unsigned rounds)
{
	double best = 0;

	for (unsigned round = 0; round < rounds * 20; round++) {
		uint64_t start = now_ns();
		double took;

		task_free(load(bench));
		took = (double)(now_ns() - start);
		best = !round || took < best ? took : best;
	}
	return best;
}

/* A task of as many characters as there may be, of writes whose keys are looked up by name. */
static double
measure_load_longest(struct bench *bench, unsigned rounds)
{
	static const char head[] = "<config><lwm2mBootstrap>",
			  foot[] = "</lwm2mBootstrap></config>";
	static char text[TASK_TEXT_MAX + 1];
	size_t len = strlen(head);
	struct diag_list diags;
	double best = 0;

	memcpy(text, head, len);
	for (unsigned i = 0; len + 100 + sizeof foot < sizeof text; i++)
		len += (size_t)snprintf(text + len, 100,
					"<write key=\"LwM2M Server.%u.Lifetime\" "
					"value=\"${sv.lifetime.toInt ? 60}\"/>\n",
					i);
	memcpy(text + len, foot, sizeof foot);
	len += sizeof foot - 1;
	for (unsigned round = 0; round < rounds * 2; round++) {
		uint64_t start = cpu_ns();
		struct task *task;
		double took;

		diag_list_init(&diags);
		task = task_load("longest.xml", text, len, bench->objects, &diags);
		took = (double)(cpu_ns() - start);
		if (!task) {
			fprintf(stderr, "bench_compile: %s\n", diags.items[0].text);
			exit(1);
		}
		task_free(task);
		diag_list_fini(&diags);
		best = !round || took < best ? took : best;
	}
	return best;
}

static void
report(FILE *json, const char *name, double ns, const char *text)
{
	printf("%-24s %10.1f ns  %s\n", name, ns, text);
	if (json)
		fprintf(json, "  \"%s_ns\": %.1f,\n", name, ns);
}

static void
run(struct bench *bench, unsigned rounds, FILE *json)
{
	double compile_ns, load_ms;

	if (json)
		fprintf(json, "{\n");
	compile_ns = measure_compile(bench, FORMAT_TLV, rounds);
	report(json, "compile_tlv", compile_ns,
	       "the reference task for one device, compiled and freed");
	if (json)
		fprintf(json, "  \"compile_us\": %.3f,\n", compile_ns / 1e3);
	report(json, "compile_senml_cbor", measure_compile(bench, FORMAT_SENML_CBOR, rounds),
	       "the same in SenML CBOR");
	report(json, "load", measure_load(bench, rounds), "the reference task from its file");
	load_ms = measure_load_longest(bench, rounds) / 1e6;
	printf("%-24s %10.2f ms  a task of 100,000 characters\n", "task_load_100k", load_ms);
	if (json)
		fprintf(json, "  \"task_load_100k_ms\": %.3f,\n", load_ms);
	printf("%-24s %10u     bytes of a device's batch, shared steps not counted\n", "batch",
	       bench->batch_size);
	if (json)
		fprintf(json, "  \"batch_bytes\": %u\n}\n", bench->batch_size);
}

int
main(int argc, char **argv)
{
	struct bench bench = { .device = { "a-device-0001", "correct horse battery" } };
	unsigned rounds = ROUNDS;
	FILE *json = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			rounds = 3;
		} else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
			json = fopen(argv[++i], "w");
		} else {
			fputs("usage: bench_compile [--quick] [--json FILE]\n", stderr);
			return 2;
		}
	}
	bench.objects = objects_new();
	bench.task = load(&bench);
	bench.compiler = compiler_new(bench.objects, 1);
	run(&bench, rounds, json);
	compiler_free(bench.compiler);
	task_free(bench.task);
	objects_free(bench.objects);
	if (json)
		fclose(json);
	return 0;
}
