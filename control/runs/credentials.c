#include "control/runs/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/runs/credentials_private.h"

/* ---- while the run is compiled ---- */

static void
forget_items(struct run_credentials *credentials)
{
	for (unsigned i = 0; i < credentials->n; i++)
		buffer_fini(&credentials->items[i].facts);
	credentials->n = 0;
}

void
credentials_begin(struct run_memory *memory)
{
	struct run_credentials *credentials = memory->credentials;

	/* Those in the store are the same: a replay gives the same bytes. */
	if (credentials && !credentials->put)
		forget_items(credentials);
}

void
credentials_unlink(struct run_credentials *credentials)
{
	if (!credentials->pprev)
		return;
	*credentials->pprev = credentials->next;
	if (credentials->next)
		credentials->next->pprev = credentials->pprev;
	credentials->pprev = NULL;
}

void
credentials_free(struct run_credentials *credentials)
{
	if (!credentials)
		return;
	credentials_unlink(credentials);
	forget_items(credentials);
	free(credentials->put);
	explicit_bzero(credentials, sizeof *credentials);
	free(credentials);
}

/* OMA TS Core E.1, resource 2. */
static const char *
mode_word(uint32_t mode)
{
	static const char *const words[] = { "psk", "rpk", "certificate", "nosec",
					     "certificate-est" };

	return mode < sizeof words / sizeof words[0] ? words[mode] : "";
}

static void
set_value(struct facts *facts, enum fact fact, const struct lwm2m_value *value)
{
	if (value->type != LWM2M_OPAQUE && value->type != LWM2M_STRING)
		return;
	facts->of[fact].at = value->bytes.at ? (const void *)value->bytes.at : "";
	facts->of[fact].len = value->bytes.len;
}

static int
encode(struct service *service, const struct device *device, const struct run_memory *memory,
       const struct compile_credential *credential, struct buffer *out)
{
	char endpoint[ENDPOINT_NAME_MAX + 1], ssid[16], instance[16], time[32] = "";
	time_t began = (time_t)(memory->now_ms / 1000);
	struct facts facts = { 0 };
	struct tm tm;

	if (gmtime_r(&began, &tm))
		strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(ssid, sizeof ssid, "%u", credential->ssid);
	snprintf(instance, sizeof instance, "%u", credential->instance);
	facts_set(&facts, FACT_EVENT, event_names[EVENT_CREDENTIALS]);
	facts_set(&facts, FACT_TIME, time);
	facts_set(&facts, FACT_ENDPOINT, device_endpoint(device, endpoint));
	facts_set(&facts, FACT_DOMAIN, names_text(&service->inventory.domains, device->domain));
	facts_set(&facts, FACT_MODE, mode_word(credential->mode));
	facts_set(&facts, FACT_SSID, ssid);
	facts_set(&facts, FACT_INSTANCE, instance);
	set_value(&facts, FACT_URI, &credential->uri);
	set_value(&facts, FACT_IDENTITY, &credential->identity);
	set_value(&facts, FACT_SERVER_KEY, &credential->server_key);
	set_value(&facts, FACT_KEY, &credential->key);
	return facts_encode(&facts, out);
}

static bool
is_wanted(const struct service *service, uint32_t ssid)
{
	const struct delivery_conf *conf = service->deliveries.conf;

	for (unsigned i = 0; conf && i < conf->n_targets; i++)
		if (delivery_wants_credentials(&conf->targets[i], ssid))
			return true;
	return false;
}

void
credentials_add(struct service *service, const struct device *device, struct run_memory *memory,
		const struct compile_credential *credential)
{
	struct run_credentials *credentials = memory->credentials;
	struct credential *item;

	if (!is_wanted(service, credential->ssid) || (credentials && credentials->put))
		return;
	if (!credentials)
		credentials = memory->credentials = calloc(1, sizeof *credentials);
	if (!credentials)
		return;
	credentials->device = device_id(device);
	credentials->too_many |= credentials->n == CREDENTIALS_MAX;
	if (credentials->too_many)
		return;
	item = &credentials->items[credentials->n];
	*item = (struct credential){ .ssid = credential->ssid,
				     .instance = credential->instance,
				     .step = BATCH_STEPS_MAX };
	if (encode(service, device, memory, credential, &item->facts) < 0) {
		buffer_fini(&item->facts);
		credentials->too_many = true;
		return;
	}
	credentials->n++;
}

enum delivery_confirm
credentials_confirm(const struct service *service, const struct run_credentials *credentials,
		    unsigned *timeout_s)
{
	const struct delivery_conf *conf = service->deliveries.conf;
	enum delivery_confirm confirm = CONFIRM_NOTHING;

	*timeout_s = 0;
	for (unsigned i = 0; conf && i < conf->n_targets; i++)
		for (unsigned k = 0; k < credentials->n; k++) {
			const struct delivery_target *target = &conf->targets[i];

			if (!delivery_wants_credentials(target, credentials->items[k].ssid))
				continue;
			if (target->confirm > confirm)
				confirm = (enum delivery_confirm)target->confirm;
			if (target->confirm != CONFIRM_NOTHING &&
			    target->confirm_timeout_s > *timeout_s)
				*timeout_s = target->confirm_timeout_s;
		}
	return confirm;
}

bool
credentials_may_finish(const struct service *service, const struct run_memory *memory)
{
	const struct run_credentials *credentials = memory->credentials;
	unsigned timeout_s;

	if (!credentials || !credentials->n || credentials->stage >= STAGE_CONFIRMED)
		return true;
	return credentials_confirm(service, credentials, &timeout_s) == CONFIRM_NOTHING;
}

unsigned
credentials_wait_s(const struct service *service, const struct run_memory *memory)
{
	unsigned timeout_s;

	(void)credentials_confirm(service, memory->credentials, &timeout_s);
	return timeout_s + WAIT_MARGIN_S;
}

/* Whether a step writes the account: its path is /0 or begins with /0/INSTANCE. */
static bool
writes_account(const struct batch_step *step, uint16_t instance)
{
	char text[16];
	int len = snprintf(text, sizeof text, "%u", instance);
	const uint8_t *at = step->bytes;

	/* Uri-Path "0": an option of number 11 and one byte; then the same number again (RFC 7252 3.1). */
	if (!step->credential || step->options_len < 2 || at[0] != 0xb1 || at[1] != '0')
		return false;
	if (step->options_len == 2 || at[2] >> 4)
		return true;
	return (at[2] & 15) == len && memcmp(at + 3, text, (size_t)len) == 0;
}

void
credentials_note_batch(struct run_memory *memory, const struct batch *batch, bool waits)
{
	struct run_credentials *credentials = memory->credentials;

	if (!credentials)
		return;
	if (waits)
		credentials->stage = STAGE_ASKED;
	for (unsigned i = 0; i < batch->n_steps; i++) {
		if (batch->steps[i]->on_error == BATCH_FINISH)
			credentials->finishing[i / 8] |= (uint8_t)(1 << i % 8);
		for (unsigned k = 0; k < credentials->n; k++)
			if (writes_account(batch->steps[i], credentials->items[k].instance) &&
			    credentials->items[k].step == BATCH_STEPS_MAX)
				credentials->items[k].step = (uint16_t)i;
	}
}

/* ---- what is known of it ---- */

bool
credentials_are_due(const struct run_memory *memory)
{
	return memory->credentials && memory->credentials->stage == STAGE_ASKED;
}

void
credentials_skip_wait(struct run_memory *memory)
{
	if (memory->credentials)
		memory->credentials->stage = STAGE_CONFIRMED;
}

const char *
credentials_failure(const struct run_memory *memory)
{
	return memory->credentials && memory->credentials->stage == STAGE_FAILED
		       ? "its credentials were not delivered in time: see `outbox list`"
		       : NULL;
}
