/*
 * log.h - what the appliance says while it runs: to stderr, syslog or the journal.
 *
 * One log a process, because a process has one stderr and one syslog connection; its state is
 * private to log.c. Control thread only; workers never log. Never give it key material or setting
 * values: nothing is masked here. What repeats unchanged is counted, and told once as "repeated N
 * times".
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTICE, SEVERITY_INFO, SEVERITY_DEBUG };

enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_JOURNAL };

/*
 * May be called again to change target or level. Before the first call: notices and worse to
 * stderr.
 */
void log_open(enum log_target target, enum severity level);
void log_set_level(enum severity level);
enum severity log_level(void);
/* Tells what is still counted as a repetition. */
void log_close(void);

const char *severity_name(enum severity severity);
/* enum severity, or -1 */
int severity_by_name(const char *name);

void log_write(enum severity severity, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(SEVERITY_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(SEVERITY_WARNING, __VA_ARGS__)
#define log_notice(...)  log_write(SEVERITY_NOTICE, __VA_ARGS__)
#define log_info(...)    log_write(SEVERITY_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(SEVERITY_DEBUG, __VA_ARGS__)
