#include "control/runs/pass_load_private.h"

#include <stdlib.h>
#include <string.h>

#include "control/log.h"
#include "control/policy/policy_trust.h"
#include "control/runs/credentials.h"
#include "control/runs/member_pass.h"
#include "control/runs/run_reports.h"

/* ---- the first reading: what sessions need ---- */

/* Made of the same: who was judged by it need not be judged again. */
static bool
load_trust(struct pass_load *load)
{
	const struct policy_trust *trust = load->service->generation->policy->trust;
	size_t len;
	const uint8_t *content = record_bytes(load->reader, TRUST_CONTENT, &len);

	if (trust && len == sizeof trust->content && memcmp(content, trust->content, len) == 0)
		load->trust = ec_trust_generation(trust->ec);
	return true;
}

uint32_t
pass_load_trust(const struct pass_load *load)
{
	return load->trust;
}

static bool
take_first(struct pass_load *load)
{
	uint16_t kind = load->reader->kind;

	if (kind != PASSED_STEP && !pass_load_batch_close(load))
		return false;
	switch (kind) {
	case PASSED_CLOCK:
		dataplane_load_clock(load->reader);
		return true;
	case PASSED_TRUST:
		return load_trust(load);
	case PASSED_PLAN:
		return pass_load_plan(load);
	case PASSED_PLAN_TASK:
		return pass_load_plan_task(load);
	case PASSED_BATCH:
		return pass_load_batch_begin(load);
	case PASSED_STEP:
		return pass_load_step(load);
	default:
		return true;
	}
}

struct pass_load *
pass_load_begin(struct service *service, struct record_reader *reader, char error[PASS_ERROR_MAX])
{
	struct pass_load *load = calloc(1, sizeof *load);
	bool good;

	if (!load) {
		snprintf(error, PASS_ERROR_MAX, "out of memory");
		return NULL;
	}
	load->service = service;
	load->reader = reader;
	load->error = error;
	load->trust = EC_TRUST_FORMER;
	batch_builder_init(&load->builder);
	good = pass_find_tasks(load);
	load->start = *reader;
	while (good && record_next(reader))
		good = take_first(load);
	good = good && pass_load_batch_close(load) && (!reader->malformed || pass_malformed(load));
	if (!good) {
		pass_load_drop(load);
		return NULL;
	}
	load->start.shift_us = reader->shift_us;
	return load;
}

/* ---- the second: what the service needs ---- */

static bool
take_second(struct pass_load *load)
{
	if (load->reader->kind != PASSED_JOURNAL)
		pass_end_together(load);
	switch (load->reader->kind) {
	case PASSED_LIVE:
		return pass_load_live(load);
	case PASSED_ANSWER:
		return pass_load_answer(load);
	case PASSED_EFFECT:
		return pass_load_effect(load);
	case PASSED_CREDENTIALS:
	case PASSED_CREDENTIAL:
	case PASSED_MESSAGE:
		return pass_load_keys(load);
	case PASSED_JOURNAL:
		return pass_load_waiting(load);
	case PASSED_DEVICE:
		return pass_load_device(load);
	default:
		return member_pass_load(load->service, load->reader) || pass_malformed(load);
	}
}

/* ---- the end ---- */

/* Its worker has no such session: it could not be taken there. */
static void
end_lost(struct service *service, struct live_session *live)
{
	struct device *device = inventory_at(&service->inventory, live->device);
	const struct session_event event = { .started_us = live->started_us,
					     .time_us = dataplane_now_us(),
					     .device = live->device };
	struct reported_run reported = {
		.service = service,
		.device = device,
		.event = &event,
		.plan = live->began,
		.live = live,
	};

	if (live->began)
		report_unfinished(&reported, "the session did not pass to the next process");
	if (device)
		credentials_ended(service, device, NULL);
	live_end(service, device);
}

static uint32_t
end_all_lost(struct service *service)
{
	struct session_progress progress;
	uint32_t lost = 0;

	for (uint32_t i = 0; i < service->live.used; i++) {
		struct live_session *live = service->live.places[i];

		if (!live ||
		    dataplane_progress(service->dp, live->worker, live->session, &progress))
			continue;
		end_lost(service, live);
		lost++;
	}
	return lost;
}

/* Sessions hold the batches now. One that none took is free at the next look. */
static void
retire_batches(struct pass_load *load)
{
	for (uint32_t i = 0; i < load->n_batches; i++)
		if (retired_add(&load->service->retired, load->batches[i]) < 0)
			log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
				  "a batch cannot be freed: out of memory");
	load->n_batches = 0;
}

void
pass_load_drop(struct pass_load *load)
{
	pass_free_batches(load);
	free(load);
}

bool
pass_load_end(struct pass_load *load, struct pass_totals *totals)
{
	struct record_reader again = load->start;
	bool good = true;

	load->reader = &again;
	while (good && record_next(&again))
		good = take_second(load);
	pass_end_together(load);
	totals->waiting = load->waiting;
	totals->live = load->service->live.count;
	totals->lost_live = end_all_lost(load->service);
	retire_batches(load);
	pass_load_drop(load);
	return good;
}
