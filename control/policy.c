#include "control/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One reading of the policy folder. */
struct reading {
	const struct conf_text *conf;
	const char *folder;
	const struct objects *objects;
	struct arena *arena;
	struct policy *policy;
	struct diag_list *diags;
};

static const char *const group_members[] = { "name", "description", "priority", "values", "tasks" };
static const char *const task_members[] = { "name",     "file",      "active",
					    "priority", "subgroups", "comment" };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *
keep(struct reading *reading, const char *text)
{
	const char *copy = text ? arena_copy(reading->arena, text, strlen(text)) : NULL;

	if (text && !copy) {
		struct place place = { .file = reading->conf->name };

		diag_error(reading->diags, &place, "out of memory");
	}
	return copy;
}

/* "root" or "root.a.b": letters, digits, '-', '_' between single dots. */
static bool
group_name_is_good(const char *name, unsigned *depth)
{
	size_t word = 0;

	*depth = 0;
	if (strncmp(name, "root", 4) != 0 || (name[4] && name[4] != '.'))
		return false;
	for (; *name; name++) {
		if (*name == '.') {
			if (word == 0 || ++*depth > POLICY_DEPTH_MAX)
				return false;
			word = 0;
			continue;
		}
		if (!strchr("-_", *name) && !(*name >= '0' && *name <= '9') &&
		    !((*name | 0x20) >= 'a' && (*name | 0x20) <= 'z'))
			return false;
		word++;
	}
	return word > 0;
}

static uint64_t
text_hash(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a: tells edits apart, no adversary here */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3;
	return hash;
}

static struct policy_file *
load_file(struct reading *reading, const char *name)
{
	struct policy_file *file = arena_alloc(reading->arena, sizeof *file);
	char path[4096];
	const char *kept;
	char *text;
	size_t len;

	snprintf(path, sizeof path, "%s/tasks/%s", reading->folder, name);
	kept = keep(reading, path);
	if (!file || !kept)
		return NULL;
	*file = (struct policy_file){ .name = keep(reading, name), .next = reading->policy->files };
	reading->policy->files = file;
	text = conf_file_read(path, POLICY_FILE_MAX, &len, reading->diags);
	if (!text)
		return file;
	file->hash = text_hash(text, len);
	file->task = task_load(kept, text, len, reading->objects, reading->diags);
	explicit_bzero(text, len);
	free(text);
	return file;
}

/* A file is loaded and its errors are told once, however many tasks name it. */
static const struct policy_file *
find_or_load_file(struct reading *reading, const char *name, const struct place *place)
{
	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > 255) {
		diag_error(reading->diags, place, "\"%s\" must be the name of a file in tasks/",
			   name);
		return NULL;
	}
	for (struct policy_file *file = reading->policy->files; file; file = file->next)
		if (strcmp(file->name, name) == 0)
			return file;
	return load_file(reading, name);
}

static void
read_task(struct reading *reading, struct policy_group *group, const config_setting_t *member)
{
	const struct conf_range priorities = { 0, POLICY_PRIORITY_MAX, 10 };
	struct place place = conf_place(reading->conf, member);
	struct policy_task *task = &group->tasks[group->n_tasks];
	char id[512];

	place.tag = "tasks";
	if (!config_setting_is_group(member)) {
		diag_error(reading->diags, &place, "a task must be a group { }");
		return;
	}
	conf_check_members(reading->conf, member, task_members, COUNT(task_members),
			   reading->diags);
	snprintf(id, sizeof id, "g:%s:%u", group->name, group->n_tasks + 1);
	*task = (struct policy_task){
		.group = group,
		.id = keep(reading, id),
		.file = keep(reading,
			     conf_string(reading->conf, member, "file", NULL, reading->diags)),
		.comment = keep(reading,
				conf_string(reading->conf, member, "comment", "", reading->diags)),
		.active = conf_bool(reading->conf, member, "active", true, reading->diags),
		.subgroups = conf_bool(reading->conf, member, "subgroups", false, reading->diags),
		.priority = (int)conf_number(reading->conf, member, "priority", priorities,
					     reading->diags),
		.order = reading->policy->n_tasks++,
	};
	if (!task->file) {
		if (!config_setting_get_member(member, "file"))
			diag_error(reading->diags, &place, "\"file\" is missing here");
		return;
	}
	task->name = keep(reading,
			  conf_string(reading->conf, member, "name", task->file, reading->diags));
	for (unsigned i = 0; i < group->n_tasks; i++)
		if (strcmp(group->tasks[i].name, task->name) == 0)
			diag_error(reading->diags, &place, "group %s has two tasks named \"%s\"",
				   group->name, task->name);
	task->source = find_or_load_file(reading, task->file, &place);
	group->n_tasks++;
}

static void
read_tasks(struct reading *reading, struct policy_group *group, const config_setting_t *member)
{
	const config_setting_t *list = conf_list(reading->conf, member, "tasks", reading->diags);
	int n = list ? config_setting_length(list) : 0;

	if (n == 0)
		return;
	group->tasks = arena_alloc(reading->arena, (size_t)n * sizeof *group->tasks);
	if (!group->tasks)
		return;
	for (int i = 0; i < n; i++)
		read_task(reading, group, config_setting_get_elem(list, (unsigned)i));
}

static void
read_group(struct reading *reading, const config_setting_t *member)
{
	const struct conf_range priorities = { -POLICY_PRIORITY_MAX, POLICY_PRIORITY_MAX, 0 };
	struct place place = conf_place(reading->conf, member);
	struct policy_group *group = &reading->policy->groups[reading->policy->n_groups];
	const char *name;

	place.tag = "groups";
	if (!config_setting_is_group(member)) {
		diag_error(reading->diags, &place, "a group must be a group { }");
		return;
	}
	conf_check_members(reading->conf, member, group_members, COUNT(group_members),
			   reading->diags);
	name = conf_string(reading->conf, member, "name", NULL, reading->diags);
	*group = (struct policy_group){ .line = config_setting_source_line(member) };
	if (!name) {
		if (!config_setting_get_member(member, "name"))
			diag_error(reading->diags, &place, "\"name\" is missing here");
		return;
	}
	if (strlen(name) > 255 || !group_name_is_good(name, &group->depth)) {
		diag_error(reading->diags, &place,
			   "\"%s\" is no group name: dotted words of letters, digits, "
			   "'-' and '_' under \"root\", such as \"root.factory.line-1\"",
			   name);
		return;
	}
	group->name = keep(reading, name);
	group->description = keep(
		reading, conf_string(reading->conf, member, "description", "", reading->diags));
	group->priority =
		(int)conf_number(reading->conf, member, "priority", priorities, reading->diags);
	policy_values_read(reading->conf, member, true, reading->arena, &group->values,
			   reading->diags);
	if (!group->name)
		return;
	read_tasks(reading, group, member);
	reading->policy->n_groups++;
}

static int
by_name(const void *a, const void *b)
{
	const struct policy_group *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static struct policy_group *
find_group(const struct policy *policy, const char *name, size_t len)
{
	unsigned low = 0, high = policy->n_groups;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		struct policy_group *group = policy->by_name[middle];
		int order = strncmp(group->name, name, len);

		if (order == 0 && group->name[len] == '\0')
			return group;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct policy_group *
policy_group(const struct policy *policy, const char *name, size_t len)
{
	return memchr(name, '\0', len) ? NULL : find_group(policy, name, len);
}

/* Sorts, finds duplicates and gives every group its parent. */
static void
link_groups(struct reading *reading)
{
	struct policy *policy = reading->policy;

	policy->by_name =
		arena_alloc(reading->arena, (policy->n_groups + 1) * sizeof *policy->by_name);
	if (!policy->by_name) {
		policy->n_groups = 0;
		return;
	}
	for (unsigned i = 0; i < policy->n_groups; i++)
		policy->by_name[i] = &policy->groups[i];
	qsort(policy->by_name, policy->n_groups, sizeof *policy->by_name, by_name);
	for (unsigned i = 0; i < policy->n_groups; i++) {
		struct policy_group *group = policy->by_name[i];
		struct place place = { .file = reading->conf->name,
				       .line = group->line,
				       .tag = "groups" };
		const char *dot = strrchr(group->name, '.');

		if (i && strcmp(policy->by_name[i - 1]->name, group->name) == 0)
			diag_error(reading->diags, &place, "group %s is there twice", group->name);
		if (!dot)
			continue;
		group->parent = find_group(policy, group->name, (size_t)(dot - group->name));
		if (!group->parent)
			diag_error(reading->diags, &place,
				   "the parent of group %s is not there: add %.*s", group->name,
				   (int)(dot - group->name), group->name);
	}
}

/* "root" exists even where nobody wrote it down. */
static void
ensure_root(struct reading *reading)
{
	struct policy *policy = reading->policy;

	for (unsigned i = 0; i < policy->n_groups; i++)
		if (strcmp(policy->groups[i].name, "root") == 0)
			return;
	policy->groups[policy->n_groups++] =
		(struct policy_group){ .name = "root", .description = "" };
}

static void
read_groups(struct reading *reading)
{
	static const char *const known[] = { "groups" };
	const config_setting_t *root = conf_text_root(reading->conf);
	const config_setting_t *list;
	struct place place = { .file = reading->conf->name, .tag = "groups" };
	int n;

	conf_check_members(reading->conf, root, known, 1, reading->diags);
	list = conf_list(reading->conf, root, "groups", reading->diags);
	n = list ? config_setting_length(list) : 0;
	if (n > POLICY_GROUPS_MAX) {
		diag_error(reading->diags, &place, "more than %d groups", POLICY_GROUPS_MAX);
		return;
	}
	reading->policy->groups =
		arena_alloc(reading->arena, ((size_t)n + 1) * sizeof *reading->policy->groups);
	if (!reading->policy->groups) {
		diag_error(reading->diags, &place, "out of memory");
		return;
	}
	for (int i = 0; i < n; i++)
		read_group(reading, config_setting_get_elem(list, (unsigned)i));
	reading->policy->incomplete = reading->policy->n_groups < (unsigned)n;
	ensure_root(reading);
	link_groups(reading);
}

static struct policy *
policy_read(const char *folder, const struct conf_text *conf, const struct objects *objects,
	    struct arena *arena, struct diag_list *diags)
{
	struct reading reading = {
		.conf = conf, .folder = folder, .objects = objects, .arena = arena, .diags = diags
	};
	struct place place = { .file = conf->name };

	reading.policy = calloc(1, sizeof *reading.policy);
	if (!reading.policy) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	read_groups(&reading);
	if (reading.policy->by_name)
		return reading.policy;
	policy_free(reading.policy);
	return NULL;
}

struct policy *
policy_parse(const char *folder, const char *text, size_t len, const struct objects *objects,
	     struct arena *arena, struct diag_list *diags)
{
	struct conf_text conf;
	struct policy *policy;
	char name[4096];

	snprintf(name, sizeof name, "%s/groups.conf", folder);
	if (conf_text_parse(&conf, name, text, len, diags) < 0)
		return NULL;
	policy = policy_read(folder, &conf, objects, arena, diags);
	conf_text_fini(&conf);
	return policy;
}

struct policy *
policy_load(const char *folder, const struct objects *objects, struct arena *arena,
	    struct diag_list *diags)
{
	struct policy *policy;
	char name[4096];
	size_t len;
	char *text;

	snprintf(name, sizeof name, "%s/groups.conf", folder);
	text = conf_file_read(name, POLICY_FILE_MAX, &len, diags);
	if (!text)
		return NULL;
	policy = policy_parse(folder, text, len, objects, arena, diags);
	explicit_bzero(text, len);
	free(text);
	return policy;
}

void
policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (struct policy_file *file = policy->files; file; file = file->next)
		if (file->task)
			task_free(file->task);
	free(policy);
}

const char *
policy_nearest_group(const struct policy *policy, const char *name)
{
	const char **names = calloc(policy->n_groups, sizeof *names);
	const char *nearest;

	if (!names)
		return NULL;
	for (unsigned i = 0; i < policy->n_groups; i++)
		names[i] = policy->groups[i].name;
	nearest = diag_nearest(name, names, policy->n_groups);
	free(names);
	return nearest;
}

bool
policy_group_in(const struct policy_group *group, const struct policy_group *ancestor)
{
	for (; group; group = group->parent)
		if (group == ancestor)
			return true;
	return false;
}
