#include "control/runs/newest_reports.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t
ended_ms(const struct report *report)
{
	return report->started_ms + report->took_ms;
}

/* Of those that ended in the same millisecond, by device and task: a start tells the same twice. */
static int
compare(const void *one, const void *other)
{
	const struct report *a = one, *b = other;
	uint64_t a_ms = ended_ms(a), b_ms = ended_ms(b);

	if (a_ms != b_ms)
		return a_ms < b_ms ? -1 : 1;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return a->task < b->task ? -1 : a->task > b->task;
}

/* Up from the end, while it ended before the one above it. */
static void
rise(struct report *heap, size_t at)
{
	struct report report = heap[at];

	for (; at && compare(&report, &heap[(at - 1) / 2]) < 0; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = report;
}

/* Down from the top, while one below it ended before. */
static void
sink(struct report *heap, size_t n)
{
	struct report report = heap[0];
	size_t at = 0, below;

	while ((below = 2 * at + 1) < n) {
		if (below + 1 < n && compare(&heap[below + 1], &heap[below]) < 0)
			below++;
		if (compare(&heap[below], &report) >= 0)
			break;
		heap[at] = heap[below];
		at = below;
	}
	heap[at] = report;
}

void
newest_reports_offer(struct reports *reports, const struct report *report)
{
	assert(!reports->ended);
	if (report->took_ms == REPORT_UNFINISHED)
		return;
	if (reports->ring_count < REPORTS_RING) {
		reports->ring[reports->ring_count] = *report;
		rise(reports->ring, reports->ring_count++);
	} else if (compare(report, &reports->ring[0]) > 0) {
		reports->ring[0] = *report;
		sink(reports->ring, REPORTS_RING);
	}
}

void
newest_reports_end(struct reports *reports)
{
	qsort(reports->ring, reports->ring_count, sizeof reports->ring[0], compare);
	reports->ring_next = reports->ring_count % REPORTS_RING;
	reports->ended = reports->ring_count;
}
