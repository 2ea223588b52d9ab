#include "control/runs/live.h"

#include <assert.h>
#include <stdlib.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/runs/member_claims.h"
#include "control/runs/service.h"

enum { PLACES_START = 256 };

void
live_fini(struct live_sessions *sessions)
{
	assert(!sessions->count);
	free(sessions->places);
	free(sessions->vacant);
	*sessions = (struct live_sessions){ 0 };
}

static bool
grow(struct live_sessions *sessions)
{
	uint32_t capacity = sessions->capacity ? sessions->capacity * 2 : PLACES_START;
	struct live_session **places =
		realloc(sessions->places, capacity * sizeof(struct live_session *));
	uint32_t *vacant;

	if (!places)
		return false;
	sessions->places = places;
	vacant = realloc(sessions->vacant, capacity * sizeof *vacant);
	if (!vacant)
		return false;
	sessions->vacant = vacant;
	sessions->capacity = capacity;
	return true;
}

/* Every place below `used` is taken or vacant. */
static uint32_t
vacancies(const struct live_sessions *sessions)
{
	return sessions->used - sessions->count;
}

struct live_session *
live_add(struct live_sessions *sessions)
{
	struct live_session *session;

	if (!vacancies(sessions) && sessions->used == sessions->capacity && !grow(sessions))
		return NULL;
	session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	run_memory_init(&session->memory);
	session->place =
		vacancies(sessions) ? sessions->vacant[vacancies(sessions) - 1] : sessions->used++;
	sessions->places[session->place] = session;
	sessions->count++;
	return session;
}

void
live_set_plan(struct plans *plans, struct live_session *session, struct plan *plan)
{
	if (plan)
		plan_hold(plan);
	plan_release(plans, session->plan);
	session->plan = plan;
}

void
live_set_began(struct plans *plans, struct live_session *session)
{
	assert(session->plan); /* a run without one does not begin */
	plan_hold(session->plan);
	plan_release(plans, session->began);
	session->began = session->plan;
}

static void
remove_session(struct live_sessions *sessions, struct live_session *session)
{
	assert(sessions->count && sessions->places[session->place] == session);
	sessions->places[session->place] = NULL;
	sessions->vacant[vacancies(sessions)] = session->place;
	sessions->count--;
	run_memory_fini(&session->memory);
	free(session);
}

void
live_cancel_session(struct service *service, unsigned worker, struct session_ref session)
{
	struct stack_command command = { .kind = STACK_CANCEL, .session = session };

	if (worker_commands_post(&service->worker_commands, service->dp, worker, &command) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL,
			  "an older session could not be cancelled: out of memory");
}

void
live_feed(struct service *service, const struct device *device, enum feed_session what,
	  uint64_t at_ms)
{
	feed_put(&service->feed, &(struct feed_event){ .kind = FEED_SESSION,
						       .at_ms = at_ms,
						       .device = device_id(device),
						       .peer = device->live->peer,
						       .number = device->live->worker,
						       .what = (uint8_t)what });
}

void
live_end(struct service *service, struct device *device)
{
	assert(device->live && device->live->device == device_id(device));
	member_claims_end(service, device);
	plan_release(&service->plans, device->live->plan);
	plan_release(&service->plans, device->live->began);
	remove_session(&service->live, device->live);
	device->live = NULL;
}

void
live_cancel(struct service *service, struct device *device)
{
	live_cancel_session(service, device->live->worker, device->live->session);
	live_feed(service, device, FEED_CANCELLED, clock_now_ms());
	live_end(service, device);
}
