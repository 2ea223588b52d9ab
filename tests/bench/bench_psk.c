/*
 * bench_psk - what a bootstrap over DTLS with a pre-shared key costs in the worker, without the
 * driver: cookie exchange, handshake, request and three steps.
 *
 * usage: bench_psk [--quick] [--json FILE]
 *
 * Devices in memory, as in bench_stack: all their datagrams go in bursts, one of each device in
 * turn, every run comes from a new port and evicts a session that lingers. Counted is the time
 * inside stack_receive() and stack_tick() alone; the best of several rounds.
 *
 * Keys: psk_bootstrap_core_us (2,000 devices in turn), psk_bootstrap_burst_us (32 devices). Handshakes
 * alone, of so many devices whose flights come in one burst: handshake_stack_N_us, and with two of them
 * never made in step handshake_stack_N_alone_us; both take turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/core/coap/coap_defs.h"
#include "dataplane/core/crypto/rng_drbg.h"
#include "dataplane/core/stack.h"
#include "tests/support/dtls_client.h"

enum { ROUNDS = 7, STEPS = 3, FLIGHTS = 3, KEY_LEN = 16, DATAGRAM = 512 };

struct device {
	struct test_client client;
	struct peer peer;
	char name[24];
	uint8_t next[DATAGRAM];
	size_t len;
	uint16_t mid;
};

struct bench {
	struct stack *stack;
	void *memory;
	struct stack_config config;
	struct stack_limits limits;
	const struct stack_limits *_Atomic published_limits;
	struct directory *_Atomic directory;
	struct rng_drbg drbg;
	struct batch *batch;
	struct device *devices;
	struct device_entry **entries;
	unsigned n, burst;
	bool alone; /* handshakes are never made in step */
	uint64_t now_us;
	double spent_us;
	struct dgram_out slots[STACK_TX_MAX];
	uint8_t bytes[STACK_TX_MAX][DATAGRAM_MAX];
	struct outbox out;
};

static const uint8_t key[KEY_LEN] = "0123456789abcde";

static void *
need(void *memory)
{
	if (!memory) {
		fprintf(stderr, "bench_psk: out of memory\n");
		exit(1);
	}
	return memory;
}

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static bool
take_event(void *ctx, const struct session_event *event)
{
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
	return step;
}

/* The reference task: PUT /0/10, PUT /1/0, Finish. */
static struct batch *
batch_new(void)
{
	struct batch *batch = need(calloc(1, sizeof *batch + STEPS * sizeof batch->steps[0]));

	batch->format = 11542;
	batch->n_steps = STEPS;
	batch->steps[0] =
		step_new(COAP_PUT, BATCH_EXPECT_WRITE, "\xb1\x30\x02\x31\x30\x12\x2d\x16", 8, 66);
	batch->steps[1] =
		step_new(COAP_PUT, BATCH_EXPECT_WRITE, "\xb1\x31\x01\x30\x12\x2d\x16", 7, 18);
	batch->steps[2] = step_new(COAP_POST, BATCH_EXPECT_FINISH, "\xb2\x62\x73", 3, 0);
	return batch;
}

static void
add_device(struct bench *bench, unsigned i)
{
	struct device *device = &bench->devices[i];
	struct directory_retired retired;
	struct device_entry *old;
	int len = snprintf(device->name, sizeof device->name, "urn:imei:%08u", i);

	bench->entries[i] =
		need(device_entry_new(i, device->name, (size_t)len, NULL, 0, key, sizeof key));
	atomic_store(&bench->entries[i]->batch, bench->batch);
	if (directory_put(bench->directory, bench->entries[i], &old, &retired) != 0)
		need(NULL);
	free(retired.blocks[0]);
	free(retired.blocks[1]);
	device->peer = (struct peer){
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
		.sessions = bench->n * 2,
		.handshakes = bench->n,
		.n_listeners = 1,
		.handshakes_alone = bench->alone,
		.listener_security = { LISTENER_PSK },
		.serial_base = 1,
		.hash_seed = "benchmark seed.",
		.rng = rng_drbg_source(&bench->drbg),
		.emit = take_event,
		.limits = &bench->published_limits,
		.directory = &bench->directory,
	};
	size = (stack_size(&bench->config) + 63) / 64 * 64;
	bench->memory = need(aligned_alloc(64, size));
	memset(bench->memory, 0, size);
	bench->stack = stack_init(bench->memory, &bench->config, bench->now_us);
}

static struct bench *
bench_new(unsigned n, unsigned burst, bool alone)
{
	struct bench *bench = need(calloc(1, sizeof *bench));

	bench->n = n;
	bench->burst = burst;
	bench->alone = alone;
	bench->now_us = 1000000;
	bench->devices = need(calloc(n, sizeof bench->devices[0]));
	bench->entries = need(calloc(n, sizeof bench->entries[0]));
	bench->batch = batch_new();
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
	for (unsigned i = 0; i < bench->n; i++)
		device_entry_free(bench->entries[i]);
	for (unsigned i = 0; i < STEPS; i++)
		free((void *)(uintptr_t)bench->batch->steps[i]);
	free(bench->batch);
	free(bench->entries);
	free(bench->devices);
	free(bench->memory);
	free(bench);
}

/* ---- the devices ---- */

static void
device_say(struct device *device, const void *message, size_t len)
{
	device->len =
		client_seal(&device->client, DTLS_APPLICATION_DATA, message, len, device->next);
}

/* CON POST /bs?ep=..., to be sent when the handshake has finished. */
static void
device_request(struct device *device)
{
	uint8_t message[64];
	struct writer out = writer_init(message, sizeof message);
	size_t len = strlen(device->name);

	writer_bytes(&out, "\x44\x02", 2);
	writer_u16(&out, ++device->mid);
	writer_bytes(&out,
		     "tokn\xb2"
		     "bs\x4d",
		     8);
	writer_u8(&out, (uint8_t)(3 + len - 13));
	writer_bytes(&out, "ep=", 3);
	writer_bytes(&out, device->name, len);
	device_say(device, message, writer_len(&out));
}

/* The server's primitives serve its devices, too: choosing some asks the processor, which takes long
 * in a virtual machine. */
static void
device_begin(const struct bench *bench, struct device *device, unsigned run)
{
	const struct dtls_world_credential who = { device->name, strlen(device->name), key,
						   sizeof key };

	client_init(&device->client, bench->drbg.ops, &who);
	memcpy(device->client.random, &run, sizeof run);
	device->peer.port++;
	device->len = client_hello(&device->client, device->next);
}

/* What the device does about a datagram of the server. */
static void
device_take(struct device *device, uint8_t *bytes, size_t len)
{
	struct test_client *client = &device->client;
	unsigned done = client->hellos_done, finished = client->finished;
	uint8_t answer[12];

	client->data_len = 0;
	client_take(client, bytes, len);
	if (client->data_len >= 12 && client->data[0] == 0x48) {
		memcpy(answer, client->data, sizeof answer);
		answer[0] = 0x68;
		answer[1] = COAP_CHANGED;
		device_say(device, answer, sizeof answer);
	} else if (client->finished > finished) {
		device_request(device);
	} else if (client->hellos_done > done) {
		device->len = client_last_flight(client, device->next);
	} else if (client->verify_requests && !client->server_hellos) {
		device->len = client_hello(client, device->next);
	}
}

/* ---- measuring ---- */

static uint32_t
device_of(const struct peer *peer)
{
	return (uint32_t)peer->addr[13] << 16 | (uint32_t)peer->addr[14] << 8 | peer->addr[15];
}

static void
turn(struct bench *bench, struct dgram_in *in, unsigned n)
{
	double begin;

	bench->out.used = 0;
	bench->now_us += 50;
	begin = now_us();
	stack_receive(bench->stack, bench->now_us, in, n, &bench->out);
	stack_tick(bench->stack, bench->now_us, &bench->out);
	bench->spent_us += now_us() - begin;
	for (unsigned i = 0; i < bench->out.used; i++) {
		struct device *device = &bench->devices[device_of(&bench->slots[i].peer)];

		/* The close_notify of an association that was evicted goes to a port it left. */
		if (peer_equal(&device->peer, &bench->slots[i].peer))
			device_take(device, bench->slots[i].data, bench->slots[i].len);
	}
}

/* One datagram of every device, in bursts. */
static void
pass(struct bench *bench)
{
	struct dgram_in in[STACK_BURST];
	static uint8_t bytes[STACK_BURST][DATAGRAM];
	unsigned n = 0;

	for (unsigned i = 0; i < bench->n; i++) {
		struct device *device = &bench->devices[i];

		memcpy(bytes[n], device->next, device->len);
		in[n] = (struct dgram_in){ .peer = device->peer,
					   .link = { .vlan = LINK_UNTAGGED },
					   .len = (uint16_t)device->len,
					   .data = bytes[n] };
		device->len = 0;
		if (++n == bench->burst || i + 1 == bench->n) {
			turn(bench, in, n);
			n = 0;
		}
	}
}

/* Every one must finish: else the figure is of something else. */
static void
must_have(const struct bench *bench, enum counter counter, uint64_t n)
{
	uint64_t has = stack_counters(bench->stack)->value[counter];

	if (has == n)
		return;
	fprintf(stderr, "bench_psk: %s: %llu of %llu\n", counter_infos[counter].name,
		(unsigned long long)has, (unsigned long long)n);
	exit(1);
}

/* Microseconds of a bootstrap with `n` devices in turn. */
static double
measure(unsigned n, unsigned bootstraps)
{
	struct bench *bench = bench_new(n, STACK_BURST, false);
	unsigned repeats = bootstraps / n ? bootstraps / n : 1;
	double best = 1e30;

	for (unsigned round = 0; round < ROUNDS; round++) {
		bench->spent_us = 0;
		for (unsigned r = 0; r < repeats; r++) {
			for (unsigned i = 0; i < n; i++)
				device_begin(bench, &bench->devices[i], round * repeats + r);
			for (unsigned datagram = 0; datagram < FLIGHTS + 1 + STEPS; datagram++)
				pass(bench);
		}
		if (bench->spent_us < best)
			best = bench->spent_us;
	}
	must_have(bench, COUNTER_bs_finished, (uint64_t)ROUNDS * repeats * n);
	bench_free(bench);
	return best / repeats / n;
}

/* ---- handshakes in bursts ---- */

static struct in_burst {
	unsigned n;
	double us[2]; /* in step; alone */
} in_bursts[] = { { 1, { 0 } }, { 2, { 0 } }, { 8, { 0 } }, { STACK_BURST, { 0 } } };

enum { IN_BURSTS = sizeof in_bursts / sizeof in_bursts[0], SHAKE_ROUNDS = 40 };

/* Associations without a run end when nothing comes for a while. */
static void
let_all_end(struct bench *bench)
{
	enum { IDLE_US = 120 * 1000 * 1000 };

	bench->now_us += IDLE_US;
	while (stack_gauges(bench->stack).sessions) {
		bench->out.used = 0;
		stack_tick(bench->stack, ++bench->now_us, &bench->out);
	}
}

/* The three flights of every device. */
static void
shake_hands(struct bench *bench, unsigned run)
{
	for (unsigned i = 0; i < bench->n; i++)
		device_begin(bench, &bench->devices[i], run);
	for (unsigned flight = 0; flight < FLIGHTS; flight++)
		pass(bench);
	let_all_end(bench);
}

static void
measure_in_burst(struct in_burst *in_burst, unsigned handshakes)
{
	struct bench *benches[2];
	unsigned repeats = handshakes / SHAKE_ROUNDS / STACK_BURST + 1;

	for (unsigned alone = 0; alone < 2; alone++) {
		benches[alone] = bench_new(STACK_BURST, in_burst->n, alone);
		in_burst->us[alone] = 1e30;
	}
	for (unsigned round = 0; round < SHAKE_ROUNDS; round++) {
		for (unsigned alone = 0; alone < 2; alone++) {
			double us;

			benches[alone]->spent_us = 0;
			for (unsigned r = 0; r < repeats; r++)
				shake_hands(benches[alone], round * repeats + r);
			us = benches[alone]->spent_us / repeats / STACK_BURST;
			if (us < in_burst->us[alone])
				in_burst->us[alone] = us;
		}
	}
	for (unsigned alone = 0; alone < 2; alone++) {
		must_have(benches[alone], COUNTER_dtls_finished,
			  (uint64_t)SHAKE_ROUNDS * repeats * STACK_BURST);
		bench_free(benches[alone]);
	}
}

static void
print_in_bursts(void)
{
	printf("handshake in bursts of so many, two of them in step / each alone:\n");
	for (unsigned i = 0; i < IN_BURSTS; i++)
		printf("  %8u %8.0f / %.0f ns\n", in_bursts[i].n, in_bursts[i].us[0] * 1000,
		       in_bursts[i].us[1] * 1000);
}

static int
write_json(const char *path, double burst, double many)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		perror(path);
		return 1;
	}
	fprintf(file, "{\"psk_bootstrap_core_us\": %.4f, \"psk_bootstrap_burst_us\": %.4f", many,
		burst);
	for (unsigned i = 0; i < IN_BURSTS; i++)
		fprintf(file,
			", \"handshake_stack_%u_us\": %.4f, \"handshake_stack_%u_alone_us\": %.4f",
			in_bursts[i].n, in_bursts[i].us[0], in_bursts[i].n, in_bursts[i].us[1]);
	fprintf(file, "}\n");
	return fclose(file) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const char *json = NULL;
	unsigned bootstraps = 20000;
	double burst, many;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			bootstraps = 4000;
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json = argv[++i];
		} else {
			fprintf(stderr, "usage: bench_psk [--quick] [--json FILE]\n");
			return 2;
		}
	}
	burst = measure(STACK_BURST, bootstraps);
	many = measure(2000, bootstraps);
	for (unsigned i = 0; i < IN_BURSTS; i++)
		measure_in_burst(&in_bursts[i], bootstraps);
	printf("PSK bootstrap (cookie, handshake, 4 exchanges), time in the stack:\n");
	printf("  %8.0f ns   32 devices, bursts of 32\n", burst * 1000);
	printf("  %8.0f ns   2,000 devices in turn, bursts of 32\n", many * 1000);
	print_in_bursts();
	printf("  %8zu bytes a session, %zu a handshake\n", stack_session_bytes(),
	       stack_handshake_bytes());
	return json ? write_json(json, burst, many) : 0;
}
