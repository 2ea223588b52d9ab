/* The log: levels hold, repetitions are counted, control characters stay out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <criterion/redirect.h>

#include "control/log.h"

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
