#include "tests/unit/fake_dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void
fake_init(struct dataplane *dp)
{
	*dp = (struct dataplane){ .mailbox_room = FAKE_QUEUE };
}

void
fake_event(struct dataplane *dp, unsigned worker, const struct session_event *event)
{
	dp->event_workers[dp->n_events] = (uint16_t)worker;
	dp->events[dp->n_events++] = *event;
}

void
fake_pass_grace(struct dataplane *dp)
{
	dp->grace_passed = true;
}

struct dataplane *
dataplane_new(const struct dataplane_config *config, char error[DATAPLANE_ERROR_MAX])
{
	snprintf(error, DATAPLANE_ERROR_MAX, "the fake cannot be opened");
	return NULL;
}

int
dataplane_start(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	return 0;
}

void
dataplane_stop(struct dataplane *dp)
{
	dp->stopped = true;
}

void
dataplane_free(struct dataplane *dp)
{
}

/* ---- passing on: its workers have nothing ---- */

bool
dataplane_can_pass(const struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	snprintf(error, DATAPLANE_ERROR_MAX, "port 0: its driver, fake, has one process at a time");
	return false;
}

void
dataplane_pause(struct dataplane *dp)
{
}

bool
dataplane_settle(struct dataplane *dp)
{
	return false;
}

void
dataplane_give_ports(struct dataplane *dp)
{
}

int
dataplane_take_ports(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	return 0;
}

int
dataplane_resume(struct dataplane *dp, char error[DATAPLANE_ERROR_MAX])
{
	return 0;
}

void
dataplane_abandon(struct dataplane *dp)
{
	dp->stopped = true;
}

size_t
dataplane_save_size(const struct dataplane *dp, unsigned worker)
{
	return 4096;
}

void
dataplane_save(struct dataplane *dp, unsigned worker, struct record_writer *writer,
	       const struct stack_saving *saving, struct stack_passed *passed)
{
}

void
dataplane_save_clock(struct record_writer *writer)
{
	record_begin(writer, PASSED_CLOCK);
	record_end(writer);
}

void
dataplane_load_clock(struct record_reader *reader)
{
}

void
dataplane_discard(struct dataplane *dp)
{
}

int
dataplane_load(struct dataplane *dp, unsigned worker, struct record_reader *reader,
	       const struct dataplane_loading *loading, struct stack_passed *passed,
	       char error[DATAPLANE_ERROR_MAX])
{
	return 0;
}

void
dataplane_info(const struct dataplane *dp, struct dataplane_info *info)
{
	*info = (struct dataplane_info){ .workers = 2, .ports = 1, .listeners = 1 };
}

int
dataplane_port_info(const struct dataplane *dp, unsigned port, struct dataplane_port_info *info)
{
	*info = (struct dataplane_port_info){ .device = "fake0",
					      .driver = "fake",
					      .queues = 2,
					      .trouble = dp->trouble ? dp->trouble : "" };
	return port == 0 ? 0 : -ENOENT;
}

void
dataplane_watch_ports(struct dataplane *dp,
		      void (*told)(void *ctx, unsigned port, enum dataplane_port_event event),
		      void *ctx)
{
}

struct directory *
dataplane_publish_directory(struct dataplane *dp, struct directory *directory)
{
	struct directory *old = dp->directory;

	dp->directory = directory;
	return old;
}

int
dataplane_publish_limits(struct dataplane *dp, const struct stack_limits *limits)
{
	dp->limits = *limits;
	return 0;
}

int
dataplane_retire(struct dataplane *dp, void (*release)(void *ctx, void *what), void *ctx,
		 void *what)
{
	if (dp->n_retired == FAKE_QUEUE)
		return -ENOMEM;
	dp->retired[dp->n_retired].release = release;
	dp->retired[dp->n_retired].ctx = ctx;
	dp->retired[dp->n_retired++].what = what;
	return 0;
}

unsigned
dataplane_reap(struct dataplane *dp)
{
	unsigned n = dp->n_retired;

	if (!dp->grace_passed)
		return n;
	dp->n_retired = 0;
	dp->grace_passed = false;
	for (unsigned i = 0; i < n; i++)
		dp->retired[i].release(dp->retired[i].ctx, dp->retired[i].what);
	return dp->n_retired;
}

unsigned
dataplane_events(struct dataplane *dp, struct session_event *events, uint16_t *workers, unsigned n)
{
	unsigned taken = dp->n_events < n ? dp->n_events : n;

	memcpy(events, dp->events, taken * sizeof *events);
	memcpy(workers, dp->event_workers, taken * sizeof *workers);
	memmove(dp->events, dp->events + taken, (dp->n_events - taken) * sizeof *events);
	memmove(dp->event_workers, dp->event_workers + taken,
		(dp->n_events - taken) * sizeof *workers);
	dp->n_events -= taken;
	return taken;
}

int
dataplane_command(struct dataplane *dp, unsigned worker, const struct stack_command *command)
{
	if (dp->n_commands >= dp->mailbox_room)
		return -EAGAIN;
	dp->command_workers[dp->n_commands] = worker;
	dp->commands[dp->n_commands++] = *command;
	return 0;
}

int
dataplane_listener(const struct dataplane *dp, unsigned listener, uint8_t addr[16],
		   uint16_t *udp_port)
{
	static const uint8_t own[16] = { [10] = 0xff, 0xff, 198, 18, 0, 1 };

	if (listener > 1)
		return -ENOENT;
	memcpy(addr, own, sizeof own);
	*udp_port = (uint16_t)(5683 + listener);
	return 0;
}

int
dataplane_trace(struct dataplane *dp, uint32_t device, enum trace_wish wish)
{
	bool on = wish != TRACE_WISH_NOTHING;
	unsigned i = 0;

	if (dp->trace_error)
		return dp->trace_error;
	dp->wish = wish;
	while (i < dp->n_traced && dp->traced[i] != device)
		i++;
	if (on && i == TRACED_MAX)
		return -ENOSPC;
	if (on && i == dp->n_traced)
		dp->traced[dp->n_traced++] = device;
	else if (!on && i < dp->n_traced)
		dp->traced[i] = dp->traced[--dp->n_traced];
	return 0;
}

void
dataplane_mark(const struct dataplane *dp, struct dataplane_mark *mark)
{
	*mark = (struct dataplane_mark){ 0 };
}

bool
dataplane_has_taken(const struct dataplane *dp, const struct dataplane_mark *mark)
{
	return !dp->takes_nothing;
}

unsigned
dataplane_trace_take(struct dataplane *dp, struct trace_record *records, unsigned n)
{
	unsigned taken = dp->n_traces < n ? dp->n_traces : n;

	memcpy(records, dp->traces, taken * sizeof *records);
	memmove(dp->traces, dp->traces + taken, (dp->n_traces - taken) * sizeof *records);
	dp->n_traces -= taken;
	return taken;
}

void
dataplane_counters(const struct dataplane *dp, int worker, struct counters *out)
{
	*out = (struct counters){ 0 };
	out->value[COUNTER_bs_finished] = 3;
}

void
dataplane_delays(const struct dataplane *dp, int worker, struct dataplane_delays *out)
{
	*out = (struct dataplane_delays){ 0 };
	for (unsigned i = 0; i < 100; i++)
		delays_add(&out->phases[RUN_PHASE_TOTAL], i < 90 ? 1000 : 2000000);
}

int
dataplane_worker_info(const struct dataplane *dp, unsigned worker,
		      struct dataplane_worker_info *info)
{
	*info = (struct dataplane_worker_info){ .cpu = (int)worker, .heartbeat = dp->heartbeat };
	return worker < 2 ? 0 : -ENOENT;
}

bool
dataplane_progress(const struct dataplane *dp, unsigned worker, struct session_ref session,
		   struct session_progress *progress)
{
	if (dp->progress)
		*progress = *dp->progress;
	return dp->progress;
}

uint64_t
dataplane_now_us(void)
{
	return 1000000;
}

uint64_t
dataplane_cycles_per_s(void)
{
	return 1000000000;
}

unsigned
dataplane_ec_take(struct dataplane *dp, struct ec_job **jobs, unsigned n)
{
	return 0;
}

void
dataplane_ec_give(struct dataplane *dp, struct ec_job *job)
{
}

void
dataplane_ec_wait(struct dataplane *dp, int timeout_ms)
{
}

void
dataplane_ec_wake(struct dataplane *dp)
{
}

size_t
dataplane_kept_size(const struct dataplane *dp)
{
	return 0;
}

void
dataplane_keep(struct dataplane *dp, void *memory)
{
}

enum kept_found
dataplane_restore(struct dataplane *dp, void *memory, struct stack_restored *restored)
{
	return KEPT_FOUND_NOTHING;
}
