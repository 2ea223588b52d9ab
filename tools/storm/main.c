/* cradlestorm - a swarm of devices that bootstrap, and the figures of that. */
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

/* What the device was told, once it has heard all of it. */
static int
write_lesson(const struct report *report, const char *file)
{
	const struct lesson *lesson = report->config->lesson;
	bool whole = report->tally->outcomes[OUTCOME_DONE] == 1 && !lesson->failed;
	FILE *stream;
	int rc;

	if (!whole) {
		fprintf(stderr,
			"cradlestorm: --learn %s: the device did not finish, or was told "
			"more than fits\n",
			file);
		return -1;
	}
	stream = fopen(file, "we");
	rc = stream && fwrite(lesson->text, 1, lesson->text_len, stream) == lesson->text_len ? 0
											     : -1;
	if (stream && fclose(stream) != 0)
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
write_outcomes(const struct swarm *swarm, const char *file)
{
	FILE *stream = fopen(file, "we");
	int rc = stream ? swarm_write_outcomes(swarm, stream) : -1;

	if (stream && fclose(stream) != 0)
		rc = -1;
	if (rc < 0)
		fprintf(stderr, "cradlestorm: --outcomes %s: %s\n", file, strerror(errno));
	return rc;
}

/* All that was asked for besides the text. */
static int
write_files(const struct report *report, const struct swarm *swarm, const struct options *options)
{
	int rc = 0;

	if (options->json)
		rc |= write_json(report, options->json);
	if (options->plot)
		rc |= write_plot(report, options->plot);
	if (options->outcomes)
		rc |= write_outcomes(swarm, options->outcomes);
	if (options->learn)
		rc |= write_lesson(report, options->learn);
	return rc;
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
	if (write_files(&report, swarm, options) < 0)
		rc = REPORT_EXIT_START;
	swarm_close(swarm);
	free(result);
	return rc;
}

static int
make_authority(const struct options *options)
{
	const char *folder = options->make_authority;
	char error[AUTHORITY_ERROR_MAX];

	if (authority_make(folder, &options->names, options->swarm.devices, error) < 0) {
		fprintf(stderr, "cradlestorm: --make-ca %s\n", error);
		return REPORT_EXIT_START;
	}
	printf("%s: an authority, the appliance's certificate for %s, and %u devices.\n"
	       "For the appliance: trust.conf into its policy folder, bs.pem, bs.key and ca.pem "
	       "into certs/ there;\n"
	       "cradlectl device import %s/x509.csv, or rpk.csv for raw public keys.\n"
	       "For the devices: cradlestorm --x509 %s, or --rpk %s.\n",
	       folder, AUTHORITY_SERVER_NAME, options->swarm.devices, folder, folder, folder);
	return REPORT_EXIT_DONE;
}

static int
act(struct options *options)
{
	if (options->make_authority)
		return make_authority(options);
	if (options->pcap)
		return write_pcap(options);
	if (options->learn && !(options->swarm.lesson = calloc(1, sizeof *options->swarm.lesson))) {
		fprintf(stderr, "cradlestorm: out of memory\n");
		return REPORT_EXIT_START;
	}
	return can_plot(options) ? run(options) : REPORT_EXIT_START;
}

int
main(int argc, char **argv)
{
	struct options options;
	int rc = REPORT_EXIT_USAGE;

	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_RUN:
		rc = act(&options);
		break;
	case OPTIONS_HELP:
		rc = REPORT_EXIT_DONE;
		break;
	case OPTIONS_BAD:
		break;
	}
	free(options.swarm.lesson);
	options_free(&options);
	return rc;
}
