#include "control/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "tasks/show.h"

enum {
	LOG_LINE_MAX = 1024,
	REPEAT_TELL_S = 30, /* a message that repeats for ever is told again this often */
};

static struct {
	enum log_target target;
	enum severity level;
	bool prefixed; /* stderr is the journal's: lines carry their priority (sd-daemon(3)) */
	char last[LOG_LINE_MAX];
	enum severity last_severity;
	time_t last_told;
	unsigned long repeats;
} state = { .target = LOG_TO_STDERR, .level = SEVERITY_NOTICE };

static const char *const severity_names[] = { "error", "warning", "notice", "info", "debug" };
static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

const char *
severity_name(enum severity severity)
{
	return severity_names[severity];
}

int
severity_by_name(const char *name)
{
	for (int i = 0; i <= SEVERITY_DEBUG; i++)
		if (strcmp(name, severity_names[i]) == 0)
			return i;
	return -1;
}

void
log_open(enum log_target target, enum severity level)
{
	log_close();
	state.target = target;
	state.level = level;
	state.prefixed = getenv("JOURNAL_STREAM") != NULL;
	if (target == LOG_TO_SYSLOG)
		openlog(program_invocation_short_name, LOG_PID, LOG_DAEMON);
}

void
log_set_level(enum severity level)
{
	state.level = level;
}

enum severity
log_level(void)
{
	return state.level;
}

static void
tell_stderr(enum severity severity, const char *line)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];

	if (state.prefixed) {
		fprintf(stderr, "<%d>%s\n", priorities[severity], line);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(stderr, "%s.%03ldZ %s: %s\n", stamp, now.tv_nsec / 1000000,
		severity_names[severity], line);
}

static void
tell(enum severity severity, const char *line)
{
	if (state.target == LOG_TO_SYSLOG)
		syslog(priorities[severity], "%s", line);
	else if (state.target == LOG_TO_JOURNAL)
		sd_journal_send("MESSAGE=%s", line, "PRIORITY=%i", priorities[severity],
				"SYSLOG_IDENTIFIER=%s", program_invocation_short_name, NULL);
	else
		tell_stderr(severity, line);
}

static void
tell_repeats(void)
{
	char line[64];

	if (!state.repeats)
		return;
	snprintf(line, sizeof line, "last message repeated %lu times", state.repeats);
	state.repeats = 0;
	tell(state.last_severity, line);
}

void
log_close(void)
{
	tell_repeats();
	state.last[0] = '\0';
	if (state.target == LOG_TO_SYSLOG)
		closelog();
	state.target = LOG_TO_STDERR;
}

void
log_write(enum severity severity, const char *format, ...)
{
	char said[LOG_LINE_MAX], line[LOG_LINE_MAX];
	time_t now = time(NULL);
	va_list args;

	if (severity > state.level)
		return;
	va_start(args, format);
	show_into_v(said, sizeof said, format, args); /* names of peers end up here */
	va_end(args);
	show_into(line, sizeof line, "%s", said); /* one line, whatever the format says */
	if (severity == state.last_severity && strcmp(line, state.last) == 0) {
		state.repeats++;
		if (now - state.last_told < REPEAT_TELL_S)
			return;
		state.last_told = now;
		tell_repeats();
		return;
	}
	tell_repeats();
	snprintf(state.last, sizeof state.last, "%s", line);
	state.last_severity = severity;
	state.last_told = now;
	tell(severity, line);
}
