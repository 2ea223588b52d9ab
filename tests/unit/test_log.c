/* The log: levels hold, repetitions are counted, control characters stay out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <criterion/redirect.h>

#include "control/log.h"

#include <jansson.h>

static const char *
logged(void)
{
	static char text[8192];

	log_close();
	fflush(stderr);
	text[fread(text, 1, sizeof text - 1, cr_get_redirected_stderr())] = '\0';
	return text;
}

static void
set_up(void)
{
	unsetenv("JOURNAL_STREAM");
	cr_redirect_stderr();
}

TestSuite(log, .init = set_up);

Test(log, levels)
{
	const char *text;

	log_open(LOG_TO_STDERR, SEVERITY_NOTICE);
	log_info("not this");
	log_notice("this");
	log_set_level(SEVERITY_DEBUG);
	log_debug("and this");
	text = logged();
	cr_expect_null(strstr(text, "not this"));
	cr_expect(strstr(text, "notice: this") && strstr(text, "debug: and this"), "%s", text);
}

Test(log, repetitions_are_counted)
{
	const char *text;

	log_open(LOG_TO_STDERR, SEVERITY_INFO);
	for (int i = 0; i < 1000; i++)
		log_info("again");
	log_info("another");
	text = logged();
	cr_expect_null(strstr(strstr(text, "again") + 1, "again"));
	cr_expect(strstr(text, "last message repeated 999 times"), "%s", text);
}

Test(log, nothing_steers_a_terminal_or_forges_a_line)
{
	const char *text;

	log_open(LOG_TO_STDERR, SEVERITY_INFO);
	log_info("name \033[2J\nerror: forged");
	text = logged();
	cr_expect_null(strchr(text, '\033'));
	cr_expect_eq(strchr(text, '\n') - text, (long)strlen(text) - 1, "one line");
}

Test(log, the_journal_gets_priorities)
{
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open(LOG_TO_STDERR, SEVERITY_INFO);
	log_warning("careful");
	cr_expect_str_eq(logged(), "<4>careful\n");
}

Test(log, names_of_levels)
{
	cr_expect_eq(severity_by_name("warning"), SEVERITY_WARNING);
	cr_expect_eq(severity_by_name("warn"), -1);
	cr_expect_str_eq(severity_name(SEVERITY_DEBUG), "debug");
}

/* Each line an object; the n-th one. */
static json_t *
line_of(const char *text, unsigned n)
{
	const char *end;
	json_t *json;

	while (n--)
		text = strchr(text, '\n') + 1;
	end = strchr(text, '\n');
	cr_assert_not_null(end);
	json = json_loadb(text, (size_t)(end - text), 0, NULL);
	cr_assert_not_null(json, "%s", text);
	return json;
}

static const char *
member(const json_t *json, const char *name)
{
	const char *value = json_string_value(json_object_get(json, name));

	return value ? value : "(none)";
}

Test(log, json_is_an_object_a_line_with_the_events_name)
{
	const char *text;
	json_t *json;

	log_open(LOG_TO_STDERR, SEVERITY_INFO);
	log_set_format(LOG_AS_JSON);
	log_event(SEVERITY_WARNING, LOG_EVENT_task_report, "lamp \"1\"\\", "it said \"no\"\n\033[31m\xff");
	log_notice("without a name");
	text = logged();
	log_set_format(LOG_AS_TEXT);
	json = line_of(text, 0);
	cr_expect_str_eq(member(json, "event"), "task_report");
	cr_expect_str_eq(member(json, "severity"), "warning");
	cr_expect_str_eq(member(json, "device"), "lamp \"1\"\\");
	cr_expect_not_null(strstr(member(json, "message"), "it said \"no\""));
	cr_expect_eq(strlen(member(json, "time")), strlen("2026-01-31T12:00:00.000Z"));
	json_decref(json);
	json = line_of(text, 1);
	cr_expect_str_eq(member(json, "event"), "message");
	cr_expect_str_eq(member(json, "device"), "(none)");
	json_decref(json);
}

Test(log, json_counts_repetitions_and_tells_events_of_one_text_apart)
{
	const char *text;
	json_t *json;

	log_open(LOG_TO_STDERR, SEVERITY_INFO);
	log_set_format(LOG_AS_JSON);
	for (unsigned i = 0; i < 6; i++)
		log_info("again");
	log_event(SEVERITY_INFO, LOG_EVENT_ready, NULL, "again");
	text = logged();
	log_set_format(LOG_AS_TEXT);
	json = line_of(text, 1);
	cr_expect_str_eq(member(json, "event"), "repeated");
	cr_expect_eq(json_integer_value(json_object_get(json, "count")), 5);
	json_decref(json);
	json = line_of(text, 2);
	cr_expect_str_eq(member(json, "event"), "ready");
	json_decref(json);
}

Test(log, json_of_the_longest_line_is_whole)
{
	static char quotes[4000];
	json_t *json;

	memset(quotes, '"', sizeof quotes - 1);
	log_open(LOG_TO_STDERR, SEVERITY_INFO);
	log_set_format(LOG_AS_JSON);
	log_event(SEVERITY_INFO, LOG_EVENT_message, quotes, "%s", quotes);
	json = line_of(logged(), 0);
	log_set_format(LOG_AS_TEXT);
	cr_expect_gt(strlen(member(json, "message")), 900);
	json_decref(json);
}
