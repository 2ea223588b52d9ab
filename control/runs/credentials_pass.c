/* Credentials of a run in progress as records, and back: what the compiler told, what is in the store, and what is waited for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/runs/credentials_private.h"
#include "control/runs/pass_fields.h"
#include "dataplane/dataplane.h"

/* ---- to records ---- */

/* What the rest of the run is asked with; the session and its peer are the live session's. */
static void
save_event(const struct session_event *event, struct record_writer *writer)
{
	record_put_number(writer, CREDENTIALS_ASK, event->ask);
	record_put_number(writer, CREDENTIALS_CODE, event->code);
	record_put_number(writer, CREDENTIALS_STEP, event->step);
	record_put_number(writer, CREDENTIALS_FORMAT, event->format);
	record_put_number(writer, CREDENTIALS_REFUSED_STEPS, event->refused_steps);
	record_put_number(writer, CREDENTIALS_REFUSED_STEP, event->refused_step);
	record_put_number(writer, CREDENTIALS_REFUSED_CODE, event->refused_code);
	record_put_bytes(writer, CREDENTIALS_NAME, event->name, event->name_len);
}

static void
save_item(const struct credential *item, struct record_writer *writer)
{
	record_begin(writer, PASSED_CREDENTIAL);
	record_put_number(writer, CREDENTIAL_SSID, item->ssid);
	record_put_number(writer, CREDENTIAL_INSTANCE, item->instance);
	record_put_number(writer, CREDENTIAL_STEP, item->step);
	record_put_bytes(writer, CREDENTIAL_FACTS, item->facts.bytes, item->facts.len);
	record_end(writer);
}

static void
save_put(const struct put_message *put, struct record_writer *writer)
{
	record_begin(writer, PASSED_MESSAGE);
	record_put_number(writer, MESSAGE_ID, (uint64_t)put->id);
	record_put_number(writer, MESSAGE_CREDENTIAL, put->credential);
	record_put_number(writer, MESSAGE_WAITED, put->waited);
	record_put_number(writer, MESSAGE_FAILS, put->fails);
	record_end(writer);
}

void
credentials_save(const struct run_credentials *credentials, struct record_writer *writer)
{
	if (!credentials)
		return;
	record_begin(writer, PASSED_CREDENTIALS);
	record_put_number(writer, CREDENTIALS_STAGE, credentials->stage);
	record_put_number(writer, CREDENTIALS_TOO_MANY, credentials->too_many);
	record_put_number(writer, CREDENTIALS_IN_STORE, credentials->put != NULL);
	record_put_number(writer, CREDENTIALS_DEADLINE, credentials->deadline_ms);
	record_put_bytes(writer, CREDENTIALS_FINISHING, credentials->finishing,
			 sizeof credentials->finishing);
	if (credentials->stage == STAGE_WAITING)
		save_event(&credentials->event, writer);
	record_end(writer);
	for (unsigned i = 0; i < credentials->n; i++)
		save_item(&credentials->items[i], writer);
	for (unsigned i = 0; i < credentials->n_put; i++)
		save_put(&credentials->put[i], writer);
}

/* ---- from records ---- */

static int
load_event(const struct live_session *live, struct record_reader *reader,
	   struct session_event *event)
{
	size_t len;
	const uint8_t *name = record_bytes(reader, CREDENTIALS_NAME, &len);

	if (len > sizeof event->name)
		return -EBADMSG;
	*event = (struct session_event){
		.kind = SESSION_NEEDS_BATCH,
		.name_len = (uint8_t)len,
		.ask = (uint8_t)record_number(reader, CREDENTIALS_ASK),
		.code = (uint8_t)record_number(reader, CREDENTIALS_CODE),
		.step = (uint16_t)record_number(reader, CREDENTIALS_STEP),
		.format = (uint16_t)record_number(reader, CREDENTIALS_FORMAT),
		.refused_steps = (uint16_t)record_number(reader, CREDENTIALS_REFUSED_STEPS),
		.refused_step = (uint16_t)record_number(reader, CREDENTIALS_REFUSED_STEP),
		.refused_code = (uint8_t)record_number(reader, CREDENTIALS_REFUSED_CODE),
		.device = live->device,
		.session = live->session,
		.peer = live->peer,
		.started_us = live->started_us,
	};
	if (len)
		memcpy(event->name, name, len);
	return event->ask == ASK_REST || event->ask == ASK_PACK ? 0 : -EBADMSG;
}

/* Ends of what it waits for are told from here on; what waited for the disk is written with all else that passed. */
static void
wait_on(struct service *service, struct run_credentials *credentials)
{
	struct deliveries *deliveries = &service->deliveries;

	credentials->until = store_hurry(service->store);
	credentials->next = deliveries->waiting;
	credentials->pprev = &deliveries->waiting;
	if (credentials->next)
		credentials->next->pprev = &credentials->next;
	deliveries->waiting = credentials;
}

static int
read_all(const struct service *service, const struct live_session *live,
	 struct record_reader *reader, struct run_credentials *credentials)
{
	uint64_t stage = record_number(reader, CREDENTIALS_STAGE);
	size_t len;
	const uint8_t *finishing = record_bytes(reader, CREDENTIALS_FINISHING, &len);
	bool in_store = record_number(reader, CREDENTIALS_IN_STORE) != 0;

	if (stage > STAGE_FAILED || len > sizeof credentials->finishing ||
	    (stage == STAGE_WAITING && (!in_store || !service->store)))
		return -EBADMSG;
	if (len)
		memcpy(credentials->finishing, finishing, len);
	credentials->stage = (enum stage)stage;
	credentials->device = live->device;
	credentials->worker = live->worker;
	credentials->too_many = record_number(reader, CREDENTIALS_TOO_MANY) != 0;
	credentials->deadline_ms = record_number(reader, CREDENTIALS_DEADLINE);
	if (in_store) {
		credentials->put = calloc(PUT_MAX, sizeof *credentials->put);
		if (!credentials->put)
			return -ENOMEM;
	}
	return stage == STAGE_WAITING ? load_event(live, reader, &credentials->event) : 0;
}

int
credentials_load(struct service *service, struct live_session *live, struct record_reader *reader)
{
	struct run_credentials *credentials;
	int result;

	if (live->memory.credentials)
		return -EBADMSG;
	credentials = calloc(1, sizeof *credentials);
	if (!credentials)
		return -ENOMEM;
	live->memory.credentials = credentials;
	result = read_all(service, live, reader, credentials);
	if (result == 0 && credentials->stage == STAGE_WAITING)
		wait_on(service, credentials);
	return reader->malformed ? -EBADMSG : result;
}

int
credentials_load_item(struct live_session *live, struct record_reader *reader)
{
	struct run_credentials *credentials = live->memory.credentials;
	uint64_t step = record_number(reader, CREDENTIAL_STEP);
	struct credential *item;
	struct facts facts;
	size_t len;
	const uint8_t *bytes = record_bytes(reader, CREDENTIAL_FACTS, &len);

	if (!credentials || credentials->n == CREDENTIALS_MAX || step > BATCH_STEPS_MAX ||
	    !facts_decode(bytes, len, &facts))
		return -EBADMSG;
	item = &credentials->items[credentials->n];
	*item = (struct credential){ .ssid = (uint32_t)record_number(reader, CREDENTIAL_SSID),
				     .instance = (uint16_t)record_number(reader, CREDENTIAL_INSTANCE),
				     .step = (uint16_t)step };
	if (buffer_put(&item->facts, bytes, len) < 0)
		return -ENOMEM;
	credentials->n++;
	return reader->malformed ? -EBADMSG : 0;
}

int
credentials_load_message(struct live_session *live, struct record_reader *reader)
{
	struct run_credentials *credentials = live->memory.credentials;
	uint64_t credential = record_number(reader, MESSAGE_CREDENTIAL);
	struct put_message put = {
		.id = (int64_t)record_number(reader, MESSAGE_ID),
		.credential = (uint8_t)credential,
		.waited = record_number(reader, MESSAGE_WAITED) != 0,
		.fails = record_number(reader, MESSAGE_FAILS) != 0,
	};

	if (!credentials || !credentials->put || credentials->n_put == PUT_MAX ||
	    credential >= credentials->n || reader->malformed)
		return -EBADMSG;
	credentials->put[credentials->n_put++] = put;
	credentials->n_waited += put.waited;
	return 0;
}
