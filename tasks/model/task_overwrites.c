/*
 * Where the compiler sends a write to its resource alone, because a request for the whole instance would remove what
 * the task has written there before (compile/written.h): said when the task is checked, as an author may have meant
 * the other. Only what happens for every device is looked at, and keys that are known.
 */
#include "tasks/model/task_tree.h"

enum {
	INSTANCES_MAX = 64,
	OTHER_RESOURCE = 63, /* stands for all from 63 on */
};

struct instance {
	int32_t object, instance;
	uint32_t line;      /* of its first write */
	uint64_t resources; /* by id */
};

struct overwrites {
	const struct task *task;
	struct diag_list *diags;
	struct instance seen[INSTANCES_MAX];
	unsigned n_seen;
	/* Consecutive writes to one instance, which become one request. */
	struct instance group;
	const struct task_node *first; /* of the group, or NULL */
	bool whole;                    /* the block asks for its granularity by name */
};

static struct instance *
find(struct overwrites *state, const struct instance *wanted)
{
	for (unsigned i = 0; i < state->n_seen; i++)
		if (state->seen[i].object == wanted->object &&
		    state->seen[i].instance == wanted->instance)
			return &state->seen[i];
	return NULL;
}

static void
say(const struct overwrites *state, const struct instance *before)
{
	const struct task_attribute *key = &state->first->attributes[WRITE_KEY];
	const char *more = state->group.resources & (state->group.resources - 1)
				   ? "each go to their resource"
				   : "goes to its resource";
	struct place place = { state->task->name, key->line, key->column, "write", "key" };

	diag_warning(state->diags, &place,
		     "/%d/%d was written before (line %u), so this %s alone and the rest stays; "
		     "granularity=\"instance\" would replace the whole instance",
		     before->object, before->instance, before->line, more);
}

static void
end_group(struct overwrites *state)
{
	struct instance *before = state->first ? find(state, &state->group) : NULL;

	if (before && !state->whole && before->resources & ~state->group.resources)
		say(state, before);
	if (before)
		before->resources |= state->group.resources;
	else if (state->first && state->n_seen < INSTANCES_MAX)
		state->seen[state->n_seen++] = state->group;
	state->first = NULL;
}

static void
look_at_write(struct overwrites *state, const struct task_node *node)
{
	const struct lwm2m_path *path = &node->write.key.path;
	unsigned bit = path->resource < OTHER_RESOURCE ? (unsigned)path->resource : OTHER_RESOURCE;

	if (state->first && (!node->write.key_known || path->object != state->group.object ||
			     path->instance != state->group.instance))
		end_group(state);
	/* A value in a format of its own goes to its resource anyway. */
	if (!node->write.key_known || node->attributes[WRITE_FORMAT].given)
		return;
	if (!state->first) {
		state->first = node;
		state->group = (struct instance){ path->object, path->instance, node->line, 0 };
	}
	state->group.resources |= UINT64_C(1) << bit;
}

/* What was deleted is not there to be removed; without knowing what, all of it. */
static void
forget(struct overwrites *state, const struct lwm2m_path *path)
{
	unsigned kept = 0;

	end_group(state);
	for (unsigned i = 0; path && i < state->n_seen; i++)
		if ((path->object >= 0 && state->seen[i].object != path->object) ||
		    (path->instance >= 0 && state->seen[i].instance != path->instance))
			state->seen[kept++] = state->seen[i];
	state->n_seen = kept;
}

static void walk(struct overwrites *state, const struct task_node *node);

static void
look_at_block(struct overwrites *state, const struct task_node *node)
{
	if (node->correction)
		return;
	end_group(state);
	state->whole = node->attributes[BOOTSTRAP_GRANULARITY].given;
	walk(state, node->children);
	end_group(state);
}

static void
walk(struct overwrites *state, const struct task_node *node)
{
	for (; node; node = node->next) {
		switch (node->tag) {
		case TAG_WRITE:
			look_at_write(state, node);
			break;
		case TAG_BOOTSTRAP:
			look_at_block(state, node);
			break;
		case TAG_DELETE:
			forget(state, node->target.known ? &node->target.key.path : NULL);
			break;
		case TAG_CLEANSE:
		case TAG_IF:
		case TAG_FOREACH:
		case TAG_WHILE:
			forget(state, NULL);
			break;
		case TAG_DISCOVER:
		case TAG_READ:
		case TAG_UPLOAD:
			end_group(state);
			break;
		default:
			break;
		}
	}
}

void
task_warn_overwrites(const struct task *task, struct diag_list *diags)
{
	struct overwrites state = { .task = task, .diags = diags };

	walk(&state, task->root->children);
	end_group(&state);
}
