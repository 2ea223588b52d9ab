#include "control/events.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "control/address.h"
#include "control/log.h"

enum {
	EVENTS_AT_ONCE = 64,
	EVENTS_A_TURN = 4096, /* then the sockets get their turn */
};

static bool
same_session(const struct session_ref *a, const struct session_ref *b)
{
	return a->slot == b->slot && a->serial == b->serial;
}

static uint64_t
wall_ms(uint64_t then_us)
{
	uint64_t now_us = dataplane_now_us();

	return daemon_now_ms() - (now_us > then_us ? (now_us - then_us) / 1000 : 0);
}

/* "PUT /0/2" of "PUT /0/2 11542 98 bytes" */
static void
step_name(const struct run *run, unsigned step, char *out, size_t size)
{
	char *space;

	if (!run || !run->batch || step >= run->batch->n_steps) {
		snprintf(out, size, "step %u", step + 1);
		return;
	}
	batch_step_format(run->batch->steps[step], out, size);
	space = strchr(out, ' ');
	space = space ? strchr(space + 1, ' ') : NULL;
	if (space)
		*space = '\0';
}

/* RFC 7252 12.1.2, RFC 7959 2.9 */
static const char *
code_name(uint8_t code)
{
	static const struct {
		uint8_t code;
		const char *name;
	} names[] = {
		{ 0x41, "Created" },
		{ 0x42, "Deleted" },
		{ 0x43, "Valid" },
		{ 0x44, "Changed" },
		{ 0x45, "Content" },
		{ 0x5f, "Continue" },
		{ 0x80, "Bad Request" },
		{ 0x81, "Unauthorized" },
		{ 0x82, "Bad Option" },
		{ 0x83, "Forbidden" },
		{ 0x84, "Not Found" },
		{ 0x85, "Method Not Allowed" },
		{ 0x86, "Not Acceptable" },
		{ 0x88, "Request Entity Incomplete" },
		{ 0x8c, "Precondition Failed" },
		{ 0x8d, "Request Entity Too Large" },
		{ 0x8f, "Unsupported Content-Format" },
		{ 0xa0, "Internal Server Error" },
		{ 0xa1, "Not Implemented" },
		{ 0xa2, "Bad Gateway" },
		{ 0xa3, "Service Unavailable" },
		{ 0xa4, "Gateway Timeout" },
		{ 0xa5, "Proxying Not Supported" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].code == code)
			return names[i].name;
	return "";
}

static void
failure_text(const struct daemon *daemon, const struct session_event *event, const struct run *run,
	     char out[TASK_SUMMARY_MAX])
{
	unsigned sent = daemon->config->max_retransmit + 1;
	char step[64];

	step_name(run, event->step, step, sizeof step);
	switch (event->cause) {
	case CAUSE_REPLY:
		snprintf(out, TASK_SUMMARY_MAX, "%s answered %u.%02u %s", step, event->code >> 5,
			 event->code & 31, code_name(event->code));
		break;
	case CAUSE_TIMEOUT:
		snprintf(out, TASK_SUMMARY_MAX, "no answer after %u transmissions to %s", sent,
			 step);
		break;
	case CAUSE_RESET:
		snprintf(out, TASK_SUMMARY_MAX, "%s answered with Reset", step);
		break;
	case CAUSE_SUPERSEDED:
		snprintf(out, TASK_SUMMARY_MAX, "the device asked again before it answered %s",
			 step);
		break;
	case CAUSE_CLOSED:
		snprintf(out, TASK_SUMMARY_MAX,
			 "the device ended its DTLS session before it answered %s", step);
		break;
	case CAUSE_BLOCKS:
		snprintf(out, TASK_SUMMARY_MAX,
			 "%s answered %u.%02u %s, which makes no sense in its block-wise transfer",
			 step, event->code >> 5, event->code & 31, code_name(event->code));
		break;
	case CAUSE_TOO_LONG:
		snprintf(out, TASK_SUMMARY_MAX, "the answer to %s is too long", step);
		break;
	case CAUSE_NO_ROOM:
		snprintf(out, TASK_SUMMARY_MAX, "no buffer was free for the answer to %s", step);
		break;
	case CAUSE_NO_BATCH:
		snprintf(out, TASK_SUMMARY_MAX, "no batch was made within %u ms",
			 daemon->config->batch_wait_ms);
		break;
	default:
		snprintf(out, TASK_SUMMARY_MAX, "cancelled before %s was answered", step);
		break;
	}
}

/* One report; `event` gives the times. */
static void
set_report(struct daemon *daemon, const struct roster_slot *slot, uint32_t task,
	   enum task_status status, const char *summary, const struct session_event *event)
{
	bool over = status != TASK_IN_PROGRESS && status != TASK_NOT_STARTED;
	struct report report = {
		.device = slot->id,
		.task = task,
		.generation = event->generation,
		.status = status,
		.started_ms = wall_ms(event->started_us ? event->started_us : event->time_us),
		.finished_ms = over ? wall_ms(event->time_us) : 0,
		.summary = (char *)summary,
	};

	reports_set(&daemon->reports, &report);
	if (status == TASK_ERROR)
		log_info("device %s: task %s (%s): %s", slot->endpoint,
			 daemon->reports.tasks[task].name, daemon->reports.tasks[task].id, summary);
}

/* What compilation said of the tasks that sent nothing. */
static void
report_compiled(struct daemon *daemon, const struct roster_slot *slot, const struct run *run,
		const struct session_event *event)
{
	if (run->n_tasks == 0)
		set_report(daemon, slot, REPORT_NO_TASK, TASK_ERROR,
			   "no active task applies to its groups", event);
	for (unsigned i = 0; i < run->n_tasks; i++) {
		const struct run_task *task = &run->tasks[i];

		if (task->status != TASK_NOT_STARTED)
			set_report(daemon, slot, task->task->report, task->status,
				   task->summary ? task->summary : "", event);
	}
}

static struct run *
run_of(const struct roster_slot *slot, const struct session_event *event)
{
	struct run *run = run_find(slot, event->generation, event->format);

	return run ? run : slot->runs;
}

static void
cancel(struct daemon *daemon, const struct roster_slot *slot, unsigned worker,
       struct session_ref session)
{
	struct stack_command command = { .kind = STACK_CANCEL, .session = session };

	if (outbox_post(&daemon->outbox, daemon->dp, worker, &command) < 0)
		log_error("device %s: an older session could not be cancelled: out of memory",
			  slot->endpoint);
}

/*
 * The last request of an endpoint wins, whatever worker it came to. Each worker's events arrive
 * in order, but a slower worker's arrive behind a faster one's: the time of the request decides
 * which run is the older one, not the arrival. False: this event is of the older run, which is
 * cancelled and told nothing more of.
 */
static bool
supersede(struct daemon *daemon, const struct roster_slot *slot, const struct session_event *event,
	  unsigned worker)
{
	bool same = slot->worker == worker && same_session(&slot->session, &event->session);

	if (!same && slot->started_us > event->started_us) {
		cancel(daemon, slot, worker, event->session);
		return false;
	}
	if (!same && slot->live)
		cancel(daemon, slot, slot->worker, slot->session);
	return true;
}

static void
on_started(struct daemon *daemon, struct roster_slot *slot, const struct session_event *event,
	   unsigned worker)
{
	const struct run *run = run_of(slot, event);

	if (!supersede(daemon, slot, event, worker))
		return;
	slot->live = true;
	slot->started_us = event->started_us;
	slot->worker = (uint16_t)worker;
	slot->session = event->session;
	slot->generation = event->generation;
	slot->last_bootstrap_ms = wall_ms(event->started_us);
	if (!run)
		return;
	report_compiled(daemon, slot, run, event);
	for (unsigned i = 0; i < run->n_tasks; i++)
		if (run->tasks[i].status == TASK_NOT_STARTED)
			set_report(daemon, slot, run->tasks[i].task->report, TASK_IN_PROGRESS,
				   "in progress", event);
}

/*
 * True when this event is of the session that the reports tell about: an older one's end must not
 * hide a newer's.
 */
static bool
end_session(struct roster_slot *slot, const struct session_event *event, unsigned worker)
{
	bool current = slot->live && slot->worker == worker &&
		       same_session(&slot->session, &event->session);

	if (current)
		slot->live = false;
	return current;
}

static void
on_finished(struct daemon *daemon, struct roster_slot *slot, const struct session_event *event,
	    unsigned worker)
{
	const struct run *run = run_of(slot, event);
	char summary[TASK_SUMMARY_MAX];

	if (!end_session(slot, event, worker) || !run)
		return;
	for (unsigned i = 0; i < run->n_tasks; i++) {
		const struct run_task *task = &run->tasks[i];

		if (task->status != TASK_NOT_STARTED)
			continue;
		snprintf(summary, sizeof summary, "%s%s%u operation%s accepted",
			 task->summary ? task->summary : "", task->summary ? "; " : "",
			 task->n_steps, task->n_steps == 1 ? "" : "s");
		set_report(daemon, slot, task->task->report, task->final, summary, event);
	}
}

/*
 * A failed step ends the whole run without a last Finish, so the device keeps nothing: earlier
 * tasks failed, too.
 */
static void
on_failed(struct daemon *daemon, struct roster_slot *slot, const struct session_event *event,
	  unsigned worker)
{
	const struct run *run = run_of(slot, event);
	char why[TASK_SUMMARY_MAX], summary[TASK_SUMMARY_MAX];
	unsigned failing = 0;

	if (event->cause == CAUSE_NO_BATCH && same_session(&slot->refused, &event->session))
		return;
	if (!end_session(slot, event, worker) && event->cause != CAUSE_NO_BATCH)
		return;
	failure_text(daemon, event, run, why);
	if (!run || !run->n_tasks) {
		set_report(daemon, slot, REPORT_NO_TASK, TASK_ERROR, why, event);
		return;
	}
	if (run->batch && event->step < run->batch->n_steps)
		failing = run->batch->steps[event->step]->task;
	for (unsigned i = 0; i < run->n_tasks; i++) {
		const struct run_task *task = &run->tasks[i];

		if (task->status != TASK_NOT_STARTED)
			continue;
		snprintf(summary, sizeof summary, "%s%.250s",
			 i < failing   ? "sent, but never finished: "
			 : i > failing ? "not run: "
				       : "",
			 why);
		set_report(daemon, slot, task->task->report,
			   i > failing ? TASK_NOT_STARTED : TASK_ERROR, summary, event);
	}
}

static void
on_refused(struct daemon *daemon, struct roster_slot *slot, const struct session_event *event)
{
	if (same_session(&slot->refused, &event->session) || !slot->device)
		return;
	if (slot->device->run)
		report_compiled(daemon, slot, slot->device->run, event);
}

static void
on_unknown(struct daemon *daemon, const struct session_event *event)
{
	char peer[ADDRESS_TEXT_MAX];

	unknowns_see(daemon->unknowns, event, wall_ms(event->time_us));
	if (log_level() < SEVERITY_DEBUG)
		return;
	address_format_peer(&event->peer, peer);
	log_debug("unknown device from %s", peer);
}

/* dataplane_retire(): no worker finds this run in the directory any more. */
static void
run_unpublished(void *ctx, void *what)
{
	struct daemon *daemon = ctx;

	retired_add(&daemon->retired, what);
}

/* Puts a run into the device's entry; sessions that run stay on the one they hold. */
static void
publish_run(struct daemon *daemon, struct roster_slot *slot, struct run *run)
{
	struct device *device = slot->device;
	struct run *old = device->run;

	/* Release: a worker that finds the batch finds it whole. */
	atomic_store_explicit(&device->entry->batch, run->batch, memory_order_release);
	device->run = run;
	slot->format = run->format;
	if (old && dataplane_retire(daemon->dp, run_unpublished, daemon, old) < 0)
		log_error("device %s: a batch cannot be freed: out of memory", slot->endpoint);
}

static void
answer_batch(struct daemon *daemon, const struct session_event *event, unsigned worker,
	     struct run *run)
{
	struct stack_command command = {
		.kind = STACK_BATCH,
		.session = event->session,
		.batch = run ? run->batch : NULL,
	};

	if (command.batch)
		batch_hold(command.batch);
	if (outbox_post(&daemon->outbox, daemon->dp, worker, &command) < 0)
		log_error("a batch could not be handed to worker %u: out of memory", worker);
}

/* Packs are not made yet, nor what follows an answer: a device that asks for a pack is sent to /bs. */
static void
refuse_ask(struct daemon *daemon, const struct session_event *event, unsigned worker)
{
	const struct stack_command command = {
		.kind = STACK_BATCH,
		.code = 0xa1, /* 5.01 */
		.session = event->session,
	};

	if (outbox_post(&daemon->outbox, daemon->dp, worker, &command) < 0)
		log_error("a refusal could not be handed to worker %u: out of memory", worker);
}

static void
on_needs_batch(struct daemon *daemon, struct roster_slot *slot, const struct session_event *event,
	       unsigned worker)
{
	struct device *device = slot->device;
	struct run *run;

	if (event->ask != ASK_RUN) {
		refuse_ask(daemon, event, worker);
		return;
	}
	if (!device) {
		answer_batch(daemon, event, worker, NULL);
		return;
	}
	/* Another session of this device may have asked just before. */
	if (!run_is_per_session(device) && device->run->batch &&
	    device->run->format == event->format) {
		answer_batch(daemon, event, worker, device->run);
		return;
	}
	run = run_new(daemon->generation, device, event->format);
	answer_batch(daemon, event, worker, run);
	if (!run) {
		log_error("device %s: out of memory for its batch", slot->endpoint);
		return;
	}
	run_attach(run, slot);
	if (run->batch && !run_is_per_session(device)) {
		publish_run(daemon, slot, run);
		return;
	}
	slot->format = run->batch ? event->format : slot->format;
	if (!run->batch) {
		slot->refused = event->session;
		report_compiled(daemon, slot, run, event);
	}
	retired_add(&daemon->retired, run);
}

static void
handle(struct daemon *daemon, const struct session_event *event, unsigned worker)
{
	struct roster_slot *slot;

	if (event->kind == SESSION_UNKNOWN) {
		on_unknown(daemon, event);
		return;
	}
	slot = roster_slot(&daemon->roster, event->device);
	if (!slot)
		return;
	switch (event->kind) {
	case SESSION_STARTED:
		on_started(daemon, slot, event, worker);
		break;
	case SESSION_NEEDS_BATCH:
		on_needs_batch(daemon, slot, event, worker);
		break;
	case SESSION_FINISHED:
		on_finished(daemon, slot, event, worker);
		break;
	case SESSION_FAILED:
		on_failed(daemon, slot, event, worker);
		break;
	case SESSION_REFUSED:
		on_refused(daemon, slot, event);
		break;
	}
}

unsigned
events_take(struct daemon *daemon)
{
	struct session_event events[EVENTS_AT_ONCE];
	uint16_t workers[EVENTS_AT_ONCE];
	unsigned taken = 0, n;

	do {
		n = dataplane_events(daemon->dp, events, workers, EVENTS_AT_ONCE);
		for (unsigned i = 0; i < n; i++)
			handle(daemon, &events[i], workers[i]);
		taken += n;
	} while (n && taken < EVENTS_A_TURN);
	return taken;
}
