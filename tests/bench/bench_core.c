/*
 * bench_core - nanoseconds of the building blocks that every datagram or session passes.
 *
 * usage: bench_core [--quick] [--json FILE]
 *
 * The best of several rounds counts: what another program on the machine takes is not ours.
 * Look-ups are measured twice: one by one, each waiting for the one before (what a look-up costs
 * when nothing hides it), and in bursts of 32 with prefetching, as a worker does them. --quick
 * leaves out the tables of ten million devices (a gigabyte).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/core/coap/coap_msg.h"
#include "dataplane/core/delays.h"
#include "dataplane/core/tables/directory.h"
#include "dataplane/core/tables/ratelimit.h"
#include "dataplane/core/tables/session_table.h"
#include "dataplane/core/tables/timer_wheel.h"

enum {
	ROUNDS = 15,
	OPS = 8192, /* of a round */
	BURST = 32,
	NAME_LEN = 24,
	TIMERS = 100000,
};

struct session {
	struct session_node node;
	uint8_t rest[200];
};

struct timed {
	struct timer_node timer;
	uint8_t rest[244];
};

struct bench {
	FILE *json;
	bool json_begun;
	uint64_t random;
	uint64_t sink; /* results go here, so that nothing is optimised away */

	uint32_t count;
	struct peer peers[OPS];
	struct session_table *table;
	char names[OPS][NAME_LEN + 1];
	struct directory *directory;
	struct timer_wheel wheel;
	struct timed *timed;
	uint64_t now_us;
	struct ratelimit_prefixes prefixes;
	struct delays delays;
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint32_t
below(struct bench *bench, uint32_t limit)
{
	bench->random = bench->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((bench->random >> 32) * limit >> 32);
}

static void *
must(void *memory)
{
	if (!memory) {
		fprintf(stderr, "bench_core: out of memory\n");
		exit(1);
	}
	return memory;
}

static void
report(struct bench *bench, const char *name, double value, const char *unit)
{
	printf("%-44s %9.1f %s\n", name, value, unit);
	if (bench->json)
		fprintf(bench->json, "%s\n  \"%s_%s\": %.1f", bench->json_begun ? "," : "{", name,
			unit, value);
	bench->json_begun = true;
}

/* One measurement: `prepare` is not timed. */
static void
measure(struct bench *bench, const char *name, void (*prepare)(struct bench *),
	void (*run)(struct bench *))
{
	uint64_t best = UINT64_MAX;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start;

		if (prepare)
			prepare(bench);
		start = now_ns();
		run(bench);
		start = now_ns() - start;
		if (start < best)
			best = start;
	}
	report(bench, name, (double)best / OPS, "ns");
}

/* ---- CoAP ---- */

static const uint8_t request[] = { 0x44, 0x02, 0x12, 0x34, 0xc0, 0x8e, 0x9b, 0xe1, 0xb2, 'b', 's',
				   0x4b, 'e',  'p',  '=',  'd',  'e',  'v',  '-',  '0',  '0', '0',
				   '1',  0x07, 'p',  'c',  't',  '=',  '1',  '1',  '2' };

static void
coap_answer(struct bench *bench)
{
	uint8_t bytes[64];

	for (unsigned i = 0; i < OPS; i++) {
		struct writer writer = writer_init(bytes, sizeof bytes);
		struct coap_options_seen seen;
		struct coap_msg msg;

		if (coap_parse(request, sizeof request, &msg) != COAP_IS_REQUEST ||
		    coap_options_check(&msg, &seen) != COAP_OPTIONS_FINE ||
		    !coap_path_is(&msg, "bs"))
			abort();
		msg.header.type = COAP_ACK;
		msg.header.code = COAP_CHANGED;
		coap_write_header(&writer, &msg.header);
		bench->sink += writer_finish(&writer);
	}
}

/* ---- timers ---- */

static void
timers_prepare(struct bench *bench)
{
	bench->timed = must(calloc(TIMERS, sizeof bench->timed[0]));
	timer_wheel_init(&bench->wheel, &bench->timed[0].timer, sizeof bench->timed[0], 0);
	bench->now_us = 0;
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_wheel_arm(&bench->wheel, i, 2000000 + below(bench, 245000000));
}

static void
timers_rearm(struct bench *bench)
{
	for (unsigned i = 0; i < OPS; i++) {
		uint32_t index = below(bench, TIMERS);

		timer_wheel_cancel(&bench->wheel, index);
		timer_wheel_arm(&bench->wheel, index,
				bench->now_us + 2000000 + below(bench, 1000000));
	}
}

static void
timers_idle(struct bench *bench)
{
	uint32_t index;

	for (unsigned i = 0; i < OPS; i++) {
		bench->sink += timer_wheel_pop(&bench->wheel, bench->now_us, &index);
		__asm__ volatile("" ::: "memory");
	}
}

/* Every expiry arms anew, 3 s ahead: a steady state of timers going off, moves between levels
 * included. */
static void
timers_expire(struct bench *bench)
{
	for (unsigned popped = 0; popped < OPS;) {
		uint32_t index;

		if (!timer_wheel_pop(&bench->wheel, bench->now_us, &index)) {
			bench->now_us += 10;
			continue;
		}
		timer_wheel_arm(&bench->wheel, index, bench->now_us + 3000000);
		popped++;
	}
}

static void
bench_timers(struct bench *bench)
{
	timers_prepare(bench);
	measure(bench, "timer_wheel_nothing_due", NULL, timers_idle);
	measure(bench, "timer_wheel_cancel_arm_100k", NULL, timers_rearm);
	measure(bench, "timer_wheel_expire_arm_100k", NULL, timers_expire);
	free(bench->timed);
}

/* ---- sessions ---- */

static struct peer
peer_of(uint32_t n)
{
	return (struct peer){ .addr = { [10] = 0xff,
					0xff,
					10,
					(uint8_t)(n >> 16),
					(uint8_t)(n >> 8),
					(uint8_t)n },
			      .port = 5683 };
}

static void
pick_peers(struct bench *bench)
{
	for (unsigned i = 0; i < OPS; i++)
		bench->peers[i] = peer_of(below(bench, bench->count));
}

static void
sessions_one_by_one(struct bench *bench)
{
	size_t zero = 0;

	for (unsigned i = 0; i < OPS; i++) {
		const struct peer *peer = &bench->peers[i + zero];
		uint64_t hash = session_table_hash(bench->table, peer);
		struct session_node *node = session_table_find(bench->table, hash, peer);

		zero = node->state == SESSION_FREE; /* never, but the CPU must wait to know */
	}
	bench->sink += zero;
}

static void
sessions_burst(struct bench *bench, const struct peer *peers)
{
	uint64_t hash[BURST];

	for (unsigned i = 0; i < BURST; i++) {
		hash[i] = session_table_hash(bench->table, &peers[i]);
		session_table_prefetch(bench->table, hash[i]);
	}
	for (unsigned i = 0; i < BURST; i++)
		session_table_prefetch_session(bench->table, hash[i]);
	for (unsigned i = 0; i < BURST; i++)
		bench->sink += session_table_find(bench->table, hash[i], &peers[i])->serial;
}

static void
sessions_in_bursts(struct bench *bench)
{
	for (unsigned i = 0; i < OPS; i += BURST)
		sessions_burst(bench, &bench->peers[i]);
}

static void
sessions_reopen(struct bench *bench)
{
	for (unsigned i = 0; i < OPS; i++) {
		uint64_t hash = session_table_hash(bench->table, &bench->peers[i]);

		session_table_close(bench->table,
				    session_table_find(bench->table, hash, &bench->peers[i]));
		session_table_open(bench->table, hash, &bench->peers[i]);
	}
}

static void
bench_sessions(struct bench *bench, uint32_t count, const char *label)
{
	struct session_table_config config = { count, sizeof(struct session), { 9 } };
	size_t size = session_table_size(&config);
	void *memory = must(aligned_alloc(64, size));
	char name[64];

	memset(memory, 0, size);
	bench->count = count;
	bench->table = session_table_init(memory, &config);
	for (uint32_t i = 0; i < count; i++) {
		struct peer peer = peer_of(i);

		session_table_open(bench->table, session_table_hash(bench->table, &peer), &peer);
	}
	snprintf(name, sizeof name, "session_find_%s", label);
	measure(bench, name, pick_peers, sessions_one_by_one);
	snprintf(name, sizeof name, "session_find_%s_prefetched", label);
	measure(bench, name, pick_peers, sessions_in_bursts);
	snprintf(name, sizeof name, "session_close_open_%s", label);
	measure(bench, name, pick_peers, sessions_reopen);
	free(memory);
}

/* ---- devices ---- */

static void
name_of(uint32_t n, char name[NAME_LEN + 1])
{
	memcpy(name, "urn:imei:000000000000000", NAME_LEN + 1);
	for (unsigned at = NAME_LEN; n; n /= 10)
		name[--at] = (char)('0' + n % 10);
}

static void
pick_names(struct bench *bench)
{
	for (unsigned i = 0; i < OPS; i++)
		name_of(below(bench, bench->count), bench->names[i]);
}

static void
devices_one_by_one(struct bench *bench)
{
	size_t zero = 0;

	for (unsigned i = 0; i < OPS; i++)
		zero = directory_find(bench->directory, bench->names[i + zero], NAME_LEN)
			       ->key_len == 0;
	bench->sink += zero;
}

static void
devices_burst(struct bench *bench, char (*names)[NAME_LEN + 1])
{
	uint64_t hash[BURST];

	for (unsigned i = 0; i < BURST; i++) {
		hash[i] = directory_hash(bench->directory, names[i], NAME_LEN);
		directory_prefetch(bench->directory, hash[i]);
	}
	for (unsigned i = 0; i < BURST; i++)
		directory_prefetch_entry(bench->directory, hash[i]);
	for (unsigned i = 0; i < BURST; i++)
		bench->sink +=
			directory_find_hashed(bench->directory, hash[i], names[i], NAME_LEN)->id;
}

static void
devices_in_bursts(struct bench *bench)
{
	for (unsigned i = 0; i < OPS; i += BURST)
		devices_burst(bench, &bench->names[i]);
}

static void
put_device(struct bench *bench, uint32_t n)
{
	struct directory_retired retired;
	struct device_entry *entry, *old;
	char name[NAME_LEN + 1];

	name_of(n, name);
	entry = must(device_entry_new(n, name, NAME_LEN, NULL, 0, name, 16));
	if (directory_put(bench->directory, entry, &old, &retired) != 0)
		abort();
	device_entry_free(old);
	free(retired.blocks[0]);
	free(retired.blocks[1]);
}

static void
devices_replace(struct bench *bench)
{
	for (unsigned i = 0; i < OPS; i++)
		put_device(bench, below(bench, bench->count));
}

static bool
free_device(void *ctx, struct device_entry *entry)
{
	device_entry_free(entry);
	return true;
}

/* Of this thread alone: what another program takes in between is not the directory's. */
static uint64_t
own_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
bench_devices(struct bench *bench, uint32_t count, const char *label)
{
	static const uint8_t seed[16] = { 3 };
	uint64_t start = now_ns(), longest = 0;
	char name[64];

	bench->directory = must(directory_new(0, seed));
	bench->count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t before = own_ns(), took;

		put_device(bench, i);
		took = own_ns() - before;
		longest = took > longest ? took : longest;
	}
	snprintf(name, sizeof name, "directory_fill_%s", label);
	report(bench, name, (double)(now_ns() - start) / count, "ns");
	snprintf(name, sizeof name, "directory_longest_growth_%s", label);
	report(bench, name, (double)longest / 1e6, "ms");
	snprintf(name, sizeof name, "directory_per_device_%s", label);
	report(bench, name, (double)directory_bytes(bench->directory) / count, "bytes");
	snprintf(name, sizeof name, "directory_find_%s", label);
	measure(bench, name, pick_names, devices_one_by_one);
	snprintf(name, sizeof name, "directory_find_%s_prefetched", label);
	measure(bench, name, pick_names, devices_in_bursts);
	snprintf(name, sizeof name, "directory_replace_%s", label);
	measure(bench, name, NULL, devices_replace);
	directory_each(bench->directory, free_device, NULL);
	directory_free(bench->directory);
}

/* ---- limits ---- */

static void
prefixes_take(struct bench *bench)
{
	for (unsigned i = 0; i < OPS; i++)
		bench->sink += ratelimit_prefixes_take(&bench->prefixes, bench->peers[i].addr,
						       ++bench->now_us);
}

static void
bench_ratelimit(struct bench *bench)
{
	static struct ratelimit_bucket buckets[4096];
	static const uint8_t seed[16] = { 5 };

	bench->count = 1 << 24;
	ratelimit_prefixes_init(&bench->prefixes, (struct ratelimit_rate){ 1000, 100 }, seed,
				buckets, 4096);
	measure(bench, "ratelimit_prefix_take", pick_peers, prefixes_take);
}

/* ---- histograms ---- */

/* Values as they come: of all sizes, so that no bucket is foretold. */
static void
delays_take(struct bench *bench)
{
	uint64_t value = bench->random;

	for (unsigned i = 0; i < OPS; i++) {
		value = value * 6364136223846793005u + 1442695040888963407u;
		delays_add(&bench->delays, value >> (40 + (value & 15)));
	}
	bench->sink += bench->delays.sum;
}

int
main(int argc, char **argv)
{
	struct bench *bench = must(calloc(1, sizeof *bench));
	bool quick = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			quick = true;
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			bench->json = must(fopen(argv[++i], "w"));
		} else {
			fprintf(stderr, "usage: bench_core [--quick] [--json FILE]\n");
			return 2;
		}
	}
	measure(bench, "coap_request_to_answer", NULL, coap_answer);
	measure(bench, "histogram", NULL, delays_take);
	bench_timers(bench);
	bench_ratelimit(bench);
	bench_sessions(bench, 10000, "10k");
	bench_sessions(bench, 1000000, "1m");
	bench_devices(bench, 10000, "10k");
	bench_devices(bench, 1000000, "1m");
	if (!quick)
		bench_devices(bench, 10000000, "10m");
	if (bench->json) {
		fprintf(bench->json, "\n}\n");
		fclose(bench->json);
	}
	printf("(%u)\n", (unsigned)(bench->sink & 1));
	free(bench);
	return 0;
}
