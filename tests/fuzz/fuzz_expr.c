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
				.random = env_random };
	struct expr_var var = {
		"id", 2, { VALUE_STRING, .text = { input->text, input->len } }, NULL
	};
	struct arena arena;
	struct expr_eval eval = { .env = &env, .arena = &arena, .vars = &var };
	struct value first, again;
	int result;

	arena_init(&arena, 16 << 20);
	result = template_eval(template, &eval, &first);
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
		evaluate(template, &input);
	diag_list_fini(&diags);
	arena_fini(&arena);
	return 0;
}
