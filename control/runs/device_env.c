#include "control/runs/device_env.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static struct value
text_value(const char *text, size_t len)
{
	return (struct value){ .kind = VALUE_STRING, .text = { text, len } };
}

static struct value
secret_value(const char *text, size_t len, bool secret)
{
	return (struct value){ .kind = VALUE_STRING, .secret = secret, .text = { text, len } };
}

static struct value
setting(void *ctx, const char *name, size_t len)
{
	const struct device_env *env = ctx;
	struct profile_value found;

	if (!profile_find(&env->profile, name, len, &found))
		return (struct value){ .kind = VALUE_NULL };
	return secret_value(found.text, found.text_len, found.secret);
}

static bool
is(const char *word, const char *name, size_t len)
{
	return strlen(word) == len && memcmp(word, name, len) == 0;
}

static struct value
direct_groups(struct device_env *env)
{
	const struct task_set *set = env->view.set;

	for (unsigned i = 0; i < set->n_groups; i++)
		env->direct[i] = text_value(set->groups[i]->name, strlen(set->groups[i]->name));
	return (struct value){ .kind = VALUE_LIST, .list = { env->direct, set->n_groups } };
}

/* Direct groups and their ancestors, each once. */
static struct value
all_groups(struct device_env *env)
{
	const struct task_set *set = env->view.set;
	size_t n = 0, k;

	for (unsigned i = 0; i < set->n_groups; i++)
		for (const struct policy_group *group = set->groups[i]; group;
		     group = group->parent) {
			for (k = 0; k < n && env->all[k].text.at != group->name; k++)
				;
			if (k == n)
				env->all[n++] = text_value(group->name, strlen(group->name));
		}
	return (struct value){ .kind = VALUE_LIST, .list = { env->all, n } };
}

static struct value
integer_value(uint64_t number)
{
	return (struct value){ .kind = VALUE_INTEGER, .integer = (int64_t)number };
}

static struct value
device_attribute(struct device_env *env, const char *name, size_t len)
{
	const struct device *device = env->view.device;
	const struct device_entry *entry = device->entry;
	size_t identity_len;

	if (is("endpointName", name, len))
		return text_value((const char *)device_entry_endpoint(entry), entry->endpoint_len);
	if (is("identity", name, len)) {
		const uint8_t *identity = device_entry_identity(entry, &identity_len);

		return text_value((const char *)identity, identity_len);
	}
	if (is("id", name, len))
		return integer_value(entry->id);
	if (is("domain", name, len) && device->domain) {
		const char *domain = names_text(&env->view.inventory->domains, device->domain);

		return text_value(domain, strlen(domain));
	}
	if (is("directGroups", name, len))
		return direct_groups(env);
	if (is("groups", name, len))
		return all_groups(env);
	if (is("creationTime", name, len))
		return integer_value(device->created_s);
	if (is("lastBootstrapTime", name, len) && device->last_bootstrap_ms)
		return integer_value(device->last_bootstrap_ms / 1000);
	return (struct value){ .kind = VALUE_NULL };
}

/* A property is what <store type="devProp"> keeps: a setting value of the device itself. */
static struct value
property(const struct device_env *env, const char *name, size_t len)
{
	struct setting_value value;

	if (!setting_values_find(env->view.device->values, name, len, &value))
		return (struct value){ .kind = VALUE_NULL };
	return secret_value(value.text, value.text_len, value.secret);
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
	if (is("priority", name, len))
		return (struct value){ .kind = VALUE_INTEGER, .integer = task->priority };
	return (struct value){ .kind = VALUE_NULL };
}

/*
 * A device does not tell its version in a request (OMA TS Core 6.1.7.1), but its format does: LwM2M
 * CBOR and packs came with 1.2 and SenML with 1.1, and TLV is what 1.0 speaks and who names none.
 * It is the least version that the device can be of.
 */
static struct value
version(const struct device_view *view)
{
	const char *least = "1.1";

	if (view->pack || view->format == FORMAT_LWM2M_CBOR)
		least = "1.2";
	else if (view->format == FORMAT_TLV)
		least = "1.0";
	return text_value(least, strlen(least));
}

static struct value
lwm2m_attribute(const struct device_env *env, const char *name, size_t len)
{
	if (is("version", name, len))
		return version(&env->view);
	if (is("preferredContentFormat", name, len))
		return integer_value(env->view.format);
	if (is("bootstrapEvent", name, len) && env->view.event)
		return text_value(env->view.event, strlen(env->view.event));
	return (struct value){ .kind = VALUE_NULL };
}

static struct value
attribute(void *ctx, const char *root, const char *name, size_t len)
{
	struct device_env *env = ctx;

	if (strcmp(root, "device") == 0)
		return device_attribute(env, name, len);
	if (strcmp(root, "property") == 0)
		return property(env, name, len);
	if (strcmp(root, "task") == 0 && env->task)
		return task_attribute(env->task, name, len);
	if (strcmp(root, "lwm2m") == 0)
		return lwm2m_attribute(env, name, len);
	return (struct value){ .kind = VALUE_NULL };
}

static bool
in_group(void *ctx, const char *name, size_t len)
{
	const struct device_env *env = ctx;
	const struct policy_group *group = policy_group(env->view.policy, name, len);

	return group && task_set_in(env->view.set, group);
}

static struct value
resource(void *ctx, const char *alias, size_t alias_len, const char *column, size_t column_len,
	 const char *key, size_t key_len, const char *wanted, size_t wanted_len)
{
	const struct device_env *env = ctx;
	const char *cell = resources_find(env->view.resources, alias, alias_len, column, column_len,
					  key, key_len, wanted, wanted_len);

	return cell ? text_value(cell, strlen(cell)) : (struct value){ .kind = VALUE_NULL };
}

static int
random_bytes(void *ctx, uint8_t *bytes, size_t len)
{
	const struct device_env *env = ctx;

	if (env->view.random)
		return env->view.random(env->view.random_ctx, bytes, len);
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
device_env_init(struct device_env *env, const struct device_view *view)
{
	/*
	 * The lists are filled when they are asked for: a compilation a device should not clear
	 * 18 kB.
	 */
	env->view = *view;
	env->profile = (struct profile){ view->device->values, view->set };
	env->tasks = NULL;
	env->task = NULL;
	env->env = (struct expr_env){
		.ctx = env,
		.setting = setting,
		.attribute = attribute,
		.in_group = in_group,
		.resource = resource,
		.random = random_bytes,
	};
}

void
device_env_begin_task(void *ctx, unsigned task)
{
	struct device_env *env = ctx;

	env->task = env->tasks[task];
}
