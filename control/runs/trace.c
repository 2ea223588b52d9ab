#include "control/runs/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/clock.h"
#include "control/runs/trace_text.h"

enum { POLL_RECORDS = 32 };

struct trace {
	uint32_t device;
	enum trace_wish wish;
	uint64_t first_us;    /* of the first record; 0: none yet */
	bool dated;           /* its first moment was shown */
	unsigned first, used; /* a ring */
	uint64_t lost;
	struct trace *next;
	struct trace_record records[TRACE_KEPT];
};

struct traces {
	struct dataplane *dp;
	struct trace *all;
	/* Devices of which not all workers have heard what is wanted now: tried again. */
	uint32_t changed[TRACED_MAX];
	unsigned n_changed;
	void (*sink)(void *ctx, const struct trace_record *record); /* NULL: none */
	void *sink_ctx;
};

struct traces *
traces_new(struct dataplane *dp)
{
	struct traces *traces = calloc(1, sizeof *traces);

	if (traces)
		traces->dp = dp;
	return traces;
}

void
traces_set_sink(struct traces *traces, void (*sink)(void *ctx, const struct trace_record *record),
		void *ctx)
{
	traces->sink = sink;
	traces->sink_ctx = ctx;
}

static void
free_trace(struct trace *trace)
{
	explicit_bzero(trace, sizeof *trace);
	free(trace);
}

void
traces_free(struct traces *traces)
{
	if (!traces)
		return;
	while (traces->all)
		traces_stop(traces, traces->all);
	free(traces);
}

/* Of all traces of the device together. */
static enum trace_wish
wish_of(const struct traces *traces, uint32_t device)
{
	enum trace_wish wish = TRACE_WISH_NOTHING;

	for (const struct trace *trace = traces->all; trace; trace = trace->next)
		if (trace->device == device && trace->wish > wish)
			wish = trace->wish;
	return wish;
}

static void
tell_changed(struct traces *traces)
{
	for (unsigned i = 0; i < traces->n_changed;) {
		uint32_t device = traces->changed[i];

		if (dataplane_trace(traces->dp, device, wish_of(traces, device)) != -EAGAIN)
			traces->changed[i] = traces->changed[--traces->n_changed];
		else
			i++;
	}
}

static void
add_changed(struct traces *traces, uint32_t device)
{
	for (unsigned i = 0; i < traces->n_changed; i++)
		if (traces->changed[i] == device)
			return;
	if (traces->n_changed < TRACED_MAX)
		traces->changed[traces->n_changed++] = device;
}

struct trace *
traces_start(struct traces *traces, uint32_t device, enum trace_wish wish, int *error)
{
	struct trace *trace = calloc(1, sizeof *trace);
	enum trace_wish before = wish_of(traces, device);

	if (!trace) {
		*error = -ENOMEM;
		return NULL;
	}
	tell_changed(traces);
	*error = dataplane_trace(traces->dp, device, wish > before ? wish : before);
	if (*error) {
		if (*error == -EAGAIN)
			add_changed(traces, device); /* some workers may have heard of it */
		free(trace);
		return NULL;
	}
	trace->device = device;
	trace->wish = wish;
	trace->next = traces->all;
	traces->all = trace;
	return trace;
}

void
traces_stop(struct traces *traces, struct trace *trace)
{
	uint32_t device = trace->device;
	enum trace_wish before = wish_of(traces, device);
	struct trace **at = &traces->all;

	while (*at != trace)
		at = &(*at)->next;
	*at = trace->next;
	free_trace(trace);
	if (wish_of(traces, device) != before)
		add_changed(traces, device);
	tell_changed(traces);
}

/* --- records --- */

static void
keep(struct trace *trace, const struct trace_record *record)
{
	if (trace->used == TRACE_KEPT) {
		trace->lost++;
		return;
	}
	if (!trace->first_us)
		trace->first_us = record->time_us;
	trace->records[(trace->first + trace->used++) % TRACE_KEPT] = *record;
}

static void
take(struct traces *traces, const struct trace_record *record)
{
	if (record->kind == TRACE_SECRET || record->kind == TRACE_DATAGRAM_IN ||
	    record->kind == TRACE_DATAGRAM_OUT) {
		if (traces->sink)
			traces->sink(traces->sink_ctx, record);
		return;
	}
	for (struct trace *trace = traces->all; trace; trace = trace->next)
		if (trace->device == record->device)
			keep(trace, record);
}

unsigned
traces_poll(struct traces *traces)
{
	struct trace_record records[POLL_RECORDS];
	unsigned n, all = 0;

	tell_changed(traces);
	while ((n = dataplane_trace_take(traces->dp, records, POLL_RECORDS))) {
		for (unsigned i = 0; i < n; i++)
			take(traces, &records[i]);
		explicit_bzero(records, n * sizeof records[0]);
		all += n;
	}
	return all;
}

/* --- showing --- */

static uint64_t
since_first(const struct trace *trace, const struct trace_record *record)
{
	/* Workers' clocks are one, but their records come in turn. */
	return record->time_us > trace->first_us ? record->time_us - trace->first_us : 0;
}

/* Forgets the oldest record. */
static void
forget(struct trace *trace)
{
	explicit_bzero(&trace->records[trace->first], sizeof trace->records[0]);
	trace->first = (trace->first + 1) % TRACE_KEPT;
	trace->used--;
}

/* When the first record was made, by the clock on the wall: to find it in other logs. */
static void
put_date(struct trace *trace, struct text *out)
{
	uint64_t ms = clock_wall_ms(trace->first_us, dataplane_now_us());
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	trace->dated = true;
	if (gmtime_r(&seconds, &tm))
		text_printf(out, "+0.000000 s is %04d-%02d-%02dT%02d:%02d:%02d.%03uZ\n",
			    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			    tm.tm_sec, (unsigned)(ms % 1000));
}

unsigned
trace_format(struct trace *trace, trace_payload_formatter *formatter, void *ctx, struct text *out)
{
	unsigned n = trace->used;

	if (n && !trace->dated)
		put_date(trace, out);
	while (trace->used) {
		const struct trace_record *record = &trace->records[trace->first];
		uint64_t us = since_first(trace, record);

		text_printf(out, "+%llu.%06llu s  ", (unsigned long long)(us / 1000000),
			    (unsigned long long)(us % 1000000));
		trace_text_put(record, formatter, ctx, out);
		text_put(out, "\n", 1);
		forget(trace);
	}
	if (trace->lost)
		text_printf(out, "%llu messages are missing here: there were too many at once\n",
			    (unsigned long long)trace->lost);
	trace->lost = 0;
	return n;
}

uint64_t
trace_take_lost(struct trace *trace)
{
	uint64_t lost = trace->lost;

	trace->lost = 0;
	return lost;
}

json_t *
trace_json(struct trace *trace, trace_payload_formatter *formatter, void *ctx)
{
	json_t *array = json_array();

	while (trace->used) {
		const struct trace_record *record = &trace->records[trace->first];
		struct text line;

		text_init(&line);
		trace_text_put(record, formatter, ctx, &line);
		json_array_append_new(
			array,
			json_pack("{s:I, s:I, s:s}", "wall_ms",
				  (json_int_t)clock_wall_ms(record->time_us, dataplane_now_us()),
				  "t_us", (json_int_t)since_first(trace, record), "line",
				  text_str(&line)));
		text_fini(&line);
		forget(trace);
	}
	return array;
}
