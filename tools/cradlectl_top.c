#include "tools/cradlectl_top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tasks/utf8.h"
#include "tools/client/ctl_client.h"

enum { LINE_MAX_BYTES = 1024, RATES_MAX = 256, ROWS_WITHOUT_TERMINAL = 24 };

static volatile sig_atomic_t ended;

/* What the appliance said at one moment. */
struct sample {
	json_t *status, *counters;
	double at_s; /* monotonic */
};

struct screen {
	bool is_terminal;
	unsigned width, rows, used;
	struct termios former; /* of standard input, where it is a terminal */
	bool restore;
};

static void
end(int number)
{
	ended = 1;
}

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- the appliance --- */

/* Subscribes; 0 or -errno. */
static int
subscribe(int socket, unsigned interval_s)
{
	char interval[16];
	const char *const argv[] = { "watch", "status,counters", "--interval", interval };
	const struct ctl_client_request request = { .argc = 4, .argv = argv, .json = true };
	size_t len;
	uint8_t *bytes;
	int error;

	snprintf(interval, sizeof interval, "%u", interval_s);
	bytes = ctl_client_encode(&request, &len);
	error = bytes ? ctl_client_send(socket, bytes, len, -1) : -ENOMEM;
	free(bytes);
	return error;
}

static void
forget(struct sample *sample)
{
	json_decref(sample->status);
	json_decref(sample->counters);
	*sample = (struct sample){ 0 };
}

/* An event of the watch; true when the sample is whole. */
static bool
take_event(struct sample *sample, json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));

	if (kind && strcmp(kind, "status") == 0) {
		json_decref(sample->status);
		sample->status = json_incref(event);
	} else if (kind && strcmp(kind, "counters") == 0 && sample->status) {
		json_decref(sample->counters);
		sample->counters = json_incref(json_object_get(event, "counters"));
		sample->at_s = now_s();
	}
	return sample->status && sample->counters;
}

/* What has come: 1, a whole sample; 0, not yet; -1, the watch is over. */
static int
take_frames(struct ctl_reader *reader, struct sample *sample)
{
	json_t *frame;
	bool whole = false, over = false;
	int got = 0;

	while (!whole && !over && (got = ctl_reader_next(reader, &frame)) == 1) {
		whole = take_event(sample, json_object_get(frame, "event"));
		over = json_object_get(frame, "exit") &&
		       !json_is_true(json_object_get(frame, "watch"));
		json_decref(frame);
	}
	return over || got < 0 ? -1 : whole;
}

/* --- the screen --- */

/* A line, cut at the terminal's edge; nothing where the screen is full. */
static void put(struct screen *screen, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
put(struct screen *screen, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	size_t len = 0;
	va_list args;

	if (screen->used >= screen->rows)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	line[utf8_cut(line, strlen(line), strlen(line))] = '\0';
	for (size_t n; line[len] && screen->width; len += n) {
		n = utf8_sequence(line + len, strlen(line + len));
		n = n ? n : 1;
		if (utf8_width(line, len + n) > screen->width)
			break;
	}
	printf("%.*s%s\n", (int)(screen->width ? len : strlen(line)), line,
	       screen->is_terminal ? "\033[K" : "");
	screen->used++;
}

static void
begin_picture(struct screen *screen)
{
	struct winsize size;

	screen->used = 0;
	screen->width = 0;
	screen->rows = ROWS_WITHOUT_TERMINAL;
	if (!screen->is_terminal)
		return;
	screen->width = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row > 1) {
		screen->width = size.ws_col;
		screen->rows = size.ws_row - 1u;
	}
	fputs("\033[H", stdout);
}

static void
end_picture(struct screen *screen)
{
	if (screen->is_terminal)
		fputs("\033[J", stdout);
	else
		putchar('\n');
	fflush(stdout);
}

static void
open_screen(struct screen *screen)
{
	struct sigaction action = { .sa_handler = end };
	struct termios raw;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	*screen = (struct screen){ .is_terminal = isatty(STDOUT_FILENO) };
	/* "q" without return. */
	if (screen->is_terminal && tcgetattr(STDIN_FILENO, &screen->former) == 0) {
		raw = screen->former;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		screen->restore = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	}
	if (screen->is_terminal)
		fputs("\033[?1049h\033[?25l", stdout);
}

static void
close_screen(struct screen *screen)
{
	if (screen->is_terminal)
		fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (screen->restore)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen->former);
}

/* --- what is shown --- */

static double
number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const char *
string(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Of all counters that begin so, a second. */
static double
rate(const struct sample *before, const struct sample *now, const char *prefix)
{
	const char *name;
	json_t *value;
	double sum = 0;

	if (!before->counters)
		return 0;
	json_object_foreach(now->counters, name,
			    value) if (strncmp(name, prefix, strlen(prefix)) == 0) sum +=
		json_number_value(value) - number(before->counters, name);
	return sum / (now->at_s - before->at_s);
}

static void
put_summary(struct screen *screen, const struct sample *before, const struct sample *now)
{
	unsigned up_s = (unsigned)number(now->status, "uptime_s");
	const json_t *store = json_object_get(now->status, "store");
	const json_t *policy = json_object_get(now->status, "policy");

	put(screen, "cradled %s, %s for %u d %02u:%02u:%02u, generation %.0f, %.0f devices",
	    string(now->status, "version"), string(now->status, "state"), up_s / 86400,
	    up_s / 3600 % 24, up_s / 60 % 60, up_s % 60, number(now->status, "generation"),
	    number(now->status, "devices"));
	put(screen, "bootstraps a second: %.1f started, %.1f finished, %.1f failed, %.1f refused",
	    rate(before, now, "bs_started"), rate(before, now, "bs_finished"),
	    rate(before, now, "bs_failed_"), rate(before, now, "bs_refused_"));
	put(screen, "frames a second: %.0f in, %.0f out; handshakes a second: %.1f",
	    rate(before, now, "rx_frames"), rate(before, now, "tx_frames"),
	    rate(before, now, "dtls_finished"));
	put(screen, "store: %s, %.0f reports waiting; policy: %s",
	    json_is_false(json_object_get(store, "healthy")) ? "in trouble" : "fine",
	    number(store, "queued"),
	    json_is_false(json_object_get(policy, "healthy")) ? "in trouble" : "fine");
}

static void
put_workers(struct screen *screen, const struct sample *now)
{
	enum { BAR = 20 };
	static const char full[] = "####################", empty[] = "....................";
	const json_t *worker;
	size_t at;

	put(screen, "%s", "");
	put(screen, "worker                            busy  running  lingering  capacity");
	json_array_foreach(json_object_get(now->status, "workers"), at, worker)
	{
		double busy = number(worker, "busy_percent");
		int marks = busy >= 100 ? BAR : busy <= 0 ? 0 : (int)(busy / 100 * BAR + 0.5);

		put(screen, "%-6.0f %.*s%.*s  %7.1f %%  %7.0f  %9.0f  %8.0f",
		    number(worker, "worker"), marks, full, BAR - marks, empty, busy,
		    number(worker, "running"), number(worker, "lingering"),
		    number(worker, "capacity"));
	}
}

struct counter_rate {
	const char *name;
	double rate, value;
};

static int
fastest_first(const void *a, const void *b)
{
	const struct counter_rate *left = a, *right = b;

	if (left->rate != right->rate)
		return left->rate < right->rate ? 1 : -1;
	return strcmp(left->name, right->name);
}

/* The counters that grow, the fastest first, as many as there is room for. */
static void
put_counters(struct screen *screen, const struct sample *before, const struct sample *now)
{
	struct counter_rate rates[RATES_MAX];
	const char *name;
	json_t *value;
	size_t n = 0;

	json_object_foreach(now->counters, name, value)
	{
		double grown = json_number_value(value) - number(before->counters, name);

		if (grown > 0 && before->counters && n < RATES_MAX)
			rates[n++] =
				(struct counter_rate){ name, grown / (now->at_s - before->at_s),
						       json_number_value(value) };
	}
	qsort(rates, n, sizeof rates[0], fastest_first);
	put(screen, "%s", "");
	put(screen, "counter                               a second         in all");
	for (size_t i = 0; i < n; i++)
		put(screen, "%-32s  %12.1f  %13.0f", rates[i].name, rates[i].rate, rates[i].value);
}

enum next { NEXT_SAMPLE, NEXT_END, NEXT_GONE };

/* Reads what the appliance says, and keys. */
static enum next
wait_for_next(const struct top_options *options, const struct screen *screen,
	      struct ctl_reader *reader, struct sample *sample)
{
	struct pollfd inputs[2] = { { .fd = options->socket, .events = POLLIN },
				    { .fd = screen->restore ? STDIN_FILENO : -1,
				      .events = POLLIN } };
	char bytes[65536], key;
	int fd, got;
	ssize_t n;

	while ((got = take_frames(reader, sample)) == 0 && !ended) {
		if (poll(inputs, 2, -1) <= 0)
			continue;
		if (inputs[1].revents &&
		    (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
			return NEXT_END;
		if (!inputs[0].revents)
			continue;
		n = ctl_receive(options->socket, bytes, sizeof bytes, &fd);
		if (fd >= 0)
			close(fd);
		if (n <= 0 || ctl_reader_feed(reader, bytes, (size_t)n))
			return ended ? NEXT_END : NEXT_GONE;
	}
	return ended ? NEXT_END : got > 0 ? NEXT_SAMPLE : NEXT_GONE;
}

static void
show_picture(struct screen *screen, const struct sample *before, const struct sample *now)
{
	begin_picture(screen);
	put_summary(screen, before, now);
	put_workers(screen, now);
	put_counters(screen, before, now);
	end_picture(screen);
}

int
top_run(const struct top_options *options)
{
	struct sample before = { 0 }, now = { 0 };
	struct ctl_reader reader;
	struct screen screen;
	unsigned shown = 0;
	enum next next = NEXT_GONE;

	if (subscribe(options->socket, options->interval_s))
		return CTL_NOT_RUNNING;
	ctl_reader_init(&reader);
	open_screen(&screen);
	do {
		forget(&before);
		before = now;
		now = (struct sample){ 0 };
		next = wait_for_next(options, &screen, &reader, &now);
		if (next == NEXT_SAMPLE)
			show_picture(&screen, &before, &now);
	} while (next == NEXT_SAMPLE && ++shown != options->pictures);
	close_screen(&screen);
	forget(&before);
	forget(&now);
	ctl_reader_fini(&reader);
	return next == NEXT_GONE ? CTL_NOT_RUNNING : CTL_DONE;
}
