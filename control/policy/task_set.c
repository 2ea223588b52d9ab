#include "control/policy/task_set.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "control/inventory/inventory.h"
#include "control/policy/policy_rollout.h"
#include "tasks/hash.h"

/* ---- groups ---- */

struct resolving {
	struct task_set *set;
	const struct policy *policy;
	struct arena *arena;
};

static bool
add_listed_group(void *ctx, const char *name, size_t len)
{
	struct resolving *resolving = ctx;
	const struct policy_group *group = policy_group(resolving->policy, name, len);

	if (group)
		resolving->set->groups[resolving->set->n_groups++] = group;
	else if (!resolving->set->missing)
		resolving->set->missing = arena_copy(resolving->arena, name, len);
	return true;
}

bool
task_set_in(const struct task_set *set, const struct policy_group *group)
{
	for (unsigned i = 0; i < set->n_groups; i++)
		if (policy_group_in(set->groups[i], group))
			return true;
	return false;
}

/* ---- tasks ---- */

static bool
runs_before(const struct policy_task *a, const struct policy_task *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->order < b->order;
}

/* Whether the group of `a` comes before that of `b` where only one task of a bloodline runs. */
static bool
outranks(const struct policy_task *a, const struct policy_task *b)
{
	if (a->group->priority != b->group->priority)
		return a->group->priority > b->group->priority;
	if (a->group->depth != b->group->depth)
		return a->group->depth > b->group->depth;
	if (a->group != b->group)
		return strcmp(a->group->name, b->group->name) < 0;
	return runs_before(a, b);
}

static void
take_out(struct task_set *set, unsigned at)
{
	assert(at < set->n_tasks);
	set->n_tasks--;
	memmove(&set->tasks[at], &set->tasks[at + 1], (set->n_tasks - at) * sizeof *set->tasks);
}

/* False when the task has a kin that outranks it; a kin that it outranks is taken out. */
static bool
settle_bloodline(struct task_set *set, const struct policy_task *task)
{
	for (unsigned i = 0; task->bloodline && i < set->n_tasks; i++) {
		if (!set->tasks[i]->bloodline ||
		    strcmp(set->tasks[i]->bloodline, task->bloodline) != 0)
			continue;
		if (outranks(set->tasks[i], task))
			return false;
		take_out(set, i);
		return true;
	}
	return true;
}

/* A task comes once, though two groups lead to it. */
static void
insert_task(struct task_set *set, const struct policy_task *task)
{
	unsigned at;

	for (unsigned i = 0; i < set->n_tasks; i++)
		if (set->tasks[i] == task)
			return;
	if (!settle_bloodline(set, task))
		return;
	if (set->n_tasks == TASK_SET_TASKS_MAX) {
		set->too_many = true;
		return;
	}
	assert(set->n_tasks < TASK_SET_TASKS_MAX);
	at = set->n_tasks++;
	for (; at > 0 && runs_before(task, set->tasks[at - 1]); at--)
		set->tasks[at] = set->tasks[at - 1];
	set->tasks[at] = task;
}

static void
add_tasks(struct task_set *set, const struct policy_group *group, bool direct)
{
	for (unsigned i = 0; i < group->n_tasks; i++) {
		const struct policy_task *task = &group->tasks[i];

		if (task->active && (direct || task->subgroups))
			insert_task(set, task);
	}
}

/* ---- what is not in it ---- */

static bool
has_task(const struct task_set *set, const struct policy_task *task)
{
	for (unsigned i = 0; i < set->n_tasks; i++)
		if (set->tasks[i] == task)
			return true;
	return false;
}

static bool
is_direct(const struct task_set *set, const struct policy_group *group)
{
	for (unsigned i = 0; i < set->n_groups; i++)
		if (set->groups[i] == group)
			return true;
	return false;
}

/* The task of the set that is of the same bloodline, or NULL. */
static const struct policy_task *
kin_of(const struct task_set *set, const struct policy_task *task)
{
	for (unsigned i = 0; task->bloodline && i < set->n_tasks; i++)
		if (set->tasks[i]->bloodline &&
		    strcmp(set->tasks[i]->bloodline, task->bloodline) == 0)
			return set->tasks[i];
	return NULL;
}

static struct held_task
why_held(const struct task_set *set, const struct policy_task *task)
{
	struct held_task held = { .task = task, .why = TASK_HELD_TOO_MANY };

	if (!task->subgroups && !is_direct(set, task->group)) {
		held.why = TASK_HELD_SUBGROUPS;
	} else if (!task->active) {
		held.why = TASK_HELD_PAUSED;
	} else {
		held.kin = kin_of(set, task);
		held.why = held.kin ? TASK_HELD_BLOODLINE : TASK_HELD_TOO_MANY;
	}
	return held;
}

/* Whether a group listed before the i-th one leads to this one, too. */
static bool
was_met(const struct task_set *set, unsigned i, const struct policy_group *group)
{
	while (i-- > 0)
		if (policy_group_in(set->groups[i], group))
			return true;
	return false;
}

void
task_set_each_held(const struct task_set *set,
		   void (*each)(void *ctx, const struct held_task *held), void *ctx)
{
	for (unsigned i = 0; i < set->n_groups; i++)
		for (const struct policy_group *group = set->groups[i];
		     group && !was_met(set, i, group); group = group->parent)
			for (unsigned k = 0; k < group->n_tasks; k++)
				if (!has_task(set, &group->tasks[k])) {
					const struct held_task held =
						why_held(set, &group->tasks[k]);

					each(ctx, &held);
				}
}

/* ---- what it needs ---- */

static bool
is_per_session(const struct policy_task *task)
{
	return task->min_interval_s || task->schedule ||
	       (task->condition && task->condition->depends == EXPR_SESSION) ||
	       task->source->session || (task->rollout && task->rollout->former->session);
}

static bool
has_pattern(const struct policy_task *task)
{
	return (task->condition && task->condition->patterns) || task->source->patterns ||
	       (task->rollout && task->rollout->former->patterns);
}

/* ---- fingerprint ---- */

static uint64_t
mix_bytes(uint64_t hash, const void *bytes, size_t len)
{
	return (hash64_bytes(hash, bytes, len) ^ len) * 0x9e3779b97f4a7c15;
}

static uint64_t
mix_text(uint64_t hash, const char *text)
{
	return text ? mix_bytes(hash, text, strlen(text)) : hash * 31;
}

static uint64_t
mix_number(uint64_t hash, uint64_t number)
{
	return mix_bytes(hash, &number, sizeof number);
}

static uint64_t
mix_group(uint64_t hash, const struct policy_group *group)
{
	hash = mix_text(hash, group->name);
	hash = mix_number(hash, (uint64_t)(int64_t)group->priority);
	for (unsigned i = 0; i < group->values.count; i++) {
		const struct policy_value *value = &group->values.items[i];

		hash = mix_text(mix_text(hash, value->name), value->text);
		hash = mix_number(hash, value->locked);
	}
	return hash;
}

/* Who gets which version, and what the former one says. */
static uint64_t
mix_rollout(uint64_t hash, const struct policy_rollout *rollout)
{
	if (!rollout)
		return hash;
	hash = mix_text(mix_text(hash, rollout->seed), rollout->group);
	hash = mix_number(hash, rollout->former->hash);
	return mix_number(hash, (uint64_t)rollout->ppm << 1 | (rollout->halted != NULL));
}

static uint64_t
mix_task(uint64_t hash, const struct policy_task *task)
{
	hash = mix_text(mix_text(hash, task->id), task->name);
	hash = mix_text(mix_text(hash, task->file), task->bloodline);
	hash = mix_text(hash, task->condition ? task->condition->text : NULL);
	hash = mix_text(hash, task->schedule_text);
	hash = mix_number(hash, task->source->hash);
	hash = mix_rollout(hash, task->rollout);
	hash = mix_number(hash, (uint64_t)task->repetition << 8 | task->automatic_restart);
	hash = mix_number(hash, (uint64_t)task->log_level << 8 | task->discard_details);
	hash = mix_number(hash, task->report);
	return mix_number(hash, (uint64_t)task->min_interval_s << 32 | (uint32_t)task->priority);
}

static uint64_t
mix_server(uint64_t hash, const struct policy_server *server)
{
	hash = mix_text(mix_text(hash, server->id), server->name);
	hash = mix_text(mix_text(hash, server->uri), server->binding);
	hash = mix_text(mix_text(hash, server->identity), server->psk);
	hash = mix_text(mix_text(hash, server->public_key), server->secret_key);
	hash = mix_text(hash, server->server_public_key);
	hash = mix_number(hash, (uint64_t)server->type << 32 | (uint64_t)server->mode << 16 |
					server->ssid);
	hash = mix_number(hash,
			  (uint64_t)server->security_instance << 16 | server->server_instance);
	return mix_number(hash, (uint64_t)server->lifetime_s << 1 | server->store_notifications);
}

/* The servers that a task can name: all of them where a name is computed for each device. */
struct mixing {
	const struct policy *policy;
	uint64_t hash;
};

static bool
mix_named_server(void *ctx, const struct task_server *named)
{
	struct mixing *mixing = ctx;
	const struct policy_server *server;

	if (!named->name) {
		for (unsigned i = 0; i < mixing->policy->n_servers; i++)
			mixing->hash = mix_server(mixing->hash, &mixing->policy->servers[i]);
		return false;
	}
	server = policy_server_find(mixing->policy, named->by_name, named->name, named->len);
	mixing->hash = server ? mix_server(mixing->hash, server) : mixing->hash * 31;
	return true;
}

static uint64_t
mix_servers(uint64_t hash, const struct policy *policy, const struct policy_task *task)
{
	struct mixing mixing = { policy, hash };

	task_each_server(task->source->task, mix_named_server, &mixing);
	if (task->rollout)
		task_each_server(task->rollout->former->task, mix_named_server, &mixing);
	return mixing.hash;
}

static uint64_t
fingerprint(const struct task_set *set, const struct policy *policy)
{
	uint64_t hash = HASH64_EMPTY;

	for (unsigned i = 0; i < set->n_groups; i++)
		for (const struct policy_group *group = set->groups[i]; group;
		     group = group->parent)
			hash = mix_group(hash, group);
	for (unsigned i = 0; i < set->n_tasks; i++)
		hash = mix_servers(mix_task(hash, set->tasks[i]), policy, set->tasks[i]);
	return hash;
}

/* ---- all of it ---- */

int
task_set_resolve(struct task_set *set, const struct policy *policy, const char *list,
		 struct arena *arena)
{
	struct resolving resolving = { set, policy, arena };
	size_t listed = 1;

	for (const char *at = list; *at; at++)
		listed += *at == ',';
	*set = (struct task_set){
		.groups = arena_alloc(arena, listed * sizeof *set->groups),
		.tasks = arena_alloc(arena, TASK_SET_TASKS_MAX * sizeof *set->tasks),
	};
	if (!set->groups || !set->tasks)
		return -ENOMEM;
	group_list_each(list, add_listed_group, &resolving);
	assert(set->n_groups <= listed);
	for (unsigned i = 0; i < set->n_groups; i++)
		for (const struct policy_group *group = set->groups[i]; group;
		     group = group->parent)
			add_tasks(set, group, group == set->groups[i]);
	for (unsigned i = 0; i < set->n_tasks; i++) {
		const struct policy_task *task = set->tasks[i];

		set->per_session |= is_per_session(task);
		set->patterns |= has_pattern(task);
		set->by_reports |= task->repetition == REPETITION_ONCE || !task->automatic_restart;
	}
	set->fingerprint = fingerprint(set, policy);
	set->known = true;
	return 0;
}
