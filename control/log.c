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
	LOG_DEVICE_MAX = 512,
	LOG_STAMP_MAX = 64,
	LOG_JSON_MAX = 2 * LOG_LINE_MAX + 2 * LOG_DEVICE_MAX + 256,
	REPEAT_TELL_S = 30, /* a message that repeats for ever is told again this often */
};

static struct {
	enum log_target target;
	enum log_format format;
	enum severity level;
	bool prefixed; /* stderr is the journal's: lines carry their priority (sd-daemon(3)) */
	char last[LOG_LINE_MAX];
	char last_error[LOG_LINE_MAX];
	enum severity last_severity;
	enum log_event last_event;
	time_t last_told;
	unsigned long repeats;
} state = { .target = LOG_TO_STDERR, .level = SEVERITY_NOTICE };

static const char *const severity_names[] = { "error", "warning", "notice", "info", "debug" };
static const char *const event_names[] = {
#define LOG_EVENT(name, text) [LOG_EVENT_##name] = #name,
#include "control/log_events.def"
#undef LOG_EVENT
};
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

static void tell_repeats(void);

void
log_set_format(enum log_format format)
{
	tell_repeats();
	state.format = format;
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

/* What is told, as it is told. */
struct entry {
	enum severity severity;
	enum log_event event;
	const char *device;  /* NULL: of none; shown, as the line is */
	unsigned long count; /* LOG_EVENT_repeated */
	const char *line;
};

static void
put_stamp(char out[LOG_STAMP_MAX])
{
	struct timespec now;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(out, LOG_STAMP_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + len, LOG_STAMP_MAX - len, ".%03ldZ", now.tv_nsec / 1000000);
}

/* A string of JSON (RFC 8259 7): of a shown text, which has no control characters and is UTF-8. */
static size_t
put_string(char *out, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text && len + 2 < size; text++) {
		if (*text == '"' || *text == '\\')
			out[len++] = '\\';
		out[len++] = *text;
	}
	out[len] = '\0';
	return len;
}

static void
put_json(const struct entry *entry, char out[LOG_JSON_MAX])
{
	char stamp[LOG_STAMP_MAX], string[2 * LOG_LINE_MAX];
	size_t len;

	put_stamp(stamp);
	len = (size_t)snprintf(
		out, LOG_JSON_MAX,
		"{\"time\":\"%s\",\"severity\":\"%s\",\"program\":\"%s\",\"event\":\"%s\"", stamp,
		severity_names[entry->severity], program_invocation_short_name,
		event_names[entry->event]);
	if (entry->device) {
		put_string(string, sizeof string, entry->device);
		len += (size_t)snprintf(out + len, LOG_JSON_MAX - len, ",\"device\":\"%s\"",
					string);
	}
	if (entry->count)
		len += (size_t)snprintf(out + len, LOG_JSON_MAX - len, ",\"count\":%lu",
					entry->count);
	put_string(string, sizeof string, entry->line);
	snprintf(out + len, LOG_JSON_MAX - len, ",\"message\":\"%s\"}", string);
}

static void
tell_stderr(enum severity severity, const char *line)
{
	char stamp[LOG_STAMP_MAX];

	if (state.prefixed) {
		fprintf(stderr, "<%d>%s\n", priorities[severity], line);
	} else if (state.format == LOG_AS_JSON) {
		fprintf(stderr, "%s\n", line);
	} else {
		put_stamp(stamp);
		fprintf(stderr, "%s %s: %s\n", stamp, severity_names[severity], line);
	}
}

/* The journal has fields of its own, so that a line there stays text. */
static void
tell_journal(const struct entry *entry)
{
	sd_journal_send("MESSAGE=%s", entry->line, "PRIORITY=%i", priorities[entry->severity],
			"SYSLOG_IDENTIFIER=%s", program_invocation_short_name, "CRADLE_EVENT=%s",
			event_names[entry->event], entry->device ? "CRADLE_DEVICE=%s" : NULL,
			entry->device, NULL);
}

static void
tell(const struct entry *entry)
{
	char json[LOG_JSON_MAX];
	const char *line = entry->line;

	if (state.target == LOG_TO_JOURNAL) {
		tell_journal(entry);
		return;
	}
	if (state.format == LOG_AS_JSON) {
		put_json(entry, json);
		line = json;
	}
	if (state.target == LOG_TO_SYSLOG)
		syslog(priorities[entry->severity], "%s", line);
	else
		tell_stderr(entry->severity, line);
}

static void
tell_repeats(void)
{
	char line[64];
	struct entry entry = { .severity = state.last_severity,
			       .event = LOG_EVENT_repeated,
			       .count = state.repeats,
			       .line = line };

	if (!state.repeats)
		return;
	snprintf(line, sizeof line, "last message repeated %lu times", state.repeats);
	state.repeats = 0;
	tell(&entry);
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

const char *
log_last_error(void)
{
	return state.last_error;
}

void
log_event(enum severity severity, enum log_event event, const char *device, const char *format, ...)
{
	char said[LOG_LINE_MAX], line[LOG_LINE_MAX], shown[LOG_DEVICE_MAX];
	struct entry entry = { .severity = severity, .event = event, .line = line };
	time_t now = time(NULL);
	va_list args;

	if (severity > state.level)
		return;
	va_start(args, format);
	show_into_v(said, sizeof said, format, args); /* names of peers end up here */
	va_end(args);
	show_into(line, sizeof line, "%s", said); /* one line, whatever the format says */
	if (severity == SEVERITY_ERROR)
		snprintf(state.last_error, sizeof state.last_error, "%s", line);
	if (device) {
		show_into(shown, sizeof shown, "%s", device);
		entry.device = shown;
	}
	if (severity == state.last_severity && event == state.last_event &&
	    strcmp(line, state.last) == 0) {
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
	state.last_event = event;
	state.last_told = now;
	tell(&entry);
}

void
log_apart(enum severity severity, enum log_event event, const char *format, ...)
{
	char said[LOG_LINE_MAX], line[LOG_LINE_MAX];
	const struct entry entry = { .severity = severity, .event = event, .line = line };
	va_list args;

	if (severity > state.level)
		return;
	va_start(args, format);
	show_into_v(said, sizeof said, format, args);
	va_end(args);
	show_into(line, sizeof line, "%s", said);
	tell(&entry);
}
