#include "control/runs/deliveries.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "control/address.h"
#include "control/clock.h"
#include "control/log.h"
#include "control/runs/service.h"
#include "tasks/show.h"

const struct delivery_counter_text delivery_counters[DELIVERIES_COUNTERS] = {
	[DELIVERIES_PUT] = { "outbox_put", "Messages put into the outbox" },
	[DELIVERIES_FULL] = { "outbox_full", "Runs refused because the outbox was full" },
	[DELIVERIES_EVENTS_DROPPED] = { "outbox_events_dropped",
					"Events not told because the outbox was half full" },
	[DELIVERIES_OUTSIDERS] = { "outbox_outsiders_dropped", "Events of unknown and rejected "
							       "devices beyond outsiders_per_s" },
	[DELIVERIES_WITHDRAWN] = { "outbox_withdrawn",
				   "Credentials taken back because their run failed" },
	[DELIVERIES_UNREACHED] = { "outbox_unreached",
				   "Credentials not delivered because the device refused them" },
	[DELIVERIES_CONFIRMED] = { "outbox_confirmed",
				   "Runs that waited before their Finish and went on" },
	[DELIVERIES_UNCONFIRMED] = { "outbox_unconfirmed", "Runs that waited before their Finish "
							   "until their time was over" },
};

/* ---- who is told ---- */

static void
log_use(const struct delivery_conf *conf)
{
	log_event(SEVERITY_NOTICE, LOG_EVENT_outbox, NULL, "outbox: %u target%s of %s",
		  conf->n_targets, PLURAL(conf->n_targets), conf->file);
}

void
deliveries_use(struct service *service)
{
	struct deliveries *deliveries = &service->deliveries;
	struct delivery_conf *conf = service->generation->delivery;

	if (!service->store || conf == deliveries->conf)
		return;
	if (conf && !deliveries->sender)
		deliveries->sender = sender_new(service->store, NULL, NULL);
	if (conf && !deliveries->sender) {
		log_event(SEVERITY_ERROR, LOG_EVENT_outbox_trouble, NULL,
			  "outbox: the thread that delivers cannot be started; reload again");
		return;
	}
	delivery_conf_release(deliveries->conf);
	deliveries->conf = delivery_conf_hold(conf);
	if (deliveries->sender)
		sender_use(deliveries->sender, conf);
	if (conf)
		log_use(conf);
}

void
deliveries_rest(struct service *service)
{
	sender_free(service->deliveries.sender);
	service->deliveries.sender = NULL;
	message_reader_free(service->deliveries.reader);
	service->deliveries.reader = NULL;
}

void
deliveries_go_on(struct service *service)
{
	struct deliveries *deliveries = &service->deliveries;

	if (!deliveries->conf || deliveries->sender)
		return;
	deliveries->sender = sender_new(service->store, NULL, NULL);
	if (deliveries->sender)
		sender_use(deliveries->sender, deliveries->conf);
	else
		log_event(
			SEVERITY_ERROR, LOG_EVENT_outbox_trouble, NULL,
			"outbox: the thread that delivers cannot be started: nothing is delivered "
			"until the next start");
}

void
deliveries_stop(struct service *service)
{
	deliveries_rest(service);
	delivery_conf_release(service->deliveries.conf);
	service->deliveries.conf = NULL;
}

/* ---- room ---- */

static uint64_t
waiting(struct service *service)
{
	uint64_t counts[MESSAGE_STATES];

	store_count_messages(service->store, counts);
	return counts[MESSAGE_HELD] + counts[MESSAGE_DUE] + counts[MESSAGE_DEAD];
}

bool
deliveries_full(struct service *service)
{
	struct deliveries *deliveries = &service->deliveries;
	bool full = waiting(service) >= deliveries->conf->max_messages;

	deliveries->counters[DELIVERIES_FULL] += full;
	if (full && !deliveries->told_full)
		log_event(SEVERITY_ERROR, LOG_EVENT_outbox_trouble, NULL,
			  "the outbox is full: runs that make credentials are refused; see `outbox "
			  "list`, and max_messages in %s",
			  deliveries->conf->file);
	deliveries->told_full = full;
	return full;
}

/* ---- messages ---- */

static void
make_key(char key[MESSAGE_KEY_MAX])
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		memset(bytes, 0, sizeof bytes); /* never for 16 bytes, once the pool is seeded */
	for (unsigned i = 0; i < sizeof bytes; i++)
		snprintf(key + 2 * i, 3, "%02x", bytes[i]);
}

int64_t
deliveries_put(struct service *service, const struct delivery_target *target,
	       const struct store_message *like, const struct buffer *facts)
{
	struct store_message message = *like;
	char key[MESSAGE_KEY_MAX];

	make_key(key);
	message.id = store_message_id(service->store);
	message.created_ms = clock_now_ms();
	message.due_ms = message.created_ms;
	message.key = key;
	message.target = target->name;
	message.bytes = facts->bytes;
	message.len = facts->len;
	if (!store_put_message(service->store, &message))
		return 0;
	service->deliveries.counters[DELIVERIES_PUT]++;
	return message.id;
}

/* ---- events ---- */

enum { TIME_TEXT_MAX = 32 };

static const char *
time_text(uint64_t ms, char out[TIME_TEXT_MAX])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		*out = '\0';
	return out;
}

static bool
is_wanted(const struct deliveries *deliveries, enum fact_event what)
{
	unsigned wants = 0;

	for (unsigned i = 0; deliveries->conf && i < deliveries->conf->n_targets; i++)
		wants |= deliveries->conf->targets[i].wants;
	return wants & 1u << what;
}

/* To each target that wants it. */
static void
tell(struct service *service, enum fact_event what, const struct facts *facts,
     const struct store_message *like)
{
	struct deliveries *deliveries = &service->deliveries;
	struct buffer bytes = { 0 };

	if (waiting(service) >= deliveries->conf->max_messages / 2 ||
	    facts_encode(facts, &bytes) < 0) {
		deliveries->counters[DELIVERIES_EVENTS_DROPPED]++;
		buffer_fini(&bytes);
		return;
	}
	for (unsigned i = 0; i < deliveries->conf->n_targets; i++)
		if (deliveries->conf->targets[i].wants & 1u << what)
			deliveries->counters[DELIVERIES_EVENTS_DROPPED] += !deliveries_put(
				service, &deliveries->conf->targets[i], like, &bytes);
	buffer_fini(&bytes);
}

void
deliveries_tell_run(struct service *service, const struct device *device,
		    const struct session_event *event, enum fact_event what, const char *summary)
{
	char endpoint[ENDPOINT_NAME_MAX + 1], address[ADDRESS_TEXT_MAX], time[TIME_TEXT_MAX];
	struct store_message message = { .state = MESSAGE_DUE,
					 .what = (uint8_t)what,
					 .device = device_id(device) + 1,
					 .subject = endpoint };
	struct facts facts = { 0 };

	if (!is_wanted(&service->deliveries, what))
		return;
	device_endpoint(device, endpoint);
	address_format_peer(&event->peer, address);
	facts_set(&facts, FACT_EVENT, event_names[what]);
	facts_set(&facts, FACT_TIME,
		  time_text(clock_wall_ms(event->time_us, dataplane_now_us()), time));
	facts_set(&facts, FACT_ENDPOINT, endpoint);
	facts_set(&facts, FACT_DOMAIN, names_text(&service->inventory.domains, device->domain));
	facts_set(&facts, FACT_ADDRESS, address);
	facts_set(&facts, FACT_SUMMARY, summary);
	tell(service, what, &facts, &message);
}

/* At most so many a second: anybody can make them. */
static bool
outsiders_rate(struct deliveries *deliveries, uint64_t now_ms)
{
	if (now_ms - deliveries->outsiders_ms >= 1000 || now_ms < deliveries->outsiders_ms) {
		deliveries->outsiders_ms = now_ms;
		deliveries->outsiders = 0;
	}
	if (deliveries->outsiders < deliveries->conf->outsiders_per_s) {
		deliveries->outsiders++;
		return true;
	}
	deliveries->counters[DELIVERIES_OUTSIDERS]++;
	return false;
}

/* For a receiver that is a program: a word for each. */
static const char *
cause_word(const struct session_event *event)
{
	switch ((enum session_cause)event->cause) {
	case CAUSE_KEY:
		return "wrong key";
	case CAUSE_IDENTITY:
		return "asked as another device";
	case CAUSE_CERTIFICATE:
		return "certificate refused";
	case CAUSE_NOSEC:
		return "came without DTLS";
	default:
		return "not in the inventory";
	}
}

void
deliveries_tell_outsider(struct service *service, const struct session_event *event,
			 enum fact_event what)
{
	const struct device *device =
		what == EVENT_REJECTED ? inventory_at(&service->inventory, event->device) : NULL;
	char name[ENDPOINT_NAME_MAX + 1], address[ADDRESS_TEXT_MAX], time[TIME_TEXT_MAX];
	uint64_t then_ms = clock_wall_ms(event->time_us, dataplane_now_us());
	struct store_message message = { .state = MESSAGE_DUE,
					 .what = (uint8_t)what,
					 .device = MESSAGE_NO_DEVICE,
					 .subject = name };
	struct facts facts = { 0 };

	if (!is_wanted(&service->deliveries, what) ||
	    !outsiders_rate(&service->deliveries, then_ms))
		return;
	if (device)
		device_endpoint(device, name);
	else
		show_into(name, sizeof name, "%.*s", (int)event->name_len,
			  (const char *)event->name);
	address_format_peer(&event->peer, address);
	facts_set(&facts, FACT_EVENT, event_names[what]);
	facts_set(&facts, FACT_TIME, time_text(then_ms, time));
	facts_set(&facts, FACT_ENDPOINT, name);
	facts_set(&facts, FACT_ADDRESS, address);
	facts_set(&facts, FACT_SUMMARY, cause_word(event));
	tell(service, what, &facts, &message);
}
