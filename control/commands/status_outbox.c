#include "control/commands/status_outbox.h"

#include "control/commands/show.h"

static const char *const sender_counters[SENDER_COUNTERS] = {
	[SENDER_SENT] = "sent",   [SENDER_DELIVERED] = "delivered", [SENDER_REFUSED] = "refused",
	[SENDER_AWAY] = "failed", [SENDER_DEAD] = "dead",
};

static json_t *
put_target(const struct sender_target *target, struct text *text)
{
	json_t *json = json_pack("{s:s, s:b, s:I, s:I, s:s}", "target", target->name, "away",
				 target->away_since_ms != 0, "away_since_ms",
				 (json_int_t)target->away_since_ms, "on_their_way",
				 (json_int_t)target->on_their_way, "error", target->error);
	char since[SHOW_TIME_MAX];

	for (unsigned i = 0; i < SENDER_COUNTERS; i++)
		json_object_set_new(json, sender_counters[i],
				    json_integer((json_int_t)target->counters[i]));
	text_show(text, "  %s: %llu delivered, %llu refused", target->name,
		  (unsigned long long)target->counters[SENDER_DELIVERED],
		  (unsigned long long)target->counters[SENDER_REFUSED]);
	if (target->away_since_ms)
		text_show(text, "; away since %s: %s", show_time(target->away_since_ms, since),
			  target->error);
	text_put(text, "\n", 1);
	return json;
}

static json_t *
put_targets(struct deliveries *deliveries, struct text *text)
{
	json_t *list = json_array();
	struct sender_target target;

	for (unsigned i = 0; deliveries->sender && sender_target(deliveries->sender, i, &target);
	     i++)
		json_array_append_new(list, put_target(&target, text));
	return list;
}

void
status_put_outbox(struct service *service, struct text *text, json_t *result)
{
	struct deliveries *deliveries = &service->deliveries;
	uint64_t counts[MESSAGE_STATES], all;
	json_t *json, *list;

	if (!service->store)
		return;
	store_count_messages(service->store, counts);
	all = counts[MESSAGE_HELD] + counts[MESSAGE_DUE] + counts[MESSAGE_DEAD];
	if (deliveries->conf || all)
		text_show(text, "outbox: %llu waiting, %llu dead letter%s%s\n",
			  (unsigned long long)(counts[MESSAGE_HELD] + counts[MESSAGE_DUE]),
			  (unsigned long long)counts[MESSAGE_DEAD], PLURAL(counts[MESSAGE_DEAD]),
			  deliveries->conf ? "" : "; `outbox` is not set: nobody delivers them");
	json = json_pack("{s:b, s:I, s:I, s:I, s:o}", "on", deliveries->conf != NULL, "held",
			 (json_int_t)counts[MESSAGE_HELD], "waiting",
			 (json_int_t)counts[MESSAGE_DUE], "dead", (json_int_t)counts[MESSAGE_DEAD],
			 "targets", put_targets(deliveries, text));
	list = json_object();
	for (unsigned i = 0; i < DELIVERIES_COUNTERS; i++)
		json_object_set_new(list, delivery_counters[i].name,
				    json_integer((json_int_t)deliveries->counters[i]));
	json_object_set_new(json, "counters", list);
	json_object_set_new(result, "outbox", json);
}
