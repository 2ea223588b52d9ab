#include "tools/web/exposition.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LABELS_MAX = 8, NUMBER_MAX = 32 };

/* --- which format --- */

/* Of "NAME=VALUE; ..." the value of a parameter, quotes taken off. */
static bool
parameter(const char *range, size_t len, const char *name, char out[16])
{
	size_t name_len = strlen(name);

	out[0] = '\0';
	for (const char *at = memchr(range, ';', len); at;
	     at = memchr(at, ';', len - (size_t)(at - range))) {
		const char *end = range + len;
		size_t n = 0;

		at++;
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if ((size_t)(end - at) <= name_len || strncasecmp(at, name, name_len) != 0 ||
		    at[name_len] != '=')
			continue;
		for (at += name_len + 1; at < end && *at != ';' && n < 15; at++)
			if (*at != '"' && *at != ' ' && *at != '\t')
				out[n++] = *at;
		out[n] = '\0';
		return true;
	}
	return false;
}

static bool
is_type(const char *range, size_t len, const char *type)
{
	size_t n = 0;

	while (n < len && !strchr("; \t", range[n]))
		n++;
	return n == strlen(type) && strncasecmp(range, type, n) == 0;
}

/* A media range's weight for a type in a version; -1: it does not name it. */
static double
weight(const char *range, size_t len, const char *const types[3], const char *version)
{
	char value[16];

	for (unsigned i = 0; i < 3 && types[i]; i++) {
		if (!is_type(range, len, types[i]))
			continue;
		if (parameter(range, len, "version", value) && strcmp(value, version) != 0)
			return -1;
		return parameter(range, len, "q", value) ? strtod(value, NULL) : 1;
	}
	return -1;
}

enum exposition_format
exposition_negotiate(const char *accept)
{
	static const char *const openmetrics[3] = { "application/openmetrics-text" };
	static const char *const plain[3] = { "text/plain", "text/*", "*/*" };
	double best_openmetrics = 0, best_plain = 0;

	while (accept && *(accept += strspn(accept, ", \t"))) {
		size_t len = strcspn(accept, ",");

		best_openmetrics =
			fmax(best_openmetrics, weight(accept, len, openmetrics, "1.0.0"));
		best_plain = fmax(best_plain, weight(accept, len, plain, "0.0.4"));
		accept += len;
	}
	return best_openmetrics > 0 && best_openmetrics >= best_plain ? EXPOSITION_OPENMETRICS
								      : EXPOSITION_TEXT;
}

const char *
exposition_content_type(enum exposition_format format)
{
	return format == EXPOSITION_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

/* --- the text --- */

void
exposition_begin(struct exposition *exposition, struct text *text, enum exposition_format format)
{
	*exposition = (struct exposition){ .text = text, .format = format };
}

static void
put_escaped(struct text *text, const char *value, bool quotes)
{
	for (; *value; value++) {
		if (*value == '\n')
			text_put(text, "\\n", 2);
		else if (*value == '\\' || (*value == '"' && quotes))
			text_printf(text, "\\%c", *value);
		else
			text_put(text, value, 1);
	}
}

/* What all samples of the family in the old format, and those of an info and a counter in both, are called. */
static const char *
suffix(enum metric_type type)
{
	if (type == METRIC_COUNTER)
		return "_total";
	return type == METRIC_INFO ? "_info" : "";
}

void
exposition_family(struct exposition *exposition, const struct metric_family *family)
{
	static const char *const types[] = { "counter", "gauge", "info", "histogram" };
	bool open = exposition->format == EXPOSITION_OPENMETRICS;
	const char *behind = open ? "" : suffix(family->type);
	/* The old format knows no info: it is a gauge that is always 1. */
	const char *type = !open && family->type == METRIC_INFO ? "gauge" : types[family->type];

	exposition->family = family;
	text_printf(exposition->text, "# HELP %s%s ", family->name, behind);
	put_escaped(exposition->text, family->help, open);
	text_printf(exposition->text, "\n# TYPE %s%s %s\n", family->name, behind, type);
	if (open && family->unit)
		text_printf(exposition->text, "# UNIT %s %s\n", family->name, family->unit);
}

/* The shortest text that is read as the same number. */
static const char *
number(double value, char out[NUMBER_MAX])
{
	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value > 0 ? "+Inf" : "-Inf";
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, NUMBER_MAX, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	return out;
}

static void
put_sample(struct exposition *exposition, const char *behind, const struct metric_label *labels,
	   unsigned n_labels, double value)
{
	struct text *text = exposition->text;
	char out[NUMBER_MAX];

	text_printf(text, "%s%s", exposition->family->name, behind);
	for (unsigned i = 0; i < n_labels; i++) {
		text_printf(text, "%s%s=\"", i ? "," : "{", labels[i].name);
		put_escaped(text, labels[i].value, true);
		text_put(text, "\"", 1);
	}
	text_printf(text, "%s %s\n", n_labels ? "}" : "", number(value, out));
}

void
exposition_sample(struct exposition *exposition, const struct metric_label *labels,
		  unsigned n_labels, double value)
{
	put_sample(exposition, suffix(exposition->family->type), labels, n_labels, value);
}

/* OpenMetrics wants a decimal point in "le" ("canonical numbers"), and the old format does not mind. */
static void
format_bound(double bound, char out[NUMBER_MAX + 2])
{
	char digits[NUMBER_MAX];
	const char *text = number(bound, digits);

	snprintf(out, NUMBER_MAX + 2, "%s%s", text, strpbrk(text, ".eI") ? "" : ".0");
}

void
exposition_histogram(struct exposition *exposition, const struct metric_label *labels,
		     unsigned n_labels, const struct exposition_histogram *histogram)
{
	struct metric_label with_bound[LABELS_MAX + 1];
	uint64_t below = 0;

	if (n_labels > LABELS_MAX)
		return;
	for (unsigned i = 0; i < n_labels; i++)
		with_bound[i] = labels[i];
	for (unsigned i = 0; i <= histogram->n_bounds; i++) {
		char bound[NUMBER_MAX + 2];

		format_bound(i < histogram->n_bounds ? histogram->bounds[i] : INFINITY, bound);
		with_bound[n_labels] = (struct metric_label){ "le", bound };
		below += histogram->counts[i];
		put_sample(exposition, "_bucket", with_bound, n_labels + 1, (double)below);
	}
	put_sample(exposition, "_count", labels, n_labels, (double)below);
	put_sample(exposition, "_sum", labels, n_labels, histogram->sum);
}

void
exposition_end(struct exposition *exposition)
{
	if (exposition->format == EXPOSITION_OPENMETRICS)
		text_printf(exposition->text, "# EOF\n");
}
