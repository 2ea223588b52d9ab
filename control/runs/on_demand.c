#include "control/runs/on_demand.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

#include "control/log.h"
#include "control/runs/credentials.h"
#include "control/runs/publish.h"
#include "control/runs/service.h"

enum { SERVICE_UNAVAILABLE = 0xa3 };

/* Nothing is to be sent: what that means for the caller. */
static uint8_t
refusal(const struct session_event *event)
{
	enum { BAD_REQUEST = 0x80, METHOD_NOT_ALLOWED = 0x85 };

	/* OMA Core TS 6.1.7.2: a pack that is refused is asked for by a request instead. */
	return event->ask == ASK_PACK ? METHOD_NOT_ALLOWED : BAD_REQUEST;
}

static void
answer_batch(struct service *service, const struct session_event *event, unsigned worker,
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
	if (worker_commands_post(&service->worker_commands, service->dp, worker, &command) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a batch could not be handed to worker %u: out of memory", worker);
}

void
on_demand_refuse(struct service *service, const struct session_event *event, unsigned worker)
{
	answer_batch(service, event, worker, NULL, 0);
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
keep_until_idle(struct service *service, struct device_run *run)
{
	if (retired_add(&service->retired, run->batch) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a batch cannot be freed: out of memory");
	plan_release(&service->plans, run->plan);
}

/* A batch of this session alone is never published: it is free when the session is over. */
static void
hand_out(struct service *service, struct device *device, const struct session_event *event,
	 unsigned worker, struct device_run *run)
{
	answer_batch(service, event, worker, run->batch, steps_sent(event));
	if (run->batch && !run->per_session) {
		publish_run(service, device, run);
		return;
	}
	if (run->batch && event->ask == ASK_RUN)
		device->format = event->format;
	keep_until_idle(service, run);
}

/* No room for what the run made: it must not begin. */
static void
refuse_full(struct service *service, const struct session_event *event, unsigned worker)
{
	const struct stack_command command = { .kind = STACK_BATCH,
					       .code = SERVICE_UNAVAILABLE,
					       .session = event->session };

	if (worker_commands_post(&service->worker_commands, service->dp, worker, &command) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "a device could not be refused: out of memory");
}

/* A run that has made credentials. True: it was answered, or will be, and the batch was freed. */
static bool
hold_for_credentials(struct service *service, struct device *device,
		     const struct session_event *event, unsigned worker, struct device_run *run)
{
	struct run_memory *memory = &device->live->memory;

	if (!run->batch)
		return false;
	if (event->ask != ASK_REST && deliveries_full(service)) {
		live_set_plan(&service->plans, device->live, run->plan);
		device_run_free(&service->plans, run);
		refuse_full(service, event, worker);
		return true;
	}
	credentials_note_batch(memory, run->batch,
			       run->waits || !credentials_may_finish(service, memory));
	/* A pack has no Finish: its answer waits. */
	if (event->ask != ASK_PACK || !credentials_are_due(memory))
		return false;
	live_set_plan(&service->plans, device->live, run->plan);
	device_run_free(&service->plans, run);
	credentials_wait(service, device, event, worker);
	return true;
}

static void
make_batch(struct service *service, struct device *device, const struct session_event *event,
	   unsigned worker)
{
	struct live_session *live = device->live;
	char acc[sizeof event->name + 1];
	struct run_request request = {
		.device = device, .format = live->format, .session = true, .memory = &live->memory
	};
	struct device_run run;

	assert(live); /* of this event: events.c found or made it */
	if (event->ask == ASK_PACK) {
		snprintf(acc, sizeof acc, "%.*s", (int)event->name_len, (const char *)event->name);
		request.pack = true;
		request.acc = *acc ? acc : NULL;
	}
	if (device_run_make(service, &request, &run) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "out of memory for a device's batch");
		on_demand_refuse(service, event, worker);
		return;
	}
	if (live->memory.credentials && hold_for_credentials(service, device, event, worker, &run))
		return;
	run.per_session |= event->ask != ASK_RUN;
	live_set_plan(&service->plans, live, run.plan);
	hand_out(service, device, event, worker, &run);
}

static void
keep_answer(struct live_session *live, const struct session_event *event)
{
	const struct run_answer answer = { .code = event->code,
					   .format = event->format,
					   .bytes = (uint8_t *)(uintptr_t)event->answer,
					   .len = event->answer_len };

	if (run_memory_answer(&live->memory, &answer) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "the answer of a device cannot be kept");
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
make_to_the_end(struct service *service, const struct run_request *request, struct device_run *run)
{
	const struct run_answer refused = { .code = 0x84, .format = SESSION_NO_FORMAT };
	int result;

	while ((result = device_run_make(service, request, run)) == 0 && run->batch &&
	       run->batch->continues) {
		device_run_free(&service->plans, run);
		result = run_memory_answer(request->memory, &refused);
		if (result < 0)
			return result;
	}
	return result;
}

static void
cut_short(struct service *service, struct device *device, const struct session_event *event,
	  unsigned worker)
{
	struct live_session *live = device->live;
	const struct run_request request = {
		.device = device, .format = live->format, .session = true, .memory = &live->memory
	};
	struct device_run run;

	credentials_skip_wait(&live->memory);
	if (make_to_the_end(service, &request, &run) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "the rest of a device's run cannot be made");
		on_demand_refuse(service, event, worker);
		return;
	}
	live_set_plan(&service->plans, live, run.plan);
	answer_batch(service, event, worker, run.batch,
		     run.batch ? (uint16_t)finish_step(run.batch) : 0);
	keep_until_idle(service, &run);
}

void
on_demand_meet(struct service *service, struct device *device, const struct session_event *event,
	       unsigned worker)
{
	const struct batch *ready = NULL;

	if (is_cut_short(device->live, event)) {
		cut_short(service, device, event, worker);
		return;
	}
	if (credentials_are_due(&device->live->memory)) {
		credentials_wait(service, device, event, worker);
		return;
	}
	if (event->ask == ASK_REST)
		keep_answer(device->live, event);
	if (event->ask == ASK_RUN && !(device->entry->flags & DEVICE_PER_SESSION))
		ready = published_in(device, event->format);
	if (ready)
		answer_batch(service, event, worker, ready, 0);
	else
		make_batch(service, device, event, worker);
}

void
on_demand_go_on(struct service *service, struct device *device, const struct session_event *event,
		unsigned worker)
{
	make_batch(service, device, event, worker);
}
