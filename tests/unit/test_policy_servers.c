/* servers.conf: accounts that no device could use are refused with their place; others are what a task writes. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/policy/policy.h"
#include "control/policy/server_uri.h"
#include "tasks/compile/compile.h"

static struct diag_list diags;
static struct arena arena;
static struct objects *objects;
static struct policy *policy;

static void
set_up(void)
{
	diag_list_init(&diags);
	arena_init(&arena, 0);
	objects = objects_new();
}

static void
tear_down(void)
{
	policy_free(policy);
	objects_free(objects);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

TestSuite(policy_servers, .init = set_up, .fini = tear_down);

/* A certificate's shape: SEQUENCE of nothing. */
#define DER      "3003020100"
#define DER_FILE "\x30\x03\x02\x01\x00"
#define PEM_FILE "-----BEGIN CERTIFICATE-----\nMIIB\n"

static void
load(const char *servers, const char *groups)
{
	const struct policy_source changed[] = {
		{ "servers.conf", servers, strlen(servers) },
		{ "groups.conf", groups, strlen(groups) },
		{ "keys/good.der", DER_FILE, sizeof DER_FILE - 1 },
		{ "keys/wrong.pem", PEM_FILE, sizeof PEM_FILE - 1 },
		{ "tasks/t.xml", "<config><lwm2mBootstrapConfiguration serverId=\"a\"/></config>",
		  60 },
	};

	policy_free(policy);
	policy = policy_load_changed("/nonexistent", changed, sizeof changed / sizeof changed[0],
				     objects, &arena, &diags);
}

static bool
told(uint32_t line, const char *words)
{
	for (size_t i = 0; i < diags.count; i++)
		if (diags.items[i].place.line == line && strstr(diags.items[i].text, words))
			return true;
	return false;
}

Test(policy_servers, wrong)
{
	static const struct {
		const char *settings, *words;
	} cases[] = {
		{ "uri = \"h\"; ssid = 1;", "\"id\" is missing" },
		{ "id = \"a b\"; uri = \"h\"; ssid = 2;", "is no id" },
		{ "id = \"c1\"; ssid = 3;", "\"uri\" is missing" },
		{ "id = \"c2\"; uri = \"h\";", "\"ssid\" is missing" },
		{ "id = \"c3\"; uri = \"h\"; ssid = 65535;", "out of range" },
		{ "id = \"c4\"; uri = \"h\"; ssid = 0;", "out of range" },
		{ "id = \"c5\"; uri = \"h\"; ssid = 5; tpye = \"management\";",
		  "did you mean \"type\"" },
		{ "id = \"c6\"; uri = \"h\"; ssid = 6; type = \"managment\";",
		  "did you mean \"management\"" },
		{ "id = \"c7\"; uri = \"h\"; ssid = 7; security = \"tls\";", "psk, certificate" },
		{ "id = \"c8\"; uri = \"coap://h\"; ssid = 8;", "write coaps" },
		{ "id = \"c9\"; uri = \"coaps://h\"; ssid = 9; security = \"nosec\";",
		  "write coap," },
		{ "id = \"c10\"; uri = \"http://h\"; ssid = 10;", "no scheme of CoAP" },
		{ "id = \"c11\"; uri = \"2001:db8::1\"; ssid = 11;", "[2001:db8::1]" },
		{ "id = \"c12\"; uri = \"h:0\"; ssid = 12;", "a port is" },
		{ "id = \"c13\"; uri = \"h\"; ssid = 13; binding = \"X\";",
		  "a binding is made of" },
		{ "id = \"c14\"; uri = \"h\"; ssid = 14; binding = \"UU\";",
		  "a binding is made of" },
		{ "id = \"c15\"; uri = \"coaps+tcp://h\"; ssid = 15; binding = \"UQ\";",
		  "lacks T" },
		{ "id = \"c16\"; uri = \"coaps://h\"; ssid = 16; binding = \"T\";", "lacks U" },
		{ "id = \"c17\"; uri = \"h\"; ssid = 17; lifetime = 0;", "out of range" },
		{ "id = \"c18\"; uri = \"h\"; ssid = 18; identity = \"${sv.}\";", "" },
		{ "id = \"c19\"; uri = \"h\"; ssid = 19; identity = \"\";", "needs an identity" },
		{ "id = \"c20\"; uri = \"h\"; ssid = 20; psk = \"\";", "is none" },
		{ "id = \"c21\"; uri = \"h\"; ssid = 21; psk = "
		  "\"0123456789012345678901234567890123456789"
		  "0123456789012345678901234\";",
		  "longer than 64" },
		{ "id = \"c22\"; uri = \"h\"; ssid = 22; psk = \"xyz\"; psk_hex = true;", "hex" },
		{ "id = \"c23\"; uri = \"h\"; ssid = 23; security = \"nosec\"; psk = \"x\";",
		  "has no psk" },
		{ "id = \"c24\"; uri = \"h\"; ssid = 24; public_key = \"" DER "\";",
		  "has no public_key" },
		{ "id = \"c25\"; uri = \"h\"; ssid = 25; security = \"rpk\"; public_key = \"" DER
		  "\"; server_public_key = \"" DER "\";",
		  "needs a secret_key" },
		{ "id = \"c26\"; uri = \"h\"; ssid = 26; security = \"certificate\"; public_key = "
		  "\"file:wrong.pem\"; server_public_key = \"" DER "\"; secret_key = \"" DER "\";",
		  "this is PEM" },
		{ "id = \"c27\"; uri = \"h\"; ssid = 27; security = \"certificate\"; public_key = "
		  "\"-----BEGIN\"; server_public_key = \"" DER "\"; secret_key = \"" DER "\";",
		  "this is PEM" },
		{ "id = \"c28\"; uri = \"h\"; ssid = 28; security = \"certificate\"; public_key = "
		  "\"300302\"; server_public_key = \"" DER "\"; secret_key = \"" DER "\";",
		  "no DER" },
		{ "id = \"c29\"; uri = \"h\"; ssid = 29; security = \"certificate\"; public_key = "
		  "\"30030\"; server_public_key = \"" DER "\"; secret_key = \"" DER "\";",
		  "neither hex" },
		{ "id = \"c30\"; uri = \"h\"; ssid = 30; security = \"certificate\"; public_key = "
		  "\"file:../good.der\"; server_public_key = \"" DER "\"; secret_key = \"" DER
		  "\";",
		  "must be the name of a file" },
		{ "id = \"c31\"; uri = \"h\"; type = \"bootstrap\"; binding = \"U\";",
		  "has no Server instance" },
		{ "id = \"c33\"; name = \"c1\"; uri = \"h\"; ssid = 33;", "has the name" },
		{ "id = \"c5\"; uri = \"h\"; ssid = 32;", "is duplicated" },
		{ "id = \"c35\"; uri = \"h\"; ssid = 35; binding = 5;", "must be text" },
	};
	enum { CASES = sizeof cases / sizeof cases[0] };
	static char text[16384] = "servers = (";

	for (size_t i = 0; i < CASES; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n{ %s }",
			 i ? "," : "", cases[i].settings);
	strncat(text, ");\n", sizeof text - strlen(text) - 1);
	load(text, "groups = ();");
	for (size_t i = 0; i < CASES; i++)
		cr_expect(told((uint32_t)i + 2, cases[i].words), "%s", cases[i].settings);
	cr_expect_eq(diags.errors, CASES, "%zu errors", diags.errors);
}

Test(policy_servers, a_key_file_that_is_not_there)
{
	load("servers = ( { id = \"a\"; uri = \"h\"; ssid = 1; security = \"rpk\";\n"
	     "public_key = \"file:none.der\"; server_public_key = \"" DER "\"; secret_key = \"" DER
	     "\"; } );",
	     "groups = ();");
	cr_assert_eq(diags.errors, 1);
	cr_expect(strstr(diags.items[0].place.file, "/nonexistent/keys/none.der"));
}

Test(policy_servers, uris_are_made_whole)
{
	static const struct {
		const char *said;
		bool secured, tcp;
		const char *whole;
	} cases[] = {
		{ "h.example", true, false, "coaps://h.example:5684" },
		{ "h.example", false, false, "coap://h.example:5683" },
		{ "h", true, true, "coaps+tcp://h:5684" },
		{ "h:1", false, true, "coap+tcp://h:1" },
		{ "COAPS://h", false, false, "coaps://h:5684" },
		{ "coap+tcp://[2001:db8::1]/path", false, false,
		  "coap+tcp://[2001:db8::1]:5683/path" },
		{ "198.18.0.1:65535", true, false, "coaps://198.18.0.1:65535" },
	};
	char error[SERVER_URI_ERROR_MAX] = "", endless[300];
	struct server_uri uri;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_expect_eq(server_uri_complete(cases[i].said, cases[i].secured, cases[i].tcp,
						 &uri, error),
			     0, "%s: %s", cases[i].said, error);
		cr_expect_str_eq(uri.text, cases[i].whole);
	}
	memset(endless, '/', sizeof endless - 1);
	endless[0] = 'a';
	endless[sizeof endless - 1] = '\0';
	cr_expect_lt(server_uri_complete(endless, true, false, &uri, error), 0);
	cr_expect(strstr(error, "at most 255"));
}

Test(policy_servers, a_task_names_one_that_is_not_there)
{
	load("servers = ( { id = \"ab\"; uri = \"h\"; ssid = 1; } );",
	     "groups = ( { name = \"root\"; tasks = ( { file = \"t.xml\"; } ); } );");
	cr_assert_eq(diags.errors, 1);
	cr_expect_str_eq(diags.items[0].place.file, "/nonexistent/tasks/t.xml");
	cr_expect(strstr(diags.items[0].text, "did you mean \"ab\""));
}

Test(policy_servers, a_task_takes_over_what_its_server_is)
{
	const struct policy_file *file;
	uint64_t hash;

	load("servers = ( { id = \"a\"; uri = \"h\"; ssid = 1; psk = \"${sv.psk}\"; } );",
	     "groups = ( { name = \"root\"; tasks = ( { file = \"t.xml\"; } ); } );");
	cr_assert(policy && !diags.errors);
	file = policy_group(policy, "root", 4)->tasks[0].source;
	cr_expect_not(file->session);
	hash = file->hash;
	load("servers = ( { id = \"a\"; uri = \"h\"; ssid = 1; } );",
	     "groups = ( { name = \"root\"; tasks = ( { file = \"t.xml\"; } ); } );");
	cr_assert(policy && !diags.errors);
	file = policy_group(policy, "root", 4)->tasks[0].source;
	cr_expect(file->session, "its psk is a new one in every session");
	cr_expect_neq(file->hash, hash, "a reload sees that the server changed");
}

Test(policy_servers, found_by_id_and_by_name)
{
	load("servers = ( { id = \"a\"; name = \"the first\"; uri = \"h\"; ssid = 1; },\n"
	     "{ id = \"b\"; uri = \"h\"; type = \"bootstrap\"; security = \"nosec\"; } );",
	     "groups = ();");
	cr_assert(policy && !diags.errors);
	cr_expect_eq(policy_server_find(policy, false, "a", 1), &policy->servers[0]);
	cr_expect_eq(policy_server_find(policy, true, "the first", 9), &policy->servers[0]);
	cr_expect_eq(policy_server_find(policy, true, "b", 1), &policy->servers[1]);
	cr_expect_null(policy_server_find(policy, false, "the first", 9));
	cr_expect_null(policy_server_find(policy, false, "a\0b", 3));
	cr_expect_eq(policy->servers[0].security_instance, 1);
	cr_expect_eq(policy->servers[0].server_instance, 1);
	cr_expect_eq(policy->servers[1].security_instance, 0);
	cr_expect_str_eq(policy_nearest_server(policy, "aa"), "a");
}

static struct value
setting(void *ctx, const char *name, size_t len)
{
	cr_expect(len == 12 && memcmp(name, "managementId", 12) == 0);
	return (struct value){ VALUE_STRING, .text = { "dev-0001", 8 } };
}

/* What goes out in a step. */
static void
expect_payload(const struct batch_step *step, const uint8_t *payload, size_t len)
{
	cr_expect_eq(step->payload_len, len);
	cr_expect_eq(memcmp(step->bytes + step->options_len, payload, len), 0);
}

/* What a device with sv.managementId "dev-0001" gets: TLV, as it goes out. */
Test(policy_servers, an_account_on_the_wire)
{
	static const uint8_t security[] = "\xc8\x00\x0e"
					  "coaps://h:5684"
					  "\xc1\x01\x00\xc1\x02\x00"
					  "\xc8\x03\x08"
					  "dev-0001"
					  "\xc0\x04\xc3\x05"
					  "k<\""
					  "\xc1\x0a\x07";
	static const uint8_t server[] = "\xc1\x00\x07\xc2\x01\x01\x2c\xc1\x06\x00\xc1\x07U";
	struct compiler *compiler = compiler_new(objects, 1);
	struct task_result result;
	const struct task *task;
	struct expr_env env = { .setting = setting };
	struct batch *batch;

	load("servers = ( { id = \"a\"; uri = \"h\"; ssid = 7; lifetime = 300;\n"
	     "store_notifications = false; psk = \"k<\\\"\"; } );",
	     "groups = ();");
	cr_assert(policy && !diags.errors);
	task = policy->servers[0].task;
	batch = compile_run(compiler, &task, 1, &env, FORMAT_TLV, &result);
	cr_assert_not_null(batch, "%s", result.summary);
	cr_assert_eq(batch->n_steps, 2);
	expect_payload(batch->steps[0], security, sizeof security - 1);
	expect_payload(batch->steps[1], server, sizeof server - 1);
	batch_free(batch);
	compiler_free(compiler);
}

Test(policy_servers, what_is_no_uri_is_told_so_and_what_is_one_is_taken)
{
	static const char *const bad[] = { "coaps//x",
					   "coap//10.0.0.1",
					   "999.999.999.999",
					   "coaps://1.2.3",
					   "coaps://10.0.0.256:5684",
					   "coaps://-..",
					   "a..b",
					   ".a",
					   "a-.b",
					   "-a",
					   "coaps://[1:2]",
					   "coaps://[:::]",
					   "coaps://[::1",
					   "coaps://",
					   "coaps://a b" };
	static const char *const good[] = { "h",
					    "coap",
					    "a-b.example.org.",
					    "my_host",
					    "10.0.0.1",
					    "coaps://[::1]:1",
					    "coaps://[2001:db8::1]",
					    "coaps://[::ffff:10.0.0.1]",
					    "3com.com",
					    "coaps://h/path//x?a=1&b=2" };
	char error[SERVER_URI_ERROR_MAX], label[100];
	struct server_uri uri;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_lt(server_uri_complete(bad[i], true, false, &uri, error), 0, "%s",
			     bad[i]);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		cr_expect_eq(server_uri_complete(good[i], true, false, &uri, error), 0, "%s: %s",
			     good[i], error);
	memset(label, 'a', 64);
	memcpy(label + 64, ".org", 5);
	cr_expect_lt(server_uri_complete(label, true, false, &uri, error), 0);
	cr_expect_eq(server_uri_complete(label + 1, true, false, &uri, error), 0);
}

/* A value is no text of a language on its way: what XML would escape, fold or refuse arrives byte by byte. */
Test(policy_servers, values_reach_the_device_byte_by_byte)
{
	static const char *const keys[] = { "p&w\\\"<>'", "&amp;&#38;", "a\\tb\\nc\\rd",
					    " x  y ",     "]]>",        "\xc3\xa9\xe2\x82\xac" };
	static const char *const bytes[] = { "p&w\"<>'", "&amp;&#38;", "a\tb\nc\rd",
					     " x  y ",   "]]>",        "\xc3\xa9\xe2\x82\xac" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct compiler *compiler = compiler_new(objects, 1);
		struct expr_env env = { .setting = setting };
		struct task_result result;
		const struct task *task;
		struct batch *batch;
		char text[300];

		snprintf(
			text, sizeof text,
			"servers = ( { id = \"a\"; uri = \"h\"; ssid = 7; psk = \"%s\"; identity = "
			"\"i&d<%s\"; } );",
			keys[i], keys[i]);
		load(text, "groups = ();");
		cr_assert(policy && !diags.errors, "%s: %s", text,
			  diags.count ? diags.items[0].text : "");
		task = policy->servers[0].task;
		batch = compile_run(compiler, &task, 1, &env, FORMAT_TLV, &result);
		cr_assert_not_null(batch, "%s", result.summary);
		snprintf(text, sizeof text, "i&d<%s", bytes[i]);
		cr_expect_not_null(memmem(batch_step_payload(batch->steps[0]),
					  batch->steps[0]->payload_len, text, strlen(text)),
				   "identity %s", keys[i]);
		cr_expect_not_null(memmem(batch_step_payload(batch->steps[0]) + 30,
					  batch->steps[0]->payload_len - 30, bytes[i],
					  strlen(bytes[i])),
				   "psk %s", keys[i]);
		batch_free(batch);
		compiler_free(compiler);
	}
}

Test(policy_servers, a_value_that_is_no_text_is_refused_at_its_setting)
{
	load("servers = (\n{ id = \"a\"; uri = \"h\"; ssid = 7;\npsk = \"\xff\xfe\"; } );",
	     "groups = ();");
	cr_expect(told(3, "not valid UTF-8"), "%s", diags.count ? diags.items[0].text : "nothing");
}
