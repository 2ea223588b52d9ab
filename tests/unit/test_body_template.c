/* body_template: what is refused, and what comes out where. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/delivery/body_template.h"

static struct text out;
static char error[BODY_ERROR_MAX];

static void
setup(void)
{
	text_init(&out);
}

static void
teardown(void)
{
	text_fini(&out);
}

TestSuite(body_template, .init = setup, .fini = teardown);

/* The first complaint about a template. */
static const char *
complaint(const char *text)
{
	static char said[512];
	const struct place place = { .file = "t.json", .line = 1, .column = 1 };
	struct diag_list diags;
	struct body_template *body;

	diag_list_init(&diags);
	body = body_template_parse(text, strlen(text), &place, &diags);
	cr_assert_null(body, "%s", text);
	cr_assert_geq(diags.count, 1);
	diag_format(&diags.items[0], said, sizeof said);
	diag_list_fini(&diags);
	return said;
}

static int
render(const char *text, enum body_use use, const struct facts *facts, bool mask)
{
	const struct place place = { .file = "t.json" };
	struct diag_list diags;
	struct body_template *body;
	int result;

	diag_list_init(&diags);
	body = body_template_parse(text, strlen(text), &place, &diags);
	cr_assert_not_null(body, "%s: %s", text, diags.count ? diags.items[0].text : "");
	text_fini(&out);
	result = body_template_render(body, use, facts, mask, &out, error);
	body_template_free(body);
	diag_list_fini(&diags);
	return result;
}

static struct facts
facts_of(const char *endpoint, const void *key, size_t len)
{
	struct facts facts = { 0 };

	facts_set(&facts, FACT_ENDPOINT, endpoint);
	facts.of[FACT_KEY].at = key;
	facts.of[FACT_KEY].len = len;
	return facts;
}

Test(body_template, what_nothing_can_be_made_of_is_told_with_its_place)
{
	cr_expect_str_eq(complaint("{{endpoint"), "t.json:1:1: error: \"{{\" without \"}}\"");
	cr_expect(
		strstr(complaint("a\nbc{{endpont}}"), "t.json:2:5: error: \"endpont\" is not a valid value"));
	cr_expect(strstr(complaint("{{endpont}}"), "did you mean \"endpoint\"?"));
	cr_expect(strstr(complaint("{{key|hax}}"),
			 "\"hax\" is not a valid value: hex, base64, upper, json, url"));
	cr_expect(strstr(complaint("{{key|}}"), "\"\" is not a valid value"));
	cr_expect(strstr(complaint("{{}}"), "\"\" is not a valid value"));
	cr_expect(strstr(complaint("{{key|hex|hex|hex|hex|hex}}"), "more than 4 filters"));
	cr_expect(strstr(complaint("\xff"), "not valid UTF-8"));
}

Test(body_template, all_faults_are_told_at_once)
{
	const struct place place = { .file = "t.json" };
	const char text[] = "{{one}} {{key|two}} {{three|four}}";
	struct diag_list diags;

	diag_list_init(&diags);
	cr_expect_null(body_template_parse(text, sizeof text - 1, &place, &diags));
	cr_expect_eq(diags.errors, 4);
	diag_list_fini(&diags);
}

Test(body_template, too_long_a_text_or_too_many_values_are_refused)
{
	static char text[BODY_TEMPLATE_MAX + 2];

	memset(text, 'x', sizeof text - 1);
	cr_expect(strstr(complaint(text), "longer than"));
	*text = '\0';
	for (unsigned i = 0; i <= BODY_PIECES_MAX; i++)
		memcpy(text + 6 * i, "{{id}}", 7);
	cr_expect(strstr(complaint(text), "more than 256 values"));
}

Test(body_template, bytes_that_are_no_text_need_a_filter)
{
	const struct facts facts = facts_of("e", "\xff\x01", 2);

	cr_expect_eq(render("\"{{key}}\"", BODY_JSON, &facts, false), -EILSEQ);
	cr_expect_str_eq(error, "key has bytes that are no text here: write {{key|hex}}");
	cr_expect_eq(render("\"{{key|hex}}\"", BODY_JSON, &facts, false), 0);
	cr_expect_str_eq(text_str(&out), "\"ff01\"");
}

Test(body_template, nothing_that_a_device_says_leaves_its_json_string)
{
	const struct facts facts = facts_of("a\"},{\"b\":\"\\\n\x01", "k", 1);

	cr_expect_eq(render("{\"e\": \"{{endpoint}}\"}", BODY_JSON, &facts, false), 0);
	cr_expect_str_eq(text_str(&out), "{\"e\": \"a\\\"},{\\\"b\\\":\\\"\\\\\\u000a\\u0001\"}");
}

Test(body_template, nothing_that_a_device_says_leaves_its_place_in_an_address)
{
	const struct facts facts = facts_of("a/../b?c#d %&@:", "k", 1);

	cr_expect_eq(render("https://h/{{endpoint}}", BODY_ADDRESS, &facts, false), 0);
	cr_expect_str_eq(text_str(&out), "https://h/a%2F..%2Fb%3Fc%23d%20%25%26%40%3A");
}

Test(body_template, filters_work_from_left_to_right)
{
	const struct facts facts = facts_of("say \"x\"", "\x01\xab\xcd\xef", 4);

	cr_expect_eq(
		render("{{key|hex|upper}} {{ key | base64 }} {{endpoint|json}} {{endpoint|url}}",
		       BODY_JSON, &facts, false),
		0);
	cr_expect_str_eq(text_str(&out), "01ABCDEF AavN7w== say \\\\\\\"x\\\\\\\" say%20%22x%22");
}

Test(body_template, single_braces_and_what_is_not_told_are_nothing_special)
{
	const struct facts facts = facts_of("e", "k", 1);

	cr_expect_eq(render("{a} }} {{uri}}{{summary|hex}}.", BODY_JSON, &facts, false), 0);
	cr_expect_str_eq(text_str(&out), "{a} }} .");
}

Test(body_template, a_masked_one_has_no_secret_in_any_form)
{
	const struct facts facts = facts_of("e", "secret", 6);

	cr_expect_eq(render("{{key}} {{key|hex}} {{key|base64|upper}} {{endpoint}}", BODY_JSON,
			    &facts, true),
		     0);
	cr_expect_str_eq(text_str(&out), "******** ******** ******** e");
}

Test(body_template, it_knows_what_it_tells)
{
	const struct place place = { .file = "t" };
	struct diag_list diags;
	struct body_template *body;

	diag_list_init(&diags);
	body = body_template_parse("{{key|hex}}", 11, &place, &diags);
	cr_expect(body_template_tells(body, FACT_KEY));
	cr_expect_not(body_template_tells(body, FACT_ENDPOINT));
	body_template_free(body);
	diag_list_fini(&diags);
}

/* ---- facts ---- */

Test(body_template, facts_come_back_as_they_were)
{
	struct facts facts = facts_of("dev", "\0\xff", 2), back;
	struct buffer bytes = { 0 };

	facts_set(&facts, FACT_DOMAIN, "");
	cr_assert_eq(facts_encode(&facts, &bytes), 0);
	cr_assert(facts_decode(bytes.bytes, bytes.len, &back));
	cr_expect_eq(back.of[FACT_KEY].len, 2);
	cr_expect_eq(memcmp(back.of[FACT_KEY].at, "\0\xff", 2), 0);
	cr_expect_not_null(back.of[FACT_DOMAIN].at);
	cr_expect_null(back.of[FACT_URI].at);
	buffer_fini(&bytes);
}

Test(body_template, bytes_that_are_no_facts_are_refused)
{
	struct facts facts;

	cr_expect_not(facts_decode("\x03\x05\x00"
				   "abcd",
				   7, &facts));
	cr_expect_not(facts_decode("\x03\x05", 2, &facts));
	cr_expect(facts_decode("\xf0\x01\x00"
			       "a",
			       4, &facts),
		  "a fact of a later version");
	cr_expect(facts_decode("", 0, &facts));
}
