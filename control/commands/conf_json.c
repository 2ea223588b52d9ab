#include "control/commands/conf_json.h"

#include <stdbool.h>
#include <string.h>

#include "control/commands/show.h"
#include "control/inventory/setting_values.h"

/* Members whose text is a key, or makes one. */
static bool
is_key(const char *name)
{
	static const char *const names[] = { "psk", "secret_key" };

	for (unsigned i = 0; name && i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* A group that says of itself that its value is secret: { name = "x"; value = "y"; secret = true; } */
static bool
says_secret(const config_setting_t *group)
{
	const char *name;
	int secret = 0;

	return (config_setting_lookup_bool(group, "secret", &secret) && secret) ||
	       (config_setting_lookup_string(group, "name", &name) &&
		config_setting_get_member(group, "value") && policy_name_is_secret(name));
}

static json_t *
scalar_json(const config_setting_t *setting)
{
	const char *text;

	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return json_integer(config_setting_get_int64(setting));
	case CONFIG_TYPE_FLOAT:
		return json_real(config_setting_get_float(setting));
	case CONFIG_TYPE_BOOL:
		return json_boolean(config_setting_get_bool(setting));
	case CONFIG_TYPE_STRING:
		text = config_setting_get_string(setting);
		return show_json(text, strlen(text));
	default:
		return json_null();
	}
}

/* `in_values`: of a group whose members are setting values by name. */
static json_t *
group_json(const config_setting_t *group, bool in_values)
{
	json_t *json = json_object();
	bool secret = says_secret(group);

	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(member);
		bool masked = is_key(name) || (secret && strcmp(name, "value") == 0) ||
			      (in_values && policy_name_is_secret(name));

		json_object_set_new(json, name,
				    masked && !config_setting_is_aggregate(member)
					    ? json_string(SHOW_MASK)
				    : strcmp(name, "values") == 0 && config_setting_is_group(member)
					    ? group_json(member, true)
					    : conf_json(member));
	}
	return json;
}

json_t *
conf_json(const config_setting_t *setting)
{
	json_t *json;

	if (!setting)
		return NULL;
	if (config_setting_is_group(setting))
		return group_json(setting, false);
	if (!config_setting_is_aggregate(setting))
		return scalar_json(setting);
	json = json_array();
	for (int i = 0; i < config_setting_length(setting); i++)
		json_array_append_new(json, conf_json(config_setting_get_elem(setting, (unsigned)i)));
	return json;
}

/* ---- what differs ---- */

static bool
same_scalar(const config_setting_t *a, const config_setting_t *b)
{
	switch (config_setting_type(a)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return config_setting_get_int64(a) == config_setting_get_int64(b);
	case CONFIG_TYPE_FLOAT:
		return config_setting_get_float(a) == config_setting_get_float(b);
	case CONFIG_TYPE_BOOL:
		return config_setting_get_bool(a) == config_setting_get_bool(b);
	case CONFIG_TYPE_STRING:
		return strcmp(config_setting_get_string(a), config_setting_get_string(b)) == 0;
	default:
		return true;
	}
}

static bool
same(const config_setting_t *a, const config_setting_t *b)
{
	const char *name_a = config_setting_name(a), *name_b = config_setting_name(b);

	if (config_setting_type(a) != config_setting_type(b) || !name_a != !name_b ||
	    (name_a && strcmp(name_a, name_b) != 0))
		return false;
	if (!config_setting_is_aggregate(a))
		return same_scalar(a, b);
	if (config_setting_length(a) != config_setting_length(b))
		return false;
	for (int i = 0; i < config_setting_length(a); i++)
		if (!same(config_setting_get_elem(a, (unsigned)i),
			  config_setting_get_elem(b, (unsigned)i)))
			return false;
	return true;
}

static const config_setting_t *
at(const config_setting_t *list, int index)
{
	return config_setting_get_elem(list, (unsigned)index);
}

static json_t *
part_json(const config_setting_t *list, int from, int end)
{
	json_t *json = from < end ? json_array() : NULL;

	for (int i = from; i < end; i++)
		json_array_append_new(json, conf_json(at(list, i)));
	return json;
}

void
conf_json_diff(const config_setting_t *before, const config_setting_t *after, json_t **was, json_t **is)
{
	int n_before = before ? config_setting_length(before) : 0;
	int n_after = after ? config_setting_length(after) : 0;
	int least = n_before < n_after ? n_before : n_after, head = 0, tail = 0;

	while (head < least && same(at(before, head), at(after, head)))
		head++;
	while (tail < least - head &&
	       same(at(before, n_before - 1 - tail), at(after, n_after - 1 - tail)))
		tail++;
	*was = part_json(before, head, n_before - tail);
	*is = part_json(after, head, n_after - tail);
}
