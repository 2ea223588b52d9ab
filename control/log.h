/*
 * log.h - what the appliance says while it runs: to stderr, syslog or the journal, as text or JSON.
 *
 * One log a process, because a process has one stderr and one syslog connection; its state is
 * private to log.c. Control thread only, but for log_apart(); workers never log. Never give it key material or setting
 * values: nothing is masked here. What repeats unchanged is counted, and told once as "repeated N
 * times".
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTICE, SEVERITY_INFO, SEVERITY_DEBUG };

/* As text, or each line as a JSON object: for collectors. */
enum log_format { LOG_AS_TEXT, LOG_AS_JSON };

enum log_event {
#define LOG_EVENT(name, text) LOG_EVENT_##name,
#include "control/log_events.def"
#undef LOG_EVENT
	LOG_EVENTS
};

enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_JOURNAL };

/*
 * May be called again to change target or level. Before the first call: notices and worse to
 * stderr.
 */
void log_open(enum log_target target, enum severity level);
/* Text before the first call. */
void log_set_format(enum log_format format);
void log_set_level(enum severity level);
enum severity log_level(void);
/* The last error that was logged; "": none was. */
const char *log_last_error(void);
/* Tells what is still counted as a repetition. */
void log_close(void);

const char *severity_name(enum severity severity);
/* enum severity, or -1 */
int severity_by_name(const char *name);

/* `device`: the endpoint name of whom it is about; NULL: of none. */
void log_event(enum severity severity, enum log_event event, const char *device, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));

/* From any other thread, and while the control thread may hang: counts no repetitions, and is not to be said
 * often. */
void log_apart(enum severity severity, enum log_event event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_write(severity, ...) log_event(severity, LOG_EVENT_message, NULL, __VA_ARGS__)
#define log_error(...)           log_write(SEVERITY_ERROR, __VA_ARGS__)
#define log_warning(...)         log_write(SEVERITY_WARNING, __VA_ARGS__)
#define log_notice(...)          log_write(SEVERITY_NOTICE, __VA_ARGS__)
#define log_info(...)            log_write(SEVERITY_INFO, __VA_ARGS__)
#define log_debug(...)           log_write(SEVERITY_DEBUG, __VA_ARGS__)
