/* expr_world.h - surroundings of a device for tests of expressions, and rows of text and outcome. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/expr/expr.h"
#include "tasks/expr/expr_internal.h"

/* ---- a small world ---- */

static struct value
text_value(const char *text)
{
	return (struct value){ .kind = VALUE_STRING, .text = { text, strlen(text) } };
}

static bool
same(const char *at, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(at, word, len) == 0;
}

static struct value
env_setting(void *ctx, const char *name, size_t len)
{
	static const char *const values[][2] = {
		{ "managementId", "dev-0001" },
		{ "password", "s3cret" },
		{ "count", "42" },
		{ "a.b", "dotted" },
		{ "empty", "" },
		{ "hex", "00fF" },
		{ "list", "a, b ,c" },
		{ "get", "got" },
		{ "and", "word" },
		{ "accent", "caf\xc3\xa9" },
		{ "key", "managementId" },
		{ "yes", "TRUE" },
	};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		if (same(name, len, values[i][0]))
			return text_value(values[i][1]);
	}
	return (struct value){ .kind = VALUE_NULL };
}

static const struct value group_items[] = {
	{ .kind = VALUE_STRING, .text = { "root.a", 6 } },
	{ .kind = VALUE_STRING, .text = { "root.b", 6 } },
};

static struct value
env_attribute(void *ctx, const char *root, const char *name, size_t len)
{
	if (strcmp(root, "device") == 0 && same(name, len, "id"))
		return (struct value){ .kind = VALUE_INTEGER, .integer = 7 };
	if (strcmp(root, "device") == 0 && same(name, len, "endpointName"))
		return text_value("urn:dev:1");
	if (strcmp(root, "device") == 0 && same(name, len, "groups"))
		return (struct value){ .kind = VALUE_LIST, .list = { group_items, 2 } };
	if (strcmp(root, "device") == 0 && same(name, len, "directGroups"))
		return (struct value){ .kind = VALUE_LIST };
	if (strcmp(root, "device") == 0 && same(name, len, "creationTime"))
		return (struct value){ .kind = VALUE_INTEGER, .integer = 1700000000 };
	if (strcmp(root, "property") == 0 && same(name, len, "site"))
		return text_value("north");
	if (strcmp(root, "lwm2m") == 0 && same(name, len, "bootstrapEvent"))
		return (struct value){ .kind = VALUE_STRING }; /* empty, without an address */
	if (strcmp(root, "lwm2m") == 0 && same(name, len, "preferredContentFormat"))
		return (struct value){ .kind = VALUE_INTEGER, .integer = 112 };
	if (strcmp(root, "task") == 0 && same(name, len, "name"))
		return text_value("reference");
	return (struct value){ .kind = VALUE_NULL };
}

static bool
env_in_group(void *ctx, const char *group, size_t len)
{
	return same(group, len, "root.a");
}

static struct value
env_resource(void *ctx, const char *alias, size_t alias_len, const char *column, size_t column_len,
	     const char *key, size_t key_len, const char *wanted, size_t wanted_len)
{
	if (same(alias, alias_len, "plan") && same(column, column_len, "ep") &&
	    same(key, key_len, "urn:dev:1") && same(wanted, wanted_len, "apn"))
		return text_value("iot.example");
	if (same(alias, alias_len, "odd name") && same(key, key_len, "7"))
		return text_value("seven");
	return (struct value){ .kind = VALUE_NULL };
}

/* Counts up, so that some bytes are refused as biased. */
static int
env_random(void *ctx, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(250 + i);
	return 0;
}

static const struct expr_env world = {
	.setting = env_setting,
	.attribute = env_attribute,
	.in_group = env_in_group,
	.resource = env_resource,
	.random = env_random,
};

static const struct expr_var vars = {
	.name = "id",
	.name_len = 2,
	.value = { .kind = VALUE_STRING, .text = { "dev-0001", 8 } },
	.next =
		&(const struct expr_var){
			.name = "odd name",
			.name_len = 8,
			.value = { .kind = VALUE_STRING, .text = { "odd", 3 } },
			.next = &(const struct expr_var){ .name = "id",
							  .name_len = 2,
							  .value = { .kind = VALUE_STRING,
								     .text = { "hidden", 6 } } } }
};

/* ---- showing results ---- */

static size_t
show(const struct value *value, char *out, size_t size)
{
	size_t used = 0;

	switch (value->kind) {
	case VALUE_NULL:
		return (size_t)snprintf(out, size, "null");
	case VALUE_STRING:
		return (size_t)snprintf(out, size, "'%.*s'", (int)value->text.len, value->text.at);
	case VALUE_BYTES:
		used = (size_t)snprintf(out, size, "<");
		for (size_t i = 0; i < value->text.len; i++)
			used += (size_t)snprintf(out + used, size - used, "%02x",
						 (uint8_t)value->text.at[i]);
		return used + (size_t)snprintf(out + used, size - used, ">");
	case VALUE_BOOLEAN:
		return (size_t)snprintf(out, size, value->boolean ? "true" : "false");
	case VALUE_INTEGER:
		return (size_t)snprintf(out, size, "%lld", (long long)value->integer);
	case VALUE_DOUBLE:
		return (size_t)snprintf(out, size, "%#.10g", value->real);
	case VALUE_LIST:
		used = (size_t)snprintf(out, size, "[");
		for (size_t i = 0; i < value->list.count; i++)
			used += show(&value->list.items[i], out + used, size - used);
		return used + (size_t)snprintf(out + used, size - used, "]");
	}
	return 0;
}

static const struct place place = {
	.file = "task.xml", .line = 3, .column = 10, .tag = "write", .attribute = "value"
};

/* The result, or "error: ..." of evaluation, or "LINE:COL ..." of each error at load. */
static const char *
outcome(const char *text, const struct expr_env *env)
{
	static char out[2048];
	struct expr_eval eval = { .env = env, .vars = &vars };
	struct template *template;
	struct diag_list diags;
	struct arena arena;
	struct value value;
	size_t used = 0;

	arena_init(&arena, 8 << 20);
	diag_list_init(&diags);
	template = template_parse(&arena, text, strlen(text), &place, &diags);
	cr_assert_eq(!template, diags.errors > 0, "%s", text);
	eval.arena = &arena;
	out[0] = '\0';
	for (size_t i = 0; i < diags.count; i++)
		used += (size_t)snprintf(out + used, sizeof out - used, "%s%u:%u %s", i ? "\n" : "",
					 diags.items[i].place.line, diags.items[i].place.column,
					 diags.items[i].text);
	if (template && template_eval(template, &eval, &value) == 0) {
		show(&value, out, sizeof out);
		cr_expect(template_kinds(template) >> value.kind & 1, "%s: kind not foreseen",
			  text);
	} else if (template) {
		snprintf(out, sizeof out, "error: %s", eval.error);
	}
	arena_fini(&arena);
	diag_list_fini(&diags);
	return out;
}

struct row {
	const char *text, *expected;
};

static void
expect_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_expect_str_eq(outcome(rows[i].text, &world), rows[i].expected,
				 "%s\n got  %s\n want %s", rows[i].text,
				 outcome(rows[i].text, &world), rows[i].expected);
}

#define EXPECT_ROWS(rows) expect_rows(rows, sizeof(rows) / sizeof *(rows))
