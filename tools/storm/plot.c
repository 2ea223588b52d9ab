#include "tools/storm/plot.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool
ends_in(const char *file, const char *end)
{
	size_t len = strlen(file), end_len = strlen(end);

	return len > end_len && strcmp(file + len - end_len, end) == 0;
}

bool
plot_names_picture(const char *file)
{
	return ends_in(file, ".svg") || ends_in(file, ".html");
}

static int
refuse(char error[PLOT_ERROR_MAX], const char *what, const char *why)
{
	snprintf(error, PLOT_ERROR_MAX, "%s: %s", what, why);
	return -1;
}

/* ---- gnuplot ---- */

/* Runs it on scripts in `input`, what it draws goes to `output`. -1: it is missing, or failed. */
static int
run_gnuplot(char *const argv[], FILE *input, FILE *output, char error[PLOT_ERROR_MAX])
{
	posix_spawn_file_actions_t actions;
	int rc, status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (input) {
		rewind(input);
		posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
	}
	posix_spawn_file_actions_adddup2(&actions, fileno(output), STDOUT_FILENO);
	rc = posix_spawnp(&pid, "gnuplot", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc != 0)
		return refuse(error, "gnuplot draws the picture and is missing",
			      "apt install gnuplot-nox, or leave --plot out");
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return refuse(error, "gnuplot failed", "its words are above");
	return 0;
}

int
plot_ready(char error[PLOT_ERROR_MAX])
{
	char name[] = "gnuplot", version[] = "--version";
	char *const argv[] = { name, version, NULL };
	FILE *output = tmpfile();
	int rc = output ? run_gnuplot(argv, NULL, output, error)
			: refuse(error, "a temporary file", strerror(errno));

	if (output)
		fclose(output);
	return rc;
}

/* ---- the script ---- */

static void
write_data(const struct swarm_result *result, FILE *script)
{
	fprintf(script, "$run << EOD\n");
	for (unsigned i = 0; i < result->n_records; i++) {
		const struct record *record = &result->records[i];

		/* No latency where nothing ended: a gap in the curve. */
		fprintf(script, "%.3f %.1f %.1f %.1f %u ", record->second, record->started,
			record->done, record->failed, (unsigned)record->running);
		if (record->done > 0 && record->p50_us > 0)
			fprintf(script, "%.4f %.4f\n", record->p50_us / 1e3, record->p99_us / 1e3);
		else
			fprintf(script, "NaN NaN\n");
	}
	fprintf(script, "EOD\n");
}

/* A log axis needs a latency; a burst behind a slow network has seconds without any. */
static bool
has_latency(const struct swarm_result *result)
{
	for (unsigned i = 0; i < result->n_records; i++)
		if (result->records[i].done > 0 && result->records[i].p50_us > 0)
			return true;
	return false;
}

static void
write_panels(const struct report *report, FILE *script)
{
	fprintf(script, "set ylabel 'devices a second'\nset yrange [0:*]\n"
			"plot $run using 1:2 with lines lw 2 lc rgb '#9a9a9a' title 'started', "
			"$run using 1:3 with lines lw 2 lc rgb '#1b7837' title 'done', "
			"$run using 1:4 with lines lw 2 lc rgb '#b2182b' title 'failed'\n"
			"set title\n");
	if (has_latency(report->result))
		fprintf(script, "set ylabel 'latency, ms'\nset yrange [*:*]\nset logscale y\n"
				"set format y '%%g'\n"
				"plot $run using 1:6 with linespoints pt 7 ps 0.3 lw 2 lc rgb "
				"'#2166ac' title 'p50 of the second', "
				"$run using 1:7 with linespoints pt 7 ps 0.3 lw 2 lc rgb '#e08214' "
				"title 'p99'\n"
				"unset logscale y\nset format y '%%.0f'\n");
	fprintf(script, "set ylabel 'devices running'\nset yrange [0:*]\nset xlabel 'seconds'\n"
			"plot $run using 1:5 with lines lw 2 lc rgb '#542788' notitle\n");
}

/* Where the time axis ends; an axis without length cannot be drawn. */
static double
last_second(const struct swarm_result *result)
{
	double second = result->n_records ? result->records[result->n_records - 1].second : 0;

	return second > 0.001 ? second : 0.001;
}

static void
write_script(const struct report *report, FILE *script)
{
	static const char *const kinds[] = { "closed loop", "burst", "open loop" };
	char why[REPORT_WHY_MAX];
	const struct swarm_config *config = report->config;
	const struct swarm_result *result = report->result;

	write_data(result, script);
	fprintf(script,
		"set terminal svg size 1000,900 dynamic background rgb 'white' font 'sans,13'\n"
		"set multiplot layout %d,1\n"
		"set grid lc rgb '#dddddd'\nset border 3\nset tics nomirror\nset key outside right "
		"top\n"
		"set format y '%%.0f'\nset lmargin 12\nset rmargin 25\n"
		"set xrange [0:%.3f]\n"
		"set title '%s of %u devices, %s: %llu done, %llu failed in %.1f s%s'\n",
		has_latency(result) ? 3 : 2, last_second(result), kinds[config->plan.kind],
		(unsigned)config->devices, security_titles[config->fleet.security],
		(unsigned long long)tally_done(report->tally),
		(unsigned long long)tally_failed(report->tally), result->seconds,
		report_invalid(report, why) ? " (INVALID)" : "");
	write_panels(report, script);
	fprintf(script, "unset multiplot\n");
}

/* ---- the file ---- */

/* The drawing from its <svg> on; in a page nothing may stand before it. */
static void
copy_drawing(FILE *drawing, FILE *page)
{
	char *line = NULL;
	size_t size = 0;
	bool begun = false;

	rewind(drawing);
	while (getline(&line, &size, drawing) >= 0) {
		begun |= strstr(line, "<svg") != NULL;
		if (begun)
			fputs(line, page);
	}
	free(line);
}

/* Our own words only, without any '<' or '&': nothing needs escaping. */
static void
write_page(const struct report *report, FILE *drawing, FILE *page)
{
	fprintf(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		      "<title>cradlestorm</title></head>\n"
		      "<body style=\"max-width: 62em; margin: 1em auto\">\n");
	copy_drawing(drawing, page);
	fprintf(page, "<pre>\n");
	report_text(report, page);
	fprintf(page, "</pre></body></html>\n");
}

static int
draw(const struct report *report, FILE *drawing, char error[PLOT_ERROR_MAX])
{
	char name[] = "gnuplot";
	char *const argv[] = { name, NULL };
	FILE *script = tmpfile();
	int rc;

	if (!script)
		return refuse(error, "a temporary file", strerror(errno));
	write_script(report, script);
	rc = fflush(script) == 0 ? run_gnuplot(argv, script, drawing, error)
				 : refuse(error, "a temporary file", strerror(errno));
	fclose(script);
	return rc;
}

static int
write_html(const struct report *report, FILE *page, char error[PLOT_ERROR_MAX])
{
	FILE *drawing = tmpfile();
	int rc;

	if (!drawing)
		return refuse(error, "a temporary file", strerror(errno));
	rc = draw(report, drawing, error);
	if (rc == 0)
		write_page(report, drawing, page);
	fclose(drawing);
	return rc;
}

int
plot_write(const struct report *report, const char *file, char error[PLOT_ERROR_MAX])
{
	FILE *stream = fopen(file, "we");
	int rc;

	if (!stream)
		return refuse(error, file, strerror(errno));
	rc = ends_in(file, ".html") ? write_html(report, stream, error)
				    : draw(report, stream, error);
	if (fclose(stream) != 0 && rc == 0)
		rc = refuse(error, file, strerror(errno));
	return rc;
}
