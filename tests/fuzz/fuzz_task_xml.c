/*
 * Tasks from any bytes: a refusal has a reason, and what loads compiles to a batch or to reasons, alone and twice in a run;
 * every replay with one answer more begins with the steps that were sent; steps are described; packs are made or refused.
 * Input: the XML. A NUL as its last byte but one makes the last one a choice: of the format, and of what the device answers.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tasks/compile/batch_build.h"
#include "tasks/compile/compile.h"
#include "tasks/content/describe.h"

enum { ANSWERS_MAX = 4, ANSWERS_SETS = 4, LONG_BYTES = 70000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A device and its session. */
struct session {
	unsigned n_answers, answers;
	uint8_t drawn;
	bool finishes;
	enum content_format format;
	const struct task *task, *server;
};

static struct value
setting(void *ctx, const char *name, size_t len)
{
	return (struct value){ VALUE_STRING, .text = { name, len } };
}

/* Of the kinds that they have. A device has no domain. */
static struct value
attribute(void *ctx, const char *root, const char *name, size_t len)
{
	static const struct value items[] = { { VALUE_STRING, .text = { "root", 4 } },
					      { VALUE_STRING, .text = { "root.a", 6 } } };

	if (len >= 5 && !memcmp(name + len - 5, "roups", 5))
		return (struct value){ VALUE_LIST, .list = { items, 2 } };
	if (len == 6 && !memcmp(name, "domain", 6))
		return (struct value){ VALUE_NULL };
	if ((len >= 4 && !memcmp(name + len - 4, "Time", 4)) ||
	    (len == 8 && !memcmp(name, "priority", 8)) ||
	    (len == 22 && !memcmp(name, "preferredContentFormat", 22)))
		return (struct value){ VALUE_INTEGER, .integer = 7 };
	return (struct value){ VALUE_STRING, .text = { name, len } };
}

static bool
in_group(void *ctx, const char *group, size_t len)
{
	return len % 2 != 0;
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
#define TEXT(text) (const uint8_t *)(text), sizeof(text) - 1
	static const char links[] = "</>;lwm2m=1.1,</0/1>,</1/0>;ssid=1";
	static const uint8_t endless[LONG_BYTES];
	static const struct compile_answer answers[ANSWERS_SETS][ANSWERS_MAX] = {
		{
			{ 69, 40, (const uint8_t *)links, sizeof links - 1 },
			{ 132, -1, NULL, 0 },
			{ 69, 11542, NULL, 0 },
			{ 69, 40, (const uint8_t *)links, 20 },
		},
		{
			{ 69, 110,
			  TEXT("[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":86400},{\"bn\":\"/0/1/"
			       "\",\"n\":\"0\",\"vs\":\"coap://h\"}]") },
			{ 69, -1, TEXT("</0/1>,</0/2>;ssid=7;uri=\"coaps://h\"") },
			{ 69, 0, TEXT("17") },
			{ 69, 60, TEXT("\x18\x2a") },
		},
		{
			{ 69, 11542, TEXT("\xc4\x01\x00\x01\x51\x80") },
			{ 69, 110, TEXT("[]") },
			{ 69, 40, TEXT("no links") },
			{ 69, 0, endless, sizeof endless },
		},
		{
			{ 69, -1, TEXT("no links") },
			{ 69, 42, endless, sizeof endless },
			{ 69, 0, TEXT("\xff\xfe") },
			{ 132, 0, TEXT("why") },
		},
	};
	const struct session *session = ctx;

	return index < session->n_answers ? &answers[session->answers][index] : NULL;
#undef TEXT
}

static const struct compile_file *
upload(void *ctx, const char *id, size_t len)
{
	static const uint8_t endless[LONG_BYTES];
	static const struct compile_file files[] = {
		{ (const uint8_t *)"file", 4 },
		{ (const uint8_t *)"\xff", 1 },
		{ endless, sizeof endless },
	};

	return len % 4 ? &files[len % 4 - 1] : NULL; /* some there are not */
}

/* "self" is the task itself, "why..." is told of, and any other of one letter is a small one. */
static const struct task *
find_server(void *ctx, bool by_name, const char *name, size_t len, const char **why)
{
	const struct session *session = ctx;

	if (len >= 3 && !memcmp(name, "why", 3))
		*why = "it is told why";
	if (len == 4 && !memcmp(name, "self", 4))
		return session->task;
	return len == 1 ? session->server : NULL;
}

static void
begin_task(void *ctx, unsigned task)
{
	assert(task < 2);
}

static void
take_log(void *ctx, unsigned task, enum task_log_level level, const char *text, size_t len)
{
	assert(task < 2 && (text || !len));
}

static void
take_effect(void *ctx, const struct compile_effect *effect)
{
	assert(effect->task < 2 && effect->name);
}

static void
take_credential(void *ctx, const struct compile_credential *credential)
{
	assert(credential->key.type != LWM2M_NONE || credential->identity.type != LWM2M_NONE);
}

static bool
may_finish(void *ctx)
{
	const struct session *session = ctx;

	return session->finishes;
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
replay(struct compiler *compiler, unsigned n_tasks, const struct objects *objects,
       struct session *session)
{
	struct expr_env env = { .ctx = session,
				.setting = setting,
				.attribute = attribute,
				.in_group = in_group,
				.random = draw };
	const struct task *tasks[2] = { session->task, session->task };
	struct batch *before = NULL, *batch;
	struct task_result results[2];
	bool waits;

	session->n_answers = 0;
	do {
		session->drawn = 0;
		session->finishes = session->n_answers > 0;
		batch = compile_run(compiler, tasks, n_tasks, &env, session->format, results);
		for (unsigned i = 0; i < n_tasks && !batch; i++)
			assert(results[i].status != TASK_NOT_STARTED ||
			       results[i].final == TASK_NOT_STARTED);
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
pack(struct compiler *compiler, const struct objects *objects, struct session *session)
{
	static const char *const accs[ANSWERS_SETS] = { "</0/1>", "</0/1>,</1/1>", NULL,
							"no links" };
	const char *acc = accs[session->answers];
	const struct pack_request request = { session->format == FORMAT_TLV ? FORMAT_SENML_CBOR
									    : session->format,
					      acc, acc ? strlen(acc) : 0 };
	struct expr_env env = { .ctx = session,
				.setting = setting,
				.attribute = attribute,
				.in_group = in_group,
				.random = draw };
	struct task_result result;
	struct batch *batch = compile_pack(compiler, &session->task, 1, &env, &request, &result);

	assert(batch ? batch->pack && batch->n_steps == 1 : result.status != TASK_NOT_STARTED);
	if (batch)
		describe(batch, objects);
	batch_free(batch);
}

static const char server_text[] =
	"<config><lwm2mBootstrap><write key='/0/${#securityInstanceId ? \"3\"}/10' value='5'/>"
	"<write key='/1/${#serverInstanceId ? \"4\"}/0' value='5'/></lwm2mBootstrap></config>";

/* What the byte behind the XML chooses; without it, what most devices are. */
static size_t
choose(struct session *session, const uint8_t *data, size_t size)
{
	static const enum content_format formats[] = { FORMAT_TLV, FORMAT_SENML_JSON,
						       FORMAT_SENML_CBOR, FORMAT_LWM2M_CBOR };
	bool chosen = size >= 2 && !data[size - 2];

	session->format = formats[chosen ? data[size - 1] % 4 : 0];
	session->answers = chosen ? data[size - 1] / 4 % ANSWERS_SETS : 0;
	return chosen ? size - 2 : size;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct objects *objects = objects_new();
	struct session session = { 0 };
	struct compile_hooks hooks = {
		.ctx = &session,
		.answer = answer,
		.upload = upload,
		.server = find_server,
		.begin = begin_task,
		.log = take_log,
		.effect = take_effect,
		.credential = take_credential,
		.finish = may_finish,
	};
	struct compiler *compiler;
	struct diag_list diags;
	struct task *task, *server;

	diag_list_init(&diags);
	size = choose(&session, data, size);
	server = task_load("server.xml", server_text, sizeof server_text - 1, objects, &diags);
	assert(server && !diags.errors);
	task = task_load("fuzz.xml", (const char *)data, size, objects, &diags);
	assert((task != NULL) == (diags.errors == 0));
	session.task = task;
	session.server = server;
	if (task) {
		compiler = compiler_new(objects, 1);
		compiler_set_hooks(compiler, &hooks);
		replay(compiler, 1, objects, &session);
		replay(compiler, 2, objects, &session);
		pack(compiler, objects, &session);
		compiler_free(compiler);
	}
	task_free(task);
	task_free(server);
	diag_list_fini(&diags);
	objects_free(objects);
	return 0;
}
