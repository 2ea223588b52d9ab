/*
 * exposition.h - metrics as text: OpenMetrics 1.0, and Prometheus' text format 0.0.4.
 *
 * One family at a time, its samples behind its head; both formats want them together. Names, types and labels are the
 * caller's to keep valid (OpenMetrics, "ABNF" and "Metric Types"); label values are escaped here. A
 * text that ran out of memory says so in text.failed. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "control/text.h"

enum exposition_format {
	EXPOSITION_TEXT,        /* text/plain; version=0.0.4 */
	EXPOSITION_OPENMETRICS, /* application/openmetrics-text; version=1.0.0 */
};

/* What a client wants by its Accept header (RFC 9110 12.5.1); NULL: there is none. Text where neither is acceptable. */
enum exposition_format exposition_negotiate(const char *accept);
const char *exposition_content_type(enum exposition_format format);

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_INFO, METRIC_HISTOGRAM };

struct metric_family {
	const char *name; /* without "_total" and "_info"; ends in the unit where there is one */
	enum metric_type type;
	const char *unit; /* "seconds", "bytes"; NULL: none */
	const char *help;
};

struct metric_label {
	const char *name, *value;
};

struct exposition {
	struct text *text;
	enum exposition_format format;
	const struct metric_family *family;
};

void exposition_begin(struct exposition *exposition, struct text *text,
		      enum exposition_format format);
/* Borrowed until the next one. */
void exposition_family(struct exposition *exposition, const struct metric_family *family);
/* A sample of the family: of a counter, gauge or info. */
void exposition_sample(struct exposition *exposition, const struct metric_label *labels,
		       unsigned n_labels, double value);

/* `counts` of each bucket, not summed up; the last is of what is above all bounds. */
struct exposition_histogram {
	const double *bounds;
	const uint64_t *counts; /* n_bounds + 1 */
	unsigned n_bounds;
	double sum;
};
void exposition_histogram(struct exposition *exposition, const struct metric_label *labels,
			  unsigned n_labels, const struct exposition_histogram *histogram);
/* Nothing may follow. */
void exposition_end(struct exposition *exposition);
