#include "tools/storm/device.h"

#include <string.h>

#include "tools/storm/device_coap.h"
#include "tools/storm/device_internal.h"
#include "tools/storm/device_pack.h"
#include "tools/storm/random.h"

enum {
	HELLO_GAP_MAX_US = 60 * 1000000, /* RFC 6347 4.2.4.1 */
};

const char *const outcome_names[OUTCOMES] = {
	[OUTCOME_DONE] = "done",
	[OUTCOME_INTENDED] = "misbehaved as told",
	[OUTCOME_WRONG_WRITE] = "wrong write",
	[OUTCOME_MISSING] = "missing write",
	[OUTCOME_REFUSED] = "refused",
	[OUTCOME_RESET] = "reset",
	[OUTCOME_ALERT] = "alert",
	[OUTCOME_FORGED] = "forged handshake",
	[OUTCOME_SILENT] = "silence",
	[OUTCOME_UNFINISHED] = "unfinished",
};

const char *const phase_names[PHASES] = { "cookie", "handshake", "bootstrap", "whole" };

static void
fill_random(void *ctx, uint8_t *bytes, size_t len)
{
	struct fleet *fleet = (struct fleet *)ctx;

	random_fill(&fleet->fresh, bytes, len);
}

/*
 * Devices come in an order of their own: one by their numbers would meet the server's memory in the
 * order in which it was filled, which no real fleet does.
 */
static void
shuffle(struct fleet *fleet)
{
	for (uint32_t i = 0; i < fleet->n; i++) {
		uint32_t other = fleet->settings.in_order
					 ? i
					 : (uint32_t)random_below(&fleet->random, (uint64_t)i + 1);

		fleet->idle[i] = fleet->idle[other];
		fleet->idle[other] = i;
	}
}

void
fleet_init(struct fleet *fleet, const struct fleet_settings *settings, const struct crypto_ops *ops,
	   uint64_t seed, uint64_t fresh)
{
	fleet->settings = *settings;
	fleet->random = random_seed(seed);
	/*
	 * Message ids and the like of a run repeated must not be taken for copies of the first
	 * one's.
	 */
	fleet->fresh = random_seed(fresh);
	fleet->rng = (struct rng){ fill_random, fleet };
	fleet->dtls = (struct storm_dtls_env){ .ops = ops,
					       .counters = &fleet->tally.records,
					       .stale = &fleet->tally.stale };
	fleet->running = 0;
	fleet->idle_head = 0;
	fleet->n_idle = fleet->n;
	if (fleet->identities)
		fleet->server = identities_server(fleet->identities);
	shuffle(fleet);
	timer_wheel_init(&fleet->wheel, &fleet->devices[0].timer, sizeof *fleet->devices,
			 fleet->now_us);
}

/* ---- time ---- */

static uint32_t
index_of(const struct fleet *fleet, const struct device *device)
{
	return (uint32_t)(device - fleet->devices);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return !a ? b : !b ? a : a < b ? a : b;
}

static void
arm(struct fleet *fleet, struct device *device)
{
	uint64_t due = earlier(device->send_us, earlier(device->resend_us, device->give_up_us));

	if (due)
		timer_wheel_arm(&fleet->wheel, index_of(fleet, device), due);
	else
		timer_wheel_cancel(&fleet->wheel, index_of(fleet, device));
}

void
device_progress(struct fleet *fleet, struct device *device)
{
	device->resend_us = 0;
	device->give_up_us = fleet->now_us + fleet->settings.give_up_us;
}

/* The message just sent goes again unless something comes. */
static void
expect_answer(struct fleet *fleet, struct device *device, enum device_message message)
{
	uint64_t timeout = fleet->settings.ack_timeout_us;

	/*
	 * RFC 7252 4.2: at random between ACK_TIMEOUT and 1.5 times that; RFC 6347 4.2.4.1 has no
	 * such spread.
	 */
	timeout = message == MESSAGE_REQUEST
			  ? timeout + random_below(&fleet->random, timeout / 2 + 1)
			  : timeout / 2;
	device->again = message;
	device->resent = 0;
	device->resend_gap_us = timeout;
	device->resend_us = fleet->now_us + timeout;
}

/* ---- beginning and end ---- */

static bool
shows_certificate(const struct fleet *fleet, const struct device *device)
{
	return device_security(fleet, device) >= SECURITY_X509;
}

/* A helper that computes with it frees it through fleet_collect(). */
static void
drop_cert(struct fleet *fleet, struct device *device)
{
	bool computing = device->dtls.step == STORM_DTLS_COMPUTING && fleet->helpers;
	struct storm_cert *cert;

	if (!device->dtls.cert)
		return;
	cert = storm_dtls_part_with_cert(&device->dtls);
	if (computing)
		cert->abandoned = true;
	else
		storm_cert_free(cert);
}

void
device_end(struct fleet *fleet, struct device *device, enum outcome outcome)
{
	uint64_t now = fleet->now_us;

	fleet->tally.outcomes[outcome]++;
	if (outcome == OUTCOME_DONE) {
		histogram_add(&fleet->tally.phases[PHASE_BOOTSTRAP], now - device->phase_us);
		histogram_add(&fleet->tally.phases[PHASE_WHOLE], now - device->intended_us);
	}
	drop_cert(fleet, device);
	device->finished += outcome == OUTCOME_DONE || outcome == OUTCOME_INTENDED;
	device->outcome = (uint8_t)outcome;
	device->ended_us = now;
	device->state = DEVICE_IDLE;
	device->send_us = device->resend_us = device->give_up_us = 0;
	fleet->running--;
	fleet->idle[(fleet->idle_head + fleet->n_idle++) % fleet->n] = index_of(fleet, device);
}

void
device_conclude(struct fleet *fleet, struct device *device, enum outcome outcome)
{
	if (!device->send_us || device->later != MESSAGE_ACK) {
		device_end(fleet, device, outcome);
		return;
	}
	device->state = DEVICE_ENDING;
	device->outcome = outcome;
}

static struct storm_cert *
new_cert(struct fleet *fleet, const struct device *device)
{
	const enum misbehave misbehave = fleet->settings.misbehave;
	const struct storm_cert_ways ways = {
		.raw = device_security(fleet, device) == SECURITY_RPK,
		.breaks_signature = misbehave == MISBEHAVE_BROKEN_SIGNATURE,
		.long_chain = misbehave == MISBEHAVE_LONG_CHAIN,
	};
	struct storm_cert_own own = identities_own(fleet->identities, device_number(fleet, device));
	struct storm_cert *cert = storm_cert_new(&ways, &own, &fleet->server);

	if (cert)
		cert->device = index_of(fleet, device);
	return cert;
}

static void
begin_handshake(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	struct storm_cert *cert = NULL;

	drop_cert(fleet, device);
	device->state = DEVICE_HANDSHAKING;
	if (shows_certificate(fleet, device)) {
		cert = new_cert(fleet, device);
		if (!cert) { /* out of memory */
			device_end(fleet, device, OUTCOME_UNFINISHED);
			return;
		}
	}
	storm_dtls_start(&device->dtls, &fleet->rng, fleet->settings.offer_cid, cert);
	device_send(fleet, device, MESSAGE_HELLO, out);
}

void
device_request(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	uint64_t random = random_next(&fleet->fresh);

	memcpy(device->token, &random, sizeof device->token);
	device->state = DEVICE_ASKING;
	device_send(fleet, device, MESSAGE_REQUEST, out);
}

/* The first request of a run. */
static void
device_ask(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	device->seen = 0;
	device->block_line = -1;
	device->n_answered = 0;
	if (device_wants_pack(fleet, device))
		device_pack_begin(fleet, device);
	device_request(fleet, device, out);
}

int64_t
fleet_start(struct fleet *fleet, uint64_t intended_us, struct storm_out *out)
{
	struct device *device;
	uint32_t index;

	if (!fleet->n_idle)
		return -1;
	index = fleet->idle[fleet->idle_head];
	fleet->idle_head = (fleet->idle_head + 1) % fleet->n;
	fleet->n_idle--;
	fleet->running++;
	fleet->tally.started++;
	device = &fleet->devices[index];
	device->intended_us = device->phase_us = intended_us;
	device->misbehaved = device->rebound = device->wrong = device->heard = false;
	device->told_busy = false;
	device->retried = 0;
	device->send_us = 0; /* what the former run still had to answer */
	/* Message ids go on from run to run, so that a new run is no duplicate (RFC 7252 4.4). */
	device->mid = device->runs ? device->mid + 1 : (uint16_t)random_next(&fleet->fresh);
	device->runs++;
	device_progress(fleet, device);
	if (fleet->settings.security)
		begin_handshake(fleet, device, out);
	else
		device_ask(fleet, device, out);
	if (fleet->settings.misbehave == MISBEHAVE_HELLO_FLOOD && device->state != DEVICE_IDLE)
		device_end(fleet, device, OUTCOME_INTENDED);
	arm(fleet, device);
	return index;
}

void
device_restart(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	device_progress(fleet, device);
	if (fleet->settings.security)
		begin_handshake(fleet, device, out);
	else
		device_ask(fleet, device, out);
}

void
fleet_stop(struct fleet *fleet)
{
	for (uint32_t i = 0; i < fleet->n; i++)
		if (fleet->devices[i].state != DEVICE_IDLE)
			device_end(fleet, &fleet->devices[i], OUTCOME_UNFINISHED);
}

/* ---- sending ---- */

/* What ends a run once it is sent: the answer to the Finish, or that to the last of a pack. */
static enum device_message
last_word(const struct fleet *fleet, const struct device *device)
{
	return device_wants_pack(fleet, device) ? MESSAGE_ACK : MESSAGE_REPLY;
}

/* Writes `message` now. What wants an answer is repeated until there is one. */
static void
emit(struct fleet *fleet, struct device *device, enum device_message message, struct storm_out *out)
{
	device_write(fleet, device, message, out);
	if (message == MESSAGE_HELLO || message == MESSAGE_LAST_FLIGHT ||
	    message == MESSAGE_REQUEST)
		expect_answer(fleet, device, message);
	if (device->state == DEVICE_ENDING && message == last_word(fleet, device))
		device_end(fleet, device, device->outcome);
}

static bool
is_answer(enum device_message message)
{
	return message == MESSAGE_REPLY || message == MESSAGE_ACK;
}

void
device_send_ack_due(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	if (!device->send_us || device->later != MESSAGE_ACK)
		return;
	device->send_us = 0;
	emit(fleet, device, MESSAGE_ACK, out);
}

void
device_send(struct fleet *fleet, struct device *device, enum device_message message,
	    struct storm_out *out)
{
	const struct fleet_settings *settings = &fleet->settings;
	uint64_t delay = device->heard ? settings->rtt_us : 0;

	if (device->heard && settings->rtt_spread_us)
		delay += random_below(&fleet->random, 2 * settings->rtt_spread_us + 1) -
			 settings->rtt_spread_us;
	if (settings->misbehave == MISBEHAVE_SLOW_ACK && message == MESSAGE_REPLY)
		delay += settings->slow_ack_us;
	if (!delay) {
		emit(fleet, device, message, out);
		return;
	}
	/* An answer on its way already is the one that a copy of its question would cause. */
	if (device->send_us && device->later == message)
		return;
	/* Only one waits, and nobody asks for it again if another takes its place. */
	device_send_ack_due(fleet, device, out);
	if (device->send_us && is_answer(message)) {
		emit(fleet, device, message, out);
		return;
	}
	device->later = message;
	device->send_us = fleet->now_us + delay;
}

/* Nobody answers: it fails, or begins anew as a device does whose bootstrap was cut off. */
static void
take_silence(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	if (device->retried >= fleet->settings.retries) {
		device_end(fleet, device, OUTCOME_SILENT);
		return;
	}
	device->retried++;
	fleet->tally.retried++;
	device->send_us = 0;
	device->wrong = false;
	device->mid++; /* no copy of the former request (RFC 7252 4.4) */
	device_restart(fleet, device, out);
}

/*
 * RFC 7252 4.2: after MAX_RETRANSMIT the exchange has failed. Handshakes go on until the device
 * gives up.
 */
static void
send_again(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	if (device->again == MESSAGE_REQUEST && device->resent >= fleet->settings.max_retransmit) {
		take_silence(fleet, device, out);
		return;
	}
	/* While the answer to what came is under way, nothing else is. */
	if (!device->send_us) {
		device->resent++;
		fleet->tally.retransmitted++;
		device_write(fleet, device, device->again, out);
	}
	/* A first time-out that is longer stays as it is. */
	if (device->again == MESSAGE_REQUEST || device->resend_gap_us <= HELLO_GAP_MAX_US / 2)
		device->resend_gap_us *= 2;
	else
		device->resend_gap_us = device->resend_gap_us > HELLO_GAP_MAX_US
						? device->resend_gap_us
						: HELLO_GAP_MAX_US;
	device->resend_us = fleet->now_us + device->resend_gap_us;
}

bool
fleet_tick(struct fleet *fleet, uint32_t *index, struct storm_out *out)
{
	uint64_t now = fleet->now_us;
	struct device *device;

	if (!timer_wheel_pop(&fleet->wheel, now, index))
		return false;
	device = &fleet->devices[*index];
	if (device->send_us && device->send_us <= now) {
		device->send_us = 0;
		emit(fleet, device, device->later, out);
	} else if (device->give_up_us && device->give_up_us <= now) {
		take_silence(fleet, device, out);
	} else if (device->resend_us && device->resend_us <= now) {
		send_again(fleet, device, out);
	}
	arm(fleet, device);
	return true;
}

/* ---- receiving ---- */

static void
take_alert(struct fleet *fleet, struct device *device, const struct storm_dtls_taken *taken)
{
	bool meant = misbehave_alert(fleet->settings.misbehave, fleet->settings.security) ==
		     taken->content[1];

	if (taken->content[0] == DTLS_FATAL && device->state != DEVICE_IDLE)
		device_end(fleet, device, meant ? OUTCOME_INTENDED : OUTCOME_ALERT);
}

static void
end_phase(struct fleet *fleet, struct device *device, enum phase phase)
{
	histogram_add(&fleet->tally.phases[phase], fleet->now_us - device->phase_us);
	device->phase_us = fleet->now_us;
}

static void take_event(struct fleet *fleet, struct device *device,
		       const struct storm_dtls_taken *taken, struct storm_out *out);

static void
take_computed(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	const struct storm_dtls_taken taken = { .event = storm_dtls_take_computed(&device->dtls) };

	take_event(fleet, device, &taken, out);
}

static void
ask_for_curves(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	if (fleet->helpers) {
		helpers_offer(fleet->helpers, device->dtls.cert);
		return;
	}
	storm_cert_compute(device->dtls.cert);
	take_computed(fleet, device, out);
}

static void
take_event(struct fleet *fleet, struct device *device, const struct storm_dtls_taken *taken,
	   struct storm_out *out)
{
	switch (taken->event) {
	case STORM_DTLS_NOTHING:
		return;
	case STORM_DTLS_VERIFY:
		end_phase(fleet, device, PHASE_COOKIE);
		device_progress(fleet, device);
		if (fleet->settings.misbehave == MISBEHAVE_NO_COOKIE_ECHO)
			device_end(fleet, device, OUTCOME_INTENDED);
		else
			device_send(fleet, device, MESSAGE_HELLO, out);
		return;
	case STORM_DTLS_ASKED:
		device_progress(fleet, device);
		ask_for_curves(fleet, device, out);
		return;
	case STORM_DTLS_GREETED:
		device_progress(fleet, device);
		if (fleet->settings.misbehave == MISBEHAVE_HALF_OPEN) {
			device_end(fleet, device, OUTCOME_INTENDED);
			return;
		}
		device_send(fleet, device, MESSAGE_LAST_FLIGHT, out);
		return;
	case STORM_DTLS_SECURED:
		drop_cert(fleet, device);
		end_phase(fleet, device, PHASE_HANDSHAKE);
		device_progress(fleet, device);
		device_ask(fleet, device, out);
		return;
	case STORM_DTLS_DATA:
		device_take_coap(fleet, device, taken->content, taken->len, out);
		return;
	case STORM_DTLS_ALERT:
		take_alert(fleet, device, taken);
		return;
	case STORM_DTLS_WRONG:
		device_end(fleet, device, OUTCOME_FORGED);
		return;
	}
}

static void
take_records(struct fleet *fleet, struct device *device, uint8_t *data, size_t len,
	     struct storm_out *out)
{
	struct dtls_walk walk = { data, data + len };
	struct credential credential;
	struct storm_dtls_who who = { 0 };
	struct storm_dtls_taken taken;

	/* Only a handshake with a pre-shared key needs to know who this is. */
	if (device->dtls.step <= STORM_DTLS_COOKIE && !shows_certificate(fleet, device))
		who = device_who(fleet, device, &credential);
	while (storm_dtls_take(&device->dtls, &fleet->dtls, &who, &walk, &taken)) {
		/*
		 * An ended device keeps its keys for copies of its last exchange, and nothing else.
		 */
		if (device->state != DEVICE_IDLE || taken.event == STORM_DTLS_DATA)
			take_event(fleet, device, &taken, out);
	}
}

void
fleet_receive(struct fleet *fleet, uint32_t index, uint8_t *data, size_t len, struct storm_out *out)
{
	struct device *device = &fleet->devices[index];

	fleet->tally.datagrams_received++;
	if (!device->runs)
		return;
	device->heard = true;
	if (fleet->settings.security)
		take_records(fleet, device, data, len, out);
	else
		device_take_coap(fleet, device, data, len, out);
	arm(fleet, device);
}

bool
fleet_collect(struct fleet *fleet, uint32_t *index, struct storm_out *out)
{
	struct storm_cert *cert;

	while (fleet->helpers && (cert = helpers_take(fleet->helpers)) != NULL) {
		struct device *device = &fleet->devices[cert->device];

		if (cert->abandoned) {
			storm_cert_free(cert);
			continue;
		}
		*index = cert->device;
		take_computed(fleet, device, out);
		arm(fleet, device);
		return true;
	}
	return false;
}

void
fleet_fini(struct fleet *fleet)
{
	server_identity_fini(&fleet->server);
}
