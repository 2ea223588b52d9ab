/*
 * bench_beside - what devices with certificates leave of a worker to those with pre-shared keys.
 *
 * usage: bench_beside [--quick] [--json FILE]
 *
 * cradlestorm's devices in memory, before one stack: whole bootstraps with pre-shared keys by
 * themselves, and beside as many handshakes with certificates as come; in turn, window by window. Curves are
 * computed by a helper thread, and the devices' own by another one. Counted is the time inside the
 * stack's functions, in bursts of up to 32 datagrams.
 *
 * One helper thread that never rests lets so many certificates come a second as its own CPU time
 * allows; the worker, which never rests either, keeps the rest of its time for the others, whose own
 * cost beside certificates counts: caches are cooler. Both together are the share of their rate that
 * devices with keys keep.
 *
 * Keys:
 *	psk_alone_us, psk_beside_us     of the worker, a bootstrap
 *	certificate_us                  of the worker, a handshake with a certificate
 *	certificate_helper_us           of the helper thread for it
 *	psk_left_beside_certificates    of the worker's time, which is what certificates take of it
 *	psk_speed_beside_certificates   of its speed, as caches and the core's units are shared
 *	psk_kept_beside_certificates    the share of both, 1 is all
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/core/coap/coap_defs.h"
#include "dataplane/core/crypto/rng_drbg.h"
#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/core/stack.h"
#include "dataplane/ec/ec_threads.h"
#include "tests/bench/population.h"
#include "tests/support/ec_certs.h"
#include "tools/storm/device.h"

enum {
	KEYED = 2000,    /* devices with pre-shared keys */
	CERTIFIED = 256, /* with certificates; of both the names of the population */
	AT_ONCE = 64,    /* certificates' handshakes under way */
	JOBS = CERTIFIED, /* each handshake has one at most */
	WINDOWS = 30,
	QUICK_WINDOWS = 10,
	SESSIONS = 8192,
	QUEUE = 8192,
	INTERRUPTED_US = 500,
	GATHERED = 8,     /* datagrams of certificates, and turns until jobs are looked at */
	FLIGHT_SLOTS = 8, /* datagrams of a flight, generously */
	DAYS = 1000,
	PORT = 1024,
};

/* A datagram on its way to the stack. */
struct flying {
	uint32_t device; /* its place in the fleet */
	uint16_t len;
	uint8_t bytes[STORM_DATAGRAM_MAX];
};

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t offered;
	struct ec_job *waiting[JOBS], *done[JOBS];
	unsigned n_waiting, n_done;
	bool woken;
};

/* The devices of one kind, and what the worker spent on them. */
struct side {
	struct fleet fleet;
	struct names names;
	uint16_t *ports; /* of each device: every run comes from a new one */
	struct flying *queue;
	unsigned first, n;
	double spent_us;
};

struct bench {
	struct population population;
	struct rng_drbg drbg;
	struct stack *stack;
	struct stack_limits limits;
	const struct stack_limits *_Atomic published;
	uint64_t now_us;
	struct side keyed, certified;
	struct expect expect;
	struct identities identities;
	struct storm_out storm_out;
	uint8_t storm_bytes[STORM_OUT_MAX][STORM_DATAGRAM_MAX];
	struct dgram_out slots[STACK_TX_MAX];
	uint8_t bytes[STACK_TX_MAX][DATAGRAM_MAX];
	struct outbox out;
	struct jobs jobs;
	unsigned turns;
	struct ec_threads *threads;
	struct ec_trust *trust;
};

static void *
need(void *memory)
{
	if (!memory) {
		fprintf(stderr, "bench_beside: out of memory\n");
		exit(1);
	}
	return memory;
}

static void
fail(const char *what)
{
	fprintf(stderr, "bench_beside: %s\n", what);
	exit(1);
}

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* A burst takes a tenth of that: what took longer was interrupted, and tells nothing. (The clock of
 * this thread's CPU time would tell, but costs as much as a datagram.) */
static double
counted_us(double begun)
{
	double took = now_us() - begun;

	return took < INTERRUPTED_US ? took : 0;
}

/* ---- jobs, between the stack and the helper thread ---- */

static bool
offer(void *ctx, struct ec_job *job)
{
	struct jobs *jobs = ctx;
	bool fits;

	pthread_mutex_lock(&jobs->lock);
	fits = jobs->n_waiting < JOBS;
	if (fits)
		jobs->waiting[jobs->n_waiting++] = job;
	pthread_cond_signal(&jobs->offered);
	pthread_mutex_unlock(&jobs->lock);
	return fits;
}

static unsigned
take_jobs(void *ctx, struct ec_job **taken, unsigned n)
{
	struct jobs *jobs = ctx;
	unsigned done = 0;

	pthread_mutex_lock(&jobs->lock);
	while (done < n && jobs->n_waiting)
		taken[done++] = jobs->waiting[--jobs->n_waiting];
	pthread_mutex_unlock(&jobs->lock);
	return done;
}

static void
give_job(void *ctx, struct ec_job *job)
{
	struct jobs *jobs = ctx;

	pthread_mutex_lock(&jobs->lock);
	jobs->done[jobs->n_done++] = job;
	pthread_mutex_unlock(&jobs->lock);
}

static void
wait_for_job(void *ctx, int timeout_ms)
{
	struct jobs *jobs = ctx;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms < 0 ? 3600 : timeout_ms / 1000;
	until.tv_nsec += timeout_ms < 0 ? 0 : timeout_ms % 1000 * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&jobs->lock);
	if (!jobs->n_waiting && !jobs->woken)
		pthread_cond_timedwait(&jobs->offered, &jobs->lock, &until);
	jobs->woken = false;
	pthread_mutex_unlock(&jobs->lock);
}

static void
wake(void *ctx)
{
	struct jobs *jobs = ctx;

	pthread_mutex_lock(&jobs->lock);
	jobs->woken = true;
	pthread_cond_signal(&jobs->offered);
	pthread_mutex_unlock(&jobs->lock);
}

static unsigned
collect_jobs(struct jobs *jobs, struct ec_job *done[JOBS])
{
	unsigned n;

	pthread_mutex_lock(&jobs->lock);
	n = jobs->n_done;
	memcpy(done, jobs->done, n * sizeof *done);
	jobs->n_done = 0;
	pthread_mutex_unlock(&jobs->lock);
	return n;
}

/* ---- datagrams ---- */

static void
take_from_device(struct bench *bench, struct side *side, uint32_t device)
{
	for (unsigned i = 0; i < bench->storm_out.n; i++) {
		struct flying *flying;

		if (side->n == QUEUE)
			fail("more datagrams than devices send");
		flying = &side->queue[(side->first + side->n++) % QUEUE];
		flying->device = device;
		flying->len = bench->storm_out.slots[i].len;
		memcpy(flying->bytes, bench->storm_out.slots[i].data, flying->len);
	}
	bench->storm_out.n = 0;
}

/* The address says whose it is: 10.SIDE.DEVICE. */
static struct peer
peer_of(const struct bench *bench, const struct side *side, uint32_t device)
{
	return (struct peer){ .addr = { [10] = 0xff,
					0xff,
					10,
					side == &bench->certified,
					(uint8_t)(device >> 8),
					(uint8_t)device },
			      .port = side->ports[device] };
}

/* What the stack answered reaches its devices. */
static void
deliver(struct bench *bench)
{
	for (unsigned i = 0; i < bench->out.used; i++) {
		const struct peer *peer = &bench->slots[i].peer;
		struct side *side = peer->addr[13] ? &bench->certified : &bench->keyed;
		uint32_t device = (uint32_t)peer->addr[14] << 8 | peer->addr[15];

		/* The close_notify of an association that was evicted goes to a port it left. */
		if (peer->port != side->ports[device])
			continue;
		fleet_receive(&side->fleet, device, bench->slots[i].data, bench->slots[i].len,
			      &bench->storm_out);
		take_from_device(bench, side, device);
	}
	bench->out.used = 0;
}

static void
serve_burst(struct bench *bench, struct side *side)
{
	struct dgram_in in[STACK_BURST];
	unsigned n = 0;
	double begun;

	for (; n < STACK_BURST && side->n; n++) {
		struct flying *flying = &side->queue[side->first];

		side->first = (side->first + 1) % QUEUE;
		side->n--;
		in[n] = (struct dgram_in){ .peer = peer_of(bench, side, flying->device),
					   .link = { .vlan = LINK_UNTAGGED },
					   .len = flying->len,
					   .data = flying->bytes };
	}
	begun = now_us();
	stack_receive(bench->stack, bench->now_us, in, n, &bench->out);
	stack_tick(bench->stack, bench->now_us, &bench->out);
	side->spent_us += counted_us(begun);
	deliver(bench);
}

static void
serve_curves(struct bench *bench)
{
	struct ec_job *done[JOBS];
	unsigned n = collect_jobs(&bench->jobs, done);
	double begun = now_us();

	for (unsigned i = 0; i < n; i++) {
		if (bench->out.used + FLIGHT_SLOTS > STACK_TX_MAX) {
			bench->certified.spent_us += counted_us(begun);
			deliver(bench);
			begun = now_us();
		}
		stack_ec(bench->stack, bench->now_us, done[i], &bench->out);
	}
	bench->certified.spent_us += n ? counted_us(begun) : 0;
	deliver(bench);
}

static void
start(struct bench *bench, struct side *side)
{
	uint32_t index = side->fleet.idle[side->fleet.idle_head];
	int64_t device;

	side->ports[index]++;
	device = fleet_start(&side->fleet, bench->now_us, &bench->storm_out);
	take_from_device(bench, side, (uint32_t)device);
}

/* ---- measuring ---- */

static uint64_t
counted(const struct bench *bench, enum counter counter)
{
	return stack_counters(bench->stack)->value[counter];
}

/* What was lost, in a pool that was full, goes again. */
static void
run_timers(struct bench *bench, struct side *side)
{
	uint32_t device;

	fleet_set_time(&side->fleet, bench->now_us);
	while (fleet_tick(&side->fleet, &device, &bench->storm_out))
		take_from_device(bench, side, device);
}

/* Certificates come in few datagrams: some are let gather, as they do where a worker is busy. */
static void
turn(struct bench *bench)
{
	bool idle = bench->keyed.n == 0;
	uint32_t device;

	bench->now_us = (uint64_t)now_us();
	run_timers(bench, &bench->keyed);
	run_timers(bench, &bench->certified);
	while (fleet_collect(&bench->certified.fleet, &device, &bench->storm_out))
		take_from_device(bench, &bench->certified, device);
	if (!idle)
		serve_burst(bench, &bench->keyed);
	if (bench->certified.n >= GATHERED || (idle && bench->certified.n))
		serve_burst(bench, &bench->certified);
	if (idle || ++bench->turns % GATHERED == 0)
		serve_curves(bench);
}

/* Whole bootstraps of every device with a key, and beside them certificates, if they may come. */
static void
window(struct bench *bench, bool beside)
{
	uint32_t started = 0;

	bench->keyed.spent_us = bench->certified.spent_us = 0;
	while (started < KEYED || bench->keyed.fleet.running) {
		for (; started < KEYED && bench->keyed.fleet.running < 2 * STACK_BURST; started++)
			start(bench, &bench->keyed);
		while (beside && bench->certified.fleet.running < AT_ONCE)
			start(bench, &bench->certified);
		turn(bench);
	}
	/* What is under way is finished, so that windows do not mix. */
	while (bench->certified.n || bench->certified.fleet.running)
		turn(bench);
}

struct result {
	double alone_us, beside_us, certificate_us, helper_us;
	double left, shared, kept; /* of the worker's time; of its speed; both together */
};

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, unsigned n)
{
	qsort(values, n, sizeof *values, compare);
	return values[n / 2];
}

static struct result
measure(struct bench *bench, unsigned windows)
{
	double alone[WINDOWS], beside[WINDOWS], certificate[WINDOWS];
	struct ec_totals before, after;
	uint64_t certificates = 0;
	struct result result;

	window(bench, true); /* chains are known from here on, and the pools warm */
	ec_threads_totals(bench->threads, &before);
	for (unsigned i = 0; i < windows; i++) {
		uint64_t finished;

		window(bench, false);
		alone[i] = bench->keyed.spent_us / KEYED;
		finished = counted(bench, COUNTER_dtls_finished);
		window(bench, true);
		beside[i] = bench->keyed.spent_us / KEYED;
		finished = counted(bench, COUNTER_dtls_finished) - finished - KEYED;
		certificate[i] = bench->certified.spent_us / (double)finished;
		certificates += finished;
	}
	ec_threads_totals(bench->threads, &after);
	if (bench->keyed.fleet.tally.outcomes[OUTCOME_DONE] != (2 * windows + 1) * KEYED)
		fail("a device did not finish");
	result = (struct result){ .alone_us = median(alone, windows),
				  .beside_us = median(beside, windows),
				  .certificate_us = median(certificate, windows),
				  .helper_us = (double)(after.busy_ns - before.busy_ns) / 1e3 /
					       (double)certificates };
	result.left = 1 - result.certificate_us / result.helper_us;
	result.shared = result.alone_us / result.beside_us;
	result.kept = result.left * result.shared;
	return result;
}

/* ---- setting up ---- */

static bool
take_event(void *ctx, const struct session_event *event)
{
	return true;
}

static void
init_stack(struct bench *bench)
{
	static struct stack_config config;
	size_t size;
	void *memory;

	bench->limits = (struct stack_limits){
		.ack_timeout_us = 2000000,
		.ack_random_percent = 150,
		.max_retransmit = 4,
		.linger_us = 247000000,
		.batch_wait_us = 1500000,
		.busy_max_age_s = 60,
		.idle_us = 100000, /* refused ones make room */
		/* No limit may bite. */
		.hellos_per_s = UINT32_MAX / 2,
		.handshakes_per_s = UINT32_MAX / 2,
		.handshakes_per_prefix_per_s = UINT32_MAX / 2,
		.certificates_per_s = UINT32_MAX / 2,
		.certificates_per_prefix_per_s = UINT32_MAX / 2,
		.abilities = ec_trust_abilities(bench->trust),
	};
	atomic_store(&bench->published, &bench->limits);
	config = (struct stack_config){ .sessions = SESSIONS,
					.handshakes = KEYED + CERTIFIED,
					.certificates = CERTIFIED,
					.n_listeners = 1,
					.listener_security = { LISTENER_PSK },
					.serial_base = 1,
					.hash_seed = "benchmark seed.",
					.rng = rng_drbg_source(&bench->drbg),
					.ec_offer = offer,
					.ec_ctx = &bench->jobs,
					.emit = take_event,
					.limits = &bench->published,
					.directory = &bench->population.directory };
	size = (stack_size(&config) + 63) / 64 * 64;
	memory = need(aligned_alloc(64, size));
	memset(memory, 0, size);
	bench->stack = stack_init(memory, &config, bench->now_us);
	for (unsigned i = 0; i < STACK_TX_MAX; i++) {
		bench->slots[i].data = bench->bytes[i];
		bench->slots[i].cap = DATAGRAM_MAX;
	}
	bench->out = (struct outbox){ .slots = bench->slots, .size = STACK_TX_MAX };
}

/* As the population has them, from device `first` on. */
static void
name_devices(struct names *names, uint32_t first, uint32_t n)
{
	char error[NAMES_ERROR_MAX], *text = NULL;
	size_t size;
	FILE *stream = need(open_memstream(&text, &size));

	fputs("endpoint,key_hex\n", stream);
	for (uint32_t i = 0; i < n; i++) {
		char name[POPULATION_NAME];

		population_name(first + i, name);
		fprintf(stream, "%.*s,", POPULATION_NAME, name);
		for (unsigned k = 0; k < POPULATION_KEY; k++)
			fprintf(stream, "%02x", population_key[k]);
		fputc('\n', stream);
	}
	fclose(stream);
	if (names_parse(names, text, "population", error) < 0)
		need(NULL);
}

static void
init_side(struct bench *bench, struct side *side, enum security security, uint32_t n)
{
	/* Those with certificates are there for their handshake: under another's name it ends there. */
	const struct fleet_settings settings = {
		.security = security,
		.misbehave = security == SECURITY_X509 ? MISBEHAVE_NAME_OF_ANOTHER : MISBEHAVE_NOT,
		.format = 11542,
		.in_order = true,
		.ack_timeout_us = 2000000,
		.max_retransmit = 4,
		.give_up_us = 60000000,
	};

	side->ports = need(calloc(n, sizeof *side->ports));
	for (uint32_t i = 0; i < n; i++)
		side->ports[i] = PORT;
	side->queue = need(calloc(QUEUE, sizeof *side->queue));
	side->fleet.n = n;
	side->fleet.devices = need(calloc(n, sizeof *side->fleet.devices));
	side->fleet.idle = need(calloc(n, sizeof *side->fleet.idle));
	side->fleet.names = &side->names;
	side->fleet.expect = &bench->expect;
	if (security == SECURITY_X509) {
		side->fleet.identities = &bench->identities;
		side->fleet.helpers = need(helpers_new(1));
	}
	fleet_set_time(&side->fleet, bench->now_us);
	fleet_init(&side->fleet, &settings, crypto_select(), 1, 1 + (uint64_t)security);
}

/* What libcrypto has just written. */
static struct ec_bytes
der_of(int len, uint8_t *const *bytes)
{
	if (len <= 0)
		need(NULL);
	return (struct ec_bytes){ *bytes, (size_t)len };
}

/* Ours, and whom we trust. */
static void
init_trust(struct bench *bench)
{
	const struct authority *authority = &bench->identities.authority;
	const struct certificate_wish wish = { .name = AUTHORITY_SERVER_NAME,
					       .name_len = sizeof AUTHORITY_SERVER_NAME - 1,
					       .usage = "serverAuth",
					       .is_server = true };
	EC_KEY *key = need(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
	uint8_t *key_der = NULL, *der = NULL, *root = NULL;
	char error[EC_ERROR_MAX];
	struct ec_own own = { 0 };
	X509 *x509;

	if (EC_KEY_generate_key(key) != 1)
		need(NULL);
	x509 = need(authority_issue(authority, key, &wish));
	own.key = der_of(i2d_ECPrivateKey(key, &key_der), &key_der);
	own.chain = der_of(i2d_X509(x509, &der), &der);
	bench->trust = need(ec_trust_new());
	if (ec_trust_add_own(bench->trust, &own, error) < 0 ||
	    ec_trust_add_anchor(bench->trust, der_of(i2d_X509(authority->x509, &root), &root), 1,
				error) < 0)
		fail(error);
	OPENSSL_free(key_der);
	OPENSSL_free(der);
	OPENSSL_free(root);
	X509_free(x509);
	EC_KEY_free(key);
}

/* The first CPU is the worker's alone, as in an appliance; false: there is no other one. */
static bool
share_out_cpus(cpu_set_t *workers, cpu_set_t *others)
{
	int cpu = 0;

	if (sched_getaffinity(0, sizeof *others, others) < 0 || CPU_COUNT(others) < 2)
		return false;
	while (!CPU_ISSET(cpu, others))
		cpu++;
	CPU_CLR(cpu, others);
	CPU_ZERO(workers);
	CPU_SET(cpu, workers);
	return true;
}

static void
init_threads(struct bench *bench)
{
	cpu_set_t workers, others;
	bool apart = share_out_cpus(&workers, &others);
	struct jobs *jobs = &bench->jobs;
	const struct ec_way way = { take_jobs, give_job, wait_for_job, wake, jobs };
	char error[EC_ERROR_MAX];

	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->offered, NULL);
	bench->threads = ec_threads_new(&way, 1, apart ? &others : NULL, error);
	if (!bench->threads)
		fail(error);
	ec_threads_publish(bench->threads, bench->trust);
}

/* Certificates of an authority that lives as long as it takes to issue them. */
static void
init_identities(struct bench *bench)
{
	static const char *const files[] = {
		"ca.pem",         "ca.key",     "bs.pem",  "bs.key",
		"devices.secret", "trust.conf", "rpk.csv", "x509.csv"
	};
	char folder[] = "/tmp/bench-beside.XXXXXX", inner[40], file[80], error[AUTHORITY_ERROR_MAX];
	const struct identities_wish wish = { .folder = inner,
					      .names = &bench->certified.names,
					      .n = CERTIFIED };

	need(mkdtemp(folder));
	snprintf(inner, sizeof inner, "%s/ca", folder);
	if (authority_make(inner, &bench->certified.names, 1, error) < 0 ||
	    identities_make(&bench->identities, &wish, error) < 0)
		fail(error);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(file, sizeof file, "%s/%s", inner, files[i]);
		(void)unlink(file);
	}
	(void)rmdir(inner);
	(void)rmdir(folder);
}

static void
init(struct bench *bench)
{
	cpu_set_t workers, others;

	bench->now_us = (uint64_t)now_us();
	if (rng_drbg_init(&bench->drbg, crypto_select()) != 0)
		need(NULL);
	population_init(&bench->population, KEYED + CERTIFIED);
	name_devices(&bench->keyed.names, 0, KEYED);
	name_devices(&bench->certified.names, KEYED, CERTIFIED);
	init_identities(bench);
	init_trust(bench);
	init_threads(bench);
	init_stack(bench);
	for (unsigned i = 0; i < STORM_OUT_MAX; i++)
		bench->storm_out.slots[i].data = bench->storm_bytes[i];
	init_side(bench, &bench->keyed, SECURITY_PSK, KEYED);
	init_side(bench, &bench->certified, SECURITY_X509, CERTIFIED);
	/* Last: threads are made where their maker may run. */
	if (share_out_cpus(&workers, &others))
		(void)sched_setaffinity(0, sizeof workers, &workers);
}

static int
write_json(const char *path, const struct result *result)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		perror(path);
		return 1;
	}
	fprintf(file,
		"{\"psk_alone_us\": %.3f, \"psk_beside_us\": %.3f, \"certificate_us\": %.3f, "
		"\"certificate_helper_us\": %.2f, \"psk_left_beside_certificates\": %.4f, "
		"\"psk_speed_beside_certificates\": %.4f, \"psk_kept_beside_certificates\": "
		"%.4f}\n",
		result->alone_us, result->beside_us, result->certificate_us, result->helper_us,
		result->left, result->shared, result->kept);
	return fclose(file) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static struct bench bench;
	const char *json = NULL;
	unsigned windows = WINDOWS;
	struct result result;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			windows = QUICK_WINDOWS;
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json = argv[++i];
		} else {
			fprintf(stderr, "usage: bench_beside [--quick] [--json FILE]\n");
			return 2;
		}
	}
	init(&bench);
	result = measure(&bench, windows);
	printf("Bootstraps with pre-shared keys beside certificates, time in the stack:\n");
	printf("  %8.2f us   a bootstrap with a pre-shared key alone, %.2f us beside "
	       "certificates\n",
	       result.alone_us, result.beside_us);
	printf("  %8.2f us   a handshake with a certificate\n", result.certificate_us);
	printf("  %8.1f us   of the helper thread for that\n", result.helper_us);
	printf("  %8.1f %%    of their rate is kept while one helper thread never rests: %.1f %% "
	       "of the "
	       "worker's time is left, at %.1f %% of its speed\n",
	       100 * result.kept, 100 * result.left, 100 * result.shared);
	ec_threads_free(bench.threads);
	return json ? write_json(json, &result) : 0;
}
