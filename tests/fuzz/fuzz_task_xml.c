/* Tasks from any bytes: a refusal has a reason, and what loads compiles to a batch or to reasons. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tasks/compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct value
setting(void *ctx, const char *name, size_t len)
{
	return (struct value){ VALUE_STRING, .text = { name, len } };
}

static int
fixed_random(void *ctx, uint8_t *bytes, size_t len)
{
	memset(bytes, 0x5a, len);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct expr_env env = { .setting = setting, .random = fixed_random };
	struct objects *objects = objects_new();
	struct compiler *compiler;
	struct task_result result;
	struct diag_list diags;
	struct task *task;

	diag_list_init(&diags);
	task = task_load("fuzz.xml", (const char *)data, size, objects, &diags);
	assert((task != NULL) == (diags.errors == 0));
	if (task) {
		compiler = compiler_new(objects, 1);
		struct batch *batch = compile_run(compiler, (const struct task *const[]){ task }, 1,
						  &env, FORMAT_TLV, &result);

		assert(batch || result.status != TASK_NOT_STARTED ||
		       result.final == TASK_NOT_STARTED);
		compiler_free(compiler);
		batch_free(batch);
	}
	task_free(task);
	diag_list_fini(&diags);
	objects_free(objects);
	return 0;
}
