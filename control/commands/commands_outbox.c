/* The outbox: what waits for others, what was given up, and what to do about it. Secrets are masked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/commands/page.h"
#include "control/commands/show.h"
#include "control/delivery/http_request.h"

enum { FLUSH_MS = 5000 };

static const char *const state_names[MESSAGE_STATES] = {
	[MESSAGE_HELD] = "held", [MESSAGE_DUE] = "waiting", [MESSAGE_DEAD] = "dead"
};

/* NULL after refusing. */
static struct message_reader *
reader_of(struct call *call)
{
	struct deliveries *deliveries = &call->service->deliveries;

	if (call->service->store && !deliveries->reader)
		deliveries->reader = message_reader_new(call->service->store);
	if (!deliveries->reader)
		call_refuse(call, CTL_REFUSED, "the outbox cannot be read now; see `status`");
	return deliveries->reader;
}

/* The number that an argument is; 0 after refusing. */
static int64_t
call_message(struct call *call)
{
	const char *word = call->arguments[0];
	char *end;
	long long number = strtoll(word, &end, 10);

	if (*word >= '0' && *word <= '9' && !*end && number > 0)
		return number;
	call_refuse(call, CTL_USAGE, "a message is a number of `outbox list`, not \"%.40s\"", word);
	return 0;
}

static const char *
event_name(const struct store_message *message)
{
	unsigned event = message->what & SENDER_EVENT;

	return event < EVENTS ? event_names[event] : "?";
}

/* Nobody can deliver it while outbox.conf lacks its target. */
static const char *
error_of(const struct call *call, const struct store_message *message)
{
	const struct delivery_conf *conf = call->service->deliveries.conf;

	if (!delivery_conf_target(conf, message->target))
		return conf ? "no such target in outbox.conf" : "there is no outbox.conf";
	return message->error ? message->error : "";
}

/* ---- list ---- */

struct listing {
	struct call *call;
	struct page page;
	struct table table;
	json_t *list;
	const char *state, *target;
	int64_t next;
	bool full;
};

static bool
matches(const struct listing *listing, const struct store_message *message)
{
	if (listing->state && strcmp(listing->state, state_names[message->state]) != 0)
		return false;
	return !listing->target || strcmp(listing->target, message->target) == 0;
}

static json_t *
message_json(const struct call *call, const struct store_message *message)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:s, s:s}", "message",
			 (json_int_t)message->id, "state", state_names[message->state], "event",
			 event_name(message), "target", message->target, "subject",
			 show_json(message->subject, strlen(message->subject)), "created_ms",
			 (json_int_t)message->created_ms, "due_ms", (json_int_t)message->due_ms,
			 "attempts", (json_int_t)message->attempts, "idempotency_key", message->key,
			 "error", error_of(call, message));
}

static bool
list_one(void *ctx, const struct store_message *message)
{
	struct listing *listing = ctx;
	char created[SHOW_TIME_MAX];

	listing->next = message->id;
	listing->full = page_full(&listing->page);
	if (listing->full)
		return false;
	if (message->state >= MESSAGE_STATES || !matches(listing, message) ||
	    !page_shows(&listing->page, (uint64_t)message->id))
		return true;
	table_cell(&listing->table, "%lld", (long long)message->id);
	table_cell(&listing->table, "%s", state_names[message->state]);
	table_cell(&listing->table, "%s", event_name(message));
	table_cell(&listing->table, "%s", message->target);
	table_cell(&listing->table, "%s", message->subject);
	table_cell(&listing->table, "%s", show_time(message->created_ms, created));
	table_cell(&listing->table, "%u", message->attempts);
	table_cell(&listing->table, "%s", error_of(listing->call, message));
	json_array_append_new(listing->list, message_json(listing->call, message));
	return true;
}

static bool
state_is_good(struct call *call, const char *state)
{
	const char *nearest;

	for (unsigned i = 0; state && i < MESSAGE_STATES; i++)
		if (strcmp(state, state_names[i]) == 0)
			return true;
	if (!state)
		return true;
	nearest = diag_nearest(state, state_names, MESSAGE_STATES);
	call_refuse(call, CTL_USAGE, "--state is held, waiting or dead, not \"%.40s\"%s%s%s", state,
		    nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		    nearest ? "\"?" : "");
	return false;
}

void
command_outbox_list(struct call *call)
{
	struct listing listing = { .call = call,
				   .state = call_option(call, "--state"),
				   .target = call_option(call, "--target") };
	struct message_reader *reader = reader_of(call);
	bool more;

	if (!reader || !state_is_good(call, listing.state) ||
	    !page_begin(&listing.page, call, PAGE_ALL))
		return;
	listing.list = json_array();
	page_table(&listing.page, &listing.table,
		   "message|state|event:2|target|subject|created:3|attempts:4|error:1");
	more = !message_reader_list(reader, (int64_t)listing.page.from, list_one, &listing);
	table_finish(&listing.table, &call->text);
	call->result = json_pack("{s:o}", "messages", listing.list);
	page_finish(&listing.page, more, (uint64_t)listing.next);
}

/* ---- one ---- */

static void
show_message(struct call *call, const struct store_message *message)
{
	const struct delivery_target *target =
		delivery_conf_target(call->service->deliveries.conf, message->target);
	char created[SHOW_TIME_MAX], due[SHOW_TIME_MAX];
	const char *error = error_of(call, message);
	struct text request;

	text_init(&request);
	if (target)
		http_request_show(message, target, &request);
	text_show(&call->text, "message %lld: %s, %s for %s about %s\n", (long long)message->id,
		  state_names[message->state], event_name(message), message->target,
		  message->subject);
	text_show(&call->text, "made %s, due %s, %u attempt%s refused\n",
		  show_time(message->created_ms, created), show_time(message->due_ms, due),
		  message->attempts, PLURAL(message->attempts));
	if (*error)
		text_show(&call->text, "last: %s\n", error);
	text_put(&call->text, "\n", 1);
	text_put(&call->text, text_str(&request), request.len);
	call->result = message_json(call, message);
	json_object_set_new(call->result, "request", show_json(text_str(&request), request.len));
	text_fini(&request);
}

void
command_outbox_show(struct call *call)
{
	struct message_reader *reader = reader_of(call);
	const struct store_message *message;
	int64_t id = reader ? call_message(call) : 0;
	int error;

	if (!id)
		return;
	message = message_reader_get(reader, id, &error);
	if (message)
		show_message(call, message);
	else
		call_refuse(call, CTL_REFUSED,
			    "there is no message %lld: it is delivered, or dropped; `outbox list` "
			    "lists those there are",
			    (long long)id);
}

/* ---- what an operator does about them ---- */

/* The command ends when it is on the disk. */
static bool
write_now(struct call *call)
{
	char error[STORE_ERROR_MAX];

	if (store_flush(call->service->store, FLUSH_MS, &call->service->pump, error) == 0)
		return true;
	call_refuse(call, CTL_REFUSED, "%s", error);
	return false;
}

/* The state of one; false after refusing. */
static bool
find(struct call *call, int64_t id, enum message_state *state)
{
	struct message_reader *reader = reader_of(call);
	const struct store_message *message;
	int error;

	message = reader ? message_reader_get(reader, id, &error) : NULL;
	if (message)
		*state = message->state;
	else if (reader)
		call_refuse(call, CTL_REFUSED, "there is no message %lld; see `outbox list`",
			    (long long)id);
	return message;
}

static void
finish(struct call *call, const char *done, uint64_t n)
{
	if (call->service->deliveries.sender)
		sender_wake(call->service->deliveries.sender, true);
	text_show(&call->text, "%s: %llu message%s\n", done, (unsigned long long)n, PLURAL(n));
	call->result = json_pack("{s:I}", done, (json_int_t)n);
}

void
command_outbox_retry(struct call *call)
{
	bool all = strcmp(call->arguments[0], "all") == 0;
	int64_t id = all ? 0 : call_message(call);
	enum message_state state = MESSAGE_DEAD;
	uint64_t counts[MESSAGE_STATES];

	if ((!all && !id) || (id && !find(call, id, &state)))
		return;
	if (state == MESSAGE_HELD) {
		call_refuse(call, CTL_REFUSED, "message %lld is held until its run has ended",
			    (long long)id);
		return;
	}
	if (!write_now(call))
		return;
	store_count_messages(call->service->store, counts);
	store_retry_message(call->service->store, id, clock_now_ms());
	if (write_now(call))
		finish(call, "retried", all ? counts[MESSAGE_DEAD] : 1);
}

void
command_outbox_drop(struct call *call)
{
	int64_t id = call_message(call);
	enum message_state state;

	if (!id || !find(call, id, &state))
		return;
	store_drop_message(call->service->store, id);
	if (write_now(call))
		finish(call, "dropped", 1);
}
