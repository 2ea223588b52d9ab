/* A line taken in place says what the library reads in it; one that is not taken is as it was. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "control/inventory/flat_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
is_text(const json_t *json, const struct flat_text *text)
{
	assert(json_is_string(json) && json_string_length(json) == text->len);
	assert(memcmp(json_string_value(json), text->at, text->len) == 0);
	assert(text->at[text->len] == '\0');
}

static void
is_value(json_t *values, const struct flat_item *item)
{
	json_t *value = json_object_getn(values, item->name.at, item->name.len);

	assert(value && item->name.at[item->name.len] == '\0');
	if (!json_is_object(value)) {
		is_text(value, &item->text);
		assert(!item->truth);
		return;
	}
	is_text(json_object_get(value, "value"), &item->text);
	assert(json_is_true(json_object_get(value, "secret")) == item->truth);
	assert(json_object_size(value) == 1 + (json_object_get(value, "secret") != NULL));
}

static void
is_item(json_t *object, const struct flat_item *item, unsigned counts[FLAT_MEMBERS])
{
	json_t *member = json_object_get(object, flat_members[item->member]);

	assert(item->member < FLAT_MEMBERS && member);
	if (item->member == FLAT_GROUPS)
		is_text(json_array_get(member, counts[FLAT_GROUPS]), &item->text);
	else if (item->member == FLAT_VALUES)
		is_value(member, item);
	else if (item->member == FLAT_NOSEC)
		assert(json_is_boolean(member) && json_is_true(member) == item->truth);
	else
		is_text(member, &item->text);
	counts[item->member]++;
}

/* Nothing of the line is left out, nothing is twice. */
static void
is_object(json_t *object, const struct flat_row *row)
{
	unsigned counts[FLAT_MEMBERS] = { 0 };
	const char *name;
	json_t *member;

	assert(json_is_object(object));
	for (unsigned i = 0; i < row->n; i++)
		is_item(object, &row->items[i], counts);
	json_object_foreach(object, name, member)
	{
		unsigned i = 0;

		while (i < FLAT_MEMBERS && strcmp(flat_members[i], name) != 0)
			i++;
		assert(i < FLAT_MEMBERS);
		if (i == FLAT_GROUPS)
			assert(json_array_size(member) == counts[i]);
		else if (i == FLAT_VALUES)
			assert(json_object_size(member) == counts[i]);
		else
			assert(counts[i] == 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct flat_row row;

	if (size)
		memcpy(text, data, size);
	if (flat_json_take(text, size, &row)) {
		json_t *object = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

		is_object(object, &row);
		json_decref(object);
	} else {
		assert(!size || memcmp(text, data, size) == 0);
	}
	free(text);
	return 0;
}
