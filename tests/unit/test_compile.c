/* compile: tasks and a device's values to exact bytes; what fails sends nothing and says why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/compile/compile_internal.h"
#include "tasks/content/batch_text.h"

/* Settings of the device at hand: NAME, VALUE, ..., NULL. */
static const char *const *settings;
static const char *const device[] = { "managementId", "mgmt-0001", "password", "pw", "n",
				      "x,y",          NULL };

static struct objects *objects;
static struct compiler *compiler;
static struct task *tasks[4];
static struct task_result results[4];

/* A compiler finds shared steps by their nodes: tasks live as long as it does. */
static struct task *loaded[64];
static unsigned n_loaded;

static struct value
setting(void *ctx, const char *name, size_t len)
{
	for (const char *const *at = settings; *at; at += 2)
		if (strlen(at[0]) == len && !memcmp(at[0], name, len))
			return (struct value){ VALUE_STRING, .text = { at[1], strlen(at[1]) } };
	return (struct value){ VALUE_NULL };
}

static struct value
attribute(void *ctx, const char *root, const char *name, size_t len)
{
	if (!strcmp(root, "device") && len == 12 && !memcmp(name, "endpointName", 12))
		return (struct value){ VALUE_STRING, .text = { "dev-0001", 8 } };
	return (struct value){ VALUE_NULL };
}

static bool
in_group(void *ctx, const char *group, size_t len)
{
	return len == 28 && !memcmp(group, "root.lwm2m.bootstrap.factory", 28);
}

static const struct expr_env env = { .setting = setting,
				     .attribute = attribute,
				     .in_group = in_group };

static void
setup(void)
{
	settings = device;
	objects = objects_new();
	compiler = compiler_new(objects, 7);
}

static void
teardown(void)
{
	compiler_free(compiler);
	while (n_loaded)
		task_free(loaded[--n_loaded]);
	objects_free(objects);
}

TestSuite(compile, .init = setup, .fini = teardown);

static struct task *
load(const char *text)
{
	struct diag_list diags;
	struct task *task;

	diag_list_init(&diags);
	task = task_load("t.xml", text, strlen(text), objects, &diags);
	cr_assert_not_null(task, "%s: %s", text, diags.count ? diags.items[0].text : "");
	diag_list_fini(&diags);
	loaded[n_loaded++] = task;
	return task;
}

static struct task *
load_example(const char *name)
{
	struct diag_list diags;
	struct task *task;
	char file[300];

	diag_list_init(&diags);
	snprintf(file, sizeof file, "%s/conf/policy/tasks/%s", SOURCE_ROOT, name);
	task = task_load_file(file, objects, &diags);
	cr_assert_not_null(task);
	diag_list_fini(&diags);
	loaded[n_loaded++] = task;
	return task;
}

static struct batch *
compile(unsigned n)
{
	return compile_run(compiler, (const struct task *const *)tasks, n, &env, FORMAT_TLV,
			   results);
}

/* One task from its text. */
static struct batch *
compile_text(const char *text)
{
	tasks[0] = load(text);
	return compile(1);
}

/* All steps as a person sees them, one a line. */
static const char *
steps(const struct batch *batch)
{
	static char text[4000];
	size_t at = 0;

	*text = '\0';
	for (unsigned i = 0; batch && i < batch->n_steps; i++) {
		at += (size_t)batch_step_format(batch->steps[i], text + at, sizeof text - at);
		at += (size_t)snprintf(text + at, sizeof text - at, "\n");
	}
	return text;
}

static void
assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
	char text[1000] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	cr_assert_str_eq(text, hex);
}

static void
assert_step(const struct batch_step *step, const char *options, const char *payload)
{
	assert_hex(batch_step_options(step), step->options_len, options);
	assert_hex(batch_step_payload(step), step->payload_len, payload);
}

Test(compile, a_device_without_its_setting_gets_an_error_and_no_step)
{
	static const char *const nothing[] = { NULL };

	settings = nothing;
	tasks[0] = load_example("reference-task.xml");
	cr_assert_null(compile(1));
	cr_assert_eq(results[0].status, TASK_ERROR);
	cr_assert_str_eq(results[0].summary,
			 "attribute value of store #1 (line 2): sv.managementId is not set");
	cr_assert_eq(results[0].n_steps, 0);
}

#define COMMENTS "<comment/><comment/><comment/><comment/>"

Test(compile, failures_name_tag_attribute_and_reason_and_no_values)
{
	static const struct {
		const char *text, *summary;
	} cases[] = {
		{ "<config><lwm2mBootstrap><write key='/1/0/1' value='60'/>\n"
		  "<write key='/0/2/5' value='${sv.password}'/></lwm2mBootstrap></config>",
		  "attribute value of write #2 (line 2): Secret Key is opaque and takes hex text, "
		  "but character 1 is not a hex digit" },
		{ "<config><lwm2mBootstrap><write key='/1/0/0' "
		  "value='${sv.n.length}'/></lwm2mBootstrap></config>",
		  "" },
		{ "<config><lwm2mBootstrap><write key='/1/0/0' value='${sv.n.length - "
		  "3}'/></lwm2mBootstrap></config>",
		  "attribute value of write #1 (line 1): the value is out of the range 1..65534 of "
		  "Short Server ID" },
		{ "<config><lwm2mBootstrap><write key='LwM2M ${sv.password}.0.Lifetime' "
		  "value='60'/>"
		  "</lwm2mBootstrap></config>",
		  "attribute key of write #1 (line 1): the computed key names nothing" },
		{ "<config><lwm2mBootstrap><write key='${sv.none}' "
		  "value='60'/></lwm2mBootstrap></config>",
		  "attribute key of write #1 (line 1): sv.none is not set" },
		{ "<config><lwm2mBootstrap><delete key='${sv.none}'/></lwm2mBootstrap></config>",
		  "attribute key of delete #1 (line 1): sv.none is not set" },
		{ "<config><if expr='${sv.n}'/></config>",
		  "attribute expr of if #1 (line 1): the value is string, neither true nor "
		  "false" },
		{ "<config><if expr='${sv.none}'/></config>",
		  "attribute expr of if #1 (line 1): sv.none is not set" },
		{ "<config><while expr='true'/></config>",
		  "attribute expr of while #1 (line 1): the condition still holds after 10000 "
		  "turns" },
		{ "<config><while expr='true'>" COMMENTS COMMENTS COMMENTS "</while></config>",
		  "more than 100000 tags were executed" },
		{ "<config><lwm2mBootstrapConfiguration serverId='management-psk'/></config>",
		  "attribute serverId of lwm2mBootstrapConfiguration #1 (line 1): no LwM2M server "
		  "\"management-psk\" is "
		  "configured" },
		{ "<config><log message='${#undefined}'/></config>",
		  "attribute message of log #1 (line 1): " },
		{ "<config><lwm2mBootstrap><write key='/1/0/7' value='U' "
		  "format='opaque'/></lwm2mBootstrap></config>",
		  "write #1 (line 1): the content format cannot carry these values" },
		{ "<config><lwm2mBootstrap><write key='/1/0/7' value='U'/></lwm2mBootstrap>"
		  "<finish status='ERROR' message='not this one'/></config>",
		  "not this one" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct batch *batch = compile_text(cases[i].text);

		if (*cases[i].summary) {
			cr_assert_null(batch, "%s", cases[i].text);
			cr_assert_eq(results[0].status, TASK_ERROR, "%s", cases[i].text);
			cr_assert_eq(results[0].final, TASK_ERROR);
			cr_assert(strstr(results[0].summary, cases[i].summary), "%s: %s",
				  cases[i].text, results[0].summary);
			cr_assert_null(strstr(results[0].summary, "pw\""), "%s",
				       results[0].summary);
		}
		batch_free(batch);
	}
}

Test(compile, the_reference_task_to_the_byte)
{
	struct batch *batch;

	tasks[0] = load_example("reference-task.xml");
	batch = compile(1);
	cr_assert_not_null(batch, "%s", results[0].summary);
	cr_assert_str_eq(steps(batch),
			 "PUT /0/2 11542 54 bytes\nPUT /1/0 11542 12 bytes\nPOST /bs\n");
	/* OMA TS Core 7.4.3; the same by hand: 24 bytes of URI, identity and key are the texts themselves. */
	assert_step(batch->steps[0],
		    "b130013212"
		    "2d16",
		    "c80018636f6170733a2f2f7572692e6578616d706c653a35363834c10100c10200c803096d676d"
		    "742d30303031c004c2057077"
		    "c10a02");
	assert_step(batch->steps[1],
		    "b131013012"
		    "2d16",
		    "c10002c1013cc10600c10755");
	assert_step(batch->steps[2], "b26273", "");
	cr_assert_eq(batch->generation, 7);
	cr_assert_eq(batch->format, FORMAT_TLV);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(batch->steps[i]->number, i + 1);
		cr_assert_eq(batch->steps[i]->task, 0);
		cr_assert_eq((uintptr_t)batch->steps[i] % _Alignof(struct batch_step), 0);
	}
	cr_assert_eq(batch->steps[0]->expect, BATCH_EXPECT_WRITE);
	cr_assert_eq(batch->steps[0]->last_option, 12);
	cr_assert_eq(batch->steps[2]->expect, BATCH_EXPECT_FINISH);
	cr_assert_eq(batch->steps[2]->last_option, 11);
	cr_assert_eq(results[0].status, TASK_NOT_STARTED);
	cr_assert_eq(results[0].final, TASK_SUCCESS);
	cr_assert_eq(results[0].n_steps, 3);
	batch_free(batch);
}

Test(compile, what_no_device_decides_is_shared)
{
	static const char *const other[] = { "managementId", "other", "password", "secret", NULL };
	struct batch *a, *b, *c;

	tasks[0] = load_example("reference-task.xml");
	a = compile(1);
	settings = other;
	b = compile(1);
	c = compile_run(compiler, (const struct task *const *)tasks, 1, &env, FORMAT_SENML_CBOR,
			results);
	cr_assert_neq(a->steps[0], b->steps[0]);
	cr_assert_eq(a->steps[1], b->steps[1]);
	cr_assert_eq(a->steps[2], b->steps[2]);
	cr_assert_neq(a->steps[1], c->steps[1]);
	cr_assert_eq(a->steps[2], c->steps[2]);
	cr_assert_eq(compiler->n_shared, 3);
	cr_assert_lt(b->size, 200);
	/* Batches may outlive whoever owned the compiler. */
	batch_free(a);
	compiler_free(compiler);
	compiler = NULL;
	assert_step(b->steps[1],
		    "b131013012"
		    "2d16",
		    "c10002c1013cc10600c10755");
	batch_free(b);
	batch_free(c);
}

Test(compile, the_same_write_under_another_condition_is_another_step)
{
	static const char text[] = "<config><lwm2mBootstrap><if expr=\"${sv.n == 'x'}\"><write "
				   "key='/1/0/0' value='5'/></if>"
				   "<write key='/1/0/1' value='60'/></lwm2mBootstrap></config>";
	static const char *const with[] = { "n", "x", NULL }, *const without[] = { "n", "y", NULL };
	struct batch *a, *b;

	settings = with;
	a = compile_text(text);
	assert_step(a->steps[0],
		    "b131013012"
		    "2d16",
		    "c10005c1013c");
	settings = without;
	b = compile(1);
	assert_step(b->steps[0],
		    "b131013012"
		    "2d16",
		    "c1013c");
	batch_free(a);
	batch_free(b);
}

Test(compile, writes_become_requests_in_document_order)
{
	static const struct {
		const char *text, *steps;
	} cases[] = {
		{ "<lwm2mBootstrap/>", "POST /bs\n" },
		{ "<lwm2mBootstrap performBootstrapFinish='false'><write key='/1/0/1' "
		  "value='1'/></lwm2mBootstrap>",
		  "PUT /1/0 11542 3 bytes\n" },
		{ "<lwm2mBootstrap><write key='/1/0/7' value='U'/><write key='/1/0/1' "
		  "value='1'/></lwm2mBootstrap>",
		  "PUT /1/0 11542 6 bytes\nPOST /bs\n" },
		{ "<lwm2mBootstrap><write key='/1/0/1' value='1'/><write key='/1/1/1' value='1'/>"
		  "<write key='/1/0/7' value='U'/></lwm2mBootstrap>",
		  "PUT /1/0 11542 3 bytes\nPUT /1/1 11542 3 bytes\nPUT /1/0/7 11542 3 bytes\nPOST "
		  "/bs\n" },
		{ "<lwm2mBootstrap granularity='resource'><write key='/1/0/1' value='1'/><write "
		  "key='/1/0/7' value='U'/>"
		  "</lwm2mBootstrap>",
		  "PUT /1/0/1 11542 3 bytes\nPUT /1/0/7 11542 3 bytes\nPOST /bs\n" },
		{ "<lwm2mBootstrap granularity='object'><write key='/1/0/1' value='1'/><write "
		  "key='/1/1/1' value='1'/>"
		  "</lwm2mBootstrap>",
		  "PUT /1 11542 10 bytes\nPOST /bs\n" },
		{ "<lwm2mBootstrap><write key='/1/0/1' value='1'/><write key='/1/0/7' value='U' "
		  "format='text'/>"
		  "<write key='/1/0/6' value='true'/></lwm2mBootstrap>",
		  "PUT /1/0 11542 3 bytes\nPUT /1/0/7 0 1 bytes\nPUT /1/0/6 11542 3 bytes\nPOST "
		  "/bs\n" },
		{ "<lwm2mBootstrap><write key='/1/0/1' value='1'/><delete key='/1/1'/><write "
		  "key='/1/0/6' value='true'/>"
		  "</lwm2mBootstrap>",
		  "PUT /1/0 11542 3 bytes\nDELETE /1/1\nPUT /1/0/6 11542 3 bytes\nPOST /bs\n" },
		{ "<lwm2mBootstrap><delete key=''/><delete key='LwM2M "
		  "Security'/><discover/><discover key='/1'/>"
		  "<read key='LwM2M Server.0'/></lwm2mBootstrap>",
		  "DELETE /\nDELETE /0\nGET /\nGET /1\nGET /1/0\nPOST /bs\n" },
		{ "<lwm2mBootstrapCleanse/>", "DELETE /0\nDELETE /1\n" },
		{ "<lwm2mBootstrap/><lwm2mBootstrapCleanse/><lwm2mBootstrap/>",
		  "DELETE /0\nDELETE /1\nPOST /bs\n" },
		{ "<lwm2mBootstrap performBootstrapFinish='false'><foreach "
		  "list=\"${'5,6,7'.split(',')}\">"
		  "<write key='/1/${#i}/1' value='60'/></foreach></lwm2mBootstrap>",
		  "PUT /1/5 11542 3 bytes\nPUT /1/6 11542 3 bytes\nPUT /1/7 11542 3 bytes\n" },
		{ "<store target='n' value='1'/><while expr=\"${#n.length lt 3}\"><store "
		  "target='n' value='${#n}1'/>"
		  "<lwm2mBootstrap performBootstrapFinish='false'><write key='/1/${#n}/1' "
		  "value='60'/></lwm2mBootstrap>"
		  "</while>",
		  "PUT /1/11 11542 3 bytes\nPUT /1/111 11542 3 bytes\n" },
		{ "<lwm2mBootstrap/><finish status='SUCCESS'/><lwm2mBootstrapCleanse/>",
		  "POST /bs\n" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[1000];
		struct batch *batch;

		snprintf(text, sizeof text, "<config>%s</config>", cases[i].text);
		batch = compile_text(text);
		cr_assert_not_null(batch, "%s: %s", text, results[0].summary);
		cr_assert_str_eq(steps(batch), cases[i].steps, "%s: %s", text, steps(batch));
		batch_free(batch);
	}
}

Test(compile, options_to_the_byte)
{
	/* PROTOCOL facts 2.5, own vectors: the options of these requests. */
	static const struct {
		const char *tag, *options;
	} cases[] = {
		{ "<delete key='/'/>", "" },
		{ "<delete key='/0'/>", "b130" },
		{ "<discover/>", "d10428" },
		{ "<read key='/1'/>", "b131622d16" },
		{ "<write key='/1/1/1' value='1' format='112'/>", "b13101311170" },
		{ "<write key='/1/1/7' value='U' format='text'/>", "b1310131013710" },
		{ "<delete key='/65535/65534'/>", "b53635353335053635353334" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[300];
		struct batch *batch;

		snprintf(text, sizeof text, "<config><lwm2mBootstrap>%s</lwm2mBootstrap></config>",
			 cases[i].tag);
		batch = compile_text(text);
		cr_assert_not_null(batch, "%s", results[0].summary);
		assert_hex(batch_step_options(batch->steps[0]), batch->steps[0]->options_len,
			   cases[i].options);
		batch_free(batch);
	}
}

Test(compile, multiple_resources_have_instances)
{
	static const struct {
		const char *writes, *payload;
	} cases[] = {
		/* PROTOCOL facts 2.5: TLV /0/2/16 unsigned 2B. */
		{ "<write key='/0/2/16' value='49320'/>", "84104200c0a8" },
		{ "<write key='/0/2/16/1' value='49320'/><write key='/0/2/16/0' value='174'/>",
		  "87104100ae4201c0a8" },
		{ "<write key='/1/0/1' value='1'/><write key='/1/0/1' value='2'/>", "c10102" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[400];
		struct batch *batch;

		snprintf(text, sizeof text, "<config><lwm2mBootstrap>%s</lwm2mBootstrap></config>",
			 cases[i].writes);
		batch = compile_text(text);
		cr_assert_not_null(batch, "%s", results[0].summary);
		assert_hex(batch_step_payload(batch->steps[0]), batch->steps[0]->payload_len,
			   cases[i].payload);
		batch_free(batch);
	}
}

Test(compile, one_finish_ends_the_run)
{
	struct batch *batch;

	tasks[0] = load("<config><lwm2mBootstrap><write key='/1/0/1' "
			"value='1'/></lwm2mBootstrap></config>");
	tasks[1] = load("<config><lwm2mBootstrap><write key='/1/1/7' "
			"value='${sv.none}'/></lwm2mBootstrap></config>");
	tasks[2] = load("<config><lwm2mBootstrap performBootstrapFinish='false'><write "
			"key='/1/2/1' value='1'/>"
			"</lwm2mBootstrap></config>");
	tasks[3] = load("<config><if expr='false'><lwm2mBootstrap/></if></config>");
	batch = compile(4);
	cr_assert_not_null(batch);
	cr_assert_str_eq(steps(batch),
			 "PUT /1/0 11542 3 bytes\nPUT /1/2 11542 3 bytes\nPOST /bs\n");
	cr_assert(results[0].status == TASK_NOT_STARTED && results[0].first_step == 0 &&
		  results[0].n_steps == 1);
	cr_assert_eq(results[1].status, TASK_ERROR);
	cr_assert(results[2].status == TASK_NOT_STARTED && results[2].first_step == 1 &&
		  results[2].n_steps == 2);
	cr_assert(results[3].status == TASK_SUCCESS && results[3].n_steps == 0);
	cr_assert_str_eq(results[3].summary, "nothing is to be sent to this device");
	cr_assert_eq(batch->steps[2]->task, 2);
	cr_assert_eq(batch->steps[2]->number, 2);
	batch_free(batch);
}

Test(compile, nothing_to_send_is_no_batch)
{
	cr_assert_null(compile_text("<config><if expr='false'><lwm2mBootstrap/></if></config>"));
	cr_assert_eq(results[0].status, TASK_SUCCESS);
	cr_assert_null(compile(0));
	cr_assert_null(compile_text(
		"<config><finish status='WARNING' message='hm ${device.endpointName}'/></config>"));
	cr_assert_eq(results[0].status, TASK_WARNING);
	cr_assert_str_eq(results[0].summary, "hm dev-0001");
}

Test(compile, finish_says_what_becomes_of_the_task)
{
	struct batch *batch = compile_text(
		"<config><lwm2mBootstrap/><finish status='WARNING' message='old'/></config>");

	cr_assert_not_null(batch);
	cr_assert_eq(results[0].status, TASK_NOT_STARTED);
	cr_assert_eq(results[0].final, TASK_WARNING);
	cr_assert_str_eq(results[0].summary, "old");
	batch_free(batch);
}

static char logged[200];
static struct task *server;

static void
on_log(void *ctx, unsigned task, enum task_log_level level, const char *text, size_t len)
{
	size_t at = strlen(logged);

	snprintf(logged + at, sizeof logged - at, "%u %d %.*s;", task, level, (int)len, text);
}

static const struct task *
on_server(void *ctx, bool by_name, const char *name, size_t len, const char **why)
{
	return !by_name && len == 14 && !memcmp(name, "management-psk", 14) ? server : NULL;
}

static bool
not_in_group(void *ctx, const char *group, size_t len)
{
	return false;
}

Test(compile, the_condition_example_with_a_server)
{
	static const struct compile_hooks hooks = { .log = on_log, .server = on_server };
	struct expr_env outside = env;
	struct batch *batch;

	server = load("<config><lwm2mBootstrap><write key=\"/1/${#serverInstanceId ? '4'}/1\" "
		      "value='60'/>"
		      "</lwm2mBootstrap><finish status='ERROR'/></config>");
	compiler_set_hooks(compiler, &hooks);
	tasks[0] = load_example("cleanse-and-condition.xml");
	batch = compile(1);
	cr_assert_not_null(batch, "%s", results[0].summary);
	cr_assert_str_eq(steps(batch), "DELETE /0\nDELETE /1\nPUT /1/4 11542 3 bytes\nPOST /bs\n");
	cr_assert_str_eq(logged, "");
	batch_free(batch);

	outside.in_group = not_in_group;
	batch = compile_run(compiler, (const struct task *const *)tasks, 1, &outside, FORMAT_TLV,
			    results);
	cr_assert_str_eq(steps(batch), "PUT /1/4 11542 3 bytes\nPOST /bs\n");
	cr_assert_str_eq(logged, "0 2 kept the accounts of dev-0001;");
	batch_free(batch);

	batch = compile_text("<config><store target='s' value='9'/><lwm2mBootstrapConfiguration "
			     "serverId='management-psk' serverInstanceId='${#s}'/></config>");
	cr_assert_not_null(batch, "%s", results[0].summary);
	cr_assert_str_eq(steps(batch), "PUT /1/9 11542 3 bytes\n");
	batch_free(batch);
}

/* Its task stands in no file: a line and a tag's number would name nothing that an operator can find. */
Test(compile, what_fails_in_a_server_is_told_by_its_setting)
{
	static const struct compile_hooks hooks = { .server = on_server };
	struct batch *batch;

	server = load("<config><store target='identity' value='${sv.nothing}'/>"
		      "<lwm2mBootstrap performBootstrapFinish='false'>"
		      "<write key='/0/4/3' value='${#identity.encodeHex}'/></lwm2mBootstrap>"
		      "</config>");
	compiler_set_hooks(compiler, &hooks);
	batch = compile_text("<config><lwm2mBootstrapConfiguration serverId='management-psk'/>"
			     "</config>");
	cr_expect_null(batch);
	cr_expect_str_eq(results[0].summary, "t.xml: identity: sv.nothing is not set");
}

Test(compile, a_batch_is_bounded)
{
#define THIRTY_FOUR                                                                                \
	"${'1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,"  \
	"32,33,34'"                                                                                \
	".split(',')}"
	struct batch *batch = compile_text(
		"<config><lwm2mBootstrap><foreach list=\"" THIRTY_FOUR
		"\" iterator='a'><foreach list=\"" THIRTY_FOUR "\" iterator='b'><delete "
		"key='/9${#a}/${#b}'/></foreach></foreach></lwm2mBootstrap></config>");

	cr_assert_null(batch);
	cr_assert(strstr(results[0].summary, "more than 1023 requests"), "%s", results[0].summary);
	cr_assert_eq(compiler->builder.len, 0);
}

/* Each search is within its own bound; ten thousand of them are not within the run's. */
Test(compile, no_loop_of_searches_can_hang)
{
	struct batch *batch =
		compile_text("<config><store target='t' value=\"${sv.n.leftPad(4000, 'a')}\"/>"
			     "<while expr='true'><store target='u' value=\"${#t.replaceAll('[^b]', "
			     "'')}\"/></while>"
			     "</config>");

	cr_assert_null(batch);
	cr_assert(strstr(results[0].summary, "the expressions of this run handle too much text") ||
			  strstr(results[0].summary, "takes too long"),
		  "%s", results[0].summary);
}

/* What an attribute says reaches the device as it is meant, and an operator of an expression is read as one. */
Test(compile, references_reach_the_device_as_characters)
{
	struct batch *batch =
		compile_text("<config><lwm2mBootstrap><if expr='${true &amp;&amp; true}'>"
			     "<write key='LwM2M Security.2.LwM2M Server URI' "
			     "value='coaps://h:5684/?a=1&amp;b=&lt;&#38;&quot;'/>"
			     "</if></lwm2mBootstrap></config>");
	static const char uri[] = "coaps://h:5684/?a=1&b=<&\"";

	cr_assert_not_null(batch, "%s", results[0].summary);
	cr_assert_not_null(memmem(batch_step_payload(batch->steps[0]), batch->steps[0]->payload_len,
				  uri, sizeof uri - 1));
	batch_free(batch);
}

/* A PUT of an instance replaces it: what the run has put there stays (OMA Core TS 6.1.7.4). */
/* Tasks of one run share its dialogue, so the device that takes least decides. */
Test(compile, the_smallest_size_of_blocks_counts)
{
#define OPERATION "<lwm2mBootstrap><write key='/1/0/1' value='60'/></lwm2mBootstrap></config>"
	struct batch *batch;

	tasks[0] = load("<config>" OPERATION);
	tasks[1] = load("<config blockBytes='512'>" OPERATION);
	tasks[2] = load("<config blockBytes=\"${sv.none ? '256'}\">" OPERATION);
	for (unsigned n = 1; n <= 3; n++) {
		static const unsigned bytes[] = { 0, 512, 256 };

		batch = compile(n);
		cr_assert_not_null(batch, "%s", results[n - 1].summary);
		cr_expect_eq(batch->block_bytes, bytes[n - 1]);
		batch_free(batch);
	}
	tasks[0] = load("<config blockBytes='${sv.password}'>" OPERATION);
	cr_assert_null(compile(1));
	cr_expect_eq(results[0].status, TASK_ERROR);
	cr_expect(strstr(results[0].summary, "not valid for blockBytes"), "%s", results[0].summary);
#undef OPERATION
}

Test(compile, a_later_write_does_not_undo_an_earlier_one)
{
#define BLOCK(tags)   "<lwm2mBootstrap performBootstrapFinish='false'>" tags "</lwm2mBootstrap>"
#define WRITE(key)    "<write key='" key "' value='1'/>"
#define ACCOUNT       WRITE("/0/2/2") WRITE("/0/2/10") WRITE("/1/0/0") WRITE("/1/0/1")
#define ACCOUNT_STEPS "PUT /0/2 11542 6 bytes\nPUT /1/0 11542 6 bytes\n"
	static const struct {
		const char *text, *steps;
	} rows[] = {
		{ BLOCK(ACCOUNT) BLOCK(WRITE("/1/0/1")),
		  ACCOUNT_STEPS "PUT /1/0/1 11542 3 bytes\n" },
		{ BLOCK(ACCOUNT WRITE("/0/2/2")), ACCOUNT_STEPS "PUT /0/2/2 11542 3 bytes\n" },
		/* Several: each by itself. */
		{ BLOCK(ACCOUNT) BLOCK(WRITE("/1/0/1") WRITE("/1/0/2")),
		  ACCOUNT_STEPS "PUT /1/0/1 11542 3 bytes\nPUT /1/0/2 11542 3 bytes\n" },
		/* All of it again, and more, loses nothing. */
		{ BLOCK(ACCOUNT) BLOCK(WRITE("/1/0/0") WRITE("/1/0/1") WRITE("/1/0/2")),
		  ACCOUNT_STEPS "PUT /1/0 11542 9 bytes\n" },
		/* Another instance, or one that was deleted meanwhile, is new. */
		{ BLOCK(ACCOUNT) BLOCK(WRITE("/1/1/1")), ACCOUNT_STEPS "PUT /1/1 11542 3 bytes\n" },
		{ BLOCK(ACCOUNT) BLOCK("<delete key='/1/0'/>" WRITE("/1/0/1")),
		  ACCOUNT_STEPS "DELETE /1/0\nPUT /1/0 11542 3 bytes\n" },
		{ BLOCK(ACCOUNT) "<lwm2mBootstrapCleanse/>" BLOCK(WRITE("/1/0/1")),
		  ACCOUNT_STEPS "DELETE /0\nDELETE /1\nPUT /1/0 11542 3 bytes\n" },
		{ BLOCK(ACCOUNT) BLOCK("<delete key='/0'/>" WRITE("/1/0/1")),
		  ACCOUNT_STEPS "DELETE /0\nPUT /1/0/1 11542 3 bytes\n" },
		/* What is asked for by name is done. */
		{ BLOCK(ACCOUNT) "<lwm2mBootstrap performBootstrapFinish='false' "
				 "granularity='instance'>" WRITE("/1/0/1") "</lwm2mBootstrap>",
		  ACCOUNT_STEPS "PUT /1/0 11542 3 bytes\n" },
		/* What is sent only when Finish is refused: it adds to what was written, and counts for nobody else. */
		{ "<lwm2mBootstrap>" ACCOUNT
		  "</lwm2mBootstrap><lwm2mBootstrap when='finishRefused'>" WRITE(
			  "/1/0/2") "</lwm2mBootstrap>" BLOCK(WRITE("/3/0/14")),
		  ACCOUNT_STEPS
		  "PUT /3/0 11542 3 bytes\nPOST /bs\nPUT /1/0/2 11542 3 bytes\nPOST /bs\n" },
		{ "<lwm2mBootstrap when='finishRefused'>" WRITE("/1/0/2") "</lwm2mBootstrap>" BLOCK(
			  WRITE("/1/0/1")) "<lwm2mBootstrap/>",
		  "PUT /1/0 11542 3 bytes\nPOST /bs\nPUT /1/0 11542 3 bytes\nPOST /bs\n" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[1000];
		struct batch *batch;

		snprintf(text, sizeof text, "<config>%s</config>", rows[i].text);
		batch = compile_text(text);
		cr_assert_not_null(batch, "%s: %s", text, results[0].summary);
		cr_expect_str_eq(steps(batch), rows[i].steps, "%s: %s", text, steps(batch));
		batch_free(batch);
	}
}

/* Nor does one of a later task; and what a failed task would have written was not. */
Test(compile, a_later_task_does_not_undo_an_earlier_one)
{
	struct batch *batch;

	tasks[0] = load("<config>" BLOCK(ACCOUNT) "</config>");
	tasks[1] = load("<config>" BLOCK(WRITE("/3/0/14")) "<finish status='ERROR'/></config>");
	tasks[2] = load("<config>" BLOCK(WRITE("/1/0/1") WRITE("/3/0/15")) "</config>");
	batch = compile(3);
	cr_assert_not_null(batch);
	cr_expect_str_eq(steps(batch),
			 ACCOUNT_STEPS "PUT /1/0/1 11542 3 bytes\nPUT /3/0 11542 3 bytes\n", "%s",
			 steps(batch));
	batch_free(batch);
}
