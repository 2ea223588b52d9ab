#include "tools/web/live.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/text.h"
#include "tasks/utf8.h"
#include "tools/web/http_stream.h"
#include "tools/web/metrics.h"
#include "tools/web/problem.h"
#include "tools/web/watcher.h"

/* clang-format off */
static const struct live_kind kinds[] = {
	{ "overview", ROLE_VIEWER, false, { "watch", "status,counters,phases", "--interval", "2" } },
	{ "sessions", ROLE_VIEWER, false, { "watch", "sessions", "--per-second", "4" } },
	{ "reports", ROLE_VIEWER, false, { "watch", "reports", "--per-second", "50" } },
	{ "outsiders", ROLE_VIEWER, false, { "watch", "unknown,rejected", "--per-second", "4" } },
	{ "generations", ROLE_VIEWER, false, { "watch", "generations", "--per-second", "4" } },
	{ "dialogue", ROLE_SECURITY, true, { NULL } },
};
/* clang-format on */
enum { KINDS = sizeof kinds / sizeof kinds[0], CHANNELS = KINDS + LIVE_DIALOGUES };

/* What is watched for those who look at it. */
struct channel {
	struct live *live;
	const struct live_kind *kind; /* NULL: the place is free */
	struct watcher *watcher;
	unsigned streams;
	uint64_t unseen_ms; /* since when nobody looks */
	bool up, refused;
	char why[256]; /* not up: a sentence; "": it was not tried yet */
};

/* Somebody who looks. */
struct look {
	struct live *live;
	struct channel *channel; /* NULL: the place is free */
	struct http_stream *stream;
	struct http_request *request;
	bool over; /* nothing more is put into the stream, which ends */
	char user[USER_NAME_MAX + 1];
};

struct live {
	struct loop *loop;
	struct live_settings settings;
	struct channel channels[CHANNELS];
	struct look looks[LIVE_STREAMS];
	uint64_t judge_ms, beat_ms, now_ms; /* now: of the last tick */
	uint64_t cut;                       /* streams of those who read too slowly */
};

const struct live_kind *
live_kind(const char *name)
{
	for (unsigned i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

struct live *
live_new(struct loop *loop, const struct live_settings *settings)
{
	struct live *live = calloc(1, sizeof *live);

	if (!live)
		return NULL;
	live->loop = loop;
	live->settings = *settings;
	live->now_ms = clock_now_us() / 1000;
	return live;
}

/* --- out --- */

static void
put(struct look *look, const char *bytes, size_t len)
{
	if (look->over || http_stream_put(look->stream, bytes, len))
		return;
	look->over = true;
	look->live->cut++;
}

static void
end_look(struct look *look)
{
	look->over = true;
	http_stream_end(look->stream);
}

/* An event as it is sent; false: out of memory. */
static bool
format_event(struct text *text, const char *name, const json_t *event)
{
	char *data = json_dumps(event, JSON_COMPACT);

	text_init(text);
	if (data)
		text_printf(text, "event: %s\ndata: %s\n\n", name, data);
	free(data);
	return data && !text->failed;
}

static void
tell_all(const struct channel *channel, const char *name, const json_t *event)
{
	struct live *live = channel->live;
	struct text text;

	if (format_event(&text, name, event))
		for (unsigned i = 0; i < LIVE_STREAMS; i++)
			if (live->looks[i].channel == channel)
				put(&live->looks[i], text_str(&text), text.len);
	text_fini(&text);
}

/* How it stands with the channel, to all or to one who comes. */
static void
tell_state(struct channel *channel, struct look *look)
{
	const char *name = channel->up ? "up" : channel->refused ? "refused" : "down";
	json_t *event = channel->up ? json_object() : json_pack("{s:s}", "why", channel->why);
	struct text text;

	if (!channel->up && !*channel->why) {
		json_decref(event);
		return;
	}
	if (!look) {
		tell_all(channel, name, event);
	} else {
		if (format_event(&text, name, event))
			put(look, text_str(&text), text.len);
		text_fini(&text);
	}
	json_decref(event);
}

static void
end_looks(struct channel *channel)
{
	for (unsigned i = 0; i < LIVE_STREAMS; i++)
		if (channel->live->looks[i].channel == channel)
			end_look(&channel->live->looks[i]);
}

void
live_tell(struct live *live, const char *kind, const char *name, json_t *event)
{
	for (unsigned i = 0; i < CHANNELS; i++)
		if (live->channels[i].kind && live->channels[i].streams &&
		    strcmp(live->channels[i].kind->name, kind) == 0)
			tell_all(&live->channels[i], name, event);
	json_decref(event);
}

/* --- channels --- */

static void
on_up(void *ctx)
{
	struct channel *channel = ctx;

	channel->up = true;
	tell_state(channel, NULL);
}

static void
on_event(void *ctx, json_t *event, uint64_t missed)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));

	if (missed)
		json_object_set_new(event, "missed", json_integer((json_int_t)missed));
	/* The appliance's words, but no line break may come between. */
	if (kind && strspn(kind, "abcdefghijklmnopqrstuvwxyz_") == strlen(kind))
		tell_all(ctx, kind, event);
}

static void
on_down(void *ctx, const char *why, bool refused)
{
	struct channel *channel = ctx;
	size_t len;

	channel->up = false;
	channel->refused = refused;
	/* What is cut is still UTF-8, or it could not be told. */
	len = utf8_cut(why, strlen(why), sizeof channel->why - 1);
	memcpy(channel->why, why, len);
	channel->why[len] = '\0';
	tell_state(channel, NULL);
	if (refused)
		end_looks(channel);
}

static void
close_channel(struct channel *channel)
{
	watcher_free(channel->watcher);
	*channel = (struct channel){ 0 };
}

/* Of those of one device each somebody has one; of the others there is one. NULL: there are too many, or no memory. */
static struct channel *
open_channel(struct live *live, const struct live_wish *wish)
{
	static const struct watcher_calls calls = { on_up, on_event, on_down };
	const char *const follow[] = { "trace", "start", wish->device, "--follow" };
	const struct watcher_wish watch = {
		.socket = live->settings.socket,
		.argv = wish->kind->of_device ? follow : wish->kind->argv,
		.argc = 4,
		.actor = wish->kind->of_device ? wish->user : NULL,
	};
	struct channel *free_place = NULL;

	for (unsigned i = 0; i < CHANNELS; i++) {
		struct channel *channel = &live->channels[i];

		if (!channel->kind)
			free_place = free_place ? free_place : channel;
		else if (channel->kind == wish->kind && !wish->kind->of_device && !channel->refused)
			return channel;
	}
	if (!free_place)
		return NULL;
	*free_place =
		(struct channel){ .live = live, .kind = wish->kind, .unseen_ms = live->now_ms };
	free_place->watcher = watcher_new(live->loop, &watch, &calls, free_place);
	if (free_place->watcher)
		return free_place;
	*free_place = (struct channel){ 0 };
	return NULL;
}

/* --- streams --- */

static void
on_closed(void *ctx)
{
	struct look *look = ctx;

	assert(look->channel->streams);
	look->channel->streams--;
	look->channel->unseen_ms = look->live->now_ms;
	*look = (struct look){ 0 };
}

static struct look *
free_look(struct live *live, const char *user)
{
	struct look *found = NULL;
	unsigned own = 0;

	for (unsigned i = 0; i < LIVE_STREAMS; i++) {
		struct look *look = &live->looks[i];

		if (!look->channel)
			found = found ? found : look;
		else
			own += strcmp(look->user, user) == 0;
	}
	return own < LIVE_STREAMS_OF_USER ? found : NULL;
}

void
live_begin(struct live *live, struct http_request *request, const struct live_wish *wish)
{
	struct look *look = free_look(live, wish->user);
	struct channel *channel = look ? open_channel(live, wish) : NULL;

	if (!channel) {
		problem_reply(
			request,
			&(struct problem){ .status = 503,
					   .retry_s = 10,
					   .detail = "as many look already as may: ask again" });
		return;
	}
	look->stream = http_stream_begin(request, "text/event-stream", on_closed, look);
	if (!look->stream)
		return;
	look->live = live;
	look->channel = channel;
	look->request = request;
	snprintf(look->user, sizeof look->user, "%s", wish->user);
	channel->streams++;
	tell_state(channel, look);
}

/* --- time --- */

void
live_judge(struct live *live)
{
	for (unsigned i = 0; i < LIVE_STREAMS; i++) {
		struct look *look = &live->looks[i];

		if (look->channel && !live->settings.may(live->settings.ctx, look->request,
							 look->channel->kind->role))
			end_look(look);
	}
}

static void
beat(struct live *live)
{
	static const char line[] = ": still here\n\n";

	for (unsigned i = 0; i < LIVE_STREAMS; i++)
		if (live->looks[i].channel)
			put(&live->looks[i], line, sizeof line - 1);
}

static void
tick_channel(struct channel *channel, uint64_t now_ms)
{
	bool lingers = !channel->kind->of_device && !channel->refused &&
		       now_ms - channel->unseen_ms < LIVE_LINGER_MS;

	if (!channel->streams && !lingers)
		close_channel(channel);
	else
		watcher_tick(channel->watcher, now_ms);
}

void
live_tick(struct live *live, uint64_t now_ms)
{
	live->now_ms = now_ms;
	for (unsigned i = 0; i < CHANNELS; i++)
		if (live->channels[i].kind)
			tick_channel(&live->channels[i], now_ms);
	if (now_ms - live->judge_ms >= LIVE_JUDGE_MS) {
		live->judge_ms = now_ms;
		live_judge(live);
	}
	if (now_ms - live->beat_ms >= LIVE_BEAT_MS) {
		live->beat_ms = now_ms;
		beat(live);
	}
}

void
live_free(struct live *live)
{
	if (!live)
		return;
	for (unsigned i = 0; i < LIVE_STREAMS; i++)
		if (live->looks[i].channel)
			http_stream_abandon(live->looks[i].stream);
	for (unsigned i = 0; i < CHANNELS; i++)
		if (live->channels[i].kind)
			close_channel(&live->channels[i]);
	free(live);
}

void
live_stats(const struct live *live, struct web_stats *stats)
{
	stats->streams_cut = live->cut;
	stats->streams = 0;
	for (unsigned i = 0; i < LIVE_STREAMS; i++)
		stats->streams += live->looks[i].channel != NULL;
}
