/* Why a device gets what it gets: one answer over key, groups, tasks, their hours, and what became of it. */
#include <stdio.h>
#include <string.h>

#include "control/address.h"
#include "control/clock.h"
#include "control/commands/show.h"
#include "control/commands/why_nobody.h"
#include "control/runs/rejected_devices.h"

enum { LABEL_COLUMNS = 14 };

/* The answer, and what it is made of. */
struct why {
	struct call *call;
	const struct device *device;
	const struct task_set *set;
	struct device_run run;
	struct run_decision decisions[PLAN_TASKS_MAX];
	unsigned n_sent, n_steps;
	uint64_t next_ms;            /* of the task that may run first; 0: none is known */
	const struct plan_task *bad; /* the first that fails; NULL: none */
	const struct report *last;   /* the newest that did not go well; NULL: none */
	json_t *tasks;
	struct text lines; /* what stands below the answer */
};

static void put_line(struct why *why, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
put_line(struct why *why, const char *label, const char *format, ...)
{
	const struct table_view *view = why->call->text.view;
	struct text sentence;
	va_list args;

	text_init(&sentence);
	va_start(args, format);
	text_vshow(&sentence, format, args);
	va_end(args);
	text_printf(&why->lines, "  %-*s", LABEL_COLUMNS - 2, label);
	text_wrap(&why->lines, text_str(&sentence), sentence.len, LABEL_COLUMNS,
		  view ? view->width : 0);
	text_fini(&sentence);
}

/* ---- who it is, and how it may come ---- */

static bool
has_listener(const struct config *config, enum listener_security security)
{
	for (unsigned i = 0; i < config->n_listeners; i++)
		if (config->listeners[i].security == security)
			return true;
	return false;
}

static bool
takes_certificates(const struct service *service)
{
	return service->generation->policy->trust && has_listener(service->config, LISTENER_PSK);
}

/* Whether it is served without security, by the worker's rule. */
static bool
is_served_plain(const struct why *why)
{
	const struct service *service = why->call->service;
	bool needs_dtls = device_entry_needs_dtls(why->device->entry, takes_certificates(service));

	for (unsigned i = 0; i < service->config->n_listeners; i++) {
		const struct config_listener *listener = &service->config->listeners[i];

		if (listener->security == LISTENER_NOSEC &&
		    (!needs_dtls || listener->allow_keyed_devices))
			return true;
	}
	return false;
}

/* Whether any listener would hear its request. */
static bool
has_a_way_in(const struct why *why)
{
	const struct service *service = why->call->service;

	return is_served_plain(why) || takes_certificates(service) ||
	       (why->device->entry->key_len && has_listener(service->config, LISTENER_PSK));
}

static void
put_key(struct why *why)
{
	const struct service *service = why->call->service;
	unsigned key_len = why->device->entry->key_len;
	bool certificates = takes_certificates(service);
	bool nosec = is_served_plain(why);
	char identity[ENDPOINT_NAME_MAX + 1];
	struct text shown;
	size_t len = device_identity(why->device, identity);

	text_init(&shown);
	text_put_untrusted(&shown, identity, len);
	if (key_len)
		put_line(why, "key", "%u bytes, given as %s; identity \"%s\"", key_len,
			 why->device->key_is_hex ? "hex" : "text", text_str(&shown));
	else
		put_line(why, "key", "none; identity \"%s\"", text_str(&shown));
	put_line(why, "certificate",
		 certificates ? "accepted where trust.conf or its identity vouches for it"
			      : "not accepted: %s",
		 service->generation->policy->trust ? "no listener has security"
						    : "there is no trust.conf");
	put_line(why, "no security",
		 nosec ? "a listener serves it without any"
		 : has_listener(service->config, LISTENER_NOSEC)
			 ? "refused: it can come over DTLS (`device edit --nosec on` serves it all "
			   "the same)"
			 : "no listener is without");
	json_object_set_new(why->call->result, "security",
			    json_pack("{s:i, s:o, s:b, s:b}", "key_bytes", (int)key_len, "identity",
				      show_json(identity, len), "certificates", certificates,
				      "served_without_security", nosec));
	text_fini(&shown);
}

static void
put_groups(struct why *why)
{
	const struct inventory *inventory = &why->call->service->inventory;

	put_line(why, "groups", "%s", device_groups(inventory, why->device));
	if (why->set->missing)
		put_line(why, "", "there is no group \"%s\" (any more)", why->set->missing);
	json_object_set_new(why->call->result, "groups", show_groups_json(inventory, why->device));
}

/* ---- its tasks ---- */

static const char *
reason_name(const struct plan_task *task, const struct run_decision *decision)
{
	static const char *const names[RUN_REASONS] = {
		[RUN_DONE] = "done",           [RUN_BY_RERUN] = "restarts_by_rerun",
		[RUN_SCHEDULE] = "schedule",   [RUN_INTERVAL] = "min_interval",
		[RUN_CONDITION] = "condition",
	};

	if (task->state == PLAN_SENT)
		return "sent";
	if (task->state == PLAN_OVER)
		return task->status == TASK_ERROR ? "fails" : "over";
	return names[decision->reason] ? names[decision->reason] : "left_out";
}

/* What became of it last, as words and as a candidate for the last refusal. */
static const struct report *
note_report(struct why *why, uint32_t task)
{
	const struct report *report =
		reports_find(&why->call->service->reports, task, device_id(why->device));

	if (report && (report->status == TASK_ERROR || report->status == TASK_WARNING) &&
	    (!why->last || report->started_ms >= why->last->started_ms))
		why->last = report;
	return report;
}

/* The facts of a task that are the same whether it runs or not. */
static void
put_task(struct why *why, const struct policy_task *task, const char *reason, const char *sentence,
	 uint64_t next_ms)
{
	const struct report *report = note_report(why, task->report);
	char next[SHOW_TIME_MAX], ran[SHOW_TIME_MAX];
	json_t *json;

	put_line(why, "task", "%s \"%s\": %s", task->id, task->name, sentence);
	if (task->schedule)
		put_line(why, "", "its schedule is %s", task->schedule_text);
	if (task->min_interval_s)
		put_line(why, "", "its minimum interval is %u s", task->min_interval_s);
	if (next_ms)
		put_line(why, "", "allowed next at %s", show_time(next_ms, next));
	if (report)
		put_line(why, "", "last run %s: %s", show_time(report_began_ms(report), ran),
			 task_status_name(report->status));
	json = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:I}", "id", task->id, "name",
			 task->name, "group", task->group->name, "reason", reason, "sentence",
			 show_json(sentence, strlen(sentence)), "schedule",
			 task->schedule ? task->schedule_text : "", "min_interval_s",
			 (json_int_t)task->min_interval_s, "next_ms", (json_int_t)next_ms);
	if (report)
		json_object_set_new(json, "last",
				    json_pack("{s:s, s:I}", "status",
					      task_status_name(report->status), "started_ms",
					      (json_int_t)report_began_ms(report)));
	json_array_append_new(why->tasks, json);
}

static void
put_planned(struct why *why, const struct plan_task *task, const struct run_decision *decision)
{
	const char *summary = task->summary ? task->summary : "";
	char sentence[TASK_SUMMARY_MAX + 64];

	if (task->state == PLAN_SENT) {
		why->n_sent++;
		snprintf(sentence, sizeof sentence, "would be sent now, in %u request%s",
			 task->n_steps, PLURAL(task->n_steps));
	} else if (task->state == PLAN_OVER) {
		if (task->status == TASK_ERROR && !why->bad)
			why->bad = task;
		snprintf(sentence, sizeof sentence, "%s%s%s",
			 task->status == TASK_ERROR ? "fails before anything is sent"
						    : "has nothing to send",
			 *summary ? ": " : "", summary);
	} else {
		snprintf(sentence, sizeof sentence, "not now: %s", summary);
	}
	if (decision->next_ms && (!why->next_ms || decision->next_ms < why->next_ms))
		why->next_ms = decision->next_ms;
	put_task(why, task->task, reason_name(task, decision), sentence, decision->next_ms);
}

static void
put_held(void *ctx, const struct held_task *held)
{
	struct why *why = ctx;
	char sentence[256];

	switch (held->why) {
	case TASK_HELD_PAUSED:
		put_task(why, held->task, "paused", "paused; `task resume` lets it run", 0);
		break;
	case TASK_HELD_SUBGROUPS:
		put_task(why, held->task, "subgroups",
			 "is for devices of its own group, not of those below (subgroups = off)",
			 0);
		break;
	case TASK_HELD_BLOODLINE:
		snprintf(sentence, sizeof sentence,
			 "task %.80s of the same bloodline runs in its place", held->kin->id);
		put_task(why, held->task, "bloodline", sentence, 0);
		break;
	case TASK_HELD_TOO_MANY:
		put_task(why, held->task, "too_many", "the device has more tasks than can run", 0);
		break;
	}
}

static void
put_tasks(struct why *why)
{
	const struct plan *plan = why->run.plan;

	for (unsigned i = 0; i < plan->n_tasks; i++)
		put_planned(why, &plan->tasks[i], &why->decisions[i]);
	task_set_each_held(why->set, put_held, why);
	why->n_steps = why->run.batch ? why->run.batch->n_steps : 0;
	json_object_set_new(why->call->result, "tasks", why->tasks);
}

/* ---- what became of it ---- */

static void
put_last_refusal(struct why *why)
{
	const struct reports *reports = &why->call->service->reports;
	const struct report *last;
	const char *summary, *name = "";
	char when[SHOW_TIME_MAX];

	note_report(why, REPORT_NO_TASK);
	last = why->last;
	if (!last)
		return;
	summary = reports_summary(reports, last);
	if (last->task != REPORT_NO_TASK && last->task < reports->n_tasks)
		name = reports->tasks[last->task].name;
	put_line(why, "trouble", "%s, %s%s%s: %s", show_time(last->started_ms, when),
		 *name ? "task " : "", *name ? name : "a request without a task",
		 last->status == TASK_WARNING ? " (warning)" : "", summary);
	json_object_set_new(why->call->result, "last_refusal",
			    json_pack("{s:s, s:s, s:I, s:o}", "task", name, "status",
				      task_status_name(last->status), "started_ms",
				      (json_int_t)last->started_ms, "summary",
				      show_json(summary, strlen(summary))));
}

static void
put_visits(struct why *why)
{
	char last[SHOW_TIME_MAX];

	put_line(why, "last run", "%s", show_time(why->device->last_bootstrap_ms, last));
	if (why->device->returns >= DEVICE_RETURNS_MANY)
		put_line(why, "",
			 "its last %u runs went well, each within a minute of the one before: it "
			 "does not seem to take what it is given",
			 why->device->returns);
	json_object_set_new(why->call->result, "last_bootstrap_ms",
			    json_integer((json_int_t)why->device->last_bootstrap_ms));
}

static void
put_rejected(struct why *why)
{
	const struct rejected_device *item =
		rejected_devices_find(why->call->service->rejected, device_id(why->device));
	char last[SHOW_TIME_MAX];
	struct text reason;

	if (!item)
		return;
	text_init(&reason);
	show_rejected_reason(item, &reason);
	put_line(why, "rejected", "%s; %llu time%s, last %s from %s", text_str(&reason),
		 (unsigned long long)item->count, PLURAL(item->count),
		 show_time(item->last_ms, last), item->address);
	json_object_set_new(why->call->result, "rejected",
			    show_rejected_json(item, text_str(&reason)));
	text_fini(&reason);
}

/* ---- the answer ---- */

static void answer(struct why *why, const char *verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
answer(struct why *why, const char *verdict, const char *format, ...)
{
	struct call *call = why->call;
	char endpoint[ENDPOINT_NAME_MAX + 1];
	struct text sentence;
	va_list args;

	text_init(&sentence);
	text_show(&sentence, "%s: ", device_endpoint(why->device, endpoint));
	va_start(args, format);
	text_vshow(&sentence, format, args);
	va_end(args);
	text_wrap(&call->text, text_str(&sentence), sentence.len, 0,
		  call->text.view ? call->text.view->width : 0);
	json_object_set_new(call->result, "verdict", json_string(verdict));
	json_object_set_new(call->result, "answer", json_string(text_str(&sentence)));
	text_fini(&sentence);
}

static void
answer_rejected(struct why *why, const struct rejected_device *item)
{
	static const char *const remedies[] = {
		[CAUSE_KEY] = "compare its key with the device's: `device edit --key` sets it",
		[CAUSE_IDENTITY] =
			"the device's endpoint name and its identity belong to two devices",
		[CAUSE_CERTIFICATE] = "README tells what to do about each reason",
		[CAUSE_NOSEC] =
			"it is to come over DTLS, or `device edit --nosec on` serves it without",
	};
	const char *remedy =
		item->cause < sizeof remedies / sizeof *remedies ? remedies[item->cause] : NULL;
	char last[SHOW_TIME_MAX];

	answer(why, "rejected",
	       "it asked %llu time%s and did not get in, last at %s from %s: %s%s%s",
	       (unsigned long long)item->count, PLURAL(item->count), show_time(item->last_ms, last),
	       item->address, rejected_why(item), remedy ? "; " : "", remedy ? remedy : "");
}

static void
answer_live(struct why *why, const struct live_session *live)
{
	char since[SHOW_TIME_MAX], peer[ADDRESS_TEXT_MAX];

	address_format_peer(&live->peer, peer);
	answer(why, "bootstrapping",
	       "it bootstraps now, since %s from %s: `session show` has its steps",
	       show_time(live->started_ms, since), peer);
}

/* Of a device that gets in: what its tasks come to now. */
static void
answer_by_tasks(struct why *why)
{
	char next[SHOW_TIME_MAX];

	if (why->n_sent)
		answer(why, "ready", "a request now is sent %u task%s in %u request%s%s",
		       why->n_sent, PLURAL(why->n_sent), why->n_steps, PLURAL(why->n_steps),
		       why->run.batch->continues ? ", and more by what it answers" : "");
	else if (why->bad)
		answer(why, "fails", "a request now is refused: task %s fails: %s",
		       why->bad->task->id, why->bad->summary ? why->bad->summary : "");
	else if (!why->set->n_tasks)
		answer(why, "no_task", "a request now is refused: no task is for it");
	else if (why->next_ms)
		answer(why, "not_now", "a request now is refused: no task may run; one may at %s",
		       show_time(why->next_ms, next));
	else
		answer(why, "nothing_to_send",
		       "a request now is refused: its tasks have nothing to send");
}

static void
put_answer(struct why *why)
{
	const struct rejected_device *rejected =
		rejected_devices_find(why->call->service->rejected, device_id(why->device));

	if (why->device->live)
		answer_live(why, why->device->live);
	else if (why->call->daemon->health.draining)
		answer(why, "draining",
		       "a request now is answered 5.03: the appliance drains; `undrain` ends that");
	else if (!has_a_way_in(why))
		answer(why, "no_way_in",
		       "it cannot get in: it has no key, no certificate is accepted, and no "
		       "listener is without security");
	else if (rejected)
		answer_rejected(why, rejected);
	else
		answer_by_tasks(why);
	json_object_set_new(why->call->result, "next_ms", json_integer((json_int_t)why->next_ms));
}

static void
explain(struct why *why)
{
	struct call *call = why->call;
	char endpoint[ENDPOINT_NAME_MAX + 1];

	device_endpoint(why->device, endpoint);
	call->result = json_pack("{s:o, s:b}", "endpoint", show_json(endpoint, strlen(endpoint)),
				 "known", true);
	put_key(why);
	put_groups(why);
	put_tasks(why);
	put_visits(why);
	put_last_refusal(why);
	put_rejected(why);
	put_answer(why);
	text_put(&call->text, text_str(&why->lines), why->lines.len);
}

void
command_why(struct call *call)
{
	struct why why = { .call = call,
			   .device = show_find_device(call->service, call->arguments[0]) };
	struct run_memory memory;
	struct run_request request = {
		.device = why.device, .preview = true, .memory = &memory, .decisions = why.decisions
	};

	if (!why.device) {
		why_nobody(call, call->arguments[0]);
		return;
	}
	request.format = why.device->format;
	run_memory_init(&memory);
	why.set = generation_task_set(call->service->generation, &call->service->inventory,
				      why.device->groups);
	if (!why.set || device_run_make(call->service, &request, &why.run) < 0) {
		call_refuse(call, CTL_REFUSED, "out of memory");
	} else {
		text_init(&why.lines);
		why.tasks = json_array();
		explain(&why);
		text_fini(&why.lines);
		device_run_free(&call->service->plans, &why.run);
	}
	run_memory_fini(&memory);
}
