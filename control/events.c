#include "control/events.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/address.h"
#include "control/effects.h"
#include "control/failure.h"
#include "control/log.h"
#include "control/publish.h"

enum { EVENTS_AT_ONCE = 64 };

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

/* ---- reports ---- */

/* What is told of one run. */
struct telling {
	struct daemon *daemon;
	struct device *device;
	const struct session_event *event;
	const struct plan *plan;
	struct run_memory *memory; /* whose log goes with the reports; may be NULL */
};

/* The lines of the log that belong to a task of the plan, malloc'ed, or NULL. */
static char *
log_of_task(const struct run_memory *memory, unsigned task)
{
	const char *at = memory && memory->log.at ? memory->log.at : "";
	struct text lines;

	text_init(&lines);
	while (*at) {
		const char *end = strchrnul(at, '\n'), *text = strchr(at, ' ');

		if (text && text < end && strtoul(at, NULL, 10) == task)
			text_printf(&lines, "%.*s\n", (int)(end - text - 1), text + 1);
		at = *end ? end + 1 : end;
	}
	return lines.at;
}

static void
set_report(const struct telling *telling, unsigned place, enum task_status status,
	   const char *summary)
{
	const struct session_event *event = telling->event;
	const struct policy_task *task = telling->plan->tasks[place].task;
	bool over = status != TASK_IN_PROGRESS && status != TASK_NOT_STARTED;
	char *log = over ? log_of_task(telling->memory, place) : NULL;
	struct report_news news = {
		.device = device_id(telling->device),
		.task = task->report,
		.status = status,
		.started_ms = wall_ms(event->started_us ? event->started_us : event->time_us),
		.finished_ms = over ? wall_ms(event->time_us) : 0,
		.summary = summary,
		.log = log,
	};
	char endpoint[ENDPOINT_NAME_MAX + 1];

	if (task->repetition != REPETITION_REPEAT_WITHOUT_REPORT)
		reports_set(&telling->daemon->reports, &news);
	if (status == TASK_ERROR && log_level() >= SEVERITY_INFO)
		log_info("device %s: task %s (%s): %s", device_endpoint(telling->device, endpoint),
			 task->name, task->id, summary);
	free(log);
}

static void
report_no_task(const struct telling *telling, const char *summary)
{
	const struct session_event *event = telling->event;
	struct report_news news = {
		.device = device_id(telling->device),
		.task = REPORT_NO_TASK,
		.status = TASK_ERROR,
		.started_ms = wall_ms(event->started_us ? event->started_us : event->time_us),
		.finished_ms = wall_ms(event->time_us),
		.summary = summary,
	};
	char endpoint[ENDPOINT_NAME_MAX + 1];

	reports_set(&telling->daemon->reports, &news);
	if (log_level() >= SEVERITY_INFO)
		log_info("device %s: %s", device_endpoint(telling->device, endpoint), summary);
}

/* What compilation said of the tasks that sent nothing. */
static void
report_compiled(const struct telling *telling)
{
	const struct plan *plan = telling->plan;
	char summary[TASK_SUMMARY_MAX];
	unsigned told = 0, left_out = plan->n_tasks;

	for (unsigned i = 0; i < plan->n_tasks; i++) {
		const struct plan_task *task = &plan->tasks[i];

		if (task->state == PLAN_LEFT_OUT && left_out == plan->n_tasks)
			left_out = i;
		told += task->state != PLAN_LEFT_OUT;
		if (task->state == PLAN_OVER)
			set_report(telling, i, task->status, task->summary ? task->summary : "");
	}
	if (told)
		return;
	if (left_out == plan->n_tasks) {
		report_no_task(telling, "no active task applies to its groups");
		return;
	}
	snprintf(summary, sizeof summary, "no task is to run now: %.100s: %.150s",
		 plan->tasks[left_out].task->name, plan->tasks[left_out].summary);
	report_no_task(telling, summary);
}

/* A log of what was compiled ahead is not kept a million times: it is made again. */
static void
tell_logged(struct telling *telling, uint16_t format, void (*tell)(struct telling *telling))
{
	struct run_memory memory;
	struct device_run run = { 0 };
	const struct run_request request = {
		.device = telling->device, .format = format, .session = true, .memory = &memory
	};

	run_memory_init(&memory);
	if (telling->plan->logs && !telling->memory &&
	    device_run_make(telling->daemon, &request, &run) == 0)
		telling->memory = &memory;
	tell(telling);
	device_run_free(telling->daemon, &run);
	run_memory_fini(&memory);
}

/* ---- sessions ---- */

static void
cancel(struct daemon *daemon, unsigned worker, struct session_ref session)
{
	struct stack_command command = { .kind = STACK_CANCEL, .session = session };

	if (outbox_post(&daemon->outbox, daemon->dp, worker, &command) < 0)
		log_error("an older session could not be cancelled: out of memory");
}

static void
end_live(struct daemon *daemon, struct device *device)
{
	plan_release(&daemon->plans, device->live->plan);
	live_remove(&daemon->live, device->live);
	device->live = NULL;
}

void
events_end_live(struct daemon *daemon, struct device *device)
{
	cancel(daemon, device->live->worker, device->live->session);
	end_live(daemon, device);
}

static void
set_plan(struct daemon *daemon, struct live_session *live, struct plan *plan)
{
	if (plan)
		plan_hold(plan);
	plan_release(&daemon->plans, live->plan);
	live->plan = plan;
}

/* The record of the event's session, or NULL: it is not the device's newest. */
static struct live_session *
find_live(const struct device *device, const struct session_event *event, unsigned worker)
{
	struct live_session *live = device->live;

	return live && live->worker == worker && same_session(&live->session, &event->session)
		       ? live
		       : NULL;
}

/*
 * The last request of an endpoint wins, whatever worker it came to. Each worker's events arrive
 * in order, but a slower worker's arrive behind a faster one's: the time of the request decides
 * which run is the older one, not the arrival. NULL: this event is of the older run, which is
 * cancelled and told nothing more of; or there is no memory.
 */
static struct live_session *
begin_live(struct daemon *daemon, struct device *device, const struct session_event *event,
	   unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);

	if (live)
		return live;
	if (device->started_us > event->started_us) {
		cancel(daemon, worker, event->session);
		return NULL;
	}
	if (device->live)
		events_end_live(daemon, device);
	live = live_add(&daemon->live);
	if (!live) {
		log_error("a session cannot be followed: out of memory");
		return NULL;
	}
	device->live = live;
	device->started_us = event->started_us;
	live->device = device_id(device);
	live->worker = (uint16_t)worker;
	live->session = event->session;
	live->format = event->format;
	live->peer = event->peer;
	live->started_us = event->started_us;
	live->started_ms = wall_ms(event->started_us);
	return live;
}

static struct telling
telling_of(struct daemon *daemon, struct device *device, const struct session_event *event,
	   struct live_session *live)
{
	return (struct telling){
		.daemon = daemon,
		.device = device,
		.event = event,
		.plan = live->plan,
		.memory = live->memory.seeded ? &live->memory : NULL,
	};
}

static void
on_started(struct daemon *daemon, struct device *device, const struct session_event *event,
	   unsigned worker)
{
	struct live_session *live = begin_live(daemon, device, event, worker);
	struct telling telling;

	turned_away_forget(daemon->turned_away, event->device);
	if (!live)
		return;
	live->format = event->format;
	set_plan(daemon, live, plan_at(&daemon->plans, event->plan));
	device->last_bootstrap_ms = live->started_ms;
	if (daemon->store)
		store_put_visit(daemon->store, device_id(device), live->started_ms, event->format);
	if (!live->plan)
		return;
	telling = telling_of(daemon, device, event, live);
	report_compiled(&telling);
	for (unsigned i = 0; i < live->plan->n_tasks; i++)
		if (live->plan->tasks[i].state == PLAN_SENT)
			set_report(&telling, i, TASK_IN_PROGRESS, "in progress");
}

/* "PUT /0/2 answered 4.00 Bad Request, and 1 more was refused; " where steps were refused on the way */
static void
refused_text(const struct telling *telling, char out[TASK_SUMMARY_MAX])
{
	const struct session_event *event = telling->event;
	unsigned more = event->refused_steps - 1u;
	char step[PLAN_STEP_NAME_MAX], rest[48] = "";

	if (!event->refused_steps) {
		*out = '\0';
		return;
	}
	if (more)
		snprintf(rest, sizeof rest, ", and %u more %s refused", more,
			 more == 1 ? "was" : "were");
	snprintf(out, TASK_SUMMARY_MAX, "%s answered %u.%02u %s%s; ",
		 plan_step_name(telling->plan, event->refused_step, step), event->refused_code >> 5,
		 event->refused_code & 31, failure_code_name(event->refused_code), rest);
}

/* Of a task without a word of its own that went well. Nearly all end so, and printing each was a
 * third of what the control thread did for a run. */
static const char *
accepted_text(unsigned n_steps, char out[TASK_SUMMARY_MAX])
{
	static const char *const few[] = {
		NULL,
		"1 operation accepted",
		"2 operations accepted",
		"3 operations accepted",
		"4 operations accepted",
		"5 operations accepted",
		"6 operations accepted",
		"7 operations accepted",
		"8 operations accepted",
	};

	if (n_steps < sizeof few / sizeof few[0] && few[n_steps])
		return few[n_steps];
	snprintf(out, TASK_SUMMARY_MAX, "%u operations accepted", n_steps);
	return out;
}

static void
tell_finished(struct telling *telling)
{
	char summary[TASK_SUMMARY_MAX], refused[TASK_SUMMARY_MAX];
	unsigned culprit = plan_task_of_step(telling->plan, telling->event->refused_step);

	refused_text(telling, refused);
	for (unsigned i = 0; i < telling->plan->n_tasks; i++) {
		const struct plan_task *task = &telling->plan->tasks[i];
		bool warn = *refused && i == culprit;

		if (task->state != PLAN_SENT)
			continue;
		if (!warn && !task->summary) {
			set_report(telling, i, task->final, accepted_text(task->n_steps, summary));
			continue;
		}
		snprintf(summary, sizeof summary, "%.120s%.120s%s%u operation%s %s",
			 warn ? refused : "", task->summary ? task->summary : "",
			 task->summary ? "; " : "", task->n_steps, task->n_steps == 1 ? "" : "s",
			 warn ? "sent" : "accepted");
		set_report(telling, i,
			   warn && task->final == TASK_SUCCESS ? TASK_WARNING : task->final,
			   summary);
	}
}

/* A task that is done until it is rerun is no part of the next run. */
static void
renew_after_run(struct daemon *daemon, struct device *device, const struct plan *plan)
{
	bool renew = false;

	for (unsigned i = 0; i < plan->n_tasks; i++)
		renew |= plan->tasks[i].task->repetition == REPETITION_ONCE ||
			 !plan->tasks[i].task->automatic_restart;
	if (renew && publish_device(daemon, device) < 0)
		log_error("a device keeps a task that it has done: out of memory");
}

static void
on_finished(struct daemon *daemon, struct device *device, const struct session_event *event,
	    unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);
	struct telling telling;

	if (!live || !live->plan)
		return;
	telling = telling_of(daemon, device, event, live);
	tell_logged(&telling, event->format, tell_finished);
	effects_apply(daemon, device, &live->memory);
	renew_after_run(daemon, device, live->plan);
	end_live(daemon, device);
}

/*
 * A failed step ends the whole run without a last Finish, so the device keeps nothing: earlier
 * tasks failed, too.
 */
static void
tell_failed(struct telling *telling)
{
	const struct plan *plan = telling->plan;
	char why[TASK_SUMMARY_MAX], summary[TASK_SUMMARY_MAX];
	unsigned failing = plan_task_of_step(plan, telling->event->step);

	failure_text(telling->daemon->config, telling->event, plan, why);
	if (failing == plan->n_tasks)
		failing = 0;
	for (unsigned i = 0; i < plan->n_tasks; i++) {
		if (plan->tasks[i].state != PLAN_SENT)
			continue;
		snprintf(summary, sizeof summary, "%s%.250s",
			 i < failing   ? "sent, but never finished: "
			 : i > failing ? "not run: "
				       : "",
			 why);
		set_report(telling, i, i > failing ? TASK_NOT_STARTED : TASK_ERROR, summary);
	}
}

/* Whether something of it is to be sent: else compilation has said all there is to say. */
static bool
sends(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_tasks; i++)
		if (plan->tasks[i].state == PLAN_SENT)
			return true;
	return false;
}

static void
on_failed(struct daemon *daemon, struct device *device, const struct session_event *event,
	  unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);
	struct telling telling;

	if (!live)
		return;
	if (!live->plan)
		set_plan(daemon, live, device->plan);
	if (live->plan) {
		telling = telling_of(daemon, device, event, live);
		if (sends(live->plan))
			tell_logged(&telling, event->format, tell_failed);
		else
			report_compiled(&telling);
	}
	end_live(daemon, device);
}

/* Nothing was to be sent: the plan says why. */
static void
on_refused(struct daemon *daemon, struct device *device, const struct session_event *event,
	   unsigned worker)
{
	struct live_session *live = find_live(device, event, worker);
	struct telling telling = { .daemon = daemon, .device = device, .event = event };

	telling.plan = live && live->plan ? live->plan : device->plan;
	if (telling.plan)
		report_compiled(&telling);
	if (!live)
		return;
	/* Tasks that need no operation are over well: what they ask of the inventory is due. */
	effects_apply(daemon, device, &live->memory);
	end_live(daemon, device);
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

/* ---- batches on demand ---- */

/* Nothing is to be sent: what that means for who asks. */
static uint8_t
refusal(const struct session_event *event)
{
	enum { BAD_REQUEST = 0x80, METHOD_NOT_ALLOWED = 0x85 };

	/* OMA Core TS 6.1.7.2: a pack that is refused is asked for by a request instead. */
	return event->ask == ASK_PACK ? METHOD_NOT_ALLOWED : BAD_REQUEST;
}

static void
answer_batch(struct daemon *daemon, const struct session_event *event, unsigned worker,
	     const struct batch *batch, uint16_t from)
{
	struct stack_command command = {
		.kind = STACK_BATCH,
		.code = refusal(event),
		.from = from,
		.session = event->session,
		.batch = batch,
	};

	if (batch)
		batch_hold(batch);
	if (outbox_post(&daemon->outbox, daemon->dp, worker, &command) < 0)
		log_error("a batch could not be handed to worker %u: out of memory", worker);
}

/* The published batch, when another session of this device asked for the same just before. */
static const struct batch *
published_in(const struct device *device, uint16_t format)
{
	const struct batch *batch =
		atomic_load_explicit(&device->entry->batch, memory_order_relaxed);

	return batch && batch->format == format ? batch : NULL;
}

/* How many steps of the run were sent before the answer came. */
static uint16_t
steps_sent(const struct session_event *event)
{
	return event->ask == ASK_REST ? (uint16_t)(event->step + 1) : 0;
}

static void
keep_until_idle(struct daemon *daemon, struct device_run *run)
{
	if (retired_add(&daemon->retired, run->batch) < 0)
		log_error("a batch cannot be freed: out of memory");
	plan_release(&daemon->plans, run->plan);
}

/* A batch of this session alone is never published: it is free when the session is over. */
static void
hand_out(struct daemon *daemon, struct device *device, const struct session_event *event,
	 unsigned worker, struct device_run *run)
{
	answer_batch(daemon, event, worker, run->batch, steps_sent(event));
	if (run->batch && !run->per_session) {
		publish_run(daemon, device, run);
		return;
	}
	if (run->batch && event->ask == ASK_RUN)
		device->format = event->format;
	keep_until_idle(daemon, run);
}

static void
make_batch(struct daemon *daemon, struct device *device, const struct session_event *event,
	   unsigned worker)
{
	struct live_session *live = device->live;
	char acc[sizeof event->name + 1];
	struct run_request request = {
		.device = device, .format = live->format, .session = true, .memory = &live->memory
	};
	struct device_run run;

	if (event->ask == ASK_PACK) {
		snprintf(acc, sizeof acc, "%.*s", (int)event->name_len, (const char *)event->name);
		request.pack = true;
		request.acc = *acc ? acc : NULL;
	}
	if (device_run_make(daemon, &request, &run) < 0) {
		log_error("out of memory for a device's batch");
		answer_batch(daemon, event, worker, NULL, 0);
		return;
	}
	run.per_session |= event->ask != ASK_RUN;
	set_plan(daemon, live, run.plan);
	hand_out(daemon, device, event, worker, &run);
}

static void
keep_answer(struct live_session *live, const struct session_event *event)
{
	const struct run_answer answer = { .code = event->code,
					   .format = event->format,
					   .bytes = (uint8_t *)(uintptr_t)event->answer,
					   .len = event->answer_len };

	if (run_memory_answer(&live->memory, &answer) < 0)
		log_error("the answer of a device cannot be kept");
}

/*
 * A refused step whose policy is to finish, in a run whose end is not made yet: what was still to be
 * asked is taken for refused, and the run goes on with its Finish.
 */
static bool
is_cut_short(const struct live_session *live, const struct session_event *event)
{
	return event->ask == ASK_REST && live->plan && event->step + 1u < live->plan->n_steps;
}

static unsigned
finish_step(const struct batch *batch)
{
	unsigned at = 0;

	while (at < batch->n_steps &&
	       (batch->steps[at]->expect != BATCH_EXPECT_FINISH || batch->steps[at]->correction))
		at++;
	return at;
}

/* 0 with a run to its very end, or -errno. */
static int
make_to_the_end(struct daemon *daemon, const struct run_request *request, struct device_run *run)
{
	const struct run_answer refused = { .code = 0x84, .format = SESSION_NO_FORMAT };
	int result;

	while ((result = device_run_make(daemon, request, run)) == 0 && run->batch &&
	       run->batch->continues) {
		device_run_free(daemon, run);
		result = run_memory_answer(request->memory, &refused);
		if (result < 0)
			return result;
	}
	return result;
}

static void
cut_short(struct daemon *daemon, struct device *device, const struct session_event *event,
	  unsigned worker)
{
	struct live_session *live = device->live;
	const struct run_request request = {
		.device = device, .format = live->format, .session = true, .memory = &live->memory
	};
	struct device_run run;

	if (make_to_the_end(daemon, &request, &run) < 0) {
		answer_batch(daemon, event, worker, NULL, 0);
		return;
	}
	set_plan(daemon, live, run.plan);
	answer_batch(daemon, event, worker, run.batch,
		     run.batch ? (uint16_t)finish_step(run.batch) : 0);
	keep_until_idle(daemon, &run);
}

/* The rest of a run is of the session it began in, and of no other. */
static struct live_session *
live_of_ask(struct daemon *daemon, struct device *device, const struct session_event *event,
	    unsigned worker)
{
	struct live_session *live;

	if (event->ask != ASK_REST) {
		live = begin_live(daemon, device, event, worker);
		if (live)
			live->format = event->format;
		return live;
	}
	live = find_live(device, event, worker);
	if (live && !is_cut_short(live, event))
		keep_answer(live, event);
	return live;
}

static void
on_needs_batch(struct daemon *daemon, struct device *device, const struct session_event *event,
	       unsigned worker)
{
	const struct batch *ready = NULL;

	if (!live_of_ask(daemon, device, event, worker)) {
		answer_batch(daemon, event, worker, NULL, 0);
		return;
	}
	if (event->ask == ASK_RUN && !(device->entry->flags & DEVICE_PER_SESSION))
		ready = published_in(device, event->format);
	if (is_cut_short(device->live, event))
		cut_short(daemon, device, event, worker);
	else if (ready)
		answer_batch(daemon, event, worker, ready, 0);
	else
		make_batch(daemon, device, event, worker);
}

/* ---- all of them ---- */

static void
handle(struct daemon *daemon, const struct session_event *event, unsigned worker)
{
	struct device *device;

	if (event->kind == SESSION_UNKNOWN) {
		on_unknown(daemon, event);
		return;
	}
	device = inventory_at(&daemon->inventory, event->device);
	if (!device) {
		if (event->kind == SESSION_NEEDS_BATCH)
			answer_batch(daemon, event, worker, NULL, 0);
		return;
	}
	switch (event->kind) {
	case SESSION_STARTED:
		on_started(daemon, device, event, worker);
		break;
	case SESSION_NEEDS_BATCH:
		on_needs_batch(daemon, device, event, worker);
		break;
	case SESSION_FINISHED:
		on_finished(daemon, device, event, worker);
		break;
	case SESSION_FAILED:
		on_failed(daemon, device, event, worker);
		break;
	case SESSION_REFUSED:
		on_refused(daemon, device, event, worker);
		break;
	case SESSION_TURNED_AWAY:
		turned_away_see(daemon->turned_away, event, wall_ms(event->time_us));
		break;
	}
}

/* With a million devices each is in main memory: waits for those of all events together. */
static void
fetch_devices(const struct daemon *daemon, const struct session_event *events, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct device *device = inventory_at(&daemon->inventory, events[i].device);

		if (device && device->live)
			__builtin_prefetch(device->live);
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
		fetch_devices(daemon, events, n);
		for (unsigned i = 0; i < n; i++)
			handle(daemon, &events[i], workers[i]);
		taken += n;
	} while (n && taken < EVENTS_A_TURN);
	return taken;
}
