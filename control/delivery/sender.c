#include "control/delivery/sender.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <curl/curl.h>

#include "control/clock.h"
#include "control/delivery/http_request.h"
#include "control/guard/thread_guard.h"

enum {
	LOOK_MAX = 64,        /* messages looked for at once: as many as a target's connections */
	LOOK_AGAIN_MS = 1000, /* where something is on its way: its end looks at once */
	POLL_MAX_MS = 60000,  /* the thread wakes so often in any case */
	BUSY_MAX = 4096,      /* on their way, or with an end that is not on the disk yet */
};

/* A message that is not to be looked for: on its way, or its end is not written yet. */
struct busy {
	int64_t id;
	unsigned target;
	uint64_t until; /* store_is_written(); 0: on its way */
};

/* One target, as the thread sees it. */
struct lane {
	struct sender_target told; /* under the lock */
	unsigned failures;         /* in a row, of the target */
	uint64_t look_ms; /* when to look for messages; UINT64_MAX: when something happens */
	unsigned on_their_way;
};

struct sender {
	struct store *store;
	pthread_t thread;
	CURLM *multi;
	void (*told)(void *ctx);
	void *ctx;

	/* Under the lock. */
	pthread_mutex_t lock;
	bool ending, woken, at_once, has_next;
	struct delivery_conf *next; /* to be taken over */
	struct sender_end *ends;
	unsigned n_ends, ends_capacity;
	unsigned n_lanes;
	struct lane lanes[DELIVERY_TARGETS_MAX];

	/* The thread's. */
	struct delivery_conf *conf;
	struct message_reader *reader;
	struct http_request *requests; /* on their way */
	unsigned n_busy;
	struct busy busy[BUSY_MAX];
};

static uint32_t
random_number(void)
{
	uint32_t number;

	return getrandom(&number, sizeof number, GRND_NONBLOCK) == sizeof number ? number
										 : UINT32_MAX / 2;
}

/* ---- what is busy ---- */

static bool
is_busy(const struct sender *sender, int64_t id)
{
	for (unsigned i = 0; i < sender->n_busy; i++)
		if (sender->busy[i].id == id)
			return true;
	return false;
}

static unsigned
busy_of(const struct sender *sender, unsigned target)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sender->n_busy; i++)
		n += sender->busy[i].target == target;
	return n;
}

/* Its end was put into the store: it is looked for again once that is written. */
static void
end_busy(struct sender *sender, int64_t id)
{
	for (unsigned i = 0; i < sender->n_busy; i++)
		if (sender->busy[i].id == id)
			sender->busy[i].until = store_put_so_far(sender->store);
}

static void
forget_written(struct sender *sender)
{
	for (unsigned i = 0; i < sender->n_busy;)
		if (sender->busy[i].until && store_is_written(sender->store, sender->busy[i].until))
			sender->busy[i] = sender->busy[--sender->n_busy];
		else
			i++;
}

/* ---- what is told ---- */

static void
note_end(struct sender *sender, int64_t id, bool delivered)
{
	struct sender_end *ends;
	unsigned capacity;

	pthread_mutex_lock(&sender->lock);
	if (sender->n_ends == sender->ends_capacity) {
		capacity = sender->ends_capacity ? 2 * sender->ends_capacity : SENDER_ENDS_MAX;
		ends = realloc(sender->ends, capacity * sizeof *ends);
		if (ends) {
			sender->ends = ends;
			sender->ends_capacity = capacity;
		}
	}
	/* Without memory nobody hears of it, and who waits does so for its time. */
	if (sender->n_ends < sender->ends_capacity)
		sender->ends[sender->n_ends++] = (struct sender_end){ id, delivered };
	pthread_mutex_unlock(&sender->lock);
	if (sender->told)
		sender->told(sender->ctx);
}

unsigned
sender_take(struct sender *sender, struct sender_end ends[SENDER_ENDS_MAX])
{
	unsigned n;

	pthread_mutex_lock(&sender->lock);
	n = sender->n_ends < SENDER_ENDS_MAX ? sender->n_ends : SENDER_ENDS_MAX;
	if (n)
		memcpy(ends, sender->ends, n * sizeof *ends);
	sender->n_ends -= n;
	if (sender->n_ends)
		memmove(sender->ends, sender->ends + n, sender->n_ends * sizeof *ends);
	pthread_mutex_unlock(&sender->lock);
	return n;
}

static void
tally(struct sender *sender, unsigned target, enum sender_counter counter)
{
	pthread_mutex_lock(&sender->lock);
	sender->lanes[target].told.counters[counter]++;
	pthread_mutex_unlock(&sender->lock);
}

bool
sender_target(struct sender *sender, unsigned n, struct sender_target *target)
{
	bool found;

	pthread_mutex_lock(&sender->lock);
	found = n < sender->n_lanes;
	if (found)
		*target = sender->lanes[n].told;
	pthread_mutex_unlock(&sender->lock);
	return found;
}

/* ---- how a request ended ---- */

static void
end_message(struct sender *sender, const struct http_request *request, bool delivered)
{
	if (request->what & SENDER_WAITED)
		note_end(sender, request->id, delivered);
}

static void
deliver(struct sender *sender, const struct http_request *request)
{
	struct lane *lane = &sender->lanes[request->target];

	store_drop_message(sender->store, request->id);
	lane->failures = 0;
	pthread_mutex_lock(&sender->lock);
	lane->told.counters[SENDER_DELIVERED]++;
	lane->told.away_since_ms = lane->told.rests_until_ms = 0;
	lane->told.error[0] = '\0';
	pthread_mutex_unlock(&sender->lock);
	end_message(sender, request, true);
}

/* The message waits, or is dead. */
static void
postpone(struct sender *sender, const struct http_request *request, const struct backoff *backoff,
	 uint64_t due_ms, bool counts)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t age_ms = now_ms > request->created_ms ? now_ms - request->created_ms : 0;
	struct store_message as = {
		.state = MESSAGE_DUE,
		.attempts = request->attempts + counts,
		.due_ms = due_ms,
		.error = request->error,
	};

	if (backoff_gives_up(backoff, as.attempts, age_ms))
		as.state = MESSAGE_DEAD;
	store_postpone_message(sender->store, request->id, &as);
	if (as.state != MESSAGE_DEAD)
		return;
	tally(sender, request->target, SENDER_DEAD);
	end_message(sender, request, false);
}

static void
refuse(struct sender *sender, const struct http_request *request, const struct backoff *backoff)
{
	uint64_t pause_ms = backoff_pause_ms(backoff, request->attempts + 1, random_number());

	tally(sender, request->target, SENDER_REFUSED);
	sender->lanes[request->target].failures = 0;
	postpone(sender, request, backoff, clock_now_ms() + pause_ms, true);
}

/* The target rests. */
static void
rest(struct sender *sender, const struct http_request *request, const struct backoff *backoff)
{
	struct lane *lane = &sender->lanes[request->target];
	uint64_t now_ms = clock_now_ms(), pause_ms, asked_ms;

	/* Those that were on their way together are one failure. */
	if (lane->told.rests_until_ms <= now_ms) {
		pause_ms = backoff_pause_ms(backoff, ++lane->failures, random_number());
		asked_ms = backoff_retry_after_ms(request->retry_after_s);
		if (asked_ms > pause_ms)
			pause_ms = asked_ms;
		pthread_mutex_lock(&sender->lock);
		lane->told.rests_until_ms = now_ms + pause_ms;
		pthread_mutex_unlock(&sender->lock);
	}
	pthread_mutex_lock(&sender->lock);
	lane->told.counters[SENDER_AWAY]++;
	if (!lane->told.away_since_ms)
		lane->told.away_since_ms = now_ms;
	snprintf(lane->told.error, sizeof lane->told.error, "%s", request->error);
	pthread_mutex_unlock(&sender->lock);
	/* Behind those of its target that are due now: a message that brings a gateway down stops no other. */
	postpone(sender, request, backoff, lane->told.rests_until_ms, false);
}

static void
finish(struct sender *sender, struct http_request *request, CURLcode code)
{
	struct lane *lane = &sender->lanes[request->target];
	enum delivery_verdict verdict = http_request_judge(request, code);
	struct backoff backoff;

	delivery_conf_backoff(sender->conf, &backoff);
	lane->on_their_way--;
	lane->look_ms = 0;
	switch (verdict) {
	case DELIVERED:
		deliver(sender, request);
		break;
	case DELIVERY_REFUSED:
		refuse(sender, request, &backoff);
		break;
	case TARGET_AWAY:
		rest(sender, request, &backoff);
		break;
	}
	end_busy(sender, request->id);
}

static void
remove_request(struct sender *sender, struct http_request *request)
{
	struct http_request **at = &sender->requests;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	curl_multi_remove_handle(sender->multi, request->easy);
	http_request_free(request);
}

static void
take_ends(struct sender *sender)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(sender->multi, &left))) {
		struct http_request *request;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		finish(sender, request, code);
		remove_request(sender, request);
	}
}

/* ---- new requests ---- */

/* What cannot even be sent is like an answer that refuses it. */
static void
begin(struct sender *sender, unsigned target, int64_t id)
{
	const struct delivery_target *to = &sender->conf->targets[target];
	struct lane *lane = &sender->lanes[target];
	const struct store_message *message;
	struct http_request *request;
	struct backoff backoff;
	int error;

	message = message_reader_get(sender->reader, id, &error);
	request = message ? http_request_new(message, error, to, target) : NULL;
	if (!request)
		return;
	sender->busy[sender->n_busy++] = (struct busy){ id, target, 0 };
	tally(sender, target, SENDER_SENT);
	if (request->easy && curl_multi_add_handle(sender->multi, request->easy) == CURLM_OK) {
		request->next = sender->requests;
		sender->requests = request;
		lane->on_their_way++;
		return;
	}
	delivery_conf_backoff(sender->conf, &backoff);
	refuse(sender, request, &backoff);
	end_busy(sender, id);
	http_request_free(request);
}

static unsigned
room_of(const struct sender *sender, unsigned target)
{
	const struct lane *lane = &sender->lanes[target];
	unsigned most = sender->conf->targets[target].connections;

	/* A target that was away shows first that it is back. */
	if (lane->failures)
		most = 1;
	if (sender->n_busy >= BUSY_MAX - LOOK_MAX)
		return 0;
	return lane->on_their_way < most ? most - lane->on_their_way : 0;
}

/* Looks for what is due. Returns when to look again; 0: something waits for room. */
static uint64_t
look(struct sender *sender, unsigned target, uint64_t now_ms)
{
	const char *name = sender->conf->targets[target].name;
	unsigned room = room_of(sender, target), busy = busy_of(sender, target), begun = 0;
	int64_t ids[LOOK_MAX + BUSY_MAX];
	unsigned most = room + busy < LOOK_MAX + BUSY_MAX ? room + busy : LOOK_MAX + BUSY_MAX;
	int n = message_reader_due(sender->reader, name, now_ms, ids, most);

	for (int i = 0; i < n && begun < room; i++) {
		if (is_busy(sender, ids[i]))
			continue;
		begin(sender, target, ids[i]);
		begun++;
	}
	if (begun == room || n < 0)
		return now_ms + LOOK_AGAIN_MS;
	/* All that is due is on its way: what is busy wakes us when it is written. */
	if (busy + begun)
		return now_ms + LOOK_AGAIN_MS;
	return message_reader_next(sender->reader, name);
}

static void
look_at(struct sender *sender, unsigned target)
{
	struct lane *lane = &sender->lanes[target];
	uint64_t now_ms = clock_now_ms();

	if (lane->told.rests_until_ms > now_ms || lane->look_ms > now_ms ||
	    !room_of(sender, target))
		return;
	lane->look_ms = look(sender, target, now_ms);
}

/* ---- the thread ---- */

static void
drop_requests(struct sender *sender)
{
	unsigned kept = 0;

	while (sender->requests)
		remove_request(sender, sender->requests);
	/* Those whose end is being written are not to be sent again. */
	for (unsigned i = 0; i < sender->n_busy; i++)
		if (sender->busy[i].until) {
			sender->busy[kept] = sender->busy[i];
			sender->busy[kept++].target = DELIVERY_TARGETS_MAX;
		}
	sender->n_busy = kept;
}

/* Targets that stay keep what is known of them. What was on its way is sent again, by the new rules. */
static void
take_conf(struct sender *sender, struct delivery_conf *conf)
{
	struct lane *former = calloc(DELIVERY_TARGETS_MAX, sizeof *former);
	unsigned n = sender->n_lanes;

	drop_requests(sender);
	pthread_mutex_lock(&sender->lock);
	if (former)
		memcpy(former, sender->lanes, sizeof sender->lanes);
	memset(sender->lanes, 0, sizeof sender->lanes);
	sender->n_lanes = conf ? conf->n_targets : 0;
	for (unsigned i = 0; i < sender->n_lanes; i++) {
		struct lane *lane = &sender->lanes[i];

		for (unsigned k = 0; former && k < n; k++)
			if (strcmp(former[k].told.name, conf->targets[i].name) == 0)
				*lane = former[k];
		snprintf(lane->told.name, sizeof lane->told.name, "%s", conf->targets[i].name);
		lane->on_their_way = 0;
		lane->look_ms = 0;
		lane->told.rests_until_ms = 0; /* what was wrong may be mended */
	}
	pthread_mutex_unlock(&sender->lock);
	delivery_conf_release(sender->conf);
	sender->conf = conf;
	free(former);
}

/* False: the end. */
static bool
take_orders(struct sender *sender)
{
	struct delivery_conf *next = NULL;
	bool ending, woken, at_once, has_next;

	pthread_mutex_lock(&sender->lock);
	ending = sender->ending;
	woken = sender->woken;
	at_once = sender->at_once;
	has_next = sender->has_next;
	next = sender->next;
	sender->next = NULL;
	sender->woken = sender->at_once = sender->has_next = false;
	for (unsigned i = 0; i < sender->n_lanes; i++) {
		if (woken)
			sender->lanes[i].look_ms = 0;
		if (at_once)
			sender->lanes[i].told.rests_until_ms = 0;
	}
	pthread_mutex_unlock(&sender->lock);
	if (has_next)
		take_conf(sender, next);
	return !ending;
}

static int
wait_ms(const struct sender *sender)
{
	uint64_t now_ms = clock_now_ms(), due_ms = now_ms + POLL_MAX_MS;

	for (unsigned i = 0; i < sender->n_lanes; i++) {
		const struct lane *lane = &sender->lanes[i];
		uint64_t next_ms = lane->look_ms;

		if (!room_of(sender, i))
			continue;
		if (next_ms < lane->told.rests_until_ms)
			next_ms = lane->told.rests_until_ms;
		if (next_ms < due_ms)
			due_ms = next_ms;
	}
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

static void
tell_on_their_way(struct sender *sender)
{
	pthread_mutex_lock(&sender->lock);
	for (unsigned i = 0; i < sender->n_lanes; i++)
		sender->lanes[i].told.on_their_way = sender->lanes[i].on_their_way;
	pthread_mutex_unlock(&sender->lock);
}

static void *
run(void *arg)
{
	struct sender *sender = arg;
	int running;

	thread_guard_enter(THREAD_NETWORK);
	while (take_orders(sender)) {
		forget_written(sender);
		for (unsigned i = 0; i < sender->n_lanes; i++)
			look_at(sender, i);
		curl_multi_perform(sender->multi, &running);
		take_ends(sender);
		tell_on_their_way(sender);
		curl_multi_poll(sender->multi, NULL, 0, wait_ms(sender), NULL);
	}
	drop_requests(sender);
	return NULL;
}

/* ---- life ---- */

static void
on_written(void *ctx)
{
	sender_wake(ctx, false);
}

static bool
start_thread(struct sender *sender)
{
	sigset_t all, former;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &former);
	started = pthread_create(&sender->thread, NULL, run, sender) == 0;
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	if (started)
		pthread_setname_np(sender->thread, "cradle-outbox");
	return started;
}

struct sender *
sender_new(struct store *store, void (*told)(void *ctx), void *ctx)
{
	struct sender *sender = calloc(1, sizeof *sender);

	if (!sender)
		return NULL;
	sender->store = store;
	sender->told = told;
	sender->ctx = ctx;
	pthread_mutex_init(&sender->lock, NULL);
	sender->multi = http_request_library() ? curl_multi_init() : NULL;
	sender->reader = message_reader_new(store);
	if (sender->multi && sender->reader && start_thread(sender)) {
		store_on_messages(store, on_written, sender);
		return sender;
	}
	message_reader_free(sender->reader);
	if (sender->multi)
		curl_multi_cleanup(sender->multi);
	pthread_mutex_destroy(&sender->lock);
	free(sender);
	return NULL;
}

void
sender_wake(struct sender *sender, bool at_once)
{
	pthread_mutex_lock(&sender->lock);
	sender->woken = true;
	sender->at_once |= at_once;
	pthread_mutex_unlock(&sender->lock);
	curl_multi_wakeup(sender->multi);
}

void
sender_use(struct sender *sender, struct delivery_conf *conf)
{
	pthread_mutex_lock(&sender->lock);
	delivery_conf_release(sender->next);
	sender->next = delivery_conf_hold(conf);
	sender->has_next = true;
	pthread_mutex_unlock(&sender->lock);
	curl_multi_wakeup(sender->multi);
}

void
sender_free(struct sender *sender)
{
	if (!sender)
		return;
	store_on_messages(sender->store, NULL, NULL);
	pthread_mutex_lock(&sender->lock);
	sender->ending = true;
	pthread_mutex_unlock(&sender->lock);
	curl_multi_wakeup(sender->multi);
	pthread_join(sender->thread, NULL);
	delivery_conf_release(sender->next);
	delivery_conf_release(sender->conf);
	message_reader_free(sender->reader);
	curl_multi_cleanup(sender->multi);
	pthread_mutex_destroy(&sender->lock);
	free(sender->ends);
	free(sender);
}
