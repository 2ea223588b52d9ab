#include "control/device_env.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "control/profile.h"

static struct value
text_value(const char *text, size_t len)
{
	return (struct value){ .kind = VALUE_STRING, .text = { text, len } };
}

static struct value
setting(void *ctx, const char *name, size_t len)
{
	const struct device_env *env = ctx;
	struct profile_value found;

	if (!profile_find(env->device, name, len, &found))
		return (struct value){ .kind = VALUE_NULL };
	return text_value(found.value->text, strlen(found.value->text));
}

static bool
is(const char *word, const char *name, size_t len)
{
	return strlen(word) == len && memcmp(word, name, len) == 0;
}

static struct value
direct_groups(struct device_env *env)
{
	const struct device *device = env->device;

	for (unsigned i = 0; i < device->n_groups; i++)
		env->direct[i] =
			text_value(device->groups[i]->name, strlen(device->groups[i]->name));
	return (struct value){ .kind = VALUE_LIST, .list = { env->direct, device->n_groups } };
}

/* Direct groups and their ancestors, each once. */
static struct value
all_groups(struct device_env *env)
{
	const struct device *device = env->device;
	size_t n = 0, k;

	for (unsigned i = 0; i < device->n_groups; i++)
		for (const struct policy_group *group = device->groups[i]; group;
		     group = group->parent) {
			for (k = 0; k < n && env->all[k].text.at != group->name; k++)
				;
			if (k == n)
				env->all[n++] = text_value(group->name, strlen(group->name));
		}
	return (struct value){ .kind = VALUE_LIST, .list = { env->all, n } };
}

static struct value
device_attribute(struct device_env *env, const char *name, size_t len)
{
	const struct device *device = env->device;

	if (is("endpointName", name, len))
		return text_value(device->endpoint, device->endpoint_len);
	if (is("identity", name, len))
		return text_value(device->identity, device->identity_len);
	if (is("id", name, len))
		return (struct value){ .kind = VALUE_INTEGER, .integer = device->id };
	if (is("directGroups", name, len))
		return direct_groups(env);
	if (is("groups", name, len))
		return all_groups(env);
	return (struct value){ .kind = VALUE_NULL };
}

static struct value
task_attribute(const struct policy_task *task, const char *name, size_t len)
{
	if (is("id", name, len))
		return text_value(task->id, strlen(task->id));
	if (is("name", name, len))
		return text_value(task->name, strlen(task->name));
	if (is("group", name, len))
		return text_value(task->group->name, strlen(task->group->name));
	return (struct value){ .kind = VALUE_NULL };
}

static struct value
attribute(void *ctx, const char *root, const char *name, size_t len)
{
	struct device_env *env = ctx;

	if (strcmp(root, "device") == 0)
		return device_attribute(env, name, len);
	if (strcmp(root, "task") == 0 && env->task)
		return task_attribute(env->task, name, len);
	if (strcmp(root, "lwm2m") == 0 && is("preferredContentFormat", name, len))
		return (struct value){ .kind = VALUE_INTEGER, .integer = env->format };
	return (struct value){ .kind = VALUE_NULL };
}

static bool
in_group(void *ctx, const char *name, size_t len)
{
	const struct device_env *env = ctx;
	const struct policy_group *group = policy_group(env->policy, name, len);

	for (unsigned i = 0; group && i < env->device->n_groups; i++)
		if (policy_group_in(env->device->groups[i], group))
			return true;
	return false;
}

static int
random_bytes(void *ctx, uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t got = getrandom(bytes, len, 0);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0) {
			bytes += got;
			len -= (size_t)got;
		}
	}
	return 0;
}

void
device_env_init(struct device_env *env, const struct policy *policy, const struct device *device,
		uint16_t format)
{
	/*
	 * The lists are filled when they are asked for: a compilation a device should not clear
	 * 18 kB.
	 */
	env->policy = policy;
	env->device = device;
	env->format = format;
	env->tasks = NULL;
	env->task = NULL;
	env->env = (struct expr_env){
		.ctx = env,
		.setting = setting,
		.attribute = attribute,
		.in_group = in_group,
		.random = random_bytes,
	};
}

void
device_env_begin_task(void *ctx, unsigned task)
{
	struct device_env *env = ctx;

	env->task = env->tasks[task];
}
