#include "control/commands/watch_event.h"

#include <stdio.h>
#include <string.h>

#include "control/address.h"
#include "control/clock.h"
#include "control/commands/show.h"

static const char *const what_words[] = {
	[FEED_STARTED] = "started",	[FEED_FINISHED] = "finished",	[FEED_FAILED] = "failed",
	[FEED_REFUSED] = "refused",	[FEED_CANCELLED] = "cancelled",
};

const char *
watch_event_name(const struct service *service, const struct feed_event *event,
		 char out[WATCH_NAME_MAX])
{
	const struct device *device = inventory_at(&service->inventory, event->device);
	char endpoint[ENDPOINT_NAME_MAX + 1];
	struct text name;

	if (event->kind != FEED_UNKNOWN) {
		snprintf(out, WATCH_NAME_MAX, "%s",
			 device ? device_endpoint(device, endpoint) : "(removed)");
		return out;
	}
	text_init(&name);
	text_put_untrusted(&name, event->name, event->name_len);
	snprintf(out, WATCH_NAME_MAX, "%s", text_str(&name));
	text_fini(&name);
	return out;
}

/* Why it was not let in, as `device rejected` says it. */
static void
put_reason(const struct feed_event *event, struct text *text)
{
	const struct rejected_device item = { .cause = event->what, .verdict = event->verdict };

	text_show(text, "%s", rejected_why(&item));
	if (event->what != CAUSE_IDENTITY || !event->name_len)
		return;
	text_show(text, ": ");
	text_put_untrusted(text, event->name, event->name_len);
}

/* --- for machines --- */

static json_t *
outsider_json(const struct service *service, const struct feed_event *event, const char *address)
{
	char name[WATCH_NAME_MAX], hex[2 * sizeof event->name + 1] = "";
	struct text reason;
	json_t *json;

	watch_event_name(service, event, name);
	if (event->kind == FEED_UNKNOWN) {
		for (unsigned i = 0; i < event->name_len; i++)
			snprintf(hex + 2 * i, 3, "%02x", event->name[i]);
		return json_pack("{s:s, s:s, s:s, s:s}", "kind", "unknown", "endpoint", name, "hex",
				 hex, "address", address);
	}
	text_init(&reason);
	put_reason(event, &reason);
	json = json_pack("{s:s, s:o, s:s, s:s}", "kind", "rejected", "endpoint",
			 show_json(name, strlen(name)), "reason", text_str(&reason), "address",
			 address);
	text_fini(&reason);
	return json;
}

json_t *
watch_event_json(const struct service *service, const struct feed_event *event)
{
	char name[WATCH_NAME_MAX], address[ADDRESS_TEXT_MAX];
	json_t *json = NULL;

	address_format_peer(&event->peer, address);
	switch (event->kind) {
	case FEED_REPORT:
		json = show_report_json(service, &event->report);
		json_object_set_new(json, "kind", json_string("report"));
		break;
	case FEED_SESSION:
		watch_event_name(service, event, name);
		json = json_pack("{s:s, s:s, s:o, s:s, s:i}", "kind", "session", "what",
				 what_words[event->what], "endpoint", show_json(name, strlen(name)),
				 "peer", address, "worker", (int)event->number);
		break;
	case FEED_UNKNOWN:
	case FEED_REJECTED:
		json = outsider_json(service, event, address);
		break;
	case FEED_GENERATION:
		json = json_pack("{s:s, s:I}", "kind", "generation", "generation",
				 (json_int_t)event->number);
		break;
	case FEED_KINDS:
		break;
	}
	json_object_set_new(json, "at_ms", json_integer((json_int_t)event->at_ms));
	return json;
}

/* --- for people --- */

static void
put_report(const struct service *service, const struct report *report, const char *name,
	   struct text *text)
{
	const struct report_task *task = &service->reports.tasks[report->task];

	text_show(text, "report    %s  %s %s  %s  %u ms  %s\n", name, task->id, task->name,
		  task_status_name(report->status),
		  report->took_ms == REPORT_UNFINISHED ? 0 : report->took_ms,
		  reports_summary(&service->reports, report));
}

void
watch_event_text(const struct service *service, const struct feed_event *event, struct text *text)
{
	char name[WATCH_NAME_MAX], address[ADDRESS_TEXT_MAX], at[SHOW_TIME_MAX];

	watch_event_name(service, event, name);
	address_format_peer(&event->peer, address);
	text_show(text, "%s  ", show_time(event->at_ms, at));
	switch (event->kind) {
	case FEED_REPORT:
		put_report(service, &event->report, name, text);
		break;
	case FEED_SESSION:
		text_show(text, "%-9s %s  %s, worker %u\n", what_words[event->what], name, address,
			  event->number);
		break;
	case FEED_UNKNOWN:
		text_show(text, "unknown   %s  %s\n", name, address);
		break;
	case FEED_REJECTED:
		text_show(text, "rejected  %s  %s  ", name, address);
		put_reason(event, text);
		text_show(text, "\n");
		break;
	case FEED_GENERATION:
		text_show(text, "reload    generation %u is live\n", event->number);
		break;
	case FEED_KINDS:
		break;
	}
}

/* --- counters --- */

static double
rate(const struct watch_counters *sample, unsigned i)
{
	return (double)(sample->now.value[i] - sample->before.value[i]) * 1e6 / (double)sample->us;
}

json_t *
watch_counters_json(const struct watch_counters *sample)
{
	json_t *all = json_object(), *rates = json_object();

	for (unsigned i = 0; i < COUNTERS; i++) {
		json_object_set_new(all, counter_infos[i].name,
				    json_integer((json_int_t)sample->now.value[i]));
		if (sample->us && sample->now.value[i] > sample->before.value[i])
			json_object_set_new(rates, counter_infos[i].name,
					    json_real(rate(sample, i)));
	}
	return json_pack("{s:s, s:I, s:f, s:o, s:o}", "kind", "counters", "at_ms",
			 (json_int_t)clock_now_ms(), "interval_s", (double)sample->us / 1e6,
			 "counters", all, "per_second", rates);
}

bool
watch_counters_text(const struct watch_counters *sample, struct text *text)
{
	char at[SHOW_TIME_MAX];
	bool any = false;

	for (unsigned i = 0; sample->us && i < COUNTERS; i++) {
		if (sample->now.value[i] <= sample->before.value[i])
			continue;
		if (!any)
			text_show(text, "%s  a second:\n", show_time(clock_now_ms(), at));
		text_show(text, "  %-32s  %12.1f  %13llu\n", counter_infos[i].name, rate(sample, i),
			  (unsigned long long)sample->now.value[i]);
		any = true;
	}
	return any;
}
