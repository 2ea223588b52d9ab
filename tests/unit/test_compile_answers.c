/*
 * compile_answers: runs that wait for what a device answers, effects, error policies, corrections, uploads and packs.
 * The exact bytes of writes are test_compile's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/compile/compile_internal.h"
#include "tasks/content/batch_text.h"
#include "tasks/content/describe.h"

enum { LOADED_MAX = 64, TEXT_MAX = 4000 };

static struct objects *objects;
static struct compiler *compiler;
static struct task *tasks[LOADED_MAX];
static unsigned n_tasks;
static struct task_result results[LOADED_MAX];

/* What the device answers, one a batch. */
static struct compile_answer answers[8];
static unsigned n_answers;
static char told[TEXT_MAX]; /* logs and effects */
static unsigned drawn;      /* random bytes of the run */

static struct value
setting(void *ctx, const char *name, size_t len)
{
	if (len == 12 && !memcmp(name, "managementId", 12))
		return (struct value){ VALUE_STRING, .text = { "mgmt-0001", 9 } };
	if (len == 8 && !memcmp(name, "password", 8))
		return (struct value){ VALUE_STRING, .text = { "pw", 2 } };
	if (len == 5 && !memcmp(name, "apple", 5))
		return (struct value){ VALUE_STRING, .secret = true,
				       .text = { "p&ss w\xc3\xb6rd", 10 } };
	return (struct value){ VALUE_NULL };
}

static struct value
attribute(void *ctx, const char *root, const char *name, size_t len)
{
	return (struct value){ VALUE_STRING, .text = { "dev", 3 } };
}

/* Seeded anew for every run, as a session's generator is. */
static int
random_bytes(void *ctx, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)drawn++;
	return 0;
}

static const struct expr_env env = { .setting = setting,
				     .attribute = attribute,
				     .random = random_bytes };

static void __attribute__((format(printf, 1, 2))) tell(const char *format, ...)
{
	size_t at = strlen(told);
	va_list args;

	va_start(args, format);
	vsnprintf(told + at, sizeof told - at, format, args);
	va_end(args);
}

static void
on_log(void *ctx, unsigned task, enum task_log_level level, const char *text, size_t len)
{
	tell("log %u %.*s\n", task, (int)len, text);
}

static const struct compile_answer *
on_answer(void *ctx, unsigned index)
{
	return index < n_answers ? &answers[index] : NULL;
}

static void
on_effect(void *ctx, const struct compile_effect *effect)
{
	static const char *const kinds[] = { "store", "remove", "join", "leave", "history" };

	tell("%s %u %.*s=%.*s%s\n", kinds[effect->kind], effect->task, (int)effect->name_len,
	     effect->name, (int)effect->text_len, effect->text ? effect->text : "",
	     effect->secret ? " secret" : "");
}

static const struct compile_file *
on_upload(void *ctx, const char *id, size_t len)
{
	static const struct compile_file der = { (const uint8_t *)"\x30\xff\x00", 3 };

	return len == 3 && !memcmp(id, "der", 3) ? &der : NULL;
}

static const struct compile_hooks hooks = {
	.log = on_log,
	.answer = on_answer,
	.effect = on_effect,
	.upload = on_upload,
};

static void
setup(void)
{
	objects = objects_new();
	compiler = compiler_new(objects, 7);
	compiler_set_hooks(compiler, &hooks);
	n_tasks = n_answers = 0;
}

static void
teardown(void)
{
	compiler_free(compiler);
	for (unsigned i = 0; i < LOADED_MAX; i++)
		task_free(tasks[i]);
	memset(tasks, 0, sizeof tasks);
	objects_free(objects);
}

TestSuite(compile_answers, .init = setup, .fini = teardown);

static void
add(const char *text)
{
	struct diag_list diags;

	diag_list_init(&diags);
	tasks[n_tasks] = task_load("t.xml", text, strlen(text), objects, &diags);
	cr_assert_not_null(tasks[n_tasks], "%s: %s", text, diags.count ? diags.items[0].text : "");
	n_tasks++;
	diag_list_fini(&diags);
}

static struct task *
add_example(const char *name)
{
	struct diag_list diags;
	char file[300];

	diag_list_init(&diags);
	snprintf(file, sizeof file, "%s/conf/policy/tasks/%s", SOURCE_ROOT, name);
	tasks[n_tasks] = task_load_file(file, objects, &diags);
	cr_assert_not_null(tasks[n_tasks]);
	diag_list_fini(&diags);
	return tasks[n_tasks++];
}

static struct batch *
compile(void)
{
	*told = '\0';
	drawn = 0;
	return compile_run(compiler, (const struct task *const *)tasks, n_tasks, &env, FORMAT_TLV,
			   results);
}

static void
answer(uint8_t code, int format, const char *text)
{
	answers[n_answers++] =
		(struct compile_answer){ code, format, (const uint8_t *)text, strlen(text) };
}

/* All steps as a person sees them, with what is not the default behind them. */
static const char *
steps(const struct batch *batch)
{
	static const char *const policies[] = { "", " continue", " finish" };
	static char text[TEXT_MAX];
	size_t at = 0;

	*text = '\0';
	for (unsigned i = 0; batch && i < batch->n_steps; i++) {
		const struct batch_step *step = batch->steps[i];

		at += (size_t)batch_step_format(step, text + at, sizeof text - at);
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s\n",
				       policies[step->on_error],
				       step->correction ? " correction" : "");
	}
	return text;
}

/* The steps that were sent are the first of the replay. */
static void
assert_prefix(const struct batch *before, const struct batch *after)
{
	cr_assert_geq(after->n_steps, before->n_steps);
	for (unsigned i = 0; i < before->n_steps; i++) {
		cr_assert_eq(batch_step_size(before->steps[i]), batch_step_size(after->steps[i]));
		cr_assert_arr_eq(before->steps[i], after->steps[i],
				 batch_step_size(before->steps[i]), "step %u", i);
	}
}

#define CONFIG(tags) "<config>" tags "</config>"
#define BLOCK(tags)  "<lwm2mBootstrap>" tags "</lwm2mBootstrap>"
#define OPEN(tags)   "<lwm2mBootstrap performBootstrapFinish='false'>" tags "</lwm2mBootstrap>"
#define DISCOVER     OPEN("<discover key='/0' output='links'/>")
#define LIFETIME(n)  "<write key='/1/" n "/1' value='60'/>"

/* TASKS section 7: Anjay keeps its own account in /0/1, the others in /0/0. */
Test(compile_answers, a_second_bootstrap_account_is_not_written_beside_or_over_the_clients_own)
{
	static const struct {
		const char *links, *put, *log;
	} devices[] = {
		{ "</>;lwm2m=1.1,</0/1>", "PUT /0/0 ",
		  "log 0 the account of dev is in /0/1, ours goes to /0/0\n" },
		{ "lwm2m=\"1.0\",</0/0>", "PUT /0/1 ",
		  "log 0 the account of dev is in /0/0, ours goes to /0/1\n" },
		{ "</>;lwm2m=1.1, </0/0/>;ssid=5;uri=\"coaps://a,b\", </0/1>;ssid=0", "PUT /0/2 ",
		  "log 0 the account of dev is in /0/1, ours goes to /0/2\n" },
		{ "", "PUT /0/0 ", "log 0 the account of dev is in /0/?, ours goes to /0/0\n" },
	};

	add_example("beside-own-account.xml");
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		struct batch *first, *rest;

		n_answers = 0;
		first = compile();
		cr_assert_str_eq(steps(first), "GET /0\n");
		cr_assert(first->continues);
		cr_assert_eq(results[0].status, TASK_NOT_STARTED);
		cr_assert_eq(results[0].n_steps, 1);
		answer(69, 40, devices[i].links);
		rest = compile();
		cr_assert_not_null(rest, "%s", results[0].summary);
		cr_assert_not(rest->continues);
		assert_prefix(first, rest);
		cr_assert(strstr(steps(rest), devices[i].put), "%s: %s", devices[i].links,
			  steps(rest));
		cr_assert_eq(rest->n_steps, 4);
		cr_assert_str_eq(told, devices[i].log);
		batch_free(first);
		batch_free(rest);
	}
}

Test(compile_answers, an_answer_of_another_kind_fails_the_task)
{
	static const struct {
		uint8_t code;
		int format;
		const char *text, *summary;
	} cases[] = {
		{ 69, 0, "</0/0>", "the answer has content format 0 and is not valid link-format" },
		{ 69, -1, "</0/0", "the answer is not valid link-format" },
		{ 69, 40, "\xff", "the answer is not valid link-format" },
		{ 69, 40, "nonsense", "the answer is not valid link-format" },
		{ 69, 40, "<html>", "the answer is not valid link-format" },
		{ 132, -1, "", "#links is not defined" },
	};

	add(CONFIG(DISCOVER OPEN(LIFETIME("${#links.freeInstance(1)}"))));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct batch *batch;

		n_answers = 0;
		answer(cases[i].code, cases[i].format, cases[i].text);
		batch = compile();
		/* What was sent stays sent; there is no Finish. */
		cr_assert_str_eq(steps(batch), "GET /0\n");
		cr_assert_not(batch->continues);
		cr_assert_eq(results[0].status, TASK_ERROR);
		cr_assert_eq(results[0].n_steps, 1);
		cr_assert(strstr(results[0].summary, cases[i].summary), "%s", results[0].summary);
		batch_free(batch);
	}
}

Test(compile_answers, what_nothing_uses_is_not_waited_for)
{
	struct batch *batch;

	add(CONFIG(BLOCK("<discover key='/0' output='links'/><discover key='/1'/>")));
	cr_assert_not(tasks[0]->answers);
	batch = compile();
	cr_assert_str_eq(steps(batch), "GET /0\nGET /1\nPOST /bs\n");
	cr_assert_not(batch->continues);
	batch_free(batch);
}

Test(compile_answers, every_replay_begins_with_what_was_sent)
{
	struct batch *batches[3];

	/* Random values before, between and behind the answers; a task before and a task behind. */
	add(CONFIG(BLOCK(LIFETIME(
		"5") "<write key='/0/5/5' value='${string.secureRandom(16).encodeHex}'/>")));
	add(CONFIG("<lwm2mBootstrapCleanse/>" DISCOVER
		   "<store target='k' value='${string.secureRandom(9)}'/>" OPEN(
			   "<write key='/0/${#links.freeInstance(0)}/5' value='${#k.encodeHex}'/>"
			   "<discover key='/1' output='more'/>")
			   BLOCK(LIFETIME("${#more.freeInstance(1)}"))));
	add(CONFIG(OPEN(LIFETIME("9"))));
	batches[0] = compile();
	cr_assert_str_eq(steps(batches[0]), "PUT /1/5 11542 3 bytes\nPUT /0/5 11542 19 bytes\n"
					    "DELETE /0\nDELETE /1\nGET /0\n");
	cr_assert(batches[0]->continues);
	cr_assert_eq(results[2].status, TASK_NOT_STARTED);
	cr_assert_eq(results[2].n_steps, 0);
	answer(69, 40, "</0/0>");
	batches[1] = compile();
	cr_assert(batches[1]->continues);
	cr_assert_eq(batches[1]->n_steps, 7);
	answer(69, 40, "</1>,</1/0>;ssid=1");
	batches[2] = compile();
	cr_assert_not(batches[2]->continues);
	cr_assert_str_eq(steps(batches[2]),
			 "PUT /1/5 11542 3 bytes\nPUT /0/5 11542 19 bytes\nDELETE /0\nDELETE /1\n"
			 "GET /0\nPUT /0/1 11542 12 bytes\nGET /1\nPUT /1/1 11542 3 bytes\n"
			 "PUT /1/9 11542 3 bytes\nPOST /bs\n");
	assert_prefix(batches[0], batches[1]);
	assert_prefix(batches[1], batches[2]);
	for (unsigned i = 0; i < 3; i++)
		batch_free(batches[i]);
}

Test(compile_answers, a_task_that_fails_half_way_ends_the_run_without_finish)
{
	struct batch *batch;

	add(CONFIG(OPEN(LIFETIME("5"))));
	add(CONFIG(OPEN("<delete key='/1/7'/>")
			   DISCOVER OPEN(LIFETIME("${#links.instanceOfServer(0, 7)}"))));
	add(CONFIG(BLOCK(LIFETIME("9"))));
	answer(69, 40, "</0/0>");
	batch = compile();
	cr_assert_str_eq(steps(batch), "PUT /1/5 11542 3 bytes\nDELETE /1/7\nGET /0\n");
	cr_assert_not(batch->continues);
	cr_assert_eq(results[0].status, TASK_NOT_STARTED);
	cr_assert_eq(results[1].status, TASK_ERROR);
	cr_assert_eq(results[1].n_steps, 2);
	cr_assert_eq(results[2].status, TASK_ERROR);
	cr_assert(strstr(results[2].summary, "not run"), "%s", results[2].summary);
	batch_free(batch);
}

Test(compile_answers, a_task_that_fails_after_asking_alone_takes_nobody_with_it)
{
	struct batch *batch;

	add(CONFIG(DISCOVER OPEN(LIFETIME("${#links.instanceOfServer(0, 7)}"))));
	add(CONFIG(BLOCK(LIFETIME("9"))));
	answer(69, 40, "</0/0>");
	batch = compile();
	cr_assert_str_eq(steps(batch), "GET /0\nPUT /1/9 11542 3 bytes\nPOST /bs\n");
	cr_assert_eq(results[0].status, TASK_ERROR);
	cr_assert_eq(results[1].status, TASK_NOT_STARTED);
	cr_assert_eq(results[1].n_steps, 2);
	batch_free(batch);
}

/* TASKS section 7: setting values read too early in the first session were stale. */
Test(compile_answers, effects_are_told_and_stored_values_are_not_stale_in_the_rest_of_the_run)
{
	struct batch *batch;

	add(CONFIG("<store type='devProp' target='key' value='${string.secureRandom(4)}' "
		   "secret='true'/>"
		   "<store type='history' target='made' value='${sv.key}'/>"
		   "<removeProperty target='managementId'/><join group='root.a'/><leave "
		   "group='root.${1 + 1}'/>"
		   "<log message=\"${sv.key.take(2)} ${sv.managementId ? 'gone'}\"/>"));
	add(CONFIG("<log message=\"${sv.key.take(2)} ${sv.managementId ? 'gone'}\"/>"
		   "<store type='devProp' target='key' value='x'/><log message='${sv.none}'/>"));
	add(CONFIG("<log message='${sv.key.take(2)}'/>"));
	cr_assert(tasks[0]->effects && task_depends_on_session(tasks[0]));
	batch = compile();
	cr_assert_null(batch);
	cr_assert_str_eq(
		told, "store 0 key=0123 secret\nhistory 0 made=********\nremove 0 managementId=\n"
		      "join 0 root.a=\nleave 0 root.2=\nlog 0 01 gone\nlog 1 01 gone\n"
		      "store 1 key=x\nlog 2 01\n");
	cr_assert_eq(results[1].status, TASK_ERROR);
	cr_assert_eq(results[2].status, TASK_SUCCESS);
}

Test(compile_answers, defaults_stand_in_for_what_is_not_set)
{
	add(CONFIG("<defaults target='zone' value='north'/><defaults target='password' value='no'/>"
		   "<log message=\"${sv.zone} ${sv.password} ${sv.get('zone')}\"/>"));
	add(CONFIG("<log message=\"${sv.zone ? 'not here'}\"/>"));
	compile();
	cr_assert_str_eq(told, "log 0 north pw north\nlog 1 not here\n");
}

/* TASKS section 7: clients answer 4.05 to a delete of "/". */
Test(compile_answers, a_refused_delete_of_everything_may_be_continued_from)
{
	struct batch *batch;

	add(CONFIG("<lwm2mBootstrap onError='continue' performBootstrapFinish='false'><delete "
		   "key='/'/>"
		   "</lwm2mBootstrap>" BLOCK(LIFETIME("0"))));
	batch = compile();
	cr_assert_str_eq(steps(batch), "DELETE / continue\nPUT /1/0 11542 3 bytes\nPOST /bs\n");
	batch_free(batch);
}

Test(compile_answers, error_policies_stand_in_the_steps)
{
	struct batch *batch;

	add(CONFIG("<lwm2mBootstrapCleanse onError='continue'/>"
		   "<lwm2mBootstrap onError='finish'>" LIFETIME(
			   "0") "<delete key='/1/1'/></lwm2mBootstrap>" BLOCK(LIFETIME("0"))));
	batch = compile();
	cr_assert_str_eq(steps(batch),
			 "DELETE /0 continue\nDELETE /1 continue\nPUT /1/0 11542 3 bytes finish\n"
			 "DELETE /1/1 finish\nPUT /1/0 11542 3 bytes\nPOST /bs\n");
	batch_free(batch);
}

Test(compile_answers, corrections_follow_the_finish_with_a_finish_of_their_own)
{
	struct batch *batch;

	add(CONFIG(BLOCK(LIFETIME("0")) "<lwm2mBootstrap when='finishRefused'><delete "
					"key='/0/0'/>" LIFETIME(
						"1") "</lwm2mBootstrap>"
						     "<lwm2mBootstrap "
						     "when='finishRefused'"
						     ">" LIFETIME("2") "</"
								       "lwm2mBootstr"
								       "ap>" OPEN(LIFETIME("3"))));
	add(CONFIG(BLOCK(LIFETIME("4"))));
	add(CONFIG("<lwm2mBootstrap when='finishRefused'>" LIFETIME(
		"6") "</lwm2mBootstrap>"
		     "<log message='${sv.none}'/>"));
	batch = compile();
	cr_assert_str_eq(
		steps(batch),
		"PUT /1/0 11542 3 bytes\nPUT /1/3 11542 3 bytes\nPUT /1/4 11542 3 bytes\nPOST /bs\n"
		"DELETE /0/0 correction\nPUT /1/1 11542 3 bytes correction\nPOST /bs correction\n"
		"PUT /1/2 11542 3 bytes correction\nPOST /bs correction\n");
	cr_assert(results[0].first_step == 0 && results[0].n_steps == 2);
	cr_assert(results[1].first_step == 2 && results[1].n_steps == 2);
	cr_assert_eq(results[2].status, TASK_ERROR);
	cr_assert_eq(batch->steps[8]->number, 6);
	batch_free(batch);
}

Test(compile_answers, a_run_without_finish_has_no_corrections)
{
	struct batch *batch;

	add(CONFIG("<lwm2mBootstrap when='finishRefused'>" LIFETIME("1") "</lwm2mBootstrap>" OPEN(
		LIFETIME("3"))));
	batch = compile();
	cr_assert_str_eq(steps(batch), "PUT /1/3 11542 3 bytes\n");
	cr_assert(results[0].first_step == 0 && results[0].n_steps == 1);
	batch_free(batch);
}

Test(compile_answers, upload_writes_a_file)
{
	struct batch *batch;

	add(CONFIG(OPEN("<upload key='/0/2/3' resourceId='der'/>")));
	batch = compile();
	cr_assert_not_null(batch, "%s", results[0].summary);
	cr_assert_str_eq(steps(batch), "PUT /0/2 11542 5 bytes\n");
	cr_assert_arr_eq(batch_step_payload(batch->steps[0]), "\xc3\x03\x30\xff\x00", 5);
	batch_free(batch);
	n_tasks = 0;
	task_free(tasks[0]);
	add(CONFIG(OPEN("<upload key='/0/2/3' resourceId='pem'/>")));
	cr_assert_null(compile());
	cr_assert(strstr(results[0].summary, "unknown file \"pem\" to upload"), "%s",
		  results[0].summary);
	task_free(tasks[0]);
	n_tasks = 0;
	add(CONFIG(OPEN("<upload key='/0/2/0' resourceId='der'/>")));
	cr_assert_null(compile());
	cr_assert(strstr(results[0].summary,
			 "the file is not valid UTF-8, but the resource is string"));
}

static struct batch *
pack(const char *acc)
{
	struct pack_request request = { FORMAT_SENML_CBOR, acc, acc ? strlen(acc) : 0 };

	*told = '\0';
	drawn = 0;
	return compile_pack(compiler, (const struct task *const *)tasks, n_tasks, &env, &request,
			    results);
}

Test(compile_answers, a_pack_holds_all_writes_of_the_run)
{
	/* PROTOCOL facts 2.5: the SenML CBOR pack of /0/2 and /1/1; here a part of it. */
	static const uint8_t expected[] = "\x83\xa3\x21\x65/0/2/\x00\x61"
					  "1\x04\xf4"
					  "\xa2\x00\x62"
					  "10\x02\x18\x65"
					  "\xa3\x21\x65/1/1/\x00\x61"
					  "1\x02\x1a\x00\x01\x51\x80";
	struct batch *batch;

	add(CONFIG(
		"<lwm2mBootstrapCleanse/><lwm2mBootstrap granularity='resource' format='tlv'>"
		"<write key='/1/1/1' value='86400' format='text'/><write key='/1/9/7' value='U'/>"
		"<delete key='/1/9'/><write key='/0/2/10' value='101'/></lwm2mBootstrap>"
		"<lwm2mBootstrap when='finishRefused'>" LIFETIME("7") "</lwm2mBootstrap>"));
	add(CONFIG(OPEN("<write key='/0/2/1' value='true'/>") "<log message='${sv.none}'/>"));
	add(CONFIG(OPEN("<write key='/0/2/1' value='false'/>")));
	batch = pack(NULL);
	cr_assert_not_null(batch, "%s %s", results[0].summary, results[2].summary);
	cr_assert(batch->pack);
	cr_assert_str_eq(steps(batch), "2.05 112 39 bytes\n");
	cr_assert_eq(batch->steps[0]->payload_len, sizeof expected - 1);
	cr_assert_arr_eq(batch_step_payload(batch->steps[0]), expected, sizeof expected - 1);
	cr_assert_eq(results[0].status, TASK_NOT_STARTED);
	cr_assert_eq(results[1].status, TASK_ERROR);
	cr_assert_eq(results[2].status, TASK_NOT_STARTED);
	batch_free(batch);
}

Test(compile_answers, a_pack_avoids_the_instances_of_acc)
{
	struct batch *batch;

	add_example("beside-own-account.xml");
	batch = pack("</0/0>,</21/0>");
	cr_assert_not_null(batch, "%s", results[0].summary);
	cr_assert(strstr((const char *)batch_step_payload(batch->steps[0]), "/0/1/"));
	batch_free(batch);
	batch = pack("</0/1>");
	cr_assert(strstr((const char *)batch_step_payload(batch->steps[0]), "/0/0/"));
	batch_free(batch);
	cr_assert_null(pack(NULL));
	cr_assert(strstr(results[0].summary, "did not say where its own account is"));
}

Test(compile_answers, what_a_pack_cannot_say_is_refused_with_a_reason)
{
	static const struct {
		const char *text, *acc, *summary;
	} cases[] = {
		{ CONFIG(OPEN(LIFETIME("0"))), NULL, "no task asks for Finish" },
		{ CONFIG(BLOCK("<write key='/0/0/1' value='false'/>")), NULL,
		  "a pack needs a Server account" },
		{ CONFIG(BLOCK("<delete key='/'/>" LIFETIME("0"))), NULL,
		  "cannot delete objects that it does not hold" },
		{ CONFIG("<lwm2mBootstrapCleanse/>" BLOCK(LIFETIME("0"))), NULL,
		  "a pack deletes the instances of object 0 by writing others" },
		{ CONFIG(BLOCK("<read key='/1'/>" LIFETIME("0"))), NULL, "a pack reads nothing" },
		{ CONFIG(BLOCK("<discover/>" LIFETIME("0"))), "</0/0>",
		  "a pack discovers nothing but" },
		{ CONFIG(BLOCK(
			  "<discover key='/1' output='a'/>" LIFETIME("${#a.freeInstance(1)}"))),
		  "</0/0>", "a pack discovers nothing but" },
		{ CONFIG(BLOCK("<write key='/0/1/1' value='false'/>" LIFETIME("0"))), "</0/1>",
		  "/0/1 is written, which is the device's own bootstrap account" },
		{ CONFIG(BLOCK(LIFETIME("0"))), "</0/1", "acc is not valid link-format" },
		{ CONFIG("<log message='${sv.none}'/>" BLOCK(LIFETIME("0"))), NULL,
		  "sv.none is not set" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		n_tasks = 0;
		task_free(tasks[0]);
		tasks[0] = NULL;
		add(cases[i].text);
		cr_assert_null(pack(cases[i].acc), "%s", cases[i].text);
		cr_assert_eq(results[0].status, TASK_ERROR);
		cr_assert(strstr(results[0].summary, cases[i].summary), "%s: %s", cases[i].text,
			  results[0].summary);
	}
}

/* ---- what reads bring back ---- */

Test(compile_answers, a_read_in_any_format_is_read_by_path)
{
	static const struct {
		int format;
		const char *payload;
		size_t len;
	} forms[] = {
		{ 11542, "\x08\x00\x09\xc1\x00\x65\xc1\x06\x01\xc1\x07\x55", 12 },
		{ -1, "\x08\x00\x09\xc1\x00\x65\xc1\x06\x01\xc1\x07\x55", 12 },
		{ 110,
		  "[{\"bn\":\"/1/0/"
		  "\",\"n\":\"0\",\"v\":101},{\"n\":\"6\",\"vb\":true},{\"n\":\"7\",\"vs\":\"U\"}]",
		  0 },
		{ 11544, "\xa1\x01\xa1\x00\xa3\x00\x18\x65\x06\xf5\x07\x61\x55", 13 },
	};

	add(CONFIG(OPEN(
		"<read key='LwM2M Server' output='servers'/>") "<log "
							       "message=\"${#servers.value('/1/0/"
							       "0')} ${#servers.value('/1/0/6')} "
							       "${#servers.value('/1/0/7')} "
							       "${#servers.value('/1/0/1') ? "
							       "'none'} "
							       "${#servers.instances(1).join()} "
							       "${#servers.freeInstance('/1')}\"/"
							       ">"));
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct batch *batch;

		n_answers = 0;
		answers[n_answers++] = (struct compile_answer){
			69, forms[i].format, (const uint8_t *)forms[i].payload,
			forms[i].len ? forms[i].len : strlen(forms[i].payload)
		};
		batch = compile();
		cr_assert_eq(results[0].status, TASK_NOT_STARTED, "%s", results[0].summary);
		cr_assert_str_eq(told, "log 0 101 true U none 0 1\n", "%zu: %s", i, told);
		batch_free(batch);
	}
	answers[0].payload = (const uint8_t *)"\xc1";
	answers[0].len = 1;
	batch_free(compile());
	cr_assert(strstr(results[0].summary, "the answer is not what content format 11544 allows"),
		  "%s", results[0].summary);
}

Test(compile_answers, an_object_without_instances_is_no_mistake)
{
	add(CONFIG(OPEN(
		"<read key='/1' output='servers'/>") "<log message=\"${#servers.freeInstance(1)} "
						     "${#servers}\"/>"));
	answer(69, 11542, "");
	batch_free(compile());
	cr_assert_str_eq(told, "log 0 0 []\n");
}

/* ---- what people see ---- */

static const char *
described(const struct batch *batch)
{
	static char text[TEXT_MAX];
	size_t at = 0;

	*text = '\0';
	for (unsigned i = 0; batch && i < batch->n_steps; i++)
		at += batch_step_describe(batch->steps[i], objects, text + at, sizeof text - at);
	return text;
}

#define ACCOUNT                                                                                    \
	"<write key='/0/2/0' value='coaps://a'/><write key='/0/2/1' value='false'/>"               \
	"<write key='/0/2/3' value='6964'/><write key='/0/2/4' value='ff00'/>"                     \
	"<write key='/0/2/5' value='736563726574'/><write key='/0/2/16' value='49320'/>"           \
	"<write key='/0/2/17' value='21:0'/><write key='/21/0/0' value='736563726574'/>"           \
	"<write key='/21/0/1' value='6964'/><write key='/1/0/0' value='7'/>"

/* TASKS section 7: hex and text identities were confused. */
Test(compile_answers, steps_are_described_with_both_forms_of_identities_and_without_keys)
{
	static const char *const formats[] = { "tlv", "senml-json", "senml-cbor", "lwm2m-cbor" };
	static const int numbers[] = { 11542, 110, 112, 11544 };

	for (size_t i = 0; i < 4; i++) {
		struct batch *batch;
		char text[2000], expected[TEXT_MAX];

		snprintf(text, sizeof text,
			 "<config><lwm2mBootstrap format='%s' onError='continue'>" ACCOUNT
			 "<discover key='/0'/></lwm2mBootstrap></config>",
			 formats[i]);
		task_free(tasks[0]);
		n_tasks = 0;
		add(text);
		batch = compile();
		cr_assert_not_null(batch, "%s", results[0].summary);
		snprintf(expected, sizeof expected,
			 "PUT /0/2 %d %u bytes, continue on error\n"
			 "    /0/2/0 LWM2M Server URI = coaps://a\n    /0/2/1 Bootstrap-Server = "
			 "false\n"
			 "    /0/2/3 Public Key or Identity = 6964 \"id\"\n    /0/2/4 Server "
			 "Public Key "
			 "= ff00\n"
			 "    /0/2/5 Secret Key = (6 bytes)\n    /0/2/16/0 DTLS/TLS Ciphersuite = "
			 "49320\n"
			 "    /0/2/17 OSCORE Security Mode = 21:0\n"
			 "PUT /21/0 %d %u bytes, continue on error\n"
			 "    /21/0/0 OSCORE Master Secret = (6 bytes)\n    /21/0/1 OSCORE Sender "
			 "ID = 6964 \"id\"\n"
			 "PUT /1/0 %d %u bytes, continue on error\n    /1/0/0 Short Server ID = 7\n"
			 "GET /0, continue on error\nPOST /bs\n",
			 numbers[i], batch->steps[0]->payload_len, numbers[i],
			 batch->steps[1]->payload_len, numbers[i], batch->steps[2]->payload_len);
		cr_assert_str_eq(described(batch), expected, "%s:\n%s", formats[i],
				 described(batch));
		cr_assert_null(strstr(described(batch), "secret"));
		batch_free(batch);
	}
}

Test(compile_answers, a_description_is_cut_to_its_room)
{
	struct batch *batch;
	char whole[200], part[30];
	size_t len;

	add(CONFIG(OPEN("<write key='/0/2/0' value='coaps://a'/>")));
	batch = compile();
	len = batch_step_describe(batch->steps[0], objects, whole, sizeof whole);
	cr_assert_eq(len, strlen(whole));
	cr_assert_eq(batch_step_describe(batch->steps[0], objects, part, sizeof part), len);
	cr_assert_eq(strncmp(part, whole, sizeof part - 1), 0);
	cr_assert_eq(strlen(part), sizeof part - 1);
	batch_free(batch);
}

/* What the device has there was read to be kept. */
Test(compile_answers, a_write_behind_a_read_leaves_the_rest_of_the_instance)
{
	struct batch *first, *rest;

	add(CONFIG(OPEN("<read key='/1' output='server'/>")
			   OPEN("<write key='/1/0/1' value='${#server.length}'/>" LIFETIME("5"))));
	first = compile();
	answer(69, 110, "[{\"bn\":\"/1/0/\",\"n\":\"0\",\"v\":7},{\"n\":\"1\",\"v\":300}]");
	rest = compile();
	cr_assert_not_null(rest, "%s", results[0].summary);
	cr_expect_str_eq(steps(rest), "GET /1\nPUT /1/0/1 11542 3 bytes\nPUT /1/5 11542 3 bytes\n",
			 "%s", steps(rest));
	batch_free(first);
	batch_free(rest);
}

Test(compile_answers, a_task_that_fails_behind_an_answer_is_an_error_with_its_reason)
{
	static const struct {
		const char *tags, *payload, *reason;
		int format;
	} rows[] = {
		{ OPEN("<read key='/1/0' output='v'/>") "<log message=\"${#v.value('/1/0/1')}\"/>",
		  "[{\"n\":\"/1/0/0\",\"v\":7}]", "attribute message of log #1", 110 },
		{ OPEN("<discover key='/1' output='v'/>") "<log message='${#v}'/>", "</1/0>",
		  "content format 0", 0 },
		{ OPEN("<read key='/1/0' output='v'/>") "<log message='${#v}'/><finish "
							"status='error' message='no'/>",
		  "[{\"n\":\"/1/0/0\",\"v\":7}]", "no", 110 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[400];
		struct batch *first, *rest;

		n_tasks = n_answers = 0;
		task_free(tasks[0]);
		tasks[0] = NULL;
		snprintf(text, sizeof text, CONFIG("%s"), rows[i].tags);
		add(text);
		first = compile();
		cr_assert(first && first->continues);
		answer(69, rows[i].format, rows[i].payload);
		rest = compile();
		/* What was sent stays; nothing is left to wait for. */
		cr_assert_not_null(rest);
		cr_expect_eq(rest->n_steps, 1);
		cr_expect_not(rest->continues);
		cr_expect_eq(results[0].status, TASK_ERROR);
		cr_expect_eq(results[0].final, TASK_ERROR);
		cr_expect_not_null(strstr(results[0].summary, rows[i].reason), "%s",
				   results[0].summary);
		batch_free(first);
		batch_free(rest);
	}
}

/* As it is, and in the forms that it has on its way into a resource; wherever people read it. */
Test(compile_answers, a_secret_value_is_masked_in_all_that_people_read)
{
	static const char *const tags[] = {
		"<log message='it is ${sv.apple}!'/>",
		"<log message='${sv.apple.encodeHex} ${sv.apple.encodeHex.toUpperCase}'/>",
		"<log message='${sv.apple.encodeBase64}'/>",
		"<log message='${sv.apple}${sv.apple}'/>",
		"<store target='v' value='${sv.apple}'/><log message='x${#v}y'/>",
		"<store type='history' target='h' value='${sv.apple}'/>",
		"<store target='k' value='${string.secureRandom(12)}'/><log message='${#k}'/>",
		BLOCK("<write key='/0/2/5' value='${lwm2m.version.encodeHex}'/>") "<log "
										  "message='it is "
										  "dev'/>",
		"<finish status='SUCCESS' message='as ${sv.apple}'/>",
	};

	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
		static const char *const secrets[] = { "p&ss", "70267373", "cCZzcyB3", "dev",
						       "0123" };
		char text[300];

		task_free(tasks[0]);
		n_tasks = 0;
		snprintf(text, sizeof text, CONFIG("%s"), tags[i]);
		add(text);
		batch_free(compile());
		for (size_t k = 0; k < sizeof secrets / sizeof *secrets; k++)
			cr_expect(!strstr(told, secrets[k]) && !strstr(results[0].summary, "p&ss"),
				  "%s: %s%s", tags[i], told, results[0].summary);
		cr_expect(strstr(told, "********") || strstr(results[0].summary, "********"),
			  "%s: %s%s", tags[i], told, results[0].summary);
	}
}

/* What a task needs of a secret it gets: what is stored or joined is as it is, and marked. */
Test(compile_answers, an_effect_that_holds_a_secret_is_marked)
{
	add(CONFIG("<store type='devProp' target='copy' value='${sv.apple}'/><join "
		   "group='root.${sv.apple}'/>"
		   "<join group='root.a'/><log message='${sv.copy}'/>"));
	batch_free(compile());
	cr_expect_str_eq(
		told,
		"store 0 copy=p&ss w\xc3\xb6rd secret\njoin 0 root.p&ss w\xc3\xb6rd= secret\n"
		"join 0 root.a=\nlog 0 ********\n",
		"%s", told);
}

Test(compile_answers, what_is_no_secret_is_shown)
{
	add(CONFIG("<log message='${sv.managementId} ${string.random(4)} ${sv.password}'/>"));
	batch_free(compile());
	cr_expect_str_eq(told, "log 0 mgmt-0001 0123 pw\n", "%s", told);
}
