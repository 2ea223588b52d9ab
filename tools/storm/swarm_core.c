#include "tools/storm/swarm_core.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dataplane/io/port_gate.h"
#include "tools/storm/random.h"
#include "tools/storm/swarm_wire.h"

enum {
	SECOND_US = 1000000,
	HUGE_PAGE = 2 << 20,
};

static uint64_t
now_us(const struct core *core)
{
	return clock_us(core->swarm->clock, rte_rdtsc());
}

/* ---- the loop ---- */

static bool
crowded(const struct core *core, uint64_t patience_us)
{
	for (unsigned p = 0; p < core->swarm->config.n_ports; p++)
		if (crowd_holds(&core->backlogs[p].crowd, core->backlogs[p].n, core_backlog(core),
				patience_us, core->fleet.now_us))
			return true;
	return false;
}

static unsigned
run_timers(struct core *core)
{
	unsigned n = 0;
	uint32_t device;

	while (n < SWARM_BURST && !crowded(core, CROWD_TIMERS_US) && core_out_ready(core) &&
	       fleet_tick(&core->fleet, &device, &core->out)) {
		core_submit(core, device);
		n++;
	}
	return n;
}

static unsigned
collect(struct core *core)
{
	unsigned n = 0;
	uint32_t device;

	while (n < SWARM_BURST && core_out_ready(core) &&
	       fleet_collect(&core->fleet, &device, &core->out)) {
		core_submit(core, device);
		n++;
	}
	return n;
}

static unsigned
start_devices(struct core *core)
{
	uint64_t elapsed = core->fleet.now_us - core->swarm->begin_us, intended;
	unsigned n = 0;

	/*
	 * Without an idle device a start is late, which its latency and the verdict will show. On a
	 * port that is dead for longer than devices are patient they start, and fail.
	 */
	while (n < SWARM_BURST && core->fleet.n_idle &&
	       !crowded(core, core->fleet.settings.give_up_us) && core_out_ready(core) &&
	       arrivals_take(&core->arrivals, elapsed, core->fleet.running, &intended)) {
		int64_t device =
			fleet_start(&core->fleet, core->swarm->begin_us + intended, &core->out);

		core_submit(core, (uint32_t)device);
		core->counts.late_us = RTE_MAX(core->counts.late_us, elapsed - intended);
		n++;
	}
	return n;
}

/* For how long the server, or the network, was silent. */
static void
note_arrival(struct core *core)
{
	uint64_t now = core->fleet.now_us;

	if (core->heard_us)
		core->counts.quiet_us = RTE_MAX(core->counts.quiet_us, now - core->heard_us);
	core->heard_us = now;
}

static unsigned
turn(struct core *core, bool starting)
{
	unsigned work = 0;

	fleet_set_time(&core->fleet, now_us(core));
	core->gate_closed = port_gate_closed();
	for (unsigned p = 0; p < core->swarm->config.n_ports; p++)
		if (core_has_port(core, p)) {
			core_keep_link(core, p);
			work += core_receive(core, p);
		}
	work += core_take_brought(core);
	if (work && starting)
		note_arrival(core);
	work += core_release_held(core);
	work += collect(core);
	work += run_timers(core);
	if (starting)
		work += start_devices(core);
	for (unsigned p = 0; p < core->swarm->config.n_ports; p++)
		if (core_has_port(core, p))
			work += core_flush(core, p);
	rte_rcu_qsbr_quiescent(core->swarm->qsbr, core->index);
	return work;
}

static bool
run_over(const struct core *core)
{
	return arrivals_over(&core->arrivals, core->fleet.now_us - core->swarm->begin_us) &&
	       core->fleet.running == 0;
}

static void
print_progress(const struct record *record)
{
	fprintf(stderr,
		"\r%5.0f s  %llu started  %llu done (%.0f/s)  %llu failed  %u running  p50 %.1f ms "
		" "
		"p99 %.1f ms \033[K",
		record->second, (unsigned long long)record->all_started,
		(unsigned long long)record->all_done, record->done,
		(unsigned long long)record->all_failed, record->running, record->p50_us / 1e3,
		record->p99_us / 1e3);
	fflush(stderr);
}

/* The first core keeps the record of all; also at the end, of less than a second. */
static void
record(struct core *core, bool last)
{
	struct swarm *swarm = core->swarm;
	uint64_t elapsed = core->fleet.now_us - swarm->begin_us;
	const struct fleet *fleets[SWARM_CORES_MAX];
	const struct record *newest;

	if (core->index != 0 || elapsed <= swarm->recorder.last_us ||
	    (!last && elapsed - swarm->recorder.last_us < SECOND_US))
		return;
	for (unsigned i = 0; i < swarm->config.n_cores; i++)
		fleets[i] = &swarm->cores[i]->fleet;
	newest = recorder_add(&swarm->recorder, fleets, swarm->config.n_cores, elapsed);
	if (swarm->config.progress)
		print_progress(newest);
}

/* Its plan, and how busy that kept it. */
static void
run_plan(struct core *core)
{
	const struct swarm *swarm = core->swarm;
	uint64_t begin = rte_rdtsc(), last = begin, busy = 0;

	while (!*swarm->stop && !run_over(core)) {
		bool worked = turn(core, true) != 0;
		uint64_t now = rte_rdtsc();

		if (worked)
			busy += now - last;
		else if (!swarm->config.poll)
			sched_yield();
		last = worked || swarm->config.poll ? now : rte_rdtsc();
		record(core, false);
	}
	core->busy = (double)busy / (double)RTE_MAX(last - begin, 1u);
	/* A flood of a few may be over within the first turn: rates need a time that is not 0. */
	core->end_us = RTE_MAX(now_us(core) - swarm->begin_us, UINT64_C(1));
}

/* Copies of what came last are answered until all cores are through, and a while longer. */
static void
drain(struct core *core)
{
	struct swarm *swarm = core->swarm;
	uint64_t until = 0;

	atomic_fetch_add_explicit(&swarm->n_ended, 1, memory_order_relaxed);
	while (!*swarm->stop && (!until || core->fleet.now_us < until)) {
		if (!turn(core, false))
			sched_yield();
		if (until)
			continue;
		record(core, false);
		if (atomic_load_explicit(&swarm->n_ended, memory_order_relaxed) ==
		    swarm->config.n_cores) {
			record(core, true);
			until = core->fleet.now_us + (uint64_t)(swarm->config.drain_s * SECOND_US);
		}
	}
}

int
core_run(void *arg)
{
	struct core *core = (struct core *)arg;
	struct rte_rcu_qsbr *qsbr = core->swarm->qsbr;

	fleet_set_time(&core->fleet, core->swarm->begin_us);
	arrivals_init(&core->arrivals, &core->plan, core->swarm->config.seed + core->index);
	rte_rcu_qsbr_thread_register(qsbr, core->index);
	rte_rcu_qsbr_thread_online(qsbr, core->index);
	run_plan(core);
	drain(core);
	rte_rcu_qsbr_thread_offline(qsbr, core->index);
	rte_rcu_qsbr_thread_unregister(qsbr, core->index);
	fleet_stop(&core->fleet);
	return 0;
}

/* ---- before running ---- */

void
core_listen(struct core *core, unsigned p)
{
	fleet_set_time(&core->fleet, now_us(core));
	core_receive(core, p);
	core_flush(core, p);
}

/*
 * Devices lie in huge pages where the kernel gives them: at random access a page walk costs as much
 * as a miss.
 */
static bool
allocate_devices(struct core *core)
{
	struct fleet *fleet = &core->fleet;

	core->devices_bytes =
		RTE_ALIGN((size_t)fleet->n * sizeof(struct device), (size_t)HUGE_PAGE);
	fleet->devices = (struct device *)aligned_alloc(HUGE_PAGE, core->devices_bytes);
	fleet->idle = (uint32_t *)calloc(fleet->n, sizeof *fleet->idle);
	if (!fleet->devices || !fleet->idle)
		return false;
	(void)madvise(fleet->devices, core->devices_bytes, MADV_HUGEPAGE);
	memset(fleet->devices, 0, core->devices_bytes);
	return true;
}

struct core *
core_new(struct swarm *swarm, unsigned index)
{
	const struct swarm_config *config = &swarm->config;
	struct core *core = (struct core *)calloc(1, sizeof *core);

	if (!core)
		return NULL;
	core->swarm = swarm;
	core->index = index;
	core->plan = plan_share(&config->plan, index, config->n_cores);
	core->fleet.n = share_of(config->devices, index, config->n_cores);
	core->fleet.first = index;
	core->fleet.stride = config->n_cores;
	core->fleet.names = config->names;
	core->fleet.expect = config->expect;
	core->fleet.identities = config->identities;
	core->fleet.lesson = config->lesson;
	/* Before DPDK binds this thread to a CPU, which those that it starts inherit. */
	core->fleet.helpers = config->helpers ? helpers_new(config->helpers) : NULL;
	if (allocate_devices(core) && (core->fleet.helpers || !config->helpers))
		return core;
	core_free(core);
	return NULL;
}

void
core_free(struct core *core)
{
	if (!core)
		return;
	rte_ring_free(core->brought);
	helpers_free(core->fleet.helpers);
	fleet_fini(&core->fleet);
	free(core->fleet.devices);
	free(core->fleet.idle);
	free(core);
}

void
core_prepare(struct core *core, const struct crypto_ops *ops)
{
	const struct swarm *swarm = core->swarm;
	uint64_t seed = swarm->config.seed + 2 * (uint64_t)core->index;

	for (unsigned p = 0; p < swarm->config.n_ports; p++)
		core->l3[p] = swarm->ports[p].l3;
	fleet_set_time(&core->fleet, now_us(core));
	fleet_init(&core->fleet, &swarm->config.fleet, ops, seed,
		   rte_rdtsc() ^ (uint64_t)getpid() << 48 ^ (uint64_t)core->index << 40);
	core->random = random_seed(seed + 1);
}
