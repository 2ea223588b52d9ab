#include "control/commands/watch.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/commands/show.h"
#include "control/commands/watch_event.h"

enum { LOOKS_A_FILL = 256, SENT_A_FILL = 32, SECOND_US = 1000000 };

struct watch {
	struct daemon *daemon;
	struct service *service; /* the daemon's */
	bool json;
	struct feed_reader reader;
	struct watch_wish wish;
	char *match, *device, *task; /* what `wish` points to */
	uint64_t due_us;             /* when the next samples are */
	struct counters before;      /* of the last sample */
	uint64_t before_us;
	uint64_t missed;    /* since what was sent last */
	long left;          /* until the end; 0: there is none */
	uint64_t second_us; /* when the second began of which `in_second` events were sent */
	long in_second;
};

static void
send_news(struct watch *watch, struct ctl_client *client, json_t *event, const char *text)
{
	const struct ctl_news news = { .event = event, .text = text, .missed = watch->missed };

	ctl_watch_send(client, &news);
	watch->missed = 0;
	if (watch->left > 0 && --watch->left == 0)
		watch->left = -1;
}

static bool
has_ended(const struct watch *watch)
{
	return watch->left < 0;
}

/* --- samples --- */

static void
send_counters(struct watch *watch, struct ctl_client *client, uint64_t now_us)
{
	struct watch_counters sample = { .before = watch->before,
					 .us = watch->before_us ? now_us - watch->before_us : 0 };
	struct text text;

	dataplane_counters(watch->service->dp, -1, &sample.now);
	text_init(&text);
	if (watch->json)
		send_news(watch, client, watch_counters_json(&sample), NULL);
	else if (watch_counters_text(&sample, &text))
		send_news(watch, client, NULL, text_str(&text));
	text_fini(&text);
	watch->before = sample.now;
	watch->before_us = now_us;
}

/* As the command of that name says it. */
static void
send_command(struct watch *watch, struct ctl_client *client, enum watch_sample sample)
{
	struct call call = { .daemon = watch->daemon, .service = watch->service, .fd = -1 };

	call.text.view = &call.view;
	if (sample == WATCH_STATUS)
		command_status(&call);
	else
		command_phases_of(&call, -1);
	text_clean(&call.text);
	if (watch->json) {
		json_object_set_new(call.result, "kind",
				    json_string(sample == WATCH_STATUS ? "status" : "phases"));
		send_news(watch, client, json_incref(call.result), NULL);
	} else {
		send_news(watch, client, NULL, text_str(&call.text));
	}
	text_fini(&call.text);
	json_decref(call.result);
}

static unsigned
samples_of(const struct watch *watch)
{
	return (unsigned)__builtin_popcount(watch->wish.samples);
}

/* Samples that were due while the client took none are missed. */
static void
send_samples(struct watch *watch, struct ctl_client *client)
{
	static const enum watch_sample told[] = { WATCH_STATUS, WATCH_PHASES };
	uint64_t now_us = clock_now_us(), interval_us = (uint64_t)watch->wish.interval_s * 1000000;
	uint64_t late;

	if (!watch->wish.samples || now_us < watch->due_us)
		return;
	late = watch->due_us ? (now_us - watch->due_us) / interval_us : 0;
	watch->missed += late * samples_of(watch);
	watch->due_us =
		watch->due_us ? watch->due_us + (late + 1) * interval_us : now_us + interval_us;
	for (size_t i = 0; i < sizeof told / sizeof *told; i++)
		if (watch->wish.samples & told[i] && !has_ended(watch))
			send_command(watch, client, told[i]);
	if (watch->wish.samples & WATCH_COUNTERS && !has_ended(watch))
		send_counters(watch, client, now_us);
}

/* --- events --- */

static bool
passes(const struct watch *watch, const struct feed_event *event)
{
	const struct service *service = watch->service;
	const struct report_task *task = &service->reports.tasks[event->report.task];
	char name[WATCH_NAME_MAX];

	if (event->kind == FEED_REPORT &&
	    ((watch->wish.status >= 0 && event->report.status != watch->wish.status) ||
	     (watch->task && strcmp(watch->task, task->id) != 0 &&
	      strcmp(watch->task, task->name) != 0)))
		return false;
	if (!watch->match && !watch->device)
		return true;
	if (event->kind == FEED_GENERATION)
		return false;
	watch_event_name(service, event, name);
	return (!watch->match || fnmatch(watch->match, name, 0) == 0) &&
	       (!watch->device || strcmp(watch->device, name) == 0);
}

static void
send_event(struct watch *watch, struct ctl_client *client, const struct feed_event *event)
{
	struct text text;

	if (watch->json) {
		send_news(watch, client, watch_event_json(watch->service, event), NULL);
		return;
	}
	text_init(&text);
	watch_event_text(watch->service, event, &text);
	text_clean(&text);
	send_news(watch, client, NULL, text_str(&text));
	text_fini(&text);
}

/* Whether there is more to come of this second; in the next one the newest are told, and the others missed. */
static bool
may_tell_more(struct watch *watch)
{
	uint64_t now_us;

	if (!watch->wish.per_second || watch->in_second < watch->wish.per_second)
		return true;
	now_us = clock_now_us();
	if (now_us - watch->second_us < SECOND_US ||
	    !feed_has_news(&watch->service->feed, &watch->reader))
		return false;
	watch->in_second = 0;
	feed_skip(&watch->service->feed, &watch->reader, (unsigned)watch->wish.per_second,
		  &watch->missed);
	return true;
}

static void
send_events(struct watch *watch, struct ctl_client *client)
{
	const struct feed_event *event;
	unsigned sent = 0;

	for (unsigned i = 0; i < LOOKS_A_FILL && sent < SENT_A_FILL; i++) {
		if (has_ended(watch) || !ctl_watch_takes(client) || !may_tell_more(watch))
			return;
		event = feed_read(&watch->service->feed, &watch->reader, &watch->missed);
		if (!event)
			return;
		if (!passes(watch, event))
			continue;
		send_event(watch, client, event);
		if (watch->wish.per_second && watch->in_second++ == 0)
			watch->second_us = clock_now_us();
		sent++;
	}
}

static bool
fill(void *ctx, struct ctl_client *client, struct ctl_answer *end)
{
	struct watch *watch = ctx;

	send_samples(watch, client);
	send_events(watch, client);
	return !has_ended(watch);
}

/* --- life --- */

static void
watch_free(void *ctx)
{
	struct watch *watch = ctx;

	feed_close(&watch->service->feed, &watch->reader);
	free(watch->match);
	free(watch->device);
	free(watch->task);
	free(watch);
}

static bool
copy_word(char **copy, const char *word)
{
	*copy = word ? strdup(word) : NULL;
	return !word || *copy;
}

void
watch_begin(struct call *call, const struct watch_wish *wish)
{
	struct watch *watch = calloc(1, sizeof *watch);

	assert(!wish->samples || wish->interval_s > 0);
	if (!watch || !feed_open(&call->service->feed, &watch->reader, wish->kinds)) {
		free(watch);
		call_refuse(call, CTL_REFUSED, "out of memory");
		return;
	}
	watch->daemon = call->daemon;
	watch->service = call->service;
	watch->json = call->request && call->request->json;
	watch->wish = *wish;
	watch->left = wish->count;
	if (copy_word(&watch->match, wish->match) && copy_word(&watch->device, wish->device) &&
	    copy_word(&watch->task, wish->task)) {
		call->source = (struct ctl_source){ fill, watch_free, watch };
		return;
	}
	watch_free(watch);
	call_refuse(call, CTL_REFUSED, "out of memory");
}
