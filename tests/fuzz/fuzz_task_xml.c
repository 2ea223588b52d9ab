/*
 * Tasks from any bytes: a refusal has a reason, and what loads compiles to a batch or to reasons; every replay
 * with one answer more begins with the steps that were sent; steps are described; packs are made or refused.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tasks/compile/batch_build.h"
#include "tasks/compile/compile.h"
#include "tasks/content/describe.h"

enum { ANSWERS_MAX = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A device and its session. */
struct session {
	unsigned n_answers;
	uint8_t drawn;
};

static struct value
setting(void *ctx, const char *name, size_t len)
{
	return (struct value){ VALUE_STRING, .text = { name, len } };
}

static int
draw(void *ctx, uint8_t *bytes, size_t len)
{
	struct session *session = ctx;

	for (size_t i = 0; i < len; i++)
		bytes[i] = session->drawn++;
	return 0;
}

static const struct compile_answer *
answer(void *ctx, unsigned index)
{
	static const char links[] = "</>;lwm2m=1.1,</0/1>,</1/0>;ssid=1";
	static const struct compile_answer answers[ANSWERS_MAX] = {
		{ 69, 40, (const uint8_t *)links, sizeof links - 1 },
		{ 132, -1, NULL, 0 },
		{ 69, 11542, NULL, 0 },
		{ 69, 40, (const uint8_t *)links, 20 },
	};
	const struct session *session = ctx;

	return index < session->n_answers ? &answers[index] : NULL;
}

static const struct compile_file *
upload(void *ctx, const char *id, size_t len)
{
	static const struct compile_file file = { (const uint8_t *)"file", 4 };

	return len ? &file : NULL;
}

static void
describe(const struct batch *batch, const struct objects *objects)
{
	char text[256];

	for (unsigned i = 0; i < batch->n_steps; i++)
		assert(batch_step_describe(batch->steps[i], objects, text, sizeof text) > 0);
}

static void
assert_prefix(const struct batch *before, const struct batch *after)
{
	assert(after && before->n_steps <= after->n_steps);
	for (unsigned i = 0; i < before->n_steps; i++)
		assert(batch_step_size(before->steps[i]) == batch_step_size(after->steps[i]) &&
		       !memcmp(before->steps[i], after->steps[i],
			       batch_step_size(after->steps[i])));
}

/* A run, as often as it waits. */
static void
replay(struct compiler *compiler, const struct task *task, const struct objects *objects,
       struct session *session)
{
	struct expr_env env = { .ctx = session, .setting = setting, .random = draw };
	struct batch *before = NULL, *batch;
	struct task_result result;
	bool waits;

	do {
		session->drawn = 0;
		batch = compile_run(compiler, &task, 1, &env, FORMAT_TLV, &result);
		assert(batch || result.status != TASK_NOT_STARTED ||
		       result.final == TASK_NOT_STARTED);
		if (before)
			assert_prefix(before, batch);
		if (batch)
			describe(batch, objects);
		batch_free(before);
		before = batch;
		waits = batch && batch->continues;
	} while (waits && session->n_answers++ < ANSWERS_MAX);
	batch_free(before);
}

static void
pack(struct compiler *compiler, const struct task *task, const struct objects *objects,
     struct session *session)
{
	struct expr_env env = { .ctx = session, .setting = setting, .random = draw };
	struct pack_request request = { FORMAT_SENML_CBOR, "</0/1>", 6 };
	struct task_result result;
	struct batch *batch = compile_pack(compiler, &task, 1, &env, &request, &result);

	assert(batch ? batch->pack && batch->n_steps == 1 : result.status != TASK_NOT_STARTED);
	if (batch)
		describe(batch, objects);
	batch_free(batch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct objects *objects = objects_new();
	struct session session = { 0 };
	struct compile_hooks hooks = { .ctx = &session, .answer = answer, .upload = upload };
	struct compiler *compiler;
	struct diag_list diags;
	struct task *task;

	diag_list_init(&diags);
	task = task_load("fuzz.xml", (const char *)data, size, objects, &diags);
	assert((task != NULL) == (diags.errors == 0));
	if (task) {
		compiler = compiler_new(objects, 1);
		compiler_set_hooks(compiler, &hooks);
		replay(compiler, task, objects, &session);
		pack(compiler, task, objects, &session);
		compiler_free(compiler);
	}
	task_free(task);
	diag_list_fini(&diags);
	objects_free(objects);
	return 0;
}
