#include "control/commands/call.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/commands/jobs.h"
#include "tasks/show.h"

enum { TELL_US = 100000 };

void
call_refuse(struct call *call, int exit, const char *format, ...)
{
	va_list args;

	assert(exit != CTL_DONE);
	va_start(args, format);
	text_vshow(&call->error, format, args);
	va_end(args);
	call->exit = exit;
}

long long
call_parse_seconds(const char *value)
{
	static const char units[] = "smhdw";
	static const long seconds[] = { 1, 60, 3600, 86400, 604800 };
	size_t digits = strspn(value, "0123456789");
	const char *unit = value[digits] ? strchr(units, value[digits]) : units;

	if (!digits || digits >= 10 || !unit || (value[digits] && value[digits + 1]))
		return -1;
	return strtoll(value, NULL, 10) * seconds[unit - units];
}

long
call_seconds(struct call *call, const char *name, long preset, long max)
{
	const char *value = call_option(call, name);
	long long seconds = value ? call_parse_seconds(value) : preset;

	if (seconds >= 1 && seconds <= max)
		return (long)seconds;
	call_refuse(call, CTL_USAGE, "%s is 1 to %ld seconds, or like 30s, 5m, 2h, not \"%.40s\"",
		    name, max, value);
	return -1;
}

void
call_tell(struct call *call, const char *format, ...)
{
	char line[CTL_PROGRESS_MAX];
	va_list args;

	va_start(args, format);
	show_into_v(line, sizeof line, format, args);
	va_end(args);
	if (call->job)
		memcpy(call->job->progress, line, sizeof line);
	if (call->request)
		call->client_gone |= !ctl_progress(call->request, "%s", line);
}

void
call_may_cancel(struct call *call)
{
	if (call->job)
		call->job->must_end[0] = '\0';
}

void
call_must_end(struct call *call, const char *why)
{
	if (call->job)
		show_into(call->job->must_end, sizeof call->job->must_end, "%s", why);
}

bool
call_cancelled(const struct call *call)
{
	return (call->job && call->job->cancelled) || (call->service && call->service->stopping);
}

void
call_tell_live(void *ctx, uint32_t done, uint32_t total)
{
	struct call *call = ctx;
	uint64_t now_us = clock_now_us();

	if (now_us - call->told_us < TELL_US)
		return;
	call->told_us = now_us;
	call_tell(call, "making devices live: %u of %u", done, total);
}

void
call_tell_reload(void *ctx, uint32_t done, uint32_t total)
{
	call_must_end(ctx, "the new generation is live, and devices are being made ready for it");
	call_tell_live(ctx, done, total);
}

void
call_tell_plan(void *ctx, uint32_t done, uint32_t total)
{
	struct call *call = ctx;
	uint64_t now_us = clock_now_us();

	if (now_us - call->told_us < TELL_US)
		return;
	call->told_us = now_us;
	call_tell(call, "looking ahead: %u of %u devices", done, total);
}

bool
call_plan_cancelled(void *call)
{
	return call_cancelled(call);
}

const char *
call_option(const struct call *call, const char *name)
{
	for (unsigned i = 0; i < call->command->n_options; i++)
		if (strcmp(call->command->options[i].name, name) == 0)
			return call->options[i];
	return NULL;
}

long
call_number(struct call *call, const char *name, long preset, long max)
{
	const char *value = call_option(call, name);
	char *end;
	long number;

	if (!value)
		return preset;
	number = strtol(value, &end, 10);
	if (*value >= '0' && *value <= '9' && !*end && number <= max)
		return number;
	call_refuse(call, CTL_USAGE, "%s must be a number of 0 to %ld, not \"%s\"", name, max,
		    value);
	return -1;
}

void
call_refuse_group(struct call *call, const char *name)
{
	const char *nearest = policy_nearest_group(call->service->generation->policy, name);

	call_refuse(call, CTL_REFUSED, "there is no group \"%.80s\"%s%s%s", name,
		    nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		    nearest ? "\"?" : "");
}

void
call_refuse_task(struct call *call, const char *id)
{
	const char *nearest = policy_nearest_task(call->service->generation->policy, id);

	call_refuse(call, CTL_REFUSED, "there is no task \"%.80s\"%s%s%s; `task list` lists them",
		    id, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		    nearest ? "\"?" : "");
}

char *
call_read_file(struct call *call, size_t max, size_t *len)
{
	char *text = malloc(max + 1);
	ssize_t n = 1;

	assert(call->fd >= 0); /* a command that reads a file does not run before it came */
	*len = 0;
	if (!text) {
		call_refuse(call, CTL_REFUSED, "out of memory");
		return NULL;
	}
	while (n > 0 && *len <= max) {
		n = pread(call->fd, text + *len, max + 1 - *len, (off_t)*len);
		*len += n > 0 ? (size_t)n : 0;
	}
	if (n == 0 && *len <= max)
		return text;
	if (n < 0)
		call_refuse(call, CTL_REFUSED, "%s: %s", call->arguments[0], strerror(errno));
	else
		call_refuse(call, CTL_REFUSED, "%s: longer than %zu bytes", call->arguments[0],
			    max);
	explicit_bzero(text, *len);
	free(text);
	return NULL;
}
