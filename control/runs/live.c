#include "control/runs/live.h"

#include <stdlib.h>

struct live_session *
live_add(struct live_sessions *sessions)
{
	struct live_session *session = calloc(1, sizeof *session);

	if (!session)
		return NULL;
	run_memory_init(&session->memory);
	session->next = sessions->first;
	if (sessions->first)
		sessions->first->previous = session;
	sessions->first = session;
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
live_remove(struct live_sessions *sessions, struct live_session *session)
{
	if (session->previous)
		session->previous->next = session->next;
	else
		sessions->first = session->next;
	if (session->next)
		session->next->previous = session->previous;
	sessions->count--;
	run_memory_fini(&session->memory);
	free(session);
}
