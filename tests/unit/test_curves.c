/*
 * A worker's stack, the rings and the threads of elliptic curves, as they are in an appliance: what goes by its
 * address is one thread's at a time. For the thread sanitizer as much as for what it asserts.
 */
#include <criterion/criterion.h>

#include <sched.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "dataplane/ec/ec_threads.h"
#include "dataplane/io/lane.h"
#include "dataplane/io/pointer_ring.h"
#include "tests/unit/certified_stack.h"

enum { THREADS = 3, CLIENTS = 24, WAITING = 8, ITEMS = 64, ROUNDS = 2000, SECOND = 1000000 };

static void
start_dpdk(void)
{
	char lcores[32];
	const char *arguments[] = {
		"test",        "--no-huge",         "--no-pci",
		"--no-shconf", "--no-telemetry",    "-m",
		"64",          "--log-level=error", "--lcores",
		lcores,        "--file-prefix",     "cradle-curves",
	};

	snprintf(lcores, sizeof lcores, "0@%d", sched_getcpu());
	cr_assert_geq(rte_eal_init(RTE_DIM(arguments), (char **)(uintptr_t)arguments), 0);
}

static struct lane *lane;

static void
make_lane(void)
{
	const struct lane_config config = { 1, WAITING, ITEMS };

	start_dpdk();
	lane = lane_new(&config);
	cr_assert_not_null(lane);
}

/* ---- the rings by themselves ---- */

struct item {
	struct lane_head head;
	uint64_t value, answer; /* written by one side, then read by the other */
};

static _Atomic bool ending;

static void *
square(void *ctx)
{
	void *items[4];

	while (!atomic_load(&ending)) {
		unsigned n = lane_take(lane, items, 4);

		for (unsigned i = 0; i < n; i++) {
			struct item *item = items[i];

			item->answer = item->value * item->value;
			lane_give(lane, item);
		}
		if (!n)
			lane_wait(lane, 1000);
	}
	return NULL;
}

Test(curves, an_item_is_whole_wherever_it_is)
{
	static struct item items[ITEMS];
	struct item *idle[ITEMS];
	unsigned n_idle = ITEMS, done = 0;
	pthread_t threads[THREADS];
	uint64_t next = 0;

	make_lane();
	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, square, NULL), 0);
	for (unsigned i = 0; i < ITEMS; i++)
		idle[i] = &items[i];
	while (done < ROUNDS) {
		void *back[8];
		unsigned n;

		while (n_idle) {
			idle[n_idle - 1]->value = next++;
			if (!lane_offer(lane, idle[n_idle - 1]))
				break; /* all that may wait are waiting */
			n_idle--;
		}
		n = lane_collect(lane, 0, back, 8);
		for (unsigned i = 0; i < n; i++) {
			struct item *item = back[i];

			cr_assert_eq(item->answer, item->value * item->value);
			idle[n_idle++] = item;
		}
		done += n;
		if (!n)
			sched_yield();
	}
	atomic_store(&ending, true);
	for (unsigned i = 0; i < THREADS; i++)
		lane_wake(lane);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	lane_free(lane);
}

/* So many threads at both ends of one small ring that it is full and empty all the time. */
static struct pointer_ring *small;
static _Atomic uint64_t sum;

static void *
put_numbers(void *ctx)
{
	for (uintptr_t i = 1; i <= ROUNDS; i++)
		while (!pointer_ring_put(small, (void *)i))
			sched_yield();
	return NULL;
}

static void *
take_numbers(void *ctx)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		void *item;

		while (!(item = pointer_ring_take(small)))
			sched_yield();
		atomic_fetch_add(&sum, (uintptr_t)item);
	}
	return NULL;
}

Test(curves, what_many_put_many_take_and_each_once)
{
	pthread_t threads[2 * THREADS];

	small = aligned_alloc(64, pointer_ring_size(3));
	pointer_ring_init(small, 3); /* 4 slots */
	for (unsigned i = 0; i < THREADS; i++) {
		cr_assert_eq(pthread_create(&threads[2 * i], NULL, put_numbers, NULL), 0);
		cr_assert_eq(pthread_create(&threads[2 * i + 1], NULL, take_numbers, NULL), 0);
	}
	for (unsigned i = 0; i < 2 * THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(sum, (uint64_t)THREADS * ROUNDS * (ROUNDS + 1) / 2);
	cr_assert(pointer_ring_is_empty(small));
	cr_assert_null(pointer_ring_take(small));
	free(small);
}

/* Positions are 32 bits, and go round. */
Test(curves, a_ring_goes_on_when_its_positions_wrap)
{
	small = aligned_alloc(64, pointer_ring_size(4));
	pointer_ring_init(small, 4);
	small->put = small->taken = UINT32_MAX - 5;
	for (uint32_t i = 0; i < 4; i++)
		small->slots[(UINT32_MAX - 5 + i) & 3].turn = UINT32_MAX - 5 + i;
	for (uintptr_t i = 1; i < 30; i += 3) {
		for (uintptr_t k = 0; k < 4; k++)
			cr_assert(pointer_ring_put(small, (void *)(i + k)));
		cr_assert_not(pointer_ring_put(small, (void *)i));
		for (uintptr_t k = 0; k < 4; k++)
			cr_assert_eq(pointer_ring_take(small), (void *)(i + k));
		cr_assert_null(pointer_ring_take(small));
	}
	free(small);
}

Test(curves, more_than_may_wait_are_refused_and_none_is_lost)
{
	static struct item items[WAITING + 1];
	void *taken[WAITING + 1];

	make_lane();
	for (unsigned i = 0; i < WAITING; i++)
		cr_assert(lane_offer(lane, &items[i]));
	cr_assert_not(lane_offer(lane, &items[WAITING]));
	cr_assert_eq(lane_take(lane, taken, WAITING + 1), WAITING);
	for (unsigned i = 0; i < WAITING; i++)
		cr_assert_eq(taken[i], &items[i]);
	cr_assert(lane_offer(lane, &items[WAITING]));
	lane_free(lane);
}

/* ---- with all that they carry ---- */

static unsigned
take(void *ctx, struct ec_job **jobs, unsigned n)
{
	return lane_take(lane, (void **)jobs, n);
}

static void
give(void *ctx, struct ec_job *job)
{
	lane_give(lane, job);
}

static void
wait_for_job(void *ctx, int timeout_ms)
{
	lane_wait(lane, timeout_ms);
}

static void
wake(void *ctx)
{
	lane_wake(lane);
}

static bool
offer(void *ctx, struct ec_job *job)
{
	return lane_offer(lane, job);
}

/* What each client is at. */
struct progress {
	uint8_t hello[DTLS_WORLD_DATAGRAM];
	size_t hello_len;
	bool sent_flight, leaves; /* the latter: it begins anew once its flight is away */
};

static struct certified_stack stack;
static struct progress all[CLIENTS];

static void
greet(unsigned i)
{
	all[i].hello_len = certified_hello(&stack, i, all[i].hello);
	all[i].sent_flight = false;
}

/* One thing that a client does while helpers are at work; true: it has finished. */
static bool
step(unsigned i)
{
	if (stack.clients[i].dtls.finished)
		return true;
	if (!stack.clients[i].server_done)
		return false;
	if (!all[i].sent_flight) {
		certified_flight(&stack, i, true);
		all[i].sent_flight = true;
		/* Our flight is read and sent again, while a helper works beside it. */
		certified_send(&stack, i, all[i].hello, all[i].hello_len);
	} else if (all[i].leaves) {
		all[i].leaves = false;
		certified_begin(&stack, i);
		greet(i);
	}
	return false;
}

static void
collect(void)
{
	struct ec_job *jobs[4];
	unsigned n = lane_collect(lane, 0, (void **)jobs, 4);

	for (unsigned i = 0; i < n; i++)
		certified_answer(&stack, jobs[i]);
	if (!n)
		sched_yield();
}

/* Those whose job found no room say their hello again, as after a time-out. */
static void
repeat_refused(uint64_t *refused)
{
	uint64_t now = world_count(stack.world, COUNTER_dtls_ec_full);

	if (now == *refused)
		return;
	*refused = now;
	for (unsigned i = 0; i < CLIENTS; i++)
		if (!stack.clients[i].server_done || !stack.clients[i].dtls.finished) {
			certified_begin(&stack, i);
			greet(i);
			collect();
		}
}

Test(curves, handshakes_share_their_memory_with_helpers_and_all_finish)
{
	const struct world_options options = { .ec_offer = offer, .certificates = 2 * CLIENTS };
	const struct ec_way way = { take, give, wait_for_job, wake, NULL };
	char error[EC_ERROR_MAX];
	struct ec_threads *threads;
	unsigned finished = 0;
	uint64_t refused = 0;

	make_lane();
	certified_init(&stack, &options, CLIENTS);
	threads = ec_threads_new(&way, THREADS, NULL, error);
	cr_assert_not_null(threads, "%s", error);
	ec_threads_publish(threads, stack.trust);
	for (unsigned i = 0; i < CLIENTS; i++) {
		all[i].leaves = i % 3 == 0;
		greet(i);
	}
	while (finished < CLIENTS) {
		finished = 0;
		for (unsigned i = 0; i < CLIENTS; i++)
			finished += step(i);
		collect();
		repeat_refused(&refused);
	}
	while (certified_free_places(&stack) < 2 * CLIENTS)
		collect();
	ec_threads_free(threads);
	lane_free(lane);
	certified_fini(&stack);
}
