#include "control/runs/rollouts.h"

#include <stdio.h>
#include <string.h>

#include "control/policy/policy_rollout.h"
#include "control/runs/service.h"
#include "tasks/hash.h"

enum {
	LOOK_MS = 200,
	ASK_AGAIN_MS = 60000, /* a command that failed: the disk was full, or somebody was editing */
};

static bool
is_in_group(const struct task_set *set, const char *name)
{
	for (unsigned i = 0; set && i < set->n_groups; i++)
		for (const struct policy_group *group = set->groups[i]; group;
		     group = group->parent)
			if (strcmp(group->name, name) == 0)
				return true;
	return false;
}

bool
rollout_gives_new(const struct policy_task *task, const struct device *device,
		  const struct task_set *set)
{
	const struct policy_rollout *rollout = task->rollout;

	if (!rollout)
		return true;
	if (rollout->halted)
		return false;
	if (rollout->group)
		return is_in_group(set, rollout->group);
	return rollout_covers(rollout, device_entry_endpoint(device->entry),
			      device->entry->endpoint_len);
}

static uint64_t
seed_hash(const struct policy_rollout *rollout)
{
	uint64_t hash = hash64_bytes(HASH64_EMPTY, rollout->seed, strlen(rollout->seed));

	return hash ? hash : 1;
}

/* What is counted begins anew with another rollout of the task; a step forward is noted. */
static void
keep_up(struct rollout *rollout, const struct policy_task *task)
{
	uint64_t hash = seed_hash(task->rollout);

	if (rollout->seed_hash != hash || rollout->report != task->report)
		*rollout = (struct rollout){ .report = task->report,
					     .seed_hash = hash,
					     .unsaved = true };
	if (task->rollout->since_s <= rollout->since_s)
		return;                                /* as it was, or what a session began with */
	if (rollout->halted && !task->rollout->halted) /* once more, with open eyes */
		rollout->new = rollout->former = (struct rollout_counts){ 0 };
	rollout->halted = task->rollout->halted != NULL;
	rollout->since_s = task->rollout->since_s;
	rollout->unsaved = true;
	rollout->new_at_step = rollout->new.runs;
	rollout->reason[0] = '\0';
	rollout->asked_ms = 0;
}

/* Whether any task of the policy that runs has this number and a rollout. */
static bool
is_running(const struct policy *policy, uint32_t report)
{
	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++)
			if (policy->groups[i].tasks[k].report == report &&
			    policy->groups[i].tasks[k].rollout)
				return true;
	return false;
}

struct rollout *
rollouts_of(struct rollouts *rollouts, const struct policy_task *task)
{
	struct rollout *place = NULL;

	if (!task->rollout)
		return NULL;
	for (unsigned i = 0; i < ROLLOUTS_MAX; i++) {
		struct rollout *at = &rollouts->items[i];

		if (at->seed_hash && at->report == task->report) {
			place = at;
			break;
		}
		if (!at->seed_hash && !place)
			place = at;
	}
	if (place)
		keep_up(place, task);
	return place;
}

void
rollouts_restore(struct rollouts *rollouts, const struct rollout *kept)
{
	struct rollout *place = NULL;

	for (unsigned i = 0; i < ROLLOUTS_MAX; i++) {
		struct rollout *at = &rollouts->items[i];

		if (at->seed_hash && at->report == kept->report) {
			*at = *kept;
			return;
		}
		if (!at->seed_hash && !place)
			place = at;
	}
	if (place)
		*place = *kept;
}

/* ---- judging ---- */

static double
percent(uint64_t part, uint64_t of)
{
	return of ? 100.0 * (double)part / (double)of : 0;
}

/* Whether the new version's share is beyond the former one's by more than the bound. */
static bool
is_beyond(const struct rollout *rollout, uint64_t new, uint64_t former, uint32_t bound)
{
	return percent(new, rollout->new.runs) > percent(former, rollout->former.runs) + bound;
}

#define ERRORS_SAY  "runs of the new version ended with an error"
#define RETURNS_SAY "after the new version's success"

const char *
rollout_cause(const char *reason)
{
	return strstr(reason, ERRORS_SAY)    ? "errors"
	       : strstr(reason, RETURNS_SAY) ? "returns"
					     : "hand";
}

/* Whether it is to be halted from now on. */
static bool
judge(struct rollout *rollout, const struct policy_rollout *policy)
{
	const struct rollout_counts *new = &rollout->new, *former = &rollout->former;

	if (rollout->reason[0] || policy->halted || new->runs < policy->halt_after)
		return false;
	if (is_beyond(rollout, new->errors, former->errors, policy->halt_errors))
		snprintf(rollout->reason, sizeof rollout->reason,
			 "%llu of %llu " ERRORS_SAY " (%.1f %%; of the former one %.1f %%)",
			 (unsigned long long)new->errors, (unsigned long long)new->runs,
			 percent(new->errors, new->runs), percent(former->errors, former->runs));
	else if (policy->halt_within_s &&
		 is_beyond(rollout, new->returns, former->returns, policy->halt_returns))
		snprintf(rollout->reason, sizeof rollout->reason,
			 "%llu devices came back within %u s " RETURNS_SAY
			 ", in %llu runs (%.1f %%; of "
			 "the former one %.1f %%)",
			 (unsigned long long)new->returns, (unsigned)policy->halt_within_s,
			 (unsigned long long)new->runs, percent(new->returns, new->runs),
			 percent(former->returns, former->runs));
	return rollout->reason[0] != '\0';
}

/* It had gone well, and not long ago. */
static bool
came_back(const struct service *service, const struct rollout_report *report, uint32_t within_s)
{
	const struct report *last =
		reports_find(&service->reports, report->task->report, device_id(report->device));
	uint64_t ended_ms = last ? report_finished_ms(last) : 0;

	return ended_ms && report_went_well(last) &&
	       report->started_ms >= ended_ms &&
	       report->started_ms - ended_ms < UINT64_C(1000) * within_s;
}

const char *
rollouts_note(struct service *service, const struct rollout_report *report)
{
	const struct policy_rollout *policy = report->task->rollout;
	struct rollout *rollout = rollouts_of(&service->rollouts, report->task);
	const struct task_set *set;
	struct rollout_counts *counts;

	if (!rollout || report->status == TASK_NOT_STARTED)
		return NULL;
	set = policy->group ? generation_task_set(service->generation, &service->inventory,
						  report->device->groups)
			    : NULL;
	counts = rollout_gives_new(report->task, report->device, set) ? &rollout->new
								      : &rollout->former;
	rollout->unsaved = true;
	counts->returns += came_back(service, report, policy->halt_within_s);
	if (report->status == TASK_IN_PROGRESS)
		return NULL; /* who came back is judged with how that run ends */
	counts->runs++;
	counts->errors += report->status == TASK_ERROR;
	return judge(rollout, policy) ? rollout->reason : NULL;
}

/* ---- what is to be done ---- */

static bool
may_advance(const struct rollout *rollout, const struct policy_rollout *policy, uint64_t now_ms)
{
	const struct rollout_step *step = rollout_next_step(policy);

	return step && !policy->halted &&
	       now_ms / 1000 >= policy->since_s + step->after_s &&
	       rollout->new.runs >= rollout->new_at_step + policy->halt_after;
}

static bool
is_due(struct service *service, const struct policy_task *task, uint64_t now_ms,
       struct rollout_due *due)
{
	struct rollout *rollout = rollouts_of(&service->rollouts, task);

	if (!rollout || (rollout->asked_ms && now_ms - rollout->asked_ms < ASK_AGAIN_MS))
		return false;
	if (rollout->reason[0] && task->rollout->halted)
		rollout->reason[0] = '\0'; /* somebody was quicker */
	if (!rollout->reason[0] && !may_advance(rollout, task->rollout, now_ms))
		return false;
	rollout->asked_ms = now_ms;
	snprintf(due->id, sizeof due->id, "%s", task->id);
	snprintf(due->reason, sizeof due->reason, "%s", rollout->reason);
	return true;
}

/* Places of rollouts that are over are free again. */
static void
forget_ended(struct service *service)
{
	for (unsigned i = 0; i < ROLLOUTS_MAX; i++) {
		struct rollout *at = &service->rollouts.items[i];

		if (at->seed_hash && !is_running(service->generation->policy, at->report))
			*at = (struct rollout){ .report = at->report, .unsaved = true };
	}
}

bool
rollouts_due(struct service *service, uint64_t now_ms, struct rollout_due *due)
{
	const struct policy *policy = service->generation->policy;

	if (now_ms - service->rollouts.looked_ms < LOOK_MS)
		return false;
	service->rollouts.looked_ms = now_ms;
	forget_ended(service);
	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++)
			if (policy->groups[i].tasks[k].rollout &&
			    is_due(service, &policy->groups[i].tasks[k], now_ms, due))
				return true;
	return false;
}
