#include "control/policy/schedule.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tasks/diag.h"
#include "tasks/show.h"

static const char *const day_names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
enum { DAYS = 7, WORD_MAX = 16 };

struct reader {
	const char *at;
	char *error;
};

static bool __attribute__((format(printf, 2, 3)))
wrong(struct reader *reader, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	show_into_v(reader->error, SCHEDULE_ERROR_MAX, format, args);
	va_end(args);
	return false;
}

static void
skip_blanks(struct reader *reader)
{
	reader->at += strspn(reader->at, " \t\r\n");
}

static bool
take(struct reader *reader, char c)
{
	if (*reader->at != c)
		return false;
	reader->at++;
	return true;
}

static bool
read_day(struct reader *reader, int *day)
{
	char word[WORD_MAX] = "";
	const char *nearest;
	size_t len = 0;

	while (isalpha((unsigned char)reader->at[len]) && len < WORD_MAX - 1) {
		word[len] = reader->at[len];
		len++;
	}
	for (*day = 0; *day < DAYS; ++*day)
		if (strcasecmp(word, day_names[*day]) == 0) {
			reader->at += len;
			return true;
		}
	nearest = diag_nearest(word, day_names, DAYS);
	if (!len)
		return wrong(reader, "a day is missing before \"%.20s\": Mon to Sun", reader->at);
	if (nearest)
		return wrong(reader, "\"%s\" is no day; did you mean \"%s\"?", word, nearest);
	return wrong(reader, "\"%s\" is no day: Mon, Tue, Wed, Thu, Fri, Sat or Sun", word);
}

/* "HH:MM" to minutes; 24:00 is the end of a day. */
static bool
read_time(struct reader *reader, unsigned *minutes)
{
	const char *at = reader->at;
	unsigned hour, minute;

	if (!isdigit((unsigned char)at[0]) || !isdigit((unsigned char)at[1]) || at[2] != ':' ||
	    !isdigit((unsigned char)at[3]) || !isdigit((unsigned char)at[4]))
		return wrong(reader, "a time is HH:MM, such as 02:00, not \"%.20s\"", at);
	hour = (unsigned)(at[0] - '0') * 10 + (unsigned)(at[1] - '0');
	minute = (unsigned)(at[3] - '0') * 10 + (unsigned)(at[4] - '0');
	*minutes = hour * 60 + minute;
	if (minute > 59 || *minutes > SCHEDULE_DAY_MINUTES)
		return wrong(reader, "%.5s is no time of a day: 00:00 to 24:00", at);
	reader->at += 5;
	return true;
}

static void
allow(struct schedule *schedule, unsigned from, unsigned to)
{
	assert(from <= to && to - from <= SCHEDULE_DAY_MINUTES);
	for (unsigned i = from; i < to; i++) {
		unsigned minute = i % SCHEDULE_MINUTES;

		schedule->minutes[minute / 8] |= (uint8_t)(1u << minute % 8);
	}
}

/* Days, hours or both. */
static bool
read_span(struct reader *reader, struct schedule *schedule)
{
	unsigned from = 0, to = SCHEDULE_DAY_MINUTES;
	int first = 0, last = DAYS - 1;

	if (!isdigit((unsigned char)*reader->at)) {
		if (!read_day(reader, &first))
			return false;
		last = first;
		if (take(reader, '-') && !read_day(reader, &last))
			return false;
		skip_blanks(reader);
	}
	if (isdigit((unsigned char)*reader->at)) {
		if (!read_time(reader, &from))
			return false;
		if (!take(reader, '-'))
			return wrong(reader, "hours are FROM-TO, such as 02:00-05:00");
		if (!read_time(reader, &to))
			return false;
	}
	if (from == to)
		return wrong(reader,
			     "a span from %02u:%02u to the same is none: say 00:00-24:00 "
			     "for a whole day",
			     from / 60, from % 60);
	if (to < from)
		to += SCHEDULE_DAY_MINUTES;
	for (int day = first;; day = (day + 1) % DAYS) {
		unsigned midnight = (unsigned)day * SCHEDULE_DAY_MINUTES;

		allow(schedule, midnight + from, midnight + to);
		if (day == last)
			return true;
	}
}

static bool
read_spans(struct reader *reader, struct schedule *schedule)
{
	for (;;) {
		skip_blanks(reader);
		if (!read_span(reader, schedule))
			return false;
		skip_blanks(reader);
		if (take(reader, ','))
			continue;
		if (strncasecmp(reader->at, "UTC", 3) == 0) {
			reader->at += 3;
			schedule->utc = true;
			skip_blanks(reader);
		}
		if (!*reader->at)
			return true;
		return wrong(reader, "\"%.20s\" is not understood here: spans are separated by ','",
			     reader->at);
	}
}

const struct schedule *
schedule_parse(struct arena *arena, const char *text, char error[SCHEDULE_ERROR_MAX])
{
	struct reader reader = { text, error };
	struct schedule *schedule;

	if (strlen(text) > SCHEDULE_TEXT_MAX) {
		wrong(&reader, "longer than %d bytes", SCHEDULE_TEXT_MAX);
		return NULL;
	}
	schedule = arena_alloc(arena, sizeof *schedule);
	if (!schedule) {
		wrong(&reader, "out of memory");
		return NULL;
	}
	*schedule = (struct schedule){ 0 };
	return read_spans(&reader, schedule) ? schedule : NULL;
}

/* The minute of the week that a clock on the wall shows. */
static unsigned
minute_of(const struct schedule *schedule, time_t now)
{
	struct tm tm = { 0 };

	if (schedule->utc)
		gmtime_r(&now, &tm);
	else
		localtime_r(&now, &tm);
	return (unsigned)((tm.tm_wday + DAYS - 1) % DAYS * SCHEDULE_DAY_MINUTES + tm.tm_hour * 60 +
			  tm.tm_min);
}

static bool
allows_minute(const struct schedule *schedule, unsigned minute)
{
	assert(minute < SCHEDULE_MINUTES);
	return schedule->minutes[minute / 8] >> minute % 8 & 1;
}

bool
schedule_allows(const struct schedule *schedule, time_t now)
{
	return !schedule || allows_minute(schedule, minute_of(schedule, now));
}

/* Minutes of the week from `begin` to the first that the schedule allows; -1: none. */
static int
minutes_until(const struct schedule *schedule, unsigned begin)
{
	for (unsigned i = 0; i < SCHEDULE_MINUTES; i++)
		if (allows_minute(schedule, (begin + i) % SCHEDULE_MINUTES))
			return (int)i;
	return -1;
}

const char *
schedule_next(const struct schedule *schedule, time_t now, char out[SCHEDULE_NEXT_MAX])
{
	static const char days[DAYS][4] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	unsigned begin = minute_of(schedule, now), minute;
	int until = minutes_until(schedule, begin);

	if (until < 0) {
		snprintf(out, SCHEDULE_NEXT_MAX, "never");
		return out;
	}
	minute = (begin + (unsigned)until) % SCHEDULE_MINUTES;
	snprintf(out, SCHEDULE_NEXT_MAX, "%s %02u:%02u%s", days[minute / SCHEDULE_DAY_MINUTES],
		 minute % SCHEDULE_DAY_MINUTES / 60, minute % 60, schedule->utc ? " UTC" : "");
	return out;
}

time_t
schedule_next_time(const struct schedule *schedule, time_t now)
{
	enum { SHIFT_S = 2 * 3600 }; /* more than clocks are put forward or back */
	int until = minutes_until(schedule, minute_of(schedule, now));
	time_t straight = now - now % 60 + (time_t)until * 60;

	if (until <= 0)
		return until < 0 ? -1 : now;
	/* The hour on the wall decides, and clocks may be put forward or back before it comes. */
	for (time_t at = straight - SHIFT_S; at <= straight + SHIFT_S; at += 60)
		if (at > now && schedule_allows(schedule, at))
			return at;
	return straight;
}
