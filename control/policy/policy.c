#include "control/policy/policy_help.h"
#include "control/policy/policy_reading.h"
#include "control/policy/policy_trust.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct conf_member group_members[] = {
	{ "name", "of the group: \"root\", \"root.meters\", \"root.meters.water\"; the part before "
		  "the last dot is the group above, and \"root\" is there even where the file does "
		  "not say so" },
	{ "description", "for people" },
	{ "priority", "a whole number, 0 without it: the higher one wins between values of groups "
		      "of equal depth that a device is in" },
	{ "values", "setting values that its devices inherit, by their names; text, or { value; "
		    "secret; locked }" },
	{ "tasks", "a list of what its devices run, in the order of their priority" },
};

const struct policy_section policy_section_groups = {
	"GROUPS", "groups = ( { ... }, { ... } ): the groups that devices are in.", group_members,
	COUNT(group_members)
};

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
	group->name = policy_keep(reading, name);
	group->description = policy_keep(
		reading, conf_string(reading->conf, member, "description", "", reading->diags));
	group->priority =
		(int)conf_number(reading->conf, member, "priority", priorities, reading->diags);
	policy_values_read(reading->conf, member, true, reading->arena, &group->values,
			   reading->diags);
	if (!group->name)
		return;
	policy_read_tasks(reading, group, member);
	reading->policy->n_groups++;
}

static int
by_name(const void *a, const void *b)
{
	const struct policy_group *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
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
			diag_error(reading->diags, &place, "group %s is duplicated", group->name);
		if (!dot)
			continue;
		group->parent = policy_group(policy, group->name, (size_t)(dot - group->name));
		assert(group->parent != group);
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
	static const struct conf_member known[] = { { "groups", "" } };
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
	assert(reading->policy->n_groups <= (unsigned)n);
	reading->policy->incomplete = reading->policy->n_groups < (unsigned)n;
	ensure_root(reading);
	link_groups(reading);
}

/* What a file's servers add to it. */
struct file_servers {
	struct reading *reading;
	struct policy_file *file;
};

static void
add_server(struct policy_file *file, const struct policy_server *server)
{
	file->hash = (file->hash ^ server->hash) * 0x9e3779b97f4a7c15; /* order counts */
	file->session |= server->task && task_depends_on_session(server->task);
	file->patterns |= server->task && task_has_pattern(server->task);
}

static bool
visit_server(void *ctx, const struct task_server *named)
{
	struct file_servers *in = ctx;
	const struct policy *policy = in->reading->policy;
	const struct policy_server *server = NULL;
	const char *nearest;
	char said[80];

	/* It may be any of them. */
	for (unsigned i = 0; !named->name && i < policy->n_servers; i++)
		add_server(in->file, &policy->servers[i]);
	if (!named->name)
		return true;
	server = policy_server_find(policy, named->by_name, named->name, named->len);
	if (server) {
		add_server(in->file, server);
		return true;
	}
	snprintf(said, sizeof said, "%.*s", (int)(named->len < 79 ? named->len : 79), named->name);
	nearest = policy_nearest_server(policy, said);
	if (nearest && !named->by_name)
		diag_error(in->reading->diags, &named->place,
			   "there is no LwM2M server \"%s\" in servers.conf; did you mean \"%s\"?",
			   said, nearest);
	else
		diag_error(in->reading->diags, &named->place,
			   "there is no LwM2M server \"%s\" in servers.conf: add it there, or with "
			   "`cradlectl server add`",
			   said);
	return true;
}

/* Once both files are read. Servers that could not be read are not missed. */
static void
link_servers(struct reading *reading, bool complete)
{
	struct file_servers in = { reading, reading->policy->files };

	for (; in.file; in.file = in.file->next) {
		if (!in.file->task)
			continue;
		in.file->session = task_depends_on_session(in.file->task);
		in.file->patterns = task_has_pattern(in.file->task);
		if (complete)
			task_each_server(in.file->task, visit_server, &in);
	}
}

/* 0, or -EINVAL when the file can't be parsed at all. */
static int
read_groups_file(struct reading *reading)
{
	char path[POLICY_PATH_MAX];
	struct conf_text conf;
	size_t len;
	char *text = policy_read_file(reading, "groups.conf", path, &len);
	int result;

	if (!text)
		return -EINVAL;
	result = conf_text_parse(&conf, path, text, len, reading->diags);
	explicit_bzero(text, len);
	free(text);
	if (result < 0)
		return result;
	reading->conf = &conf;
	read_groups(reading);
	conf_text_fini(&conf);
	reading->conf = NULL;
	return reading->policy->by_name ? 0 : -EINVAL;
}

static bool
is_in_clear(const char *key)
{
	return key && *key && !strstr(key, "${") && strncmp(key, "file:", 5) != 0;
}

bool
policy_holds_secret(const struct policy *policy, const char *list)
{
	if (strcmp(list, "groups") == 0) {
		for (unsigned i = 0; i < policy->n_groups; i++)
			for (unsigned k = 0; k < policy->groups[i].values.count; k++)
				if (policy->groups[i].values.items[k].secret)
					return true;
		return false;
	}
	if (strcmp(list, "servers") != 0)
		return false;
	for (unsigned i = 0; i < policy->n_servers; i++)
		if (is_in_clear(policy->servers[i].psk) ||
		    is_in_clear(policy->servers[i].secret_key))
			return true;
	return false;
}

static void
check_mode(const struct reading *reading, const char *list)
{
	char path[POLICY_PATH_MAX];
	struct place place = { .file = path };
	struct stat st;

	snprintf(path, sizeof path, "%s/%s.conf", reading->folder, list);
	if (policy_holds_secret(reading->policy, list) && stat(path, &st) == 0 &&
	    (st.st_mode & 0007))
		diag_warning(
			reading->diags, &place,
			"holds secrets, and its mode %04o lets everybody at them: `chmod o= %s`",
			(unsigned)st.st_mode & 07777, path);
}

struct policy *
policy_load_changed(const char *folder, const struct policy_source *changed, unsigned n_changed,
		    const struct objects *objects, struct arena *arena, struct diag_list *diags)
{
	struct reading reading = { .folder = folder,
				   .changed = changed,
				   .n_changed = n_changed,
				   .objects = objects,
				   .arena = arena,
				   .diags = diags };
	struct place place = { .file = folder };
	int servers, groups, trust;
	size_t errors;
	bool complete;

	reading.policy = calloc(1, sizeof *reading.policy);
	if (!reading.policy) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	/* All in any case: who mends one wants to know of the other. */
	errors = diags->errors;
	servers = policy_read_servers(&reading);
	complete = diags->errors == errors;
	groups = read_groups_file(&reading);
	trust = policy_read_trust(&reading);
	link_servers(&reading, complete);
	if (!n_changed) { /* what is changed gets its mode when it is written */
		check_mode(&reading, "groups");
		check_mode(&reading, "servers");
	}
	if (servers == 0 && groups == 0 && trust == 0)
		return reading.policy;
	policy_free(reading.policy);
	return NULL;
}

struct policy *
policy_parse(const char *folder, const char *text, size_t len, const struct objects *objects,
	     struct arena *arena, struct diag_list *diags)
{
	const struct policy_source groups = { "groups.conf", text, len };

	return policy_load_changed(folder, &groups, 1, objects, arena, diags);
}

struct policy *
policy_load(const char *folder, const struct objects *objects, struct arena *arena,
	    struct diag_list *diags)
{
	return policy_load_changed(folder, NULL, 0, objects, arena, diags);
}

void
policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (struct policy_file *file = policy->files; file; file = file->next)
		if (file->task)
			task_free(file->task);
	policy_trust_free(policy->trust);
	for (unsigned i = 0; i < policy->n_servers; i++)
		task_free(policy->servers[i].task);
	free(policy);
}

const struct policy_task *
policy_task_find(const struct policy *policy, const char *id)
{
	const struct policy_task *named = NULL;
	unsigned names = 0;

	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++) {
			const struct policy_task *task = &policy->groups[i].tasks[k];

			if (strcmp(task->id, id) == 0)
				return task;
			if (strcmp(task->name, id) != 0)
				continue;
			named = task;
			names++;
		}
	return names == 1 ? named : NULL;
}

const char *
policy_nearest_task(const struct policy *policy, const char *id)
{
	const char **ids = calloc(policy->n_tasks + 1, sizeof *ids);
	const char *nearest;
	size_t n = 0;

	if (!ids)
		return NULL;
	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].n_tasks; k++)
			ids[n++] = policy->groups[i].tasks[k].id;
	assert(n <= policy->n_tasks);
	nearest = diag_nearest(id, ids, n);
	free(ids);
	return nearest;
}
