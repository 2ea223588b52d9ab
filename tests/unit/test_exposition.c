/* Metrics as text: both formats, escaping, numbers, and who wants which. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tools/web/exposition.h"

static const struct metric_family counter = { "x_seconds", METRIC_COUNTER, "seconds",
					      "A \\ \"b\"\nc." };
static const struct metric_family info = { "x_build", METRIC_INFO, NULL, "Build." };
static const struct metric_family histogram = { "x_delay_seconds", METRIC_HISTOGRAM, "seconds",
						"Delay." };

Test(exposition, negotiates_as_rfc_9110_says)
{
	static const struct {
		const char *accept;
		enum exposition_format format;
	} cases[] = {
		{ NULL, EXPOSITION_TEXT },
		{ "", EXPOSITION_TEXT },
		{ "*/*", EXPOSITION_TEXT },
		{ "text/html, text/plain", EXPOSITION_TEXT },
		{ "application/openmetrics-text", EXPOSITION_OPENMETRICS },
		{ "Application/OpenMetrics-Text; Version=1.0.0", EXPOSITION_OPENMETRICS },
		{ "application/openmetrics-text; version=\"1.0.0\"; charset=utf-8",
		  EXPOSITION_OPENMETRICS },
		{ "application/openmetrics-text;version=0.0.1", EXPOSITION_TEXT },
		{ "application/openmetrics-text;version=2.0.0,*/*;q=0.1", EXPOSITION_TEXT },
		{ "application/openmetrics-text;q=0", EXPOSITION_TEXT },
		{ "application/openmetrics-text;q=0.4,text/plain;version=0.0.4;q=0.5",
		  EXPOSITION_TEXT },
		{ "application/openmetrics-textual", EXPOSITION_TEXT },
		{ ",,;;,", EXPOSITION_TEXT },
		{ "application/openmetrics-text;q=", EXPOSITION_TEXT },
		/* As Prometheus 2.42 asks. */
		{ "application/openmetrics-text;version=1.0.0,application/"
		  "openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  EXPOSITION_OPENMETRICS },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_expect_eq(exposition_negotiate(cases[i].accept), cases[i].format, "%s",
			     cases[i].accept ? cases[i].accept : "(none)");
}

static void
write_all(struct text *text, enum exposition_format format)
{
	static const double bounds[] = { 0.001, 1, 300 };
	static const uint64_t counts[] = { 2, 0, 3, 1 };
	struct exposition_histogram delays = { bounds, counts, 3, 12.5 };
	struct exposition out;

	exposition_begin(&out, text, format);
	exposition_family(&out, &counter);
	exposition_sample(&out, &(struct metric_label){ "who", "a\\\"\nb" }, 1, 0.1);
	exposition_sample(&out, NULL, 0, 1e15);
	exposition_family(&out, &info);
	exposition_sample(&out, &(struct metric_label){ "version", "1" }, 1, 1);
	exposition_family(&out, &histogram);
	exposition_histogram(&out, &(struct metric_label){ "phase", "total" }, 1, &delays);
	exposition_end(&out);
}

Test(exposition, writes_openmetrics)
{
	struct text text;

	text_init(&text);
	write_all(&text, EXPOSITION_OPENMETRICS);
	cr_expect_str_eq(text_str(&text), "# HELP x_seconds A \\\\ \\\"b\\\"\\nc.\n"
					  "# TYPE x_seconds counter\n"
					  "# UNIT x_seconds seconds\n"
					  "x_seconds_total{who=\"a\\\\\\\"\\nb\"} 0.1\n"
					  "x_seconds_total 1e+15\n"
					  "# HELP x_build Build.\n"
					  "# TYPE x_build info\n"
					  "x_build_info{version=\"1\"} 1\n"
					  "# HELP x_delay_seconds Delay.\n"
					  "# TYPE x_delay_seconds histogram\n"
					  "# UNIT x_delay_seconds seconds\n"
					  "x_delay_seconds_bucket{phase=\"total\",le=\"0.001\"} 2\n"
					  "x_delay_seconds_bucket{phase=\"total\",le=\"1.0\"} 2\n"
					  "x_delay_seconds_bucket{phase=\"total\",le=\"300.0\"} 5\n"
					  "x_delay_seconds_bucket{phase=\"total\",le=\"+Inf\"} 6\n"
					  "x_delay_seconds_count{phase=\"total\"} 6\n"
					  "x_delay_seconds_sum{phase=\"total\"} 12.5\n"
					  "# EOF\n");
	text_fini(&text);
}

Test(exposition, writes_the_text_format)
{
	struct text text;

	text_init(&text);
	write_all(&text, EXPOSITION_TEXT);
	cr_expect(strstr(text_str(&text), "# HELP x_seconds_total A \\\\ \"b\"\\nc.\n"
					  "# TYPE x_seconds_total counter\n"
					  "x_seconds_total{"));
	cr_expect(strstr(text_str(&text),
			 "# TYPE x_build_info gauge\nx_build_info{version=\"1\"} 1\n"));
	cr_expect(!strstr(text_str(&text), "# UNIT") && !strstr(text_str(&text), "# EOF"));
	text_fini(&text);
}

Test(exposition, writes_numbers_that_are_read_as_the_same)
{
	static const struct metric_family gauge = { "g", METRIC_GAUGE, NULL, "G." };
	static const double values[] = {
		0, -1, 1.0 / 3, 18446744073709551615.0, 123456789012345, INFINITY, NAN
	};
	static const char *const texts[] = { "g 0\n",
					     "g -1\n",
					     "g 0.3333333333333333\n",
					     "g 1.8446744073709552e+19\n",
					     "g 123456789012345\n",
					     "g +Inf\n",
					     "g NaN\n" };

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct exposition out;
		struct text text;

		text_init(&text);
		exposition_begin(&out, &text, EXPOSITION_TEXT);
		exposition_family(&out, &gauge);
		exposition_sample(&out, NULL, 0, values[i]);
		cr_expect(strstr(text_str(&text), texts[i]), "%s", text_str(&text));
		text_fini(&text);
	}
}

/* labels may be NULL where there are none. */
Test(exposition, a_histogram_needs_no_label)
{
	static const double bounds[] = { 1 };
	static const uint64_t counts[] = { 2, 1 };
	struct exposition_histogram delays = { bounds, counts, 1, 4 };
	struct exposition out;
	struct text text;

	text_init(&text);
	exposition_begin(&out, &text, EXPOSITION_TEXT);
	exposition_family(&out, &histogram);
	exposition_histogram(&out, NULL, 0, &delays);
	cr_expect(strstr(text_str(&text), "x_delay_seconds_bucket{le=\"1.0\"} 2\n"
					  "x_delay_seconds_bucket{le=\"+Inf\"} 3\n"
					  "x_delay_seconds_count 3\n"));
	text_fini(&text);
}
