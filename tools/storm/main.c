/* cradlestorm - a swarm of devices that bootstrap, and honest numbers about it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/storm/options.h"
#include "tools/storm/pcap.h"
#include "tools/storm/plot.h"
#include "tools/storm/report.h"

static volatile sig_atomic_t stop;

static void
on_signal(int signal_number)
{
	stop = signal_number;
}

static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART | (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int
write_json(const struct report *report, const char *file)
{
	bool standard = strcmp(file, "-") == 0;
	FILE *stream = standard ? stdout : fopen(file, "we");
	int rc = stream ? report_json(report, stream) : -1;

	if (stream && !standard && fclose(stream) != 0)
		rc = -1;
	if (rc < 0)
		fprintf(stderr, "cradlestorm: %s: %s\n", file, strerror(errno));
	return rc;
}

static int
write_plot(const struct report *report, const char *file)
{
	char error[PLOT_ERROR_MAX];
	int rc = plot_write(report, file, error);

	if (rc < 0)
		fprintf(stderr, "cradlestorm: --plot %s\n", error);
	return rc;
}

/* Better now than after a run of an hour. */
static bool
can_plot(const struct options *options)
{
	char error[PLOT_ERROR_MAX];

	if (!options->plot || plot_ready(error) == 0)
		return true;
	fprintf(stderr, "cradlestorm: --plot: %s\n", error);
	return false;
}

static int
write_pcap(const struct options *options)
{
	FILE *stream = fopen(options->pcap, "we");
	int rc = stream ? pcap_write(&options->swarm, stream) : -1;

	if (stream && fclose(stream) != 0)
		rc = -1;
	if (rc == 0)
		return REPORT_EXIT_DONE;
	fprintf(stderr, "cradlestorm: %s: %s\n", options->pcap, strerror(errno));
	return REPORT_EXIT_START;
}

static int
run(const struct options *options)
{
	char error[DATAPLANE_ERROR_MAX];
	struct swarm_result *result = calloc(1, sizeof *result);
	struct swarm *swarm = result ? swarm_open(&options->swarm, error) : NULL;
	struct report report = { .config = &options->swarm, .result = result };
	int rc;

	if (!swarm) {
		fprintf(stderr, "cradlestorm: %s\n", result ? error : "out of memory");
		free(result);
		return REPORT_EXIT_START;
	}
	catch_signals();
	swarm_run(swarm, &stop, result);
	report.tally = &result->tally;
	rc = (int)report_exit(&report);
	report_text(&report, options->json && strcmp(options->json, "-") == 0 ? stderr : stdout);
	if (options->json && write_json(&report, options->json) < 0)
		rc = REPORT_EXIT_START;
	if (options->plot && write_plot(&report, options->plot) < 0)
		rc = REPORT_EXIT_START;
	swarm_close(swarm);
	free(result);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options options;
	int rc = REPORT_EXIT_USAGE;

	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_RUN:
		if (options.pcap)
			rc = write_pcap(&options);
		else
			rc = can_plot(&options) ? run(&options) : REPORT_EXIT_START;
		break;
	case OPTIONS_HELP:
		rc = REPORT_EXIT_DONE;
		break;
	case OPTIONS_BAD:
		break;
	}
	options_free(&options);
	return rc;
}
