#include "control/runs/run_reports.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/address.h"
#include "control/clock.h"
#include "control/log.h"
#include "control/runs/member_reports.h"
#include "control/runs/failure.h"
#include "control/runs/service.h"
#include "tasks/show.h"

static uint64_t
wall_ms(uint64_t then_us)
{
	return clock_wall_ms(then_us, dataplane_now_us());
}

/* The lines of the log that belong to a task of the plan. */
static void
put_log_of_task(const struct run_memory *memory, unsigned task, struct text *lines)
{
	const char *at = memory && memory->log.at ? memory->log.at : "";

	while (*at) {
		const char *end = strchrnul(at, '\n'), *text = strchr(at, ' ');

		if (text && text < end && strtoul(at, NULL, 10) == task)
			text_printf(lines, "%.*s\n", (int)(end - text - 1), text + 1);
		at = *end ? end + 1 : end;
	}
}

/*
 * Who it was, how far it came, and what the device said of it (RFC 7252 5.5.2). In the log and not in
 * the summary, for summaries are shared: what devices say must not fill their table.
 */
static void
put_run(const struct reported_run *reported, struct text *lines)
{
	const struct session_event *event = reported->event;
	const struct live_session *live = reported->live;
	char peer[ADDRESS_TEXT_MAX], step[PLAN_STEP_NAME_MAX];

	address_format_peer(&live->peer, peer);
	text_show(lines, "run from %s, format %u, step %u of %u: %s\n", peer, live->format,
		  event->step + 1u, reported->plan->n_steps,
		  plan_step_name(reported->plan, event->step, step));
	if (event->received) /* a task that was over before anything was sent has none */
		text_show(lines, "messages: %u received, %u sent, %u of them again\n",
			  event->received, event->sent, event->retransmitted);
	for (unsigned i = 0; i < LIVE_DIAGNOSTICS_MAX; i++) {
		const struct diagnostic *said = &live->diagnostics[i];

		if (said->code)
			text_show(lines, "device answered %u.%02u to %s: \"%.*s\"\n",
				  said->code >> 5, said->code & 31,
				  plan_step_name(reported->plan, said->step, step), (int)said->len,
				  said->text);
	}
}

/* "came back after 40 s, 7th time" */
static void
put_again(const struct reported_run *reported, struct text *lines)
{
	static const char *const endings[] = { "th", "st", "nd", "rd" };
	unsigned n = reported->device->returns + 1u, last = n % 10;

	text_printf(lines, "came back after %u s, %u%s time\n", reported->live->after_s, n,
		    endings[last < 4 && (n % 100 < 11 || n % 100 > 13) ? last : 0]);
}

/* malloc'ed, or NULL. Of a run that went well, what its tasks logged is all. */
static char *
log_of_report(const struct reported_run *reported, unsigned place, enum task_status status,
	      const char *halts)
{
	struct text lines;

	text_init(&lines);
	if (reported->live && reported->live->again &&
	    !reported->plan->tasks[place].task->discard_details)
		put_again(reported, &lines);
	if (status != TASK_SUCCESS && reported->live && reported->live->began)
		put_run(reported, &lines);
	put_log_of_task(reported->memory, place, &lines);
	if (halts)
		text_show(&lines, "with this run the rollout is halted: %s\n", halts);
	return lines.at;
}

static void
put_report(const struct reported_run *reported, const struct report_change *change)
{
	reports_set(&reported->service->reports, change);
	if (!reported->elsewhere)
		member_reports_send(reported->service, reported->device, change);
}

static void
set_report(const struct reported_run *reported, unsigned place, enum task_status status,
	   const char *summary)
{
	const struct session_event *event = reported->event;
	const struct policy_task *task = reported->plan->tasks[place].task;
	bool over = status != TASK_IN_PROGRESS && status != TASK_NOT_STARTED;
	const char *halts = NULL;
	struct report_change change = {
		.device = device_id(reported->device),
		.task = task->report,
		.status = status,
		.started_ms = wall_ms(event->started_us ? event->started_us : event->time_us),
		.finished_ms = over ? wall_ms(event->time_us) : 0,
		.summary = summary,
	};
	char endpoint[ENDPOINT_NAME_MAX + 1];
	struct rollout_report noted;
	char *log;

	assert(place < reported->plan->n_tasks);
	noted = (struct rollout_report){ task, reported->device, status, change.started_ms };
	if (task->rollout)
		halts = rollouts_note(reported->service, &noted);
	version_counts_note(reported->service, &noted);
	log = over ? log_of_report(reported, place, status, halts) : NULL;
	change.log = log;
	if (task->repetition != REPETITION_REPEAT_WITHOUT_REPORT)
		put_report(reported, &change);
	if (status == TASK_ERROR && log_level() >= SEVERITY_INFO)
		log_event(SEVERITY_INFO, LOG_EVENT_task_report,
			  device_endpoint(reported->device, endpoint),
			  "device %s: task %s (%s): %s", endpoint, task->name, task->id, summary);
	free(log);
}

static void
report_no_task(const struct reported_run *reported, const char *summary)
{
	const struct session_event *event = reported->event;
	struct report_change change = {
		.device = device_id(reported->device),
		.task = REPORT_NO_TASK,
		.status = TASK_ERROR,
		.started_ms = wall_ms(event->started_us ? event->started_us : event->time_us),
		.finished_ms = wall_ms(event->time_us),
		.summary = summary,
	};
	char endpoint[ENDPOINT_NAME_MAX + 1];

	put_report(reported, &change);
	if (log_level() >= SEVERITY_INFO)
		log_event(SEVERITY_INFO, LOG_EVENT_task_report,
			  device_endpoint(reported->device, endpoint), "device %s: %s", endpoint,
			  summary);
}

/* A log of what was compiled ahead is not kept a million times: it is made again. */
static void
report_with_log(const struct reported_run *reported,
		void (*put)(const struct reported_run *reported))
{
	struct reported_run logged = *reported;
	struct run_memory memory;
	struct device_run run = { 0 };
	const struct run_request request = {
		.device = reported->device,
		.format = reported->event->format,
		.session = true,
		.memory = &memory,
	};

	run_memory_init(&memory);
	if (reported->plan->logs && !reported->memory &&
	    device_run_make(reported->service, &request, &run) == 0)
		logged.memory = &memory;
	put(&logged);
	device_run_free(&reported->service->plans, &run);
	run_memory_fini(&memory);
}

static void
put_compiled(const struct reported_run *reported)
{
	const struct plan *plan = reported->plan;
	char summary[TASK_SUMMARY_MAX];
	unsigned n_reported = 0, left_out = plan->n_tasks;

	for (unsigned i = 0; i < plan->n_tasks; i++) {
		const struct plan_task *task = &plan->tasks[i];

		if (task->state == PLAN_LEFT_OUT && left_out == plan->n_tasks)
			left_out = i;
		n_reported += task->state != PLAN_LEFT_OUT;
		if (task->state == PLAN_OVER)
			set_report(reported, i, task->status, task->summary ? task->summary : "");
	}
	if (n_reported)
		return;
	if (left_out == plan->n_tasks) {
		report_no_task(reported, "no active task applies to its groups");
		return;
	}
	show_into(summary, sizeof summary, "no task is to run now: %.100s: %.150s",
		  plan->tasks[left_out].task->name, plan->tasks[left_out].summary);
	report_no_task(reported, summary);
}

static bool
has_task_in(const struct plan *plan, enum plan_task_state state)
{
	for (unsigned i = 0; i < plan->n_tasks; i++)
		if (plan->tasks[i].state == state)
			return true;
	return false;
}

void
report_compiled(const struct reported_run *reported)
{
	if (has_task_in(reported->plan, PLAN_OVER))
		report_with_log(reported, put_compiled);
	else
		put_compiled(reported);
}

void
report_started(const struct reported_run *reported)
{
	report_compiled(reported);
	for (unsigned i = 0; i < reported->plan->n_tasks; i++)
		if (reported->plan->tasks[i].state == PLAN_SENT)
			set_report(reported, i, TASK_IN_PROGRESS, "in progress");
}

/* "PUT /0/2 answered 4.00 Bad Request, and 1 more was refused; " where steps were refused on the way */
static void
refused_text(const struct reported_run *reported, char out[TASK_SUMMARY_MAX])
{
	const struct session_event *event = reported->event;
	unsigned more = event->refused_steps - 1u;
	char step[PLAN_STEP_NAME_MAX], rest[48] = "";

	if (!event->refused_steps) {
		*out = '\0';
		return;
	}
	if (more)
		snprintf(rest, sizeof rest, ", and %u more %s refused", more,
			 more == 1 ? "was" : "were");
	show_into(out, TASK_SUMMARY_MAX, "%s answered %u.%02u %s%s; ",
		  plan_step_name(reported->plan, event->refused_step, step),
		  event->refused_code >> 5, event->refused_code & 31,
		  failure_code_name(event->refused_code), rest);
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
	show_into(out, TASK_SUMMARY_MAX, "%u operations accepted", n_steps);
	return out;
}

/* What became of a pack's operations nobody hears: that it was fetched to its end is all that is known. */
static const char *
success_text(const struct plan *plan, unsigned n_steps, char out[TASK_SUMMARY_MAX])
{
	return plan->is_pack ? "delivered as a pack" : accepted_text(n_steps, out);
}

static void
put_finished(const struct reported_run *reported)
{
	char summary[TASK_SUMMARY_MAX], refused[TASK_SUMMARY_MAX], went[TASK_SUMMARY_MAX];
	unsigned culprit = plan_task_of_step(reported->plan, reported->event->refused_step);

	refused_text(reported, refused);
	for (unsigned i = 0; i < reported->plan->n_tasks; i++) {
		const struct plan_task *task = &reported->plan->tasks[i];
		bool warn = *refused && i == culprit;

		if (task->state != PLAN_SENT)
			continue;
		if (!warn && !task->summary) {
			set_report(reported, i, task->final,
				   success_text(reported->plan, task->n_steps, summary));
			continue;
		}
		if (warn)
			snprintf(went, sizeof went, "%u operation%s sent", task->n_steps,
				 task->n_steps == 1 ? "" : "s");
		show_into(summary, sizeof summary, "%.120s%.120s%s%s", warn ? refused : "",
			  task->summary ? task->summary : "", task->summary ? "; " : "",
			  warn ? went : success_text(reported->plan, task->n_steps, went));
		set_report(reported, i,
			   warn && task->final == TASK_SUCCESS ? TASK_WARNING : task->final,
			   summary);
	}
}

void
report_finished(const struct reported_run *reported)
{
	report_with_log(reported, put_finished);
}

/*
 * A failed step ends the whole run without a last Finish, so the device keeps nothing: earlier
 * tasks failed, too.
 */
static void
put_failed(const struct reported_run *reported)
{
	const struct plan *plan = reported->plan;
	char why[TASK_SUMMARY_MAX], summary[TASK_SUMMARY_MAX];
	unsigned failing = plan_task_of_step(plan, reported->event->step);

	failure_text(reported->service->config, reported->event, plan, why);
	if (failing == plan->n_tasks)
		failing = 0;
	for (unsigned i = 0; i < plan->n_tasks; i++) {
		if (plan->tasks[i].state != PLAN_SENT)
			continue;
		show_into(summary, sizeof summary, "%s%.250s",
			  i < failing   ? "sent, but never finished: "
			  : i > failing ? "not run: "
					: "",
			  why);
		set_report(reported, i, i > failing ? TASK_NOT_STARTED : TASK_ERROR, summary);
	}
}

void
report_failed(const struct reported_run *reported)
{
	if (has_task_in(reported->plan, PLAN_SENT))
		report_with_log(reported, put_failed);
	else /* compilation has said all there is to say */
		report_compiled(reported);
}

static bool
is_in_progress(const struct reported_run *reported, const struct policy_task *task)
{
	const struct report *last = reports_find(&reported->service->reports, task->report,
						 device_id(reported->device));

	return last && last->status == TASK_IN_PROGRESS;
}

void
report_unfinished(const struct reported_run *reported, const char *why)
{
	for (unsigned i = 0; i < reported->plan->n_tasks; i++) {
		const struct plan_task *task = &reported->plan->tasks[i];

		if (!is_in_progress(reported, task->task))
			continue;
		if (task->state == PLAN_OVER)
			set_report(reported, i, task->status, task->summary ? task->summary : "");
		else
			set_report(reported, i, TASK_ERROR, task->summary ? task->summary : why);
	}
}
