/*
 * bench_scale - what a bootstrap costs in the worker, without the driver, with 10,000 to 10,000,000
 * devices in the directory.
 *
 * usage: bench_scale [--quick] [--json FILE] [--only nosec|psk] [--devices N] [--rounds N]
 *                    [--burst N] [--keep]
 *        bench_scale --workers N [--quick] [--json FILE]
 *        bench_scale --workers N --at-once [--only nosec|psk] [--rounds N]
 *   --quick     up to 1,000,000 devices
 *   --only, --devices   one figure alone, for a profiler
 *   --rounds N          so many, of 2,000 bootstraps each
 *   --burst N           datagrams of a call of the stack: 32, less where a worker's polls bring few
 *   --keep              associations are kept over a crash (keep_associations)
 *   --workers N         what two, four, ... N workers on a CPU each cost, all at once, over one after the other
 *   --at-once           N of them, all at once and nothing else, also where there are fewer CPUs: for a profiler
 *
 * 2,000 devices at a time, drawn at random from the directory, go through whole bootstraps, one
 * datagram of each in turn in bursts of 32; their sessions lie in the same memory whatever the
 * directory's size. Every run comes from a new port and evicts a session that lingers. Counted is the
 * time inside stack_receive() and stack_tick() alone. Sizes take turns, and of each the best of
 * many rounds counts: what else the machine does only adds.
 *
 * Keys: SECURITY_core_SIZE_us with nosec or psk, and 10k, 100k, 1m or 10m;
 * SECURITY_core_1m_over_10k, SECURITY_core_10m_over_10k; workers_2_over_1, workers_4_over_1, ...
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <x86intrin.h>

#include "dataplane/core/coap/coap_defs.h"
#include "dataplane/core/crypto/rng_drbg.h"
#include "dataplane/core/stack.h"
#include "dataplane/core/stack_kept.h"
#include "tests/bench/population.h"
#include "tests/support/dtls_client.h"

enum {
	AT_A_TIME = 2000,
	DATAGRAM = 512,
	/* A round takes milliseconds, so that some fall between what else the machine does. */
	ROUNDS = 60,
	QUICK_ROUNDS = 24,
	PASSES_NOSEC = 1 + POPULATION_STEPS,
	PASSES_PSK = 3 + PASSES_NOSEC, /* two ClientHellos and the last flight before */
	SIZES = 4,
	QUICK_SIZES = 3,
	WORKERS_MAX = 8,
	BYTES_EACH = 512, /* of a device, generously: whether there is memory for a size */
};

static const struct {
	uint32_t n;
	const char *name;
} sizes[SIZES] = { { 10000, "10k" }, { 100000, "100k" }, { 1000000, "1m" }, { 10000000, "10m" } };

struct device {
	struct test_client client;
	struct peer peer;
	char name[POPULATION_NAME];
	uint8_t next[DATAGRAM];
	size_t len;
	uint16_t mid;
};

/* A worker's stack with its devices, on one population. */
struct bench {
	bool psk;
	struct population *population;
	struct stack *stack;
	void *memory;
	void *kept; /* of associations, or NULL */
	struct stack_config config;
	struct stack_limits limits;
	const struct stack_limits *_Atomic published_limits;
	struct rng_drbg drbg;
	struct device *devices;
	unsigned burst; /* datagrams of a turn */
	uint64_t now_us, random, runs;
	uint64_t cycles, best;
	struct dgram_out slots[STACK_TX_MAX];
	uint8_t bytes[STACK_TX_MAX][DATAGRAM_MAX];
	uint8_t received[STACK_BURST][DATAGRAM];
	struct outbox out;
};

static void *
need(void *memory)
{
	if (!memory) {
		fprintf(stderr, "bench_scale: out of memory\n");
		exit(1);
	}
	return memory;
}

static bool
take_event(void *ctx, const struct session_event *event)
{
	return true;
}

/* ---- setting up ---- */

static void
init_stack(struct bench *bench)
{
	size_t size;

	bench->limits = (struct stack_limits){
		.ack_timeout_us = 2000000,
		.ack_random_percent = 150,
		.max_retransmit = 4,
		.linger_us = 247000000,
		.batch_wait_us = 1500000,
		.busy_max_age_s = 60,
		/* The bench's clock stands nearly still: no limit may bite. */
		.hellos_per_s = UINT32_MAX / 2,
		.handshakes_per_s = UINT32_MAX / 2,
		.handshakes_per_prefix_per_s = UINT32_MAX / 2,
	};
	atomic_store(&bench->published_limits, &bench->limits);
	bench->config = (struct stack_config){
		.sessions = AT_A_TIME * 2, /* as many lingering as running */
		.handshakes = AT_A_TIME,
		.n_listeners = 1,
		.listener_security = { bench->psk ? LISTENER_PSK : LISTENER_NOSEC },
		.listener_serves_keyed = { true },
		.serial_base = 1,
		.hash_seed = "benchmark seed.",
		.rng = rng_drbg_source(&bench->drbg),
		.emit = take_event,
		.limits = &bench->published_limits,
		.directory = &bench->population->directory,
	};
	size = (stack_size(&bench->config) + 63) / 64 * 64;
	bench->memory = need(aligned_alloc(64, size));
	memset(bench->memory, 0, size);
	bench->stack = stack_init(bench->memory, &bench->config, bench->now_us);
}

static struct bench *
bench_new(struct population *population, bool psk, unsigned burst)
{
	struct bench *bench = need(calloc(1, sizeof *bench));

	bench->psk = psk;
	bench->burst = burst;
	bench->population = population;
	bench->now_us = 1000000;
	bench->random = 1;
	bench->best = UINT64_MAX;
	bench->devices = need(calloc(AT_A_TIME, sizeof bench->devices[0]));
	if (rng_drbg_init(&bench->drbg, crypto_select()) != 0)
		need(NULL);
	init_stack(bench);
	for (unsigned i = 0; i < AT_A_TIME; i++)
		bench->devices[i].peer = (struct peer){
			.addr = { [10] = 0xff, 0xff, 10, 0, (uint8_t)(i >> 8), (uint8_t)i },
			.port = 1024,
		};
	for (unsigned i = 0; i < STACK_TX_MAX; i++) {
		bench->slots[i].data = bench->bytes[i];
		bench->slots[i].cap = DATAGRAM_MAX;
	}
	bench->out = (struct outbox){ .slots = bench->slots, .size = STACK_TX_MAX };
	return bench;
}

static void
keep(struct bench *bench)
{
	size_t slots = bench->config.sessions * stack_kept_slot_bytes();
	size_t size = slots + bench->config.sessions * stack_kept_tag_bytes();
	struct kept_place place = { .key = "benchmark's key" };

	bench->kept = need(aligned_alloc(64, (size + 63) / 64 * 64));
	memset(bench->kept, 0, size);
	place.slots = bench->kept;
	place.tags = (uint8_t *)bench->kept + slots;
	stack_keep(bench->stack, &place);
}

static void
bench_free(struct bench *bench)
{
	stack_fini(bench->stack);
	free(bench->kept);
	rng_drbg_fini(&bench->drbg);
	free(bench->devices);
	free(bench->memory);
	free(bench);
}

/* ---- the devices ---- */

static void
device_say(const struct bench *bench, struct device *device, const void *message, size_t len)
{
	if (bench->psk) {
		device->len = client_seal(&device->client, DTLS_APPLICATION_DATA, message, len,
					  device->next);
		return;
	}
	memcpy(device->next, message, len);
	device->len = len;
}

/* CON POST /bs?ep=... */
static void
device_request(const struct bench *bench, struct device *device)
{
	uint8_t message[64];
	struct writer out = writer_init(message, sizeof message);

	writer_bytes(&out, "\x44\x02", 2);
	writer_u16(&out, ++device->mid);
	writer_bytes(&out,
		     "tokn\xb2"
		     "bs\x4d",
		     8);
	writer_u8(&out, (uint8_t)(3 + POPULATION_NAME - 13));
	writer_bytes(&out, "ep=", 3);
	writer_bytes(&out, device->name, POPULATION_NAME);
	device_say(bench, device, message, writer_len(&out));
}

/* Another device takes this place, from another port. */
static void
device_begin(struct bench *bench, struct device *device)
{
	const struct dtls_world_credential who = { device->name, POPULATION_NAME, population_key,
						   POPULATION_KEY };

	bench->random = bench->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	population_name((uint32_t)((bench->random >> 32) * bench->population->n >> 32),
			device->name);
	device->peer.port++;
	bench->runs++;
	if (!bench->psk) {
		device_request(bench, device);
		return;
	}
	/* The server's primitives: choosing some asks the processor, which takes long in a virtual
	 * machine. */
	client_init(&device->client, bench->drbg.ops, &who);
	memcpy(device->client.random, &bench->runs, sizeof bench->runs);
	device->len = client_hello(&device->client, device->next);
}

/* Piggybacked 2.04 to a CON of the server; its ACKs need no answer. */
static void
device_answer(const struct bench *bench, struct device *device, const uint8_t *bytes, size_t len)
{
	uint8_t answer[12];

	if (len < sizeof answer || bytes[0] != 0x48)
		return;
	memcpy(answer, bytes, sizeof answer);
	answer[0] = 0x68;
	answer[1] = COAP_CHANGED;
	device_say(bench, device, answer, sizeof answer);
}

static void
device_take_records(const struct bench *bench, struct device *device, uint8_t *bytes, size_t len)
{
	struct test_client *client = &device->client;
	unsigned done = client->hellos_done, finished = client->finished;

	client->data_len = 0;
	client_take(client, bytes, len);
	if (client->data_len)
		device_answer(bench, device, client->data, client->data_len);
	else if (client->finished > finished)
		device_request(bench, device);
	else if (client->hellos_done > done)
		device->len = client_last_flight(client, device->next);
	else if (client->verify_requests && !client->server_hellos)
		device->len = client_hello(client, device->next);
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
	bench->cycles += ticks() - begin;
	for (unsigned i = 0; i < bench->out.used; i++) {
		const struct dgram_out *out = &bench->slots[i];
		unsigned index = (unsigned)out->peer.addr[14] << 8 | out->peer.addr[15];
		struct device *device = &bench->devices[index];

		/* The close_notify of an association that was evicted goes to a port it left. */
		if (!peer_equal(&device->peer, &out->peer))
			continue;
		if (bench->psk)
			device_take_records(bench, device, out->data, out->len);
		else
			device_answer(bench, device, out->data, out->len);
	}
}

/* One datagram of every device, in bursts. */
static void
pass(struct bench *bench)
{
	struct dgram_in in[STACK_BURST];
	unsigned n = 0;

	for (unsigned i = 0; i < AT_A_TIME; i++) {
		struct device *device = &bench->devices[i];

		memcpy(bench->received[n], device->next, device->len);
		in[n] = (struct dgram_in){ .peer = device->peer,
					   .link = { .vlan = LINK_UNTAGGED },
					   .len = (uint16_t)device->len,
					   .data = bench->received[n] };
		device->len = 0;
		if (++n == bench->burst || i + 1 == AT_A_TIME) {
			turn(bench, in, n);
			n = 0;
		}
	}
}

static void
round_of(struct bench *bench)
{
	unsigned passes = bench->psk ? PASSES_PSK : PASSES_NOSEC;

	bench->cycles = 0;
	for (unsigned i = 0; i < AT_A_TIME; i++)
		device_begin(bench, &bench->devices[i]);
	for (unsigned i = 0; i < passes; i++)
		pass(bench);
	if (bench->cycles < bench->best)
		bench->best = bench->cycles;
}

/* Every bootstrap must have finished: else the figure is of something else. */
static void
check_finished(const struct bench *bench)
{
	uint64_t finished = stack_counters(bench->stack)->value[COUNTER_bs_finished];

	if (finished == bench->runs)
		return;
	fprintf(stderr, "bench_scale: %llu of %llu bootstraps finished\n",
		(unsigned long long)finished, (unsigned long long)bench->runs);
	exit(1);
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

/* ---- the program ---- */

struct options {
	bool quick, nosec, psk, keep, at_once;
	uint32_t devices; /* 0: all sizes */
	unsigned workers; /* 0: sizes are measured */
	unsigned rounds;  /* 0: as many as usual */
	unsigned burst;
	const char *json;
};

static bool
fits(uint32_t n)
{
	double memory = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

	return (double)n * BYTES_EACH < memory * 0.8;
}

static void
report(FILE *json, const char *security, const double us[SIZES], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		printf("  %-5s %8.0f ns with %8u devices: %.2f times that of %u\n", security,
		       us[i] * 1000, sizes[i].n, us[i] / us[0], sizes[0].n);
		if (json)
			fprintf(json, ", \"%s_core_%s_us\": %.4f", security, sizes[i].name, us[i]);
		if (json && i >= 2)
			fprintf(json, ", \"%s_core_%s_over_10k\": %.4f", security, sizes[i].name,
				us[i] / us[0]);
	}
}

static void
measure(const struct options *options, struct population *populations, unsigned n, FILE *json)
{
	unsigned rounds = options->rounds  ? options->rounds
			  : options->quick ? QUICK_ROUNDS
					   : ROUNDS;
	struct bench *benches[SIZES];
	double per_us = ticks_per_us(), us[SIZES] = { 0 };

	for (unsigned psk = 0; psk < 2; psk++) {
		if (psk ? !options->psk : !options->nosec)
			continue;
		for (unsigned i = 0; i < n; i++)
			benches[i] = bench_new(&populations[i], psk, options->burst);
		for (unsigned i = 0; i < n && options->keep; i++)
			keep(benches[i]);
		for (unsigned round = 0; round < rounds; round++)
			for (unsigned i = 0; i < n; i++)
				round_of(benches[i]);
		for (unsigned i = 0; i < n; i++) {
			check_finished(benches[i]);
			us[i] = (double)benches[i]->best / per_us / AT_A_TIME;
			bench_free(benches[i]);
		}
		if (options->devices)
			printf("  %-5s %8.0f ns with %8u devices\n", psk ? "psk" : "nosec",
			       us[0] * 1000, options->devices);
		else
			report(json, psk ? "psk" : "nosec", us, n);
	}
}

static void
run(const struct options *options, FILE *json)
{
	struct population populations[SIZES];
	unsigned n = 0, wanted = options->quick ? QUICK_SIZES : SIZES;

	if (options->devices)
		population_init(&populations[n++], options->devices);
	for (; !options->devices && n < wanted; n++) {
		if (!fits(sizes[n].n)) {
			printf("  no memory for %u devices: left out\n", sizes[n].n);
			break;
		}
		population_init(&populations[n], sizes[n].n);
	}
	if (json)
		fprintf(json, "{\"bytes_per_directory_device\": %.1f",
			population_bytes_each(&populations[n - 1]));
	measure(options, populations, n, json);
	if (json)
		fprintf(json, "}\n");
	while (n)
		population_fini(&populations[--n]);
}

/* ---- several workers ---- */

/* Workers of one population, each on a CPU of its own, in turns and all at once. */
struct crew {
	unsigned n, rounds;
	bool psk, at_once;
	pthread_barrier_t step;
	struct member {
		struct crew *crew;
		struct bench *bench;
		unsigned index;
		uint64_t alone, together; /* the best round of each kind */
	} members[WORKERS_MAX];
};

/* The index-th CPU that we may use; false: there are fewer, and none is to be shared. */
static bool
pin(unsigned index, bool shared)
{
	cpu_set_t allowed, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
		return false;
	if (shared)
		index %= (unsigned)CPU_COUNT(&allowed);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || index--)
			continue;
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof one, &one) == 0;
	}
	return false;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void *
work(void *ctx)
{
	struct member *member = ctx;
	struct crew *crew = member->crew;

	if (!pin(member->index, crew->at_once)) {
		fprintf(stderr, "bench_scale: no CPU for worker %u\n", member->index);
		exit(1);
	}
	for (unsigned round = 0; round < crew->rounds; round++) {
		for (unsigned turn = 0; turn < crew->n && !crew->at_once; turn++) {
			pthread_barrier_wait(&crew->step);
			if (turn != member->index)
				continue;
			round_of(member->bench);
			member->alone = least(member->alone, member->bench->cycles);
		}
		pthread_barrier_wait(&crew->step);
		round_of(member->bench);
		member->together = least(member->together, member->bench->cycles);
	}
	return NULL;
}

/* What all cost at once over what each costs while the others rest. */
static double
run_crew(struct crew *crew, struct population *population)
{
	pthread_t threads[WORKERS_MAX];
	double alone = 0, together = 0;

	if (pthread_barrier_init(&crew->step, NULL, crew->n) != 0)
		need(NULL);
	for (unsigned i = 0; i < crew->n; i++) {
		crew->members[i] =
			(struct member){ crew, bench_new(population, crew->psk, STACK_BURST), i,
					 UINT64_MAX, UINT64_MAX };
		if (pthread_create(&threads[i], NULL, work, &crew->members[i]) != 0)
			need(NULL);
	}
	for (unsigned i = 0; i < crew->n; i++) {
		pthread_join(threads[i], NULL);
		check_finished(crew->members[i].bench);
		bench_free(crew->members[i].bench);
		alone += (double)crew->members[i].alone;
		together += (double)crew->members[i].together;
	}
	pthread_barrier_destroy(&crew->step);
	return together / alone;
}

static void
run_at_once(const struct options *options)
{
	struct crew crew = {
		.n = options->workers,
		.rounds = options->rounds ? options->rounds : 1,
		.psk = options->psk,
		.at_once = true,
	};
	struct population population;

	population_init(&population, sizes[0].n);
	(void)run_crew(&crew, &population);
	population_fini(&population);
}

static void
run_workers(const struct options *options, FILE *json)
{
	unsigned rounds = options->rounds ? options->rounds : options->quick ? 12 : 40;
	struct population population;

	population_init(&population, sizes[0].n);
	if (json)
		fprintf(json, "{");
	for (unsigned n = 2; n <= options->workers; n *= 2) {
		struct crew crew = { .n = n, .rounds = rounds, .psk = true };
		double ratio = run_crew(&crew, &population);

		printf("  %u workers at once, PSK: %.3f of one after the other\n", n, ratio);
		if (json)
			fprintf(json, "%s\"workers_%u_over_1\": %.4f", n > 2 ? ", " : "", n, ratio);
	}
	if (json)
		fprintf(json, "}\n");
	population_fini(&population);
}

static bool
parse(struct options *options, int argc, char **argv)
{
	*options = (struct options){ .nosec = true, .psk = true, .burst = STACK_BURST };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			options->quick = true;
		} else if (strcmp(argv[i], "--keep") == 0) {
			options->keep = true;
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			options->json = argv[++i];
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			options->nosec = strcmp(argv[++i], "nosec") == 0;
			options->psk = !options->nosec;
		} else if (strcmp(argv[i], "--devices") == 0 && i + 1 < argc) {
			options->devices = (uint32_t)strtoul(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
			options->rounds = (unsigned)strtoul(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--burst") == 0 && i + 1 < argc) {
			options->burst = (unsigned)strtoul(argv[++i], NULL, 10);
			if (options->burst < 1 || options->burst > STACK_BURST)
				return false;
		} else if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc) {
			options->workers = (unsigned)strtoul(argv[++i], NULL, 10);
			if (options->workers < 1 || options->workers > WORKERS_MAX)
				return false;
		} else if (strcmp(argv[i], "--at-once") == 0) {
			options->at_once = true;
		} else {
			return false;
		}
	}
	return options->at_once ? options->workers > 0 && !options->json : options->workers != 1;
}

int
main(int argc, char **argv)
{
	struct options options;
	FILE *json = NULL;

	if (!parse(&options, argc, argv)) {
		fprintf(stderr, "usage: bench_scale [--quick] [--json FILE] [--only nosec|psk] "
				"[--devices N] [--rounds N] [--burst N] [--keep]\n"
				"       bench_scale --workers N [--quick] [--json FILE] (2 to 8)\n"
				"       bench_scale --workers N --at-once [--only nosec|psk] "
				"[--rounds N] (1 to 8)\n");
		return 2;
	}
	if (options.json && !(json = fopen(options.json, "w"))) {
		perror(options.json);
		return 1;
	}
	if (options.at_once)
		run_at_once(&options);
	else if (options.workers)
		run_workers(&options, json);
	else
		run(&options, json);
	return json && fclose(json) != 0 ? 1 : 0;
}
