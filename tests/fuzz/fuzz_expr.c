/*
 * Templates from any bytes: what parses evaluates to a kind that was foreseen or says why not, the same
 * each time. Setting values are the template's own text, so that methods meet any bytes, too.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tasks/expr/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *text;
	size_t len;
};

static struct value
env_setting(void *ctx, const char *name, size_t len)
{
	const struct input *input = ctx;

	if (len == 1 && *name == 'n')
		return (struct value){ .kind = VALUE_NULL };
	return (struct value){ .kind = VALUE_STRING, .text = { input->text, input->len } };
}

static struct value
env_attribute(void *ctx, const char *root, const char *name, size_t len)
{
	static const struct value groups[] = {
		{ .kind = VALUE_STRING, .text = { "root", 4 } },
		{ .kind = VALUE_STRING, .text = { "root.a", 6 } },
	};

	if (len && name[len - 1] == 's')
		return (struct value){ .kind = VALUE_LIST, .list = { groups, 2 } };
	return env_setting(ctx, name, len);
}

static bool
env_in_group(void *ctx, const char *group, size_t len)
{
	return len > 4;
}

/* Found where the key is: the cell is the template itself. */
static struct value
env_resource(void *ctx, const char *alias, size_t alias_len, const char *column, size_t column_len,
	     const char *key, size_t key_len, const char *wanted, size_t wanted_len)
{
	if (key_len % 2 || !wanted_len)
		return (struct value){ .kind = VALUE_NULL };
	return env_setting(ctx, wanted, wanted_len);
}

static int
env_random(void *ctx, uint8_t *bytes, size_t len)
{
	memset(bytes, 7, len);
	return 0;
}

static void
evaluate(const struct template *template, struct input *input)
{
	struct expr_env env = { .ctx = input,
				.setting = env_setting,
				.attribute = env_attribute,
				.in_group = env_in_group,
				.resource = env_resource,
				.random = env_random };
	struct expr_var var = {
		"id", 2, { VALUE_STRING, .text = { input->text, input->len } }, NULL
	};
	struct arena arena;
	struct expr_var hidden = { "n", 1, { VALUE_NULL }, NULL };
	struct expr_eval eval = {
		.env = &env, .arena = &arena, .vars = &var, .settings = &hidden, .defaults = &var
	};
	struct value first, again;
	int result;

	arena_init(&arena, 16 << 20);
	result = template_eval(template, &eval, &first);
	assert(result || template_kinds(template) >> first.kind & 1);
	assert(result == (eval.error[0] ? -1 : 0));
	assert(template_eval(template, &eval, &again) == result);
	if (!result) {
		assert(first.kind == again.kind);
		if (first.kind == VALUE_STRING)
			assert(first.text.len == again.text.len &&
			       !memcmp(first.text.at, again.text.at, first.text.len));
	}
	arena_fini(&arena);
}

/* What is said of a template without evaluating it agrees with itself. */
static void
look(const struct template *template, const struct input *input)
{
	const char *name, *text = NULL;
	const void *cursor = NULL;
	size_t len = 0;

	while (template_next_var(template, &cursor, &name, &len))
		assert(len && memmem(input->text, input->len, name, len));
	if (template_is_literal(template, &text, &len))
		assert(!template_depends(template));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { (const char *)data, size };
	struct place place = { .file = "fuzz", .line = 1, .column = 1 };
	struct template *template;
	struct diag_list diags;
	struct arena arena;

	arena_init(&arena, 16 << 20);
	diag_list_init(&diags);
	template = template_parse(&arena, input.text, size, &place, &diags);
	assert((template == NULL) == (diags.errors > 0));
	if (template)
		look(template, &input);
	if (template)
		evaluate(template, &input);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return 0;
}
