/* What may stand in a task, for editors: task words. */
#include <stdio.h>
#include <string.h>

#include "control/commands/show.h"
#include "tasks/model/task_tree.h"

enum { KEY_MAX = 256 };

static json_t *
tags_json(void)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < TASK_TAGS; i++) {
		json_t *attributes = json_array();

		for (unsigned k = 0; k < TASK_ATTRIBUTES; k++)
			if (tag_rules[i].attributes[k].name)
				json_array_append_new(attributes,
						      json_string(tag_rules[i].attributes[k].name));
		json_array_append_new(list, json_pack("{s:s, s:o}", "name", tag_rules[i].name,
						      "attributes", attributes));
	}
	return list;
}

/* "LwM2M Server.0.Lifetime"; an object that is there once has the instance 0. */
static void
put_keys(json_t *list, const struct object_def *object)
{
	char key[KEY_MAX];

	for (unsigned i = 0; i < object->n_resources; i++) {
		int len = snprintf(key, sizeof key, "%s.0.%s", object->name,
				   object->resources[i].name);

		if (len > 0 && len < KEY_MAX)
			json_array_append_new(list, show_json(key, (size_t)len));
	}
}

/* Of every object its newest version. */
static json_t *
keys_json(const struct objects *objects)
{
	json_t *list = json_array();
	const struct object_def *object, *next;

	for (unsigned i = 0; (object = objects_version_at(objects, i)); i++) {
		next = objects_version_at(objects, i + 1);
		if (!next || next->id != object->id)
			put_keys(list, object);
	}
	return list;
}

/* Names that groups set a value of, each once. */
static json_t *
values_json(const struct policy *policy)
{
	json_t *names = json_object(), *list = json_array();
	const char *name;
	json_t *value;

	for (unsigned i = 0; i < policy->n_groups; i++)
		for (unsigned k = 0; k < policy->groups[i].values.count; k++)
			json_object_set_new(names, policy->groups[i].values.items[k].name, json_true());
	json_object_foreach(names, name, value)
		json_array_append_new(list, json_string(name));
	json_decref(names);
	return list;
}

void
command_task_words(struct call *call)
{
	const struct generation *generation = call->service->generation;
	json_t *types = json_array();

	for (unsigned i = 0; i < LWM2M_NONE; i++)
		json_array_append_new(types, json_string(lwm2m_type_name((enum lwm2m_type)i)));
	call->result = json_pack("{s:o, s:o, s:o, s:o}", "tags", tags_json(), "types", types, "keys",
				 keys_json(generation->objects), "values",
				 values_json(generation->policy));
	for (unsigned i = 0; i < TASK_TAGS; i++) {
		text_show(&call->text, "<%s", tag_rules[i].name);
		for (unsigned k = 0; k < TASK_ATTRIBUTES; k++)
			if (tag_rules[i].attributes[k].name)
				text_show(&call->text, " %s", tag_rules[i].attributes[k].name);
		text_show(&call->text, ">\n");
	}
}
