/* accounts: the credentials that a run makes are told as written, and no others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/compile/compile.h"

enum { TOLD_MAX = 4 };

static struct objects *objects;
static struct compiler *compiler;
static struct task *tasks[4];
static struct task_result results[4];
static unsigned n_tasks, n_told, n_asked, drawn;
static bool answer; /* of the hook `finish` */
static char told[TOLD_MAX][256];
static struct batch *batch;

static int
random_bytes(void *ctx, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(17 * ++drawn);
	return 0;
}

static struct value
setting(void *ctx, const char *name, size_t len)
{
	return (struct value){ VALUE_STRING, .secret = true, .text = { "stored", 6 } };
}

static const struct expr_env env = { .setting = setting, .random = random_bytes };

static int
text_of(const struct lwm2m_value *value)
{
	return value->type == LWM2M_NONE ? 0 : (int)value->bytes.len;
}

static void
on_credential(void *ctx, const struct compile_credential *credential)
{
	cr_assert_lt(n_told, TOLD_MAX);
	snprintf(told[n_told++], sizeof *told, "%u mode %u ssid %u %.*s %.*s %d",
		 credential->instance, credential->mode, credential->ssid,
		 text_of(&credential->uri), (const char *)credential->uri.bytes.at,
		 text_of(&credential->identity), (const char *)credential->identity.bytes.at,
		 text_of(&credential->key));
}

static bool
on_finish(void *ctx)
{
	n_asked++;
	return answer;
}

static void
setup(void)
{
	objects = objects_new();
	compiler = compiler_new(objects, 1);
	answer = true;
}

static void
teardown(void)
{
	batch_free(batch);
	compiler_free(compiler);
	while (n_tasks)
		task_free(tasks[--n_tasks]);
	objects_free(objects);
}

TestSuite(accounts, .init = setup, .fini = teardown);

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

static void
run(void)
{
	const struct compile_hooks hooks = { .credential = on_credential, .finish = on_finish };

	batch_free(batch);
	drawn = n_told = n_asked = 0;
	compiler_set_hooks(compiler, &hooks);
	batch = compile_run(compiler, (const struct task *const *)tasks, n_tasks, &env, FORMAT_TLV,
			    results);
	cr_assert_not_null(batch, "%s", results[0].summary);
}

#define CONFIG(inside)         "<config><lwm2mBootstrap>" inside "</lwm2mBootstrap></config>"
#define WRITE(resource, value) "<write key='/0/2/" resource "' value='" value "'/>"
#define ACCOUNT                                                                                    \
	WRITE("0", "coaps://a:5684")                                                               \
	WRITE("1", "${false}") WRITE("2", "0") WRITE("3", "6964") WRITE("10", "123")

/* ---- what is no credential of ours ---- */

Test(accounts, keys_that_were_there_before_are_not_told)
{
	add(CONFIG(ACCOUNT WRITE("5", "${sv.psk.encodeHex}")));
	run();
	cr_expect_eq(n_told, 0);
	cr_expect_eq(n_asked, 0);
	add("<config><lwm2mBootstrap><write key='/0/3/5' "
	    "value='6b6579'/></lwm2mBootstrap></config>");
	run();
	cr_expect_eq(n_told, 0);
}

Test(accounts, random_characters_elsewhere_make_no_credential)
{
	add(CONFIG(
		ACCOUNT WRITE("5", "6b6579") "<write key='/5/0/1' value='${string.random(4)}'/>"));
	run();
	cr_expect_eq(n_told, 0);
	for (unsigned i = 0; i < batch->n_steps; i++)
		cr_expect_eq(batch->steps[i]->credential, 0);
}

Test(accounts, a_bootstrap_servers_account_is_not_told)
{
	add(CONFIG(WRITE("1", "${true}") WRITE("5", "${string.secureRandom(9).encodeHex}")));
	run();
	cr_expect_eq(n_told, 0);
}

Test(accounts, a_failed_task_tells_nothing)
{
	add(CONFIG(ACCOUNT WRITE("5", "${string.secureRandom(9).encodeHex}")
			   WRITE("10", "${sv.psk.toInt}")));
	add("<config><lwm2mBootstrap><write key='/1/1/1' value='60'/></lwm2mBootstrap></config>");
	run();
	cr_expect_eq(results[0].status, TASK_ERROR);
	cr_expect_eq(n_told, 0);
}

Test(accounts, what_is_deleted_again_is_not_told)
{
	add(CONFIG(
		ACCOUNT WRITE("5", "${string.secureRandom(9).encodeHex}") "<delete key='/0/2'/>"));
	run();
	cr_expect_eq(n_told, 0);
}

Test(accounts, a_run_that_waits_for_an_answer_tells_at_its_end)
{
	add(CONFIG(ACCOUNT WRITE(
		"5",
		"${string.secureRandom(9).encodeHex}") "<read key='/3/0' output='o'/>"
						       "<write key='/1/1/1' value='${#o ? 60}'/>"));
	run();
	cr_assert(batch->continues);
	cr_expect_eq(n_told, 0);
	cr_expect_eq(n_asked, 0);
}

/* ---- what is ---- */

Test(accounts, a_made_key_is_told_with_its_account)
{
	add(CONFIG(ACCOUNT WRITE("5", "${string.secureRandom(9).encodeHex}")));
	run();
	cr_assert_eq(n_told, 1);
	cr_expect_str_eq(told[0], "2 mode 0 ssid 123 coaps://a:5684 id 9");
	cr_assert_eq(batch->n_steps, 2);
	cr_expect_eq(batch->steps[0]->credential, 1);
	cr_expect_eq(batch->steps[1]->credential, 0);
	cr_expect_not(batch->continues);
}

Test(accounts, a_key_through_variables_properties_and_hashes_is_made_all_the_same)
{
	add("<config><store target='seed' value='${string.random(9)}'/>"
	    "<store type='devProp' target='kept' value='x${#seed}'/>"
	    "<foreach list='${sv.kept.split(\"x\")}' iterator='part'>"
	    "<store target='last' value='${#part}'/></foreach><lwm2mBootstrap>" ACCOUNT WRITE(
		    "5", "${#last.sha256Hex}") "</lwm2mBootstrap></config>");
	run();
	cr_assert_eq(n_told, 1);
	cr_expect_str_eq(told[0], "2 mode 0 ssid 123 coaps://a:5684 id 32");
}

Test(accounts, the_newest_value_of_each_resource_counts)
{
	add(CONFIG(ACCOUNT WRITE("5", "${string.secureRandom(9).encodeHex}") WRITE("3", "6e6577")
			   WRITE("5", "${string.secureRandom(7).encodeHex}")));
	run();
	cr_assert_eq(n_told, 1);
	cr_expect_str_eq(told[0], "2 mode 0 ssid 123 coaps://a:5684 new 7");
}

Test(accounts, two_accounts_are_two_credentials)
{
	add(CONFIG(ACCOUNT WRITE("5", "${string.secureRandom(9).encodeHex}")));
	add("<config><lwm2mBootstrap><write key='/0/3/5' "
	    "value='${string.secureRandom(4).encodeHex}'/>"
	    "</lwm2mBootstrap></config>");
	run();
	cr_expect_eq(n_told, 2);
}

/* ---- before the Finish ---- */

Test(accounts, a_run_may_wait_before_its_finish_and_goes_on_where_it_was)
{
	add(CONFIG(ACCOUNT WRITE("5", "${string.secureRandom(9).encodeHex}")));
	answer = false;
	run();
	cr_assert(batch->continues);
	cr_assert_eq(batch->n_steps, 1);
	cr_expect_eq(batch->steps[0]->expect, BATCH_EXPECT_WRITE);
	cr_expect_eq(n_asked, 1);
	cr_expect_eq(results[0].status, TASK_NOT_STARTED);
	answer = true;
	run();
	cr_assert_not(batch->continues);
	cr_assert_eq(batch->n_steps, 2);
	cr_expect_eq(batch->steps[1]->expect, BATCH_EXPECT_FINISH);
}

Test(accounts, a_run_without_finish_has_nothing_to_wait_before)
{
	add("<config><lwm2mBootstrap performBootstrapFinish='false'>" ACCOUNT WRITE(
		"5", "${string.secureRandom(9).encodeHex}") "</lwm2mBootstrap></config>");
	answer = false;
	run();
	cr_expect_not(batch->continues);
	cr_expect_eq(n_told, 1);
	cr_expect_eq(n_asked, 0);
}

Test(accounts, a_pack_tells_its_credentials)
{
	const struct compile_hooks hooks = { .credential = on_credential, .finish = on_finish };

	add(CONFIG(ACCOUNT WRITE(
		"5",
		"${string.secureRandom(9).encodeHex}") "<write key='/1/2/0' value='123'/><write "
						       "key='/1/2/1' value='60'/>"));
	compiler_set_hooks(compiler, &hooks);
	batch = compile_pack(compiler, (const struct task *const *)tasks, 1, &env,
			     &(struct pack_request){ .format = FORMAT_SENML_CBOR }, results);
	cr_assert_not_null(batch, "%s", results[0].summary);
	cr_expect_eq(n_told, 1);
	cr_expect_eq(n_asked, 0);
	cr_expect_eq(batch->steps[0]->credential, 1);
}
