/* task: every mistake is told at its place, and what is right loads without a word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/model/task_tree.h"

static struct objects *objects;
static struct diag_list diags;

static void
setup(void)
{
	objects = objects_new();
	diag_list_init(&diags);
}

static void
teardown(void)
{
	objects_free(objects);
	diag_list_fini(&diags);
}

TestSuite(task, .init = setup, .fini = teardown);

static struct task *
load(const char *text)
{
	diag_list_fini(&diags);
	return task_load("t.xml", text, strlen(text), objects, &diags);
}

/* The place says which tag it is: a sentence that begins with it reads "<nope> <nope> is ...". */
static void
assert_tags_named_once(const char *text)
{
	for (size_t i = 0; i < diags.count; i++) {
		const char *tag = diags.items[i].place.tag;
		char again[80];

		snprintf(again, sizeof again, "<%s>", tag ? tag : "");
		cr_expect(!tag || strncmp(diags.items[i].text, again, strlen(again)),
			  "%s: <%s> %s", text, tag, diags.items[i].text);
	}
}

static void
assert_only(const char *text, const char *expected)
{
	char line[400] = "no diagnostic";

	if (diags.count)
		diag_format(&diags.items[0], line, sizeof line);
	cr_assert_eq(diags.count, 1, "%s: %zu, first %s", text, diags.count, line);
	assert_tags_named_once(text);
	cr_assert(strstr(line, expected), "%s\n%s", text, line);
}

/* A task of one tag inside of a lwm2mBootstrap. */
static void
load_inside(const char *tag, char *text, size_t size)
{
	snprintf(text, size, "<config><lwm2mBootstrap>\n%s</lwm2mBootstrap></config>", tag);
	cr_assert_null(load(text), "%s", text);
}

struct wrong_task {
	const char *text, *error; /* "": it is two */
};

static void
assert_wrong(const struct wrong_task *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cr_assert_null(load(cases[i].text), "%s", cases[i].text);
		if (*cases[i].error)
			assert_only(cases[i].text, cases[i].error);
		else
			cr_assert_eq(diags.errors, 2, "%s", cases[i].text);
	}
}

Test(task, tags_out_of_place)
{
	static const struct wrong_task cases[] = {
		{ "", "t.xml: error: the file is empty" },
		{ "<task/>",
		  "t.xml:1:1: error: <task> cannot be the root of a task: that is <config>" },
		{ "<config><config/></config>", "1:9: error: <config> is the root" },
		{ "<config><wirte/></config>", "<wirte> is an unknown tag: did you mean <write>?" },
		{ "<config><frobnicate/></config>", "<frobnicate> is an unknown tag" },
		{ "<config><reboot2><bogus/></reboot2></config>", "" },
		{ "<config><execute key='x' value='y'><foo/></execute></config>",
		  "is known, but manages devices after their registration, "
		  "which a bootstrap appliance does not do" },
		{ "<config><delete key='/1'/></config>",
		  "<delete> belongs into a <lwm2mBootstrap>" },
		{ "<config><lwm2mBootstrap><lwm2mBootstrapCleanse/></lwm2mBootstrap></config>",
		  "<lwm2mBootstrapCleanse> does not belong into a <lwm2mBootstrap>" },
		{ "<config><lwm2mBootstrap><if "
		  "expr='true'><lwm2mBootstrap/></if></lwm2mBootstrap></config>",
		  "does not belong into" },
		{ "<config><else/></config>", "<else> belongs directly into an <if>" },
		{ "<config><if expr='true'><else/><else/></if></config>", "has an <else> already" },
		{ "<config><store target='a' value='b'><comment/></store></config>",
		  "<store> takes no tags inside" },
		{ "<config>hello</config>", "<config> text inside means nothing" },
	};

	assert_wrong(cases, sizeof cases / sizeof *cases);
}

Test(task, wrong_attributes)
{
	static const struct wrong_task cases[] = {
		{ "<config><store target='a' value='b' typ='var'/></config>",
		  "<store typ> there is no such attribute: did you mean \"type\"?" },
		{ "<config><store target='a' value='b' frobnicate='var'/></config>",
		  "<store frobnicate> there is no such attribute: remove" },
		{ "<config><store target='a'/></config>", "<store> lacks the attribute value" },
		{ "<config><store target='' value='b'/></config>",
		  "an empty attribute is null, and target must" },
		{ "<config><store target='a' value=''/></config>",
		  "an empty attribute is null, and what is stored is text" },
		{ "<config><store target='a' value='b' type='global'/></config>",
		  "\"global\" is not a valid value: var, devProp or history" },
		{ "<config><store target='a' value='b' type='${sv.t}'/></config>",
		  "must be known when the task is loaded" },
		{ "<config><store target='a' value='b' type='${\"glo\" + \"bal\"}'/></config>",
		  "is not a valid value: var, devProp or history" },
		{ "<config><store target='a' value='b' type='${1 + 1}'/></config>",
		  "is not a valid value: var, devProp or history" },
		{ "<config><store target='a' value='b' secret='true'/></config>",
		  "secret masks a setting value" },
		{ "<config><store target='a' value='b' type='devProp' secret='very'/></config>",
		  "neither true nor false" },
		{ "<config><defaults target='a'/></config>",
		  "<defaults> lacks the attribute value" },
		{ "<config><defaults target='a' value=''/></config>", "which is not a default" },
		{ "<config><join/></config>", "<join> lacks the attribute group" },
		{ "<config><leave group='${5}'/></config>",
		  "the value is integer, but names are text" },
		{ "<config><removeProperty target=''/></config>", "target must have a value" },
		{ "<config><if expr='maybe'/></config>", "\"maybe\" is neither true nor false" },
		{ "<config><foreach list='a,b'/></config>",
		  "the value is string, but foreach needs a list" },
		{ "<config><log message='a' level='LOUD'/></config>",
		  "\"LOUD\" is not a valid value: TRACE" },
		{ "<config><finish status='DONE'/></config>",
		  "\"DONE\" is not a valid value: NOT_STARTED" },
	};

	assert_wrong(cases, sizeof cases / sizeof *cases);
}

Test(task, wrong_attributes_of_bootstraps)
{
	static const struct wrong_task cases[] = {
		{ "<config><lwm2mBootstrap onError='ignore'/></config>",
		  "\"ignore\" is not a valid value: abort, continue, finish" },
		{ "<config><lwm2mBootstrapCleanse onError='ignore'/></config>",
		  "not a valid value: abort, continue, finish" },
		{ "<config><lwm2mBootstrap when='later'/></config>",
		  "\"later\" is not a valid value: always, finishRefused" },
		{ "<config><lwm2mBootstrap when='${sv.x}'/></config>",
		  "write always or finishRefused, no expression" },
		{ "<config><lwm2mBootstrap when='finishRefused' "
		  "performBootstrapFinish='false'/></config>",
		  "a correction ends with a Finish of its own" },
		{ "<config><lwm2mBootstrap when='finishRefused'><discover output='a'/>"
		  "<log message='${#a}'/></lwm2mBootstrap></config>",
		  "it cannot use answers" },
		{ "<config><lwm2mBootstrapConfiguration/></config>", "serverId or by serverName" },
		{ "<config><lwm2mBootstrapConfiguration serverId='a' serverName='b'/></config>",
		  "one of both" },
		{ "<config><lwm2mBootstrapConfiguration serverId='a' "
		  "securityInstanceId='65535'/></config>",
		  "65535 is out of the range 0..65534" },
		{ "<config><lwm2mBootstrap performBootstrapFinish='yes'/></config>",
		  "neither true nor false" },
		{ "<config><lwm2mBootstrap granularity='tiny'/></config>",
		  "not a valid value: instance, resource, object" },
		{ "<config><lwm2mBootstrap format='text'/></config>", "not a valid value: tlv" },
		{ "<config format='xml'/>", "not a valid value: tlv" },
		{ "<config blockBytes='500'/>", "\"500\" is not a valid value: 16, 32" },
		{ "<config blockBytes='2048'/>", "\"2048\" is not a valid value: 16, 32" },
		{ "<config blockBytes='small'/>", "\"small\" is not a valid value: 16, 32" },
		{ "<config><lwm2mBootstrap blockBytes='512'/></config>",
		  "<lwm2mBootstrap blockBytes> there is no such attribute" },
	};

	assert_wrong(cases, sizeof cases / sizeof *cases);
}

Test(task, wrong_operations)
{
	static const struct {
		const char *tag, *error;
	} cases[] = {
		{ "<write key='LwM2M Servr.0.Lifetime' value='1'/>",
		  "t.xml:2:8: error: <write key> unknown object \"LwM2M Servr\": did you mean "
		  "\"LwM2M Server\"?" },
		{ "<write key='LwM2M Server.0.Lifetme' value='1'/>", "did you mean \"Lifetime\"?" },
		{ "<write key='LwM2M Server.0' value='1'/>", "the key must name a resource" },
		{ "<write key='LwM2M Server.0.Disable' value='1'/>", "Disable is executable" },
		{ "<write key='/1/0/1' value=''/>",
		  "an empty attribute is null, and value must have a value: write ${''}" },
		{ "<write key='/1/0/1' value='60' type='strong'/>",
		  "unknown type \"strong\": did you mean \"string\"?" },
		{ "<write key='/1/0/1' value='60' type='string'/>",
		  "<write type> the task says string, but Lifetime is defined as integer" },
		{ "<write key='/1/0/1' value='sixty'/>",
		  "<write value> \"sixty\" is not an integer, as Lifetime must be" },
		{ "<write key='/1/0/0' value='0'/>",
		  "0 is out of the range 1..65534 of Short Server ID" },
		{ "<write key='/1/0/6' value='yes'/>", "\"yes\" is not a boolean" },
		{ "<write key='/0/2/5' value='abc'/>", "odd number of digits" },
		{ "<write key='/0/2/17' value='0'/>", "is not an objlnk" },
		{ "<write key='/4711/0/0' value='0'/>", "no definition has the type of /4711/0/0" },
		{ "<write key='/4711/0/0' value='x' type='integer'/>", "\"x\" is not an integer" },
		{ "<write key='/1/0/1' value=\"${'60'}\"/>",
		  "the value is string, but Lifetime is an integer: use .toInt" },
		{ "<write key='/1/0/1' value='${sv.x}'/>",
		  "the value is string, but Lifetime is integer: use .toInt" },
		{ "<write key='/1/0/7' value='U' format='yaml'/>", "not a valid value: tlv" },
		{ "<delete key='/1/0/1'/>", "takes an object or an instance" },
		{ "<delete/>", "<delete> lacks the attribute key" },
		{ "<discover key='/1/0'/>", "takes an object" },
		{ "<read key='/1/0/1'/>",
		  "may read /1, /1/N, /2 and /2/N (OMA TS Core 6.1.7.4); take one value out of the "
		  "answer" },
		{ "<read key='/'/>", "takes an object or an instance" },
		{ "<upload key='/1/0/1' resourceId='cert'/>",
		  "Lifetime is integer: a file's content goes into opaque and string resources" },
		{ "<upload key='/0/2' resourceId='cert'/>", "the key must name a resource" },
		{ "<upload key='/0/2/5'/>", "<upload> lacks the attribute resourceId" },
		{ "<read key='/1' output='${5}'/>",
		  "the value is integer, but a variable is named by text" },
		{ "<write key='/1/0/1' value='${'/>", "t.xml:2:" },
	};
	char text[400];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t errors = 0;

		load_inside(cases[i].tag, text, sizeof text);
		for (size_t j = 0; j < diags.count; j++) {
			char line[400];

			diag_format(&diags.items[j], line, sizeof line);
			errors +=
				diags.items[j].level == DIAG_ERROR && strstr(line, cases[i].error);
		}
		cr_assert(errors == 1 && diags.errors == 1, "%s: %s", cases[i].tag,
			  diags.count ? diags.items[0].text : "");
	}
}

Test(task, twenty_mistakes_are_twenty_errors_in_order)
{
	char text[4000] = "<config>\n<lwm2mBootstrap>\n";
	size_t at = strlen(text);

	for (int i = 0; i < 10; i++)
		at += (size_t)snprintf(
			text + at, sizeof text - at,
			"  <write key='LwM2M Server.%d.Lifetime' value='x%d'/>\n"
			"  <write ky='LwM2M Server.%d.Binding' key='/1/%d/7' value='U'/>\n",
			i, i, i, i);
	snprintf(text + at, sizeof text - at, "</lwm2mBootstrap>\n</config>\n");
	cr_assert_null(load(text));
	cr_assert_eq(diags.errors, 20);
	for (uint32_t i = 0, line = 3; i < diags.count; i++) {
		if (diags.items[i].level == DIAG_WARNING)
			continue;
		cr_assert_eq(diags.items[i].place.line, line++);
		cr_assert_str_eq(diags.items[i].place.tag, "write");
		cr_assert_neq(diags.items[i].place.column, 0);
	}
}

Test(task, expressions_are_placed_exactly)
{
	cr_assert_null(
		load("<config>\n  <store target=\"a\"\n    value=\"&lt;&#65;${ ) }\"/></config>"));
	cr_assert_eq(diags.errors, 1);
	cr_assert_eq(diags.items[0].place.line, 3);
	cr_assert_eq(diags.items[0].place.column, 24, "%u: %s", diags.items[0].place.column,
		     diags.items[0].text);
	cr_assert_str_eq(diags.items[0].place.attribute, "value");
}

Test(task, length_is_characters)
{
	size_t size = 2 * TASK_TEXT_MAX + 100;
	char *text = malloc(size);
	int head = snprintf(text, size, "<config><comment>");
	struct task *task;

	/* Two bytes a character: as many characters as are allowed. */
	for (int i = 0; i < TASK_TEXT_MAX - 40; i++)
		memcpy(text + head + 2 * i, "\xc3\xa4", 2);
	snprintf(text + head + 2 * (TASK_TEXT_MAX - 40), 40, "</comment></config>");
	task = load(text);
	cr_assert_not_null(task);
	task_free(task);
	memset(text, ' ', TASK_TEXT_MAX + 1);
	text[TASK_TEXT_MAX + 1] = '\0';
	cr_assert_null(load(text));
	assert_only("long", "at most 100000 characters");
	free(text);
	diag_list_fini(&diags);
	cr_assert_null(task_load_file("/nonexistent/task.xml", objects, &diags));
	assert_only("file", "cannot read the task: No such file");
}

Test(task, the_examples_load_without_a_word)
{
	static const struct {
		const char *name;
		bool session, answers;
	} files[] = {
		{ "reference-task.xml", false, false },
		{ "cleanse-and-condition.xml", false, false },
		{ "beside-own-account.xml", true, true },
	};

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char file[300];
		struct task *task;

		snprintf(file, sizeof file, "%s/conf/policy/tasks/%s", SOURCE_ROOT, files[i].name);
		task = task_load_file(file, objects, &diags);
		cr_assert_not_null(task, "%s: %s", file, diags.count ? diags.items[0].text : "");
		cr_assert_eq(diags.count, 0, "%s", diags.items ? diags.items[0].text : "");
		cr_assert(!strcmp(task->name, file));
		cr_assert_eq(task_depends_on_session(task), files[i].session);
		cr_assert_eq(task->answers, files[i].answers);
		cr_assert_not(task->effects);
		task_free(task);
	}
}

#define SECURITY(i, uri, bs, mode, rest)                                                           \
	"<write key='/0/" i "/0' value='" uri "'/><write key='/0/" i "/1' value='" bs "'/>"        \
	"<write key='/0/" i "/2' value='" mode "'/>" rest
#define SSID(i, ssid) "<write key='/0/" i "/10' value='" ssid "'/>"
#define PSK(i)        "<write key='/0/" i "/3' value='6161'/><write key='/0/" i "/5' value='6262'/>"
#define SERVER(i, ssid, b)                                                                         \
	"<write key='/1/" i "/0' value='" ssid "'/><write key='/1/" i "/1' value='60'/>"           \
	"<write key='/1/" i "/6' value='false'/><write key='/1/" i "/7' value='" b "'/>"

/* What the definitions of objects 0 and 1 allow, as clients check it. */
Test(task, accounts_out_of_their_ranges_are_errors)
{
	static const struct {
		const char *write, *error;
	} cases[] = {
		{ "<write key='/0/2/10' value='0'/>", "1..65534" },
		{ "<write key='/1/0/0' value='65535'/>", "1..65534" },
		{ "<write key='/0/2/0' value='${\"\".leftPad(256, \"a\")}'/>", "255" },
		{ "<write key='/0/2/2' value='9'/>", "0..4" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[300];
		bool told = false;

		snprintf(text, sizeof text, "<config><lwm2mBootstrap>%s</lwm2mBootstrap></config>",
			 cases[i].write);
		cr_assert_null(load(text));
		cr_expect_eq(diags.errors, 1);
		for (size_t d = 0; d < diags.count; d++)
			told |= diags.items[d].level == DIAG_ERROR &&
				strstr(diags.items[d].text, cases[i].error);
		cr_expect(told, "%s: %s", cases[i].write, diags.items[0].text);
	}
}

struct account_case {
	const char *tags, *warning; /* NULL: none */
};

static void
assert_warned(const struct account_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char text[3000];
		struct task *task;

		snprintf(text, sizeof text, "<config><lwm2mBootstrap>%s</lwm2mBootstrap></config>",
			 cases[i].tags);
		task = load(text);
		cr_assert_not_null(task, "%s", diags.count ? diags.items[0].text : "");
		if (cases[i].warning)
			assert_only(text, cases[i].warning);
		else
			cr_assert_eq(diags.count, 0, "%s", diags.items ? diags.items[0].text : "");
		task_free(task);
	}
}

Test(task, warns_of_credentials_that_clients_refuse)
{
	static const struct account_case cases[] = {
		{ SECURITY("2", "coaps://a", "false", "0", SSID("2", "7") PSK("2"))
			  SERVER("0", "7", "U"),
		  NULL },
		{ SECURITY("0", "coaps://a", "false", "0", SSID("0", "7") PSK("0"))
			  SERVER("0", "7", "U"),
		  "keep their bootstrap account in Security instance 0" },
		{ SECURITY("2", "coaps://a", "true", "0", PSK("2")), "writes a bootstrap account" },
		{ SECURITY("2", "coaps://a", "false", "3", SSID("2", "7")) SERVER("0", "7", "U"),
		  "says coaps, but the security mode is NoSec" },
		{ SECURITY("2", "coap://a", "false", "0", SSID("2", "7") PSK("2"))
			  SERVER("0", "7", "U"),
		  "says coap, but the security mode is 0" },
		{ SECURITY("2", "coap://a", "false", "3",
			   SSID("2", "7") "<write key='/0/2/5' value='6262'/>")
			  SERVER("0", "7", "U"),
		  "security mode NoSec uses none" },
		{ SECURITY("2", "coaps://a", "false", "0", SSID("2", "7")) SERVER("0", "7", "U"),
		  "PSK needs an identity" },
		{ SECURITY("2", "coaps://a", "false", "0",
			   SSID("2", "7") PSK("2") "<write key='/0/2/3' value='ff'/>")
			  SERVER("0", "7", "U"),
		  NULL },
		{ SECURITY("2", "coaps://a", "false", "0",
			   SSID("2", "7") "<write key='/0/2/3' value='ff'/><write key='/0/2/5' "
					  "value='6262'/>") SERVER("0", "7", "U"),
		  "the PSK identity is not valid UTF-8" },
		{ SECURITY("2", "coaps://a", "false", "2",
			   SSID("2", "7") "<upload key='/0/2/3' resourceId='a'/><upload "
					  "key='/0/2/5' resourceId='b'/>") SERVER("0", "7", "U"),
		  NULL },
		{ SECURITY("2", "coaps://a", "false", "0",
			   SSID("2", "7") "<write key='/0/2/3' value='${\"\".leftPad(129, "
					  "\"a\").encodeHex}'/><write key='/0/2/5' value='62'/>")
			  SERVER("0", "7", "U"),
		  "the PSK identity has 129 bytes: clients take up to 128" },
		{ SECURITY("2", "coaps://a", "false", "0",
			   SSID("2", "7") "<write key='/0/2/3' value='61'/><write key='/0/2/5' "
					  "value='${\"\".leftPad(65, \"a\").encodeHex}'/>")
			  SERVER("0", "7", "U"),
		  "the PSK has 65 bytes: clients take up to 64" },
		{ SECURITY("2", "coaps://a", "false", "0",
			   SSID("2", "7") PSK("2") "<write key='/0/2/4' value='62'/>")
			  SERVER("0", "7", "U"),
		  "security mode PSK uses none" },
		{ SECURITY("2", "coaps://a", "false", "4",
			   SSID("2", "7") "<write key='/0/2/5' value='62'/>") SERVER("0", "7", "U"),
		  "security mode EST uses none" },
		{ SECURITY("2", "coaps://a", "false", "1",
			   SSID("2", "7") "<write key='/0/2/4' value='2d2d2d2d2d424547494e'/>")
			  SERVER("0", "7", "U"),
		  "this is PEM" },
		{ SECURITY("2", "coaps://a", "false", "2",
			   SSID("2", "7") "<write key='/0/2/5' value='2d2d2d2d2d424547494e'/>")
			  SERVER("0", "7", "U"),
		  "this is PEM" },
	};

	assert_warned(cases, sizeof cases / sizeof *cases);
}

Test(task, warns_of_accounts_that_clients_refuse)
{
	static const struct account_case cases[] = {
		{ "<write key='/0/2/0' value='coaps://a'/><write key='/0/2/1' value='false'/>" SSID(
			  "2", "7") SERVER("0", "7", "U"),
		  "is written without the mandatory Security Mode" },
		{ SECURITY("2", "coaps://a", "false", "0", PSK("2")), "has no Short Server ID" },
		{ SECURITY("2", "coaps://a", "false", "0", SSID("2", "7") PSK("2")),
		  "no Server instance with Short Server ID 7" },
		{ SERVER("0", "7", "U"), "no Security instance with Short Server ID 7" },
		{ SECURITY("2", "coaps://a", "false", "0", SSID("2", "7") PSK("2"))
			  SERVER("0", "7", "T"),
		  "the binding lacks U" },
		{ SECURITY("2", "coaps+tcp://a", "false", "0", SSID("2", "7") PSK("2"))
			  SERVER("0", "7", "U"),
		  "the binding lacks T" },
		{ SECURITY("2", "coaps://a", "false", "0",
			   SSID("2", "7")
				   PSK("2")) "<write key='/1/0/0' value='7'/><write key='/1/0/6' "
					     "value='false'/><write key='/1/0/7' value='U'/>",
		  "LwM2M Server 0 is written without the mandatory Lifetime" },
		{ SECURITY("2", "coaps://a", "false", "0", SSID("2", "7") PSK("2"))
			  SECURITY("3", "coaps://b", "false", "0", SSID("3", "7") PSK("3"))
				  SERVER("0", "7", "U"),
		  "instance 2 of the object has Short Server ID 7 already" },
		{ SECURITY("2", "coaps://a", "false", "0", SSID("2", "7") PSK("2"))
			  SERVER("0", "7", "U")
				  SECURITY("3", "coaps://b", "false", "0", SSID("3", "8") PSK("3"))
					  SERVER("1", "8", "U"),
		  "more than one server needs Access Control" },
		{ "<read key='/3'/>", "objects 1 and 2 alone" },
	};

	assert_warned(cases, sizeof cases / sizeof *cases);
}

/* Every attribute is a template: the kind of a store may be one that no device decides. */
Test(task, a_store_may_be_of_a_constant_kind)
{
	struct task *task = load("<config><store type='${\"dev\" + \"Prop\"}' target='a' "
				 "value='b'/></config>");

	cr_assert_not_null(task, "%s", diags.count ? diags.items[0].text : "");
	cr_expect(task->effects);
	task_free(task);
}

Test(task, finish_session_false_is_said_to_have_no_effect)
{
	struct task *task = load("<config><lwm2mBootstrap finishSession='false'/></config>");

	cr_assert_not_null(task);
	assert_only("", "warning: <lwm2mBootstrap finishSession> finishSession has no effect");
	task_free(task);
}

Test(task, constants_are_known_ahead)
{
	struct task *task =
		load("<config><store target='n' value=\"${'ab' + 'cd'}\"/><lwm2mBootstrap>"
		     "<write key='/0/2/5' value='${#n.encodeHex}'/>"
		     "<write key='/0/2/3' value='${sv.id.encodeHex}'/></lwm2mBootstrap></config>");
	const struct task_node *write;

	cr_assert_not_null(task, "%s", diags.count ? diags.items[0].text : "");
	write = task->root->children->next->children;
	cr_assert(write->write.fixed);
	cr_assert_eq(write->write.values[0].bytes.len, 4);
	cr_assert_arr_eq(write->write.values[0].bytes.at, "abcd", 4);
	cr_assert_not(write->next->write.fixed);
	task_free(task);
}

Test(task, says_where_a_write_goes_to_its_resource_alone)
{
#define FIRST                                                                                      \
	"<lwm2mBootstrap><write key='/3/0/14' value='+01'/><write key='/3/0/15' "                  \
	"value='a'/></lwm2mBootstrap>\n"
	static const struct {
		const char *tags, *warning;
	} cases[] = {
		{ FIRST "<lwm2mBootstrap><write key='/3/0/14' value='+02'/></lwm2mBootstrap>",
		  "t.xml:2:24: warning: <write key> /3/0 was written before (line 1), so this goes "
		  "to its resource "
		  "alone" },
		{ FIRST "<lwm2mBootstrap><write key='/5/0/1' value='coap://h'/><write "
			"key='/3/0/15' value='b'/>"
			"</lwm2mBootstrap>",
		  "/3/0 was written before (line 1)" },
		{ FIRST "<lwm2mBootstrap><write key='/3/0/14' value='+02'/><write key='/3/0/15' "
			"value='b'/>"
			"</lwm2mBootstrap>",
		  NULL },
		{ FIRST "<lwm2mBootstrap granularity='instance'><write key='/3/0/14' "
			"value='+02'/></lwm2mBootstrap>",
		  NULL },
		{ FIRST "<lwm2mBootstrap><delete key='/3/0'/><write key='/3/0/14' "
			"value='+02'/></lwm2mBootstrap>",
		  NULL },
		{ FIRST
		  "<if expr='${sv.a == null}'><lwm2mBootstrap><write key='/3/0/14' value='+02'/>"
		  "</lwm2mBootstrap></if>",
		  NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[500];
		struct task *task;

		snprintf(text, sizeof text, "<config>%s</config>", cases[i].tags);
		task = load(text);
		cr_assert_not_null(task, "%s: %s", text, diags.count ? diags.items[0].text : "");
		if (cases[i].warning)
			assert_only(text, cases[i].warning);
		else
			cr_expect_eq(diags.count, 0, "%s: %s", text,
				     diags.count ? diags.items[0].text : "");
		task_free(task);
	}
}

Test(task, warns_of_secrets_in_messages)
{
	static const struct {
		const char *tags, *warning;
	} cases[] = {
		{ "<log message='it is ${sv.password}'/>",
		  "<log message> sv.password is a secret" },
		{ "<log message=\"${sv.get('apiKey')}\"/>", "sv.apiKey is a secret" },
		{ "<finish status='SUCCESS' message='${sv.`the psk`}'/>",
		  "sv.the psk is a secret" },
		{ "<join group='root.${sv.password}'/>", "<join group> sv.password is a secret" },
		{ "<store type='history' target='h' value='${sv.password}'/>",
		  "sv.password is a secret" },
		{ "<store target='a' value='${sv.password}'/><store target='b' value='${#a}'/><log "
		  "message='${#b}'/>",
		  "#b is a secret" },
		/* What goes to a resource for keys is one, whatever its name. */
		{ "<log message='${sv.apple}'/><lwm2mBootstrap><write key='/0/2/5' "
		  "value='${sv.apple.encodeHex}'/>"
		  "</lwm2mBootstrap>",
		  "sv.apple is a secret" },
		{ "<store target='k' value='${sv.apple}'/><lwm2mBootstrap><write key='/21/0/0' "
		  "value='${#k.encodeHex}'/>"
		  "</lwm2mBootstrap><if expr='true'><log message='${sv.apple}'/></if>",
		  "sv.apple is a secret" },
		{ "<log message='${sv.zone} ${device.endpointName}'/>", NULL },
		{ "<store target='password' value='${sv.zone}'/><log message='${#password}'/>",
		  NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[500];
		struct task *task;
		bool warned = false;

		snprintf(text, sizeof text, "<config>%s</config>", cases[i].tags);
		task = load(text);
		cr_assert_not_null(task, "%s: %s", text, diags.count ? diags.items[0].text : "");
		for (size_t k = 0; k < diags.count; k++) {
			char line[300];

			diag_format(&diags.items[k], line, sizeof line);
			warned |= strstr(line, cases[i].warning ? cases[i].warning
								: "is a secret") != NULL;
		}
		cr_expect_eq(warned, cases[i].warning != NULL, "%s", text);
		task_free(task);
	}
}

Test(task, warns_of_what_can_be_decided_ahead)
{
	static const struct {
		const char *tags, *warning;
	} cases[] = {
		{ "<log message='${#nope}'/>", "<log message> #nope is never set in this task" },
		{ "<if expr='${#nope ? true}'><log message='${#nope}'/></if>",
		  "<if expr> #nope is never set" },
		{ "<store target='a' value='x'/><log message='${#a}'/>", NULL },
		{ "<foreach list=\"${'a,b'.split(',')}\"><log message='${#i}'/></foreach>", NULL },
		{ "<store target='${sv.name}' value='x'/><log message='${#a}'/>", NULL },
		{ "<log message=\"${#securityInstanceId ? '1'}\"/>", NULL },
		{ "<while expr='true'><log message='a'/></while>",
		  "<while expr> this condition always holds" },
		{ "<while expr='${1 lt 2}'><log message='a'/></while>",
		  "this condition always holds" },
		{ "<while expr='true'><if expr='${sv.a == null}'><finish "
		  "status='SUCCESS'/></if></while>",
		  NULL },
		{ "<while expr='false'><log message='a'/></while>", "this condition never holds" },
		{ "<while expr='${sv.a == null}'><log message='a'/></while>", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[400];
		struct task *task;

		snprintf(text, sizeof text, "<config>%s</config>", cases[i].tags);
		task = load(text);
		cr_assert_not_null(task, "%s: %s", text, diags.count ? diags.items[0].text : "");
		if (cases[i].warning)
			assert_only(text, cases[i].warning);
		else
			cr_expect_eq(diags.count, 0, "%s: %s", text,
				     diags.count ? diags.items[0].text : "");
		task_free(task);
	}
}
