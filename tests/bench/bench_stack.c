/*
 * bench_stack - what a NoSec bootstrap of four exchanges costs in the worker, without the driver.
 *
 * usage: bench_stack [--quick] [--json FILE]
 *
 * Devices in memory answer each request with 2.04; all their datagrams go in bursts, one of each device in turn, so
 * that with 10,000 devices a session is long out of the near caches when its next datagram comes. Every run comes
 * from a new port, so that it opens a session and evicts one that lingers, as in a storm. Counted is the time inside
 * stack_receive() and stack_tick() alone; the best of several rounds, since what else the machine does is not ours.
 *
 * Keys: nosec_bootstrap_core_us (10,000 devices in turn), nosec_bootstrap_one_us (one device, bursts of one),
 * nosec_bootstrap_burst_us (32 devices), bytes_per_session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <x86intrin.h>

#include "dataplane/core/coap/coap_defs.h"
#include "dataplane/core/crypto/crypto.h"
#include "dataplane/core/crypto/rng_drbg.h"
#include "dataplane/core/stack.h"

enum {
	EVENTS = 4096, /* a ring that is always read in time */
	STEPS = 3,
	REQUEST_MAX = 64,
	PAYLOAD_SECURITY = 66, /* PUT /0/10 and /1/0 of the reference task */
	PAYLOAD_SERVER = 18,
	ROUNDS = 7,
};

/* A device: its next datagram, if it has one to send. */
struct device {
	struct peer peer;
	uint8_t next[REQUEST_MAX];
	uint16_t len;
	uint16_t mid;
	uint32_t number;
};

struct bench {
	struct stack *stack;
	void *memory;
	struct stack_config config;
	struct stack_limits limits;
	const struct stack_limits *_Atomic published_limits;
	struct directory *_Atomic directory;
	struct rng_drbg drbg;
	struct session_event *events;
	uint64_t n_events;
	struct device *devices;
	struct device_entry **entries;
	struct batch **batches;
	struct batch_step *finish;
	unsigned n;
	uint64_t now_us;
	uint64_t cycles, overhead; /* inside the stack; of one measurement */
	struct dgram_out slots[STACK_TX_MAX];
	uint8_t bytes[STACK_TX_MAX][DATAGRAM_MAX];
	struct outbox out;
};

static void *
need(void *memory)
{
	if (!memory) {
		fprintf(stderr, "bench_stack: out of memory\n");
		exit(1);
	}
	return memory;
}

static bool
take_event(void *ctx, const struct session_event *event)
{
	struct bench *bench = ctx;

	bench->events[bench->n_events++ % EVENTS] = *event;
	return true;
}

/* ---- setting up ---- */

static struct batch_step *
step_new(uint8_t code, uint8_t expect, const char *options, size_t options_len, size_t payload_len)
{
	struct batch_step *step = need(calloc(1, sizeof *step + options_len + payload_len));

	step->code = code;
	step->expect = expect;
	step->options_len = (uint16_t)options_len;
	step->payload_len = (uint32_t)payload_len;
	memcpy(step->bytes, options, options_len);
	memset(step->bytes + options_len, 'x', payload_len);
	return step;
}

/* Two writes of its own and the Finish that all share. */
static struct batch *
batch_new(struct bench *bench)
{
	struct batch *batch = need(calloc(1, sizeof *batch + STEPS * sizeof batch->steps[0]));

	batch->format = 11542;
	batch->n_steps = STEPS;
	batch->steps[0] = step_new(COAP_PUT, BATCH_EXPECT_WRITE, "\xb1\x30\x02\x31\x30\x12\x2d\x16",
				   8, PAYLOAD_SECURITY);
	batch->steps[1] = step_new(COAP_PUT, BATCH_EXPECT_WRITE, "\xb1\x31\x01\x30\x12\x2d\x16", 7,
				   PAYLOAD_SERVER);
	batch->steps[2] = bench->finish;
	return batch;
}

static void
add_device(struct bench *bench, unsigned i)
{
	struct directory_retired retired;
	struct device_entry *old;
	char name[32];
	int len = snprintf(name, sizeof name, "urn:imei:%015u", i);

	bench->batches[i] = batch_new(bench);
	bench->entries[i] = need(device_entry_new(i, name, (size_t)len, NULL, 0, NULL, 0));
	atomic_store(&bench->entries[i]->batch, bench->batches[i]);
	if (directory_put(bench->directory, bench->entries[i], &old, &retired) != 0)
		need(NULL);
	free(retired.blocks[0]);
	free(retired.blocks[1]);
	bench->devices[i].number = i;
	bench->devices[i].peer = (struct peer){
		.addr = { [10] = 0xff,
			  0xff,
			  10,
			  (uint8_t)(i >> 16),
			  (uint8_t)(i >> 8),
			  (uint8_t)i },
		.port = 1024,
	};
}

static void
init_stack(struct bench *bench)
{
	size_t size;

	bench->limits = (struct stack_limits){ 2000000, 150, 4, 247000000, 1500000, 60 };
	atomic_store(&bench->published_limits, &bench->limits);
	bench->config = (struct stack_config){
		.sessions = bench->n * 2, /* as many lingering as running */
		.n_listeners = 1,
		.serial_base = 1,
		.hash_seed = "benchmark seed.",
		.rng = rng_drbg_source(&bench->drbg),
		.emit = take_event,
		.emit_ctx = bench,
		.limits = &bench->published_limits,
		.directory = &bench->directory,
	};
	size = (stack_size(&bench->config) + 63) / 64 * 64;
	bench->memory = need(aligned_alloc(64, size));
	memset(bench->memory, 0, size);
	bench->stack = stack_init(bench->memory, &bench->config, bench->now_us);
}

static struct bench *
bench_new(unsigned n)
{
	struct bench *bench = need(calloc(1, sizeof *bench));

	bench->n = n;
	bench->now_us = 1000000;
	bench->events = need(calloc(EVENTS, sizeof bench->events[0]));
	bench->devices = need(calloc(n, sizeof bench->devices[0]));
	bench->entries = need(calloc(n, sizeof bench->entries[0]));
	bench->batches = need(calloc(n, sizeof bench->batches[0]));
	bench->finish = step_new(COAP_POST, BATCH_EXPECT_FINISH, "\xb2\x62\x73", 3, 0);
	if (rng_drbg_init(&bench->drbg, crypto_select()) != 0)
		need(NULL);
	atomic_store(&bench->directory, need(directory_new(n, (const uint8_t *)"another seed 16")));
	for (unsigned i = 0; i < n; i++)
		add_device(bench, i);
	init_stack(bench);
	for (unsigned i = 0; i < STACK_TX_MAX; i++) {
		bench->slots[i].data = bench->bytes[i];
		bench->slots[i].cap = DATAGRAM_MAX;
	}
	bench->out = (struct outbox){ .slots = bench->slots, .size = STACK_TX_MAX };
	return bench;
}

static void
bench_free(struct bench *bench)
{
	stack_fini(bench->stack);
	rng_drbg_fini(&bench->drbg);
	directory_free(bench->directory);
	for (unsigned i = 0; i < bench->n; i++) {
		free((void *)(uintptr_t)bench->batches[i]->steps[0]);
		free((void *)(uintptr_t)bench->batches[i]->steps[1]);
		free(bench->batches[i]);
		device_entry_free(bench->entries[i]);
	}
	free(bench->finish);
	free(bench->batches);
	free(bench->entries);
	free(bench->devices);
	free(bench->events);
	free(bench->memory);
	free(bench);
}

/* ---- the devices ---- */

/* CON POST /bs?ep=urn:imei:...&pct=11542 from a new port. */
static void
device_request(struct device *device)
{
	uint8_t *at = device->next;

	device->peer.port++;
	device->mid++;
	memcpy(at, "\x44\x02", 2);
	at[2] = (uint8_t)(device->mid >> 8);
	at[3] = (uint8_t)device->mid;
	memcpy(at + 4, &device->number, 4);
	memcpy(at + 8,
	       "\xb2"
	       "bs\x4d\x0e"
	       "ep=urn:imei:",
	       5 + 12);
	snprintf((char *)at + 25, 16, "%015u", device->number);
	memcpy(at + 40, "\x09pct=11542", 10);
	device->len = 50;
}

/* The answer to a CON of the server: piggybacked 2.04. ACKs need none. */
static void
device_take(struct device *device, const uint8_t *bytes, size_t len)
{
	if (len < 12 || bytes[0] != 0x48)
		return;
	memcpy(device->next, bytes, 12);
	device->next[0] = 0x68;
	device->next[1] = COAP_CHANGED;
	device->len = 12;
}

static uint32_t
device_of(const struct peer *peer)
{
	return (uint32_t)peer->addr[13] << 16 | (uint32_t)peer->addr[14] << 8 | peer->addr[15];
}

/* ---- measuring ---- */

static uint64_t
ticks(void)
{
	_mm_lfence();
	return __rdtsc();
}

static void
turn(struct bench *bench, struct dgram_in *in, unsigned n)
{
	uint64_t begin;

	bench->out.used = 0;
	bench->now_us += 50;
	begin = ticks();
	stack_receive(bench->stack, bench->now_us, in, n, &bench->out);
	stack_tick(bench->stack, bench->now_us, &bench->out);
	bench->cycles += ticks() - begin - bench->overhead;
	for (unsigned i = 0; i < bench->out.used; i++)
		device_take(&bench->devices[device_of(&bench->slots[i].peer)], bench->slots[i].data,
			    bench->slots[i].len);
}

/* One datagram of every device, in bursts. */
static void
pass(struct bench *bench)
{
	struct dgram_in in[STACK_BURST];
	uint8_t bytes[STACK_BURST][REQUEST_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < bench->n; i++) {
		struct device *device = &bench->devices[i];

		memcpy(bytes[n], device->next, device->len);
		in[n] = (struct dgram_in){ .peer = device->peer,
					   .link = { .vlan = LINK_UNTAGGED },
					   .len = device->len,
					   .data = bytes[n] };
		device->len = 0;
		if (++n == STACK_BURST || i + 1 == bench->n) {
			turn(bench, in, n);
			n = 0;
		}
	}
}

static void
measure_overhead(struct bench *bench)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < 1000; i++) {
		uint64_t begin = ticks(), spent = ticks() - begin;

		if (spent < least)
			least = spent;
	}
	bench->overhead = least;
}

static double
ticks_per_us(void)
{
	struct timespec from, to;
	uint64_t begin = ticks();
	double us;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		clock_gettime(CLOCK_MONOTONIC, &to);
		us = (double)(to.tv_sec - from.tv_sec) * 1e6 +
		     (double)(to.tv_nsec - from.tv_nsec) / 1e3;
	} while (us < 20000);
	return (double)(ticks() - begin) / us;
}

/* Microseconds of a bootstrap with `n` devices in turn. Every one must finish: else the figure is of something else. */
static double
measure(unsigned n, unsigned bootstraps)
{
	struct bench *bench = bench_new(n);
	unsigned repeats = bootstraps / n ? bootstraps / n : 1;
	uint64_t best = UINT64_MAX, finished;
	double us;

	measure_overhead(bench);
	for (unsigned round = 0; round < ROUNDS; round++) {
		bench->cycles = 0;
		for (unsigned r = 0; r < repeats; r++) {
			for (unsigned i = 0; i < n; i++)
				device_request(&bench->devices[i]);
			for (unsigned step = 0; step < STEPS + 1; step++)
				pass(bench);
		}
		if (bench->cycles < best)
			best = bench->cycles;
	}
	finished = stack_counters(bench->stack)->value[COUNTER_bs_finished];
	if (finished != (uint64_t)ROUNDS * repeats * n) {
		fprintf(stderr, "bench_stack: %llu of %llu bootstraps finished\n",
			(unsigned long long)finished, (unsigned long long)ROUNDS * repeats * n);
		exit(1);
	}
	us = (double)best / ticks_per_us() / repeats / n;
	bench_free(bench);
	return us;
}

static int
write_json(const char *path, double one, double burst, double many)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		perror(path);
		return 1;
	}
	fprintf(file,
		"{\"nosec_bootstrap_core_us\": %.4f, \"nosec_bootstrap_one_us\": %.4f, "
		"\"nosec_bootstrap_burst_us\": %.4f, \"bytes_per_session\": %zu}\n",
		many, one, burst, stack_session_bytes());
	return fclose(file) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const char *json = NULL;
	unsigned bootstraps = 100000;
	double one, burst, many;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			bootstraps = 20000;
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json = argv[++i];
		} else {
			fprintf(stderr, "usage: bench_stack [--quick] [--json FILE]\n");
			return 2;
		}
	}
	one = measure(1, bootstraps);
	burst = measure(STACK_BURST, bootstraps);
	many = measure(10000, bootstraps);
	printf("NoSec bootstrap of 4 exchanges, time in the stack:\n");
	printf("  %8.0f ns   1 device, bursts of 1\n", one * 1000);
	printf("  %8.0f ns   32 devices, bursts of 32\n", burst * 1000);
	printf("  %8.0f ns   10,000 devices in turn, bursts of 32\n", many * 1000);
	printf("  %8zu bytes a session, tables included\n", stack_session_bytes());
	return json ? write_json(json, one, burst, many) : 0;
}
